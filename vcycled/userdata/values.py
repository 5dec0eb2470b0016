"""What each substitution stands for (docs/reference/user-data.md). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vcycled import __version__
from vcycled.mjf import Urls

_ALIASES: Mapping[str, str] = {
    "vmtype": "machinetype",
    "vm_hostname": "machine_hostname",
    "vmlm_version": "manager_version",
    "vmlm_hostname": "manager_hostname",
    "manager_machinefeatures_url": "machinefeatures_url",
    "manager_jobfeatures_url": "jobfeatures_url",
    "manager_joboutputs_url": "joboutputs_url",
}
"""Names that older templates use -> today's."""

DEFAULTS: tuple[str, ...] = (
    "space",
    "machinetype",
    "machine_hostname",
    "machine_token",
    "manager_version",
    "manager_hostname",
    "site",
    "uuid",
    "machinefeatures_url",
    "jobfeatures_url",
    "joboutputs_url",
    "heartbeat_machines_url",
    "root_image_url",
    "ca_certificates",
    "url",
    *_ALIASES,
)
"""Names that every template may use, without `user_data_`; an option of the name overrides it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The machine that user_data is made for."""

    name: str
    uuid: str
    site: str
    manager_host: str
    urls: Urls
    token: str
    """Its own secret, by which it proves to the web site who it is."""
    root_image: str = ""
    """As configured; given to the machine if it is a URL."""
    cvmfs_proxies: tuple[str, ...] = ()
    """URLs of the web caches of `cvmfs_proxy_machinetype` that are alive."""
    ca_certificates: str = ""
    """PEM text of whom to trust, so as to reach the URLs."""


def default_values(
    space: str, machinetype: str, subject: Subject, overrides: Mapping[str, str]
) -> dict[str, str]:
    """Return the substitutions that need no option; an old name follows its new one."""
    is_url = subject.root_image.startswith(("http://", "https://"))
    values = {
        "space": space,
        "machinetype": machinetype,
        "machine_hostname": subject.name,
        "machine_token": subject.token,
        "manager_version": f"Vcycle {__version__}",
        "manager_hostname": subject.manager_host,
        "site": subject.site,
        "uuid": subject.uuid,
        "machinefeatures_url": subject.urls.machinefeatures,
        "jobfeatures_url": subject.urls.jobfeatures,
        "joboutputs_url": subject.urls.joboutputs,
        "heartbeat_machines_url": subject.urls.heartbeat_machines,
        "root_image_url": subject.root_image if is_url else "",
        "ca_certificates": subject.ca_certificates,
    }
    values |= {name: text for name, text in overrides.items() if name not in _ALIASES}
    values |= {old: values[new] for old, new in _ALIASES.items()}
    return values | {name: text for name, text in overrides.items() if name in _ALIASES}


def with_options(
    defaults: Mapping[str, str],
    options: Mapping[str, str],
    contents: Mapping[str, bytes],
    cvmfs_proxies: tuple[str, ...],
) -> dict[str, bytes]:
    """Return all substitutions: `defaults`, `user_data_option_XXX`, `user_data_file_XXX`.

    A file also fills the option of its name. Web caches that are alive stand before the
    machinetype's own `cvmfs_proxy`, which is then the fallback.
    """
    values = {name: text.encode() for name, text in defaults.items()}
    values |= {f"option_{name}": text.encode() for name, text in options.items()}
    for name, content in contents.items():
        values[f"option_{name}"] = content
        values[f"file_{name}"] = content
    if cvmfs_proxies:
        alive = "|".join(cvmfs_proxies).encode()
        own = values.get("option_cvmfs_proxy")
        values["option_cvmfs_proxy"] = alive + b";" + own if own else alive
    return values
