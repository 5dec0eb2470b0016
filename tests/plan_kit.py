"""What tests of plans ask of a plan."""

from __future__ import annotations

from tests.builders import plan
from vcycled.model import Cause, Plan, Reason, SpaceFacts


def reason(given: SpaceFacts) -> Reason | None:
    """Return why the only machine of these facts is deleted at NOW."""
    deletes = plan(given).deletes
    return deletes[0].reason if deletes else None


def reasons(made: Plan) -> dict[str, Reason]:
    """Return why which machine is deleted."""
    return {delete.machine.name: delete.reason for delete in made.deletes}


def whys(made: Plan) -> list[tuple[Reason, str, int | None]]:
    """Return what is deferred, why and until when."""
    return [(each.reason, each.why, each.until) for each in made.deferred]


def made(given: Plan) -> dict[str, int]:
    """Return how many machines of each machinetype are created."""
    names = [create.machinetype for create in given.creates]
    return {name: names.count(name) for name in sorted(set(names))}


def held(given: Plan) -> dict[str, Cause]:
    """Return why each machinetype, or the space under the empty name, gets no more."""
    return {hold.machinetype: hold.cause for hold in given.holds}
