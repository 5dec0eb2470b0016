"""What the manager does not remember is not deleted on the strength of one listing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.builders import NOW, memory, plan
from tests.plan_kit import whys
from tests.test_plan_guards import DUE, due_for
from vcycled.model import Machine, Reason, SpaceFacts

WHY = "only one listing has shown it so far, and nothing else is known of it"


def due(why: Reason, known: Machine, *, listed_at: int | None = NOW) -> SpaceFacts:
    """Return facts with one machine that is due, of which so much is known as of `known`."""
    given = due_for(why, memory=memory(listed_at=listed_at))
    (machine,) = given.machines
    machine = replace(machine, seen_at=known.seen_at, token_hash=known.token_hash)
    return replace(given, machines=(machine,))


def known(seen_at: int | None, token_hash: str = "") -> Machine:
    """Return a machine that was first seen then."""
    (machine,) = due_for(Reason.TOO_OLD).machines
    return replace(machine, seen_at=seen_at, token_hash=token_hash)


@pytest.mark.parametrize("why", DUE)
@pytest.mark.parametrize(
    ("machine", "is_held"),
    [
        pytest.param(known(NOW), True, id="first seen in this listing"),
        pytest.param(known(NOW - 1), False, id="seen before"),
        pytest.param(known(NOW, "5ec4e7"), False, id="made by us"),
        pytest.param(known(None), False, id="never seen"),
    ],
)
def test_it_must_be_seen_twice(why: Reason, machine: Machine, *, is_held: bool) -> None:
    """Whatever the reason, but for an operator's order; then it goes in the next cycle."""
    made = plan(due(why, machine))
    if is_held and why is not Reason.ORDERED:
        assert (made.deletes, whys(made)) == ((), [(why, WHY, NOW + 60)])
    else:
        assert [each.reason for each in made.deletes] == [why]


def test_before_any_listing_nothing_is_new() -> None:
    """What was never seen is not what the last listing showed."""
    assert len(plan(due(Reason.TOO_OLD, known(None), listed_at=None)).deletes) == 1
