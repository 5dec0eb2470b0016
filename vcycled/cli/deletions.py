"""How far the deletion of machines is, in sentences. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vcycled.cli.words import Words, several
from vcycled.model import MESSAGES, Machine, Reason, Stage

SLOW_ATTEMPTS = 3
"""A machine that is still there after so many attempts is worth a line: minutes have passed."""

_DOUBLE = "the cloud made two of one request, and this is the second"
_REASONS = {str(reason): MESSAGES.get(reason, str(reason)) for reason in Reason} | {
    str(Reason.DOUBLE): _DOUBLE
}


def deletion_text(machine: Machine, words: Words) -> str:
    """Return why a machine is deleted, how often and when that was asked for, and the answer."""
    if machine.delete_attempt_at is None:
        is_double = machine.delete_reason == Reason.DOUBLE
        return "ordered by an operator" if machine.is_delete_ordered else _DOUBLE * is_double
    why = _REASONS.get(machine.delete_reason, machine.delete_reason or "it had ended")
    return f"{why}; {attempts_text(machine, words)}"


def attempts_text(machine: Machine, words: Words) -> str:
    """Return how often and when its deletion was asked for, and the cloud's last answer."""
    asked, last_at = several(machine.delete_attempts, "time"), machine.delete_attempt_at
    last = "" if last_at is None else f", last {words.ago(last_at)}"
    return f"asked for {asked}{last}; {_answer(machine)}"


def _answer(machine: Machine) -> str:
    if machine.delete_error:
        return f"the last attempt failed: {machine.delete_error}"
    return "the cloud agreed" if machine.is_delete_acknowledged else "no answer yet"


def leaves_by(machine: Machine) -> int | None:
    """Return by when a machine must be gone that was told to leave and has not ended yet."""
    return machine.leave_by if machine.stopped_at is None else None


def slow_deletes(machines: Iterable[Machine]) -> tuple[Machine, ...]:
    """Return the machines that are still there though asked to go for long, the worst first."""
    slow = [
        machine
        for machine in machines
        if machine.delete_attempts >= SLOW_ATTEMPTS and machine.stage is not Stage.GONE
    ]
    return tuple(sorted(slow, key=lambda each: (-each.delete_attempts, each.name)))


def slow_sentence(slow: Sequence[Machine], words: Words) -> str:
    """Return how many do not go, how much they hold, and the words of the cloud on the worst."""
    worst = slow[0]
    held = several(sum(machine.processors for machine in slow), "processor")
    which = several(len(slow), "machine")
    return (
        f"{which} with {held} still there after {SLOW_ATTEMPTS} or more deletions;"
        f" {worst.name}: {attempts_text(worst, words)}"
    )
