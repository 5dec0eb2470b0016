"""The files that machines left, one at a time.

What is text is shown as such, and never as anything else; the rest is for saving only.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vcycled.admin.pages.machine import found_machine
from vcycled.admin.pages.visit import NotHere, Visit
from vcycled.cli.session import Session
from vcycled.cli.story_reader import read_story
from vcycled.machinedir.layout import is_output_name
from vcycled.web.sending import OCTETS
from vcycled.web.tree import OpenFile, output_in

_LOOK_BYTES = 4096
_TEXT = "text/plain; charset=utf-8"
_CONTROLS = frozenset(range(32)) - frozenset(b"\t\n\r\f\b\x1b")


def folder_of(session: Session, visit: Visit) -> Path:
    """Return the folder of a machine.

    Raises:
        NotHere: there is none (any more).
    """
    with session.store() as store:
        machine, _ = found_machine(store, visit.names["uuid"])
        story = read_story(machine, store, session.root, session.clock)
    if not story.folder.path:
        raise NotHere(f"there is no folder of {machine.name} any more")
    return Path(story.folder.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """An output that is open, and as what it is sent."""

    file: OpenFile
    kind: str
    headers: Mapping[str, str]


def open_output(folder: Path, name: str) -> Output:
    """Return an output, open; whoever has it closes it.

    Raises:
        NotHere: there is no plain file of this name, or it cannot be read.
    """
    file = output_in(folder, name) if is_output_name(name) else None
    if file is None:
        raise NotHere(f"the machine left no file {name!r}")
    try:
        start = os.pread(file.handle, _LOOK_BYTES, 0)
    except OSError as error:
        os.close(file.handle)
        raise NotHere(f"{name!r} cannot be read: {error.strerror}") from error
    if is_text(start):
        return Output(file=file, kind=_TEXT, headers={})
    # No name of an output needs to be quoted.
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Output(file=file, kind=OCTETS, headers=headers)


def is_text(start: bytes) -> bool:
    """Return whether a file that begins so is text; its last character may be cut off."""
    if _CONTROLS.intersection(start):
        return False
    try:
        start.decode()
    except UnicodeDecodeError as error:
        return error.start > len(start) - 4 and error.reason == "unexpected end of data"
    return True
