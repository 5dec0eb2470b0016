"""The auditor of machines finds each kind of harm to the second, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.auditor import Life, leaks, overshoots, wrong_kills

LIFE = Life(
    id="id-1",
    uuid="uuid-1",
    name="vcycle-prod-1",
    machinetype="prod",
    processors=2,
    created_at=100,
    launched_at=130,
    gone_at=None,
    killed_at=None,
)
GONE = replace(LIFE, gone_at=500)
OTHER = replace(LIFE, id="id-2", uuid="uuid-2", name="vcycle-prod-2", created_at=200)


def test_a_machine_that_is_there_and_unknown_is_a_leak() -> None:
    """One that is gone or known is none."""
    assert leaks([LIFE, OTHER], [OTHER.name]) == ("vcycle-prod-1 (id-1): leaked",)
    assert leaks([GONE], []) == ()


@pytest.mark.parametrize(
    ("killed_at", "allowed_at", "is_wrong"),
    [
        (None, None, False),
        (400, 400, False),
        (401, 400, False),
        (399, 400, True),
        (400, None, True),
    ],
)
def test_a_machine_is_killed_rightly_from_the_instant_on_that_a_rule_allows(
    killed_at: int | None, allowed_at: int | None, is_wrong: bool
) -> None:
    """To the second; a machine that no rule names may never be deleted before it ends."""
    found = wrong_kills([replace(LIFE, killed_at=killed_at)], lambda _life: allowed_at)
    assert bool(found) is is_wrong


def test_only_the_second_machine_of_a_request_may_always_go() -> None:
    """The older one is the machine that was asked for."""
    first = replace(LIFE, killed_at=400)
    second = replace(LIFE, id="id-3", created_at=101, killed_at=400)
    assert wrong_kills([replace(first, killed_at=None), second], lambda _life: None) == ()
    (found,) = wrong_kills([second, first], lambda _life: None)
    assert found == "vcycle-prod-1: killed at 400, never allowed; it ran since 130"


@pytest.mark.parametrize(
    ("limit", "others", "found"),
    [(4, 0, 0), (3, 0, 1), (1, 0, 2), (5, 1, 0), (4, 1, 1)],
)
def test_each_creation_is_held_to_the_limit(limit: int, others: int, found: int) -> None:
    """Two machines of two processors at once, beside others'."""
    assert len(overshoots([LIFE, OTHER], [(0, limit)], others=others)) == found


@pytest.mark.parametrize(("gone_at", "found"), [(199, 0), (200, 0), (201, 1)])
def test_a_machine_that_is_gone_leaves_its_room(gone_at: int, found: int) -> None:
    """From the instant on at which it is gone."""
    assert len(overshoots([replace(LIFE, gone_at=gone_at), OTHER], [(0, 2)])) == found


@pytest.mark.parametrize(
    ("lowered_at", "slack_s", "found"),
    [(201, 0, 0), (200, 0, 1), (200, 1, 0), (190, 10, 1), (191, 10, 0)],
)
def test_a_limit_that_was_lowered_binds_those_that_are_asked_for_then(
    lowered_at: int, slack_s: int, found: int
) -> None:
    """What is there already is above it without harm; a request may be late."""
    limits = [(0, 4), (lowered_at, 2)]
    assert len(overshoots([LIFE, OTHER], limits, slack_s=slack_s)) == found
