"""Values that are right each by itself but not together."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from vcycled.config.admin_door import open_doors
from vcycled.config.check import Checked
from vcycled.config.grammar import FILE_PREFIX, OPTION_PREFIX
from vcycled.config.tables import MachinetypeOptions, ManagerOptions
from vcycled.errors import Problem
from vcycled.options import Judging, rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """`low` may not be more than `high`."""

    low: str
    high: str
    otherwise: str
    """What would happen."""


_FLAVOR = "no flavor can fit"
_MACHINE = "no machine can be created"
_MACHINETYPE_ORDERS = (
    Order(low="min_processors", high="max_processors", otherwise=_FLAVOR),
    Order(low="min_processors", high="processors_limit", otherwise=_MACHINE),
    Order(low="min_processors", high="max_starting_processors", otherwise=_MACHINE),
    Order(
        low="fizzle_seconds",
        high="max_wallclock_seconds",
        otherwise="every machine would be deleted before it is accounted",
    ),
    Order(low="min_wallclock_seconds", high="max_wallclock_seconds", otherwise=_MACHINE),
)
_MANAGER_ORDER = Order(
    low="call_timeout_seconds",
    high="cycle_timeout_seconds",
    otherwise="one slow call would end the cycle",
)
_NEEDS = {
    "heartbeat_seconds": "heartbeat_file",
    "abort_on_heartbeat": "heartbeat_file",
    "legacy_proxy": "user_data_proxy",
    "cernvm_signing_dn": "root_image",
}
"""Options that do nothing without another one."""

_DEFAULTS: Mapping[str, object] = {
    row.name: row.default for row in (*rows(ManagerOptions), *rows(MachinetypeOptions))
}


def in_manager(checked: Checked) -> Iterator[Problem]:
    """Find what contradicts in a [vcycle] section."""
    yield from _out_of_order(checked, checked, _MANAGER_ORDER)
    yield from open_doors(checked)


def in_section(checked: Checked, options: object) -> Iterator[Problem]:
    """Find what contradicts in a section, as the API of its space or its kind of sink sees it."""
    if isinstance(options, Judging):
        for option, message in options.problems():
            yield checked.problem(option, message)


def in_machinetype(checked: Checked, space: Checked, *, needs_image: bool) -> Iterator[Problem]:
    """Find what makes a machinetype impossible, in itself and in its space."""
    if needs_image and "root_image" not in checked.given:
        yield checked.problem("root_image", "is required: machines of this API boot an image")
    for order in _MACHINETYPE_ORDERS:
        yield from _out_of_order(checked, checked, order)
    yield from _out_of_order(checked, space, _MACHINETYPE_ORDERS[1])
    for option in checked.user_data:
        name = option.removeprefix(FILE_PREFIX)
        if option != name and OPTION_PREFIX + name in checked.user_data:
            message = f"{OPTION_PREFIX}{name} fills the same pattern; keep one of them"
            yield checked.problem(option, message)
    for prefix in (OPTION_PREFIX, FILE_PREFIX):
        option = f"{prefix}x509_proxy"
        if option in checked.user_data and checked.values.get("user_data_proxy"):
            yield checked.problem(option, "user_data_proxy fills the same pattern; keep one")


def idle_in_machinetype(
    checked: Checked, machinetypes: Collection[str], *, has_pipes: bool
) -> Iterator[Problem]:
    """Find what does nothing in a machinetype whose space has these others."""
    for option, needed in _NEEDS.items():
        if option in checked.given and needed not in checked.given:
            yield checked.problem(option, f"does nothing without {needed}", is_warning=True)
    if checked.values.get("user_data_proxy") and checked.values.get("legacy_proxy"):
        message = "OpenSSL, and all that is built on it, accepts no such proxy"
        yield checked.problem("legacy_proxy", message, is_warning=True)
    image = str(checked.values.get("root_image", ""))
    if "cernvm_signing_dn" in checked.given and image.startswith("image:"):
        message = (
            "does nothing for an image that the cloud has; only what is uploaded is looked at"
        )
        yield checked.problem("cernvm_signing_dn", message, is_warning=True)
    proxies = str(checked.values.get("cvmfs_proxy_machinetype", "")).partition(":")[0]
    if proxies and proxies not in machinetypes and not has_pipes:
        message = f"there is no machinetype {proxies} in this space, so there are no addresses"
        yield checked.problem("cvmfs_proxy_machinetype", message, is_warning=True)


def _out_of_order(checked: Checked, above: Checked, order: Order) -> Iterator[Problem]:
    """Find `low` in `checked` that is more than `high` in `above`; a limit of 0 is meant so."""
    low, high = _number(checked, order.low), _number(above, order.high)
    if low is None or high is None or low <= high or (not high and order.low == "min_processors"):
        return
    if order.low in checked.given:
        message = f"is {low} and {_stated(above, order.high, high)}; {order.otherwise}"
        yield checked.problem(order.low, message)
    else:
        message = f"is {high} and {_stated(checked, order.low, low)}; {order.otherwise}"
        yield above.problem(order.high, message)


def _number(checked: Checked, option: str) -> int | None:
    value = checked.values.get(option, _DEFAULTS[option])
    return value if isinstance(value, int) else None


def _stated(checked: Checked, option: str, value: int) -> str:
    setting = checked.given.get(option)
    return f"{option} is {value} " + (f"({setting.place})" if setting else "by default")
