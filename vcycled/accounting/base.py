"""The contract between the manager and a module that takes accounting records.

A sink is found by its entry point in the group `vcycle.accounting` and states its own options,
which stand in a section `[accounting NAME]`. It only hands records over: it never retries, sleeps,
decides or remembers what it has taken. The manager marks each run that a sink has taken, gives it
all the others again at a later time, and gives up on a call that outlives its timeout.

# Note [Exactly once]

The manager may die between what a sink did and the mark, so a sink is given runs that it has taken
already, by another process or by a thread that was given up and still works. It must see that and
count them as taken. For that each run has a name, `record_id`, which never changes.

Sinks know nothing of the manager. A module is in when its subclass of
`vcycled.testing.sinks.SinkContract` passes.
"""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from vcycled.errors import SinkError, SinkRefused, SinkUnavailable
from vcycled.model import RunInterval, Terms
from vcycled.options import matching

__all__ = [
    "ABSOLUTE",
    "APEL",
    "NoOptions",
    "RunInterval",
    "Sink",
    "SinkError",
    "SinkRefused",
    "SinkUnavailable",
    "Terms",
    "Verdict",
    "demand_final",
    "record_id",
]


APEL = "apel"
"""The sink whose marks are counted in sync records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoOptions:
    """It takes no options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one run."""

    run: RunInterval
    refusal: str = ""
    """Why this run, and not the others, is not taken; empty if it is taken."""


class Sink(ABC):
    """One place that takes records; constructed with its options, does nothing until `put`."""

    Options: ClassVar[type] = NoOptions
    """Options class (see vcycled.options) of what may stand in its section."""
    is_local: ClassVar[bool] = False
    """True if it writes to disks of this host only. Then the cycles of spaces write into it
    themselves; to others a thread of their own does, which they cannot hold up."""
    batch: ClassVar[int] = 100
    """How many runs it is given at once, at most."""

    @abstractmethod
    def __init__(self, name: str, options: object, *, root: Path) -> None:
        """Store what it works with; touch nothing yet.

        Args:
            name: of its section.
            options: an object of `Options`.
            root: the manager's folder; a sink with files of its own keeps them in
                root/accounting/NAME.
        """

    @abstractmethod
    def put(self, runs: Sequence[RunInterval]) -> Iterable[Verdict]:
        """Hand over the records of these runs and yield a verdict on each.

        A run is yielded as taken only when it is there to stay, whatever dies then; one that was
        taken before is taken. Called from several threads at once, also with the same runs.

        What was yielded before an error counts; all else is put again later. A refusal is for
        what is wrong with one record: it is put again too, after the others of its batch.

        Raises:
            SinkUnavailable: it may go better later.
            SinkRefused: a person must act; it is tried again all the same.
            ValueError: a run is not final; nothing was handed over.
        """

    def credential_ends(self) -> Mapping[str, int]:
        """Return until when what opens this sink is valid, by its name, as far as is known.

        In Unix seconds; costs no call.
        """
        return {}

    @property
    def folder(self) -> Path | None:
        """The folder of this host in which it keeps files of its own; None if it keeps none."""
        return None

    def prune(self, *, before: int) -> int:  # noqa: ARG002 - most have nothing to remove
        """Remove its own files of days that were over at `before`; return how many.

        Also while `put` is at work, in this process or another. A file that was written since
        `before` stays, however old the runs in it are: they were given anew.

        Args:
            before: Unix s.

        Raises:
            OSError: one could not be removed; what was removed until then stays removed.
        """
        return 0

    def close(self) -> None:  # noqa: B027 - most have nothing to release
        """Release what it holds; `put` may be under way still, in a thread that was given up."""


ABSOLUTE = matching(r"/.*", "an absolute path")
"""The kind of options that name a file or folder."""

_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,200}")


def record_id(run: RunInterval) -> str:
    """Return the name of a run's record: `vcycle-UUID-NUMBER`.

    Machines that were adopted are known by the id that their cloud gave them; one with unusual
    characters, or a very long one, is told by its hash.
    """
    uuid = run.uuid
    if not _PLAIN.fullmatch(uuid):
        uuid = hashlib.sha256(uuid.encode(errors="backslashreplace")).hexdigest()
    return f"vcycle-{uuid}-{run.interval}"


def demand_final(runs: Iterable[RunInterval]) -> None:
    """Refuse runs whose end may still change.

    Raises:
        ValueError: one is not final.
    """
    for run in runs:
        if not run.is_final:
            raise ValueError(f"run {run.uuid}/{run.interval} has no final end yet")
