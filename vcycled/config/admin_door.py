"""Options of vcycle-admin that would leave its door open. Pure.

They are warnings of the configuration, as the manager does well without its admin site;
`vcycle-admin` itself refuses to start for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address

from vcycled.config.check import Checked
from vcycled.errors import Problem

_OPTIONS = frozenset({"admin_listen", "admin_cert", "admin_key", "admin_ca", "admin_dns"})
_MESSAGE = "; vcycle-admin does not start"
"""How each of these ends, and no other."""
_PAIRS = (
    ("admin_cert", "admin_key", "without its key it cannot be used"),
    ("admin_key", "admin_cert", "there is no certificate that it is of"),
    ("admin_ca", "admin_cert", "clients show certificates to https only"),
    ("admin_dns", "admin_ca", "nothing says whose certificates are believed"),
)
"""An option, what it needs, and why."""


def open_doors(checked: Checked) -> Iterator[Problem]:
    """Find what vcycle-admin would not start with in a [vcycle] section."""
    for option, needed, why in _PAIRS:
        if checked.values.get(option) and not checked.values.get(needed):
            yield _problem(checked, option, f"{why}: set {needed}")
    hosts = checked.values.get("admin_listen", ())
    is_covered = checked.values.get("admin_cert") or checked.values.get("admin_behind_proxy")
    if isinstance(hosts, tuple) and not is_covered and (far := beyond_loopback(hosts)):
        yield _problem(
            checked,
            "admin_listen",
            f"{' '.join(far)} can be reached from other hosts, and there is no TLS; must be "
            "addresses of this host alone (127.0.0.1, ::1, localhost), or set admin_cert and "
            "admin_key, or admin_behind_proxy = True if a web server of yours does TLS",
        )


def refusals(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """Return those of a configuration's problems that vcycle-admin does not start with."""
    return tuple(
        each
        for each in problems
        if each.option in _OPTIONS and each.is_warning and each.message.endswith(_MESSAGE)
    )


def beyond_loopback(hosts: Sequence[str]) -> tuple[str, ...]:
    """Return those of the names and addresses that are not of this host alone."""
    return tuple(each for each in hosts if not is_loopback(each))


def is_loopback(host: str) -> bool:
    """Return whether a name or address is of this host alone; names are not looked up."""
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return host.lower().rstrip(".") == "localhost"
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _problem(checked: Checked, option: str, why: str) -> Problem:
    return checked.problem(option, f"{why}{_MESSAGE}", is_warning=True)
