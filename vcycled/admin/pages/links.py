"""Where everything stands on the admin site. Pure."""

from __future__ import annotations

from urllib.parse import quote, urlencode


def space_path(space: str) -> str:
    """Return where the page of a space stands."""
    return f"/spaces/{quote(space, safe='')}"


def kind_path(space: str, machinetype: str) -> str:
    """Return where the page of a machinetype stands."""
    return f"{space_path(space)}/{quote(machinetype, safe='')}"


def machine_path(uuid: str) -> str:
    """Return where the story of a machine stands."""
    return f"/machines/{quote(uuid, safe='')}"


def output_path(uuid: str, name: str) -> str:
    """Return where an output of a machine can be had."""
    return f"{machine_path(uuid)}/outputs/{quote(name, safe='')}"


def machines_path(**query: str) -> str:
    """Return where the list of these machines stands."""
    return _with("/machines", query)


def events_path(**query: str) -> str:
    """Return where these events stand."""
    return _with("/events", query)


def accounting_path(*, is_sheet: bool = False, **query: str) -> str:
    """Return where the accounts of a month stand, as a page or as CSV."""
    return _with("/accounting.csv" if is_sheet else "/accounting", query)


def _with(path: str, query: dict[str, str]) -> str:
    told = {name: value for name, value in query.items() if value}
    return f"{path}?{urlencode(told)}" if told else path
