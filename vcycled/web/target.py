"""What a URL path means. Pure, and the only place that reads one.

# Note [Paths are not normalised]

A path is split at its slashes as they stand, then each part is decoded once. A part that is `.` or
`..`, is empty, or holds a slash, a NUL or anything undecodable after that names nothing; it is
never tidied up into something else. What a machine may call its outputs is narrower still.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from vcycled.machinedir.layout import JOBFEATURES, JOBOUTPUTS, MACHINEFEATURES, is_name

_PLAIN = re.compile(r"(?:[!-$&-~]|%[0-9A-Fa-f]{2})*")
"""Printable ASCII in which each % begins an escape."""


@dataclass(frozen=True, slots=True)
class Index:
    """The page that says what this is."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A key of a machine, or the list of its keys if `key` is empty."""

    space: str
    machine: str
    folder: str
    """machinefeatures or jobfeatures."""
    key: str


@dataclass(frozen=True, slots=True)
class Output:
    """A file among a machine's outputs, or the list of them if `file` is empty."""

    space: str
    machine: str
    file: str
    """As it was asked for: it may be no name that a file could have."""


@dataclass(frozen=True, slots=True)
class Contextualization:
    """The user_data that waits for a machine."""

    space: str
    machine: str


@dataclass(frozen=True, slots=True)
class HeartbeatList:
    """The list of living machines of a machinetype."""

    space: str
    machinetype: str


@dataclass(frozen=True, slots=True)
class Page:
    """A file that the site publishes; the parts of its path."""

    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder without its slash: the client is sent to the same with one."""

    name: str
    """Last part of the path, for a relative redirect."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """No such thing here."""


Target = Index | Feature | Output | Contextualization | HeartbeatList | Page | Folder | Nothing


def target_of(raw_path: str) -> Target:
    """Return what the path of a request line means; a query is ignored."""
    path, _, _ = raw_path.partition("?")
    if not path.startswith("/") or not _PLAIN.fullmatch(path):
        return Nothing()
    raw = path[1:].split("/")
    match raw:
        case [""]:
            return Index()
        case ["machines", space, machine, folder, *rest] if is_name(space) and is_name(machine):
            return _of_machine(space, machine, folder, rest)
        case ["heartbeatlists", space, machinetype] if is_name(space) and is_name(machinetype):
            return HeartbeatList(space, machinetype)
        case ["machines" | "heartbeatlists", *_]:
            return Nothing()
        case _:
            return _page(raw)


def _of_machine(space: str, machine: str, folder: str, rest: list[str]) -> Target:
    match folder, rest:
        case ("user_data", []):
            return Contextualization(space, machine)
        case (str(name), []) if name in {MACHINEFEATURES, JOBFEATURES, JOBOUTPUTS}:
            return Folder(name)
        case (str(name), [key]) if name in {MACHINEFEATURES, JOBFEATURES}:
            is_key = key == "" or is_name(key)
            return Feature(space, machine, name, key) if is_key else Nothing()
        case (str(name), [*parts]) if name == JOBOUTPUTS:
            # What cannot be decoded keeps its % and so is no name of an output.
            return Output(space, machine, "/".join(_decoded(part) or part for part in parts))
    return Nothing()


def _page(raw: list[str]) -> Target:
    parts = [_decoded(part) for part in raw]
    if all(part and _is_visible(part) for part in parts):
        return Page(tuple(part for part in parts if part))
    return Nothing()


def _is_visible(part: str) -> bool:
    return not part.startswith(".") and "/" not in part and part.isprintable()


def _decoded(part: str) -> str | None:
    try:
        return unquote_to_bytes(part).decode()
    except UnicodeDecodeError:
        return None
