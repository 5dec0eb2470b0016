"""Which machine an order means: a name may be that of several, as when a cloud made two of one."""

from __future__ import annotations

from collections.abc import Collection

from vcycled.model import Machine

UNKNOWN = "no such machine now"
SEVERAL = "several machines have this name now; say which by its uuid"


def meant(machines: Collection[Machine], word: str) -> Machine | None:
    """Return the machine whose uuid is `word` or, if there is one only, whose name it is."""
    for machine in machines:
        if machine.uuid == word:
            return machine
    named = [machine for machine in machines if machine.name == word]
    return named[0] if len(named) == 1 else None


def why_unmeant(machines: Collection[Machine], word: str) -> str:
    """Return why `meant` gives none."""
    return SEVERAL if any(machine.name == word for machine in machines) else UNKNOWN
