"""What tests of preemptible machinetypes share: spaces that are full of their machines."""

from dataclasses import replace
from typing import Any

from tests.builders import NOW, facts, kind, machine
from vcycled.model import GRACE_SECONDS, Limits, Machine, Machinetype, Plan, SpaceFacts
from vcycled.options import Amount

GRACE_AT = NOW + GRACE_SECONDS
TEN = Limits(processors=10)
ALL = Amount(percent=100.0)
ONE = Amount(count=1)
BACK = kind("back", preemptible=True)


def backfill(count: int, /, **changes: Any) -> tuple[Machine, ...]:  # noqa: ANN401 - replace() refuses wrong names
    """Return preemptible machines of one processor: b0 is the oldest."""
    return tuple(
        machine(f"b{each}", machinetype="back", **{"created_at": NOW - 5000 + each, **changes})
        for each in range(count)
    )


def waiting(name: str = "prod", *, seconds: int = 600, **changes: Any) -> Machinetype:  # noqa: ANN401 - as above
    """Return a machinetype of small machines that has waited for so long."""
    return kind(name, **{"flavor_names": ("small",), "waiting_since": NOW - seconds, **changes})


def full(*kinds: Machinetype, **changes: Any) -> SpaceFacts:  # noqa: ANN401 - as above
    """Return a space of ten processors full of preemptible machines; one may be made a cycle."""
    usual = {"machines": backfill(10), "limits": TEN, "creation_cap": ONE}
    return facts(*(kinds or (waiting(),)), BACK, **{**usual, **changes})


def told(given: Plan) -> dict[str, int | None]:
    """Return who is told to leave by when, or (None) that it may stay."""
    return {each.machine.name: each.by for each in given.tells}


def giving_way(one: Machine, *, by: int = GRACE_AT - 60) -> Machine:
    """Return `one` as it was told to make room."""
    return replace(one, leave_by=by, leave_why="preempted")


def among(machines: tuple[Machine, ...], *changed: Machine) -> tuple[Machine, ...]:
    """Return `machines` with those of the same names changed."""
    new = {each.name: each for each in changed}
    return tuple(new.get(each.name, each) for each in machines)
