"""What the answers to our creations teach."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from vcycled.errors import NoCapacity, QuotaExceeded, SpaceError, Unavailable, UserDataError
from vcycled.model import Changes, Machine, Records, Stage
from vcycled.remember.ledger import Ledger, is_turned_away, paused, without_capacity


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One creation that was planned, and what became of it."""

    machine: Machine
    cloud_id: str = ""
    """Given if the cloud took it."""
    error: SpaceError | UserDataError | None = None
    """Without an error or a cloud id, it was never asked for."""


def concluded(records: Records, attempts: Iterable[Attempt], *, now: int) -> Changes:
    """Return what the outcomes of creations change.

    A creation of unknown outcome stays ASKED and goes on counting; all other failures are
    certain, so their machines are GONE at once.
    """
    ledger = Ledger(records, records.memory, now)
    known = tuple(attempts)
    for attempt in known:
        _conclude(ledger, attempt)
    if any(is_turned_away(attempt.error) for attempt in known):
        errors = [attempt.error for attempt in known]
        ledger.memory = paused(ledger.memory, errors, now=now)
    elif ledger.memory.pauses and any(attempt.cloud_id for attempt in known):
        ledger.memory = replace(ledger.memory, pauses=0, paused_until=None, pause_error="")
    return ledger.changes()


def _conclude(ledger: Ledger, attempt: Attempt) -> None:
    machine, error = attempt.machine, attempt.error
    gone = replace(machine, stage=Stage.GONE, gone_at=ledger.now)
    if error is None and attempt.cloud_id:
        made = replace(machine, cloud_id=attempt.cloud_id)
        ledger.put(made, "machine-created", f"{machine.flavor}, id {attempt.cloud_id}")
    elif error is None:
        ledger.put(gone, "intent-dropped", "the cloud was not asked for it")
    elif isinstance(error, Unavailable) and error.is_undone:
        ledger.put(gone, "creation-undone", str(error))
    elif isinstance(error, Unavailable):
        ledger.fail(machine, str(error))
        ledger.put(machine, "creation-unknown", str(error))
    elif isinstance(error, NoCapacity):
        ledger.memory = without_capacity(
            ledger.memory, machine.flavor, machine.zone, now=ledger.now
        )
        ledger.put(gone, "no-capacity", str(error))
    elif isinstance(error, QuotaExceeded):
        ledger.lack_quota(error.detail)
        ledger.put(gone, "quota-exceeded", str(error))
    else:
        ledger.fail(machine, str(error))
        ledger.put(gone, "creation-failed", str(error))
