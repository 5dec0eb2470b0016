"""What the answers to our creations teach."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from vcycled.errors import NoCapacity, QuotaExceeded, SpaceError, Unavailable, UserDataError
from vcycled.model import Changes, Machine, Records, SpaceMemory, Stage
from vcycled.remember.ledger import Ledger, without_capacity


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
    has_quota = True
    for attempt in attempts:
        if isinstance(attempt.error, QuotaExceeded) and has_quota:
            has_quota = False
            ledger.memory = _over_quota(ledger.memory, attempt.error, now=now)
        _conclude(ledger, attempt)
    if has_quota and ledger.memory.quota_failures and _any_made(ledger):
        ledger.memory = replace(
            ledger.memory, quota_failures=0, quota_failed_at=None, quota_error=""
        )
    return ledger.changes()


def _conclude(ledger: Ledger, attempt: Attempt) -> None:
    machine, error = attempt.machine, attempt.error
    gone = replace(machine, stage=Stage.GONE, gone_at=ledger.now)
    if error is None and attempt.cloud_id:
        made = replace(machine, cloud_id=attempt.cloud_id)
        ledger.put(made, "machine-created", f"{machine.flavor}, id {attempt.cloud_id}")
    elif error is None:
        ledger.put(gone, "intent-dropped", "the cloud was not asked for it")
    elif isinstance(error, Unavailable):
        ledger.fail(machine, str(error))
        ledger.put(machine, "creation-unknown", str(error))
    elif isinstance(error, NoCapacity):
        ledger.memory = without_capacity(
            ledger.memory, machine.flavor, machine.zone, now=ledger.now
        )
        ledger.put(gone, "no-capacity", str(error))
    elif isinstance(error, QuotaExceeded):
        ledger.put(gone, "quota-exceeded", str(error))
    else:
        ledger.fail(machine, str(error))
        ledger.put(gone, "creation-failed", str(error))


def _over_quota(memory: SpaceMemory, error: QuotaExceeded, *, now: int) -> SpaceMemory:
    return replace(
        memory,
        quota_failures=memory.quota_failures + 1,
        quota_failed_at=now,
        quota_error=error.detail,
    )


def _any_made(ledger: Ledger) -> bool:
    return any(machine.cloud_id for machine in ledger.changes().machines)
