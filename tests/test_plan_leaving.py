"""Machines that must leave early: told first, and gone only when what they were told is over."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NOW, PROD, drain, drains, facts, intent, kind, machine, plan, starting
from tests.plan_kit import reason, reasons
from tests.strategies import space_facts
from vcycled.model import (
    GRACE_SECONDS,
    Drain,
    Machine,
    MachineState,
    Machinetype,
    Reason,
    SpaceFacts,
    Stage,
)

GRACE_AT = NOW + GRACE_SECONDS


def told(name: str = "vcycle-prod-0", *, by: int, why: Reason = Reason.DRAINED) -> Machine:
    """Return a machine that was told to leave."""
    return machine(name, leave_by=by, leave_why=why.value)


def drained(name: str = PROD, *, by: int) -> Drain:
    """Return the drain of a machinetype."""
    return drain(machinetype=name, by=by)


def news(given: SpaceFacts) -> list[tuple[int | None, Reason | None]]:
    """Return what machines are told at NOW."""
    return [(each.by, each.why) for each in plan(given).tells]


@pytest.mark.parametrize(
    ("wanted", "by"),
    [
        pytest.param(GRACE_AT - 1, GRACE_AT, id="nearer than its grace"),
        pytest.param(GRACE_AT, GRACE_AT, id="just its grace away"),
        pytest.param(GRACE_AT + 1, GRACE_AT + 1, id="further away"),
        pytest.param(NOW - 9999, GRACE_AT, id="over for long"),
    ],
)
def test_an_end_is_told_with_no_less_than_the_grace(wanted: int, by: int) -> None:
    """Whoever wants it, and also where the manager learns of it too late."""
    for wish, why in (
        (facts(machines=(machine(),), shutdown_time=wanted), Reason.SHUTDOWN_TIME),
        (facts(machines=(machine(),), drains=drains(drain(by=wanted))), Reason.DRAINED),
        (facts(machines=(machine(),), drains=drains(drained(by=wanted))), Reason.DRAINED),
        (facts(machines=(machine(drain_by=wanted),)), Reason.DRAINED),
    ):
        assert news(wish) == [(by, why)]
        assert reason(wish) is None


def test_a_machine_whose_section_is_gone_is_told_too() -> None:
    """What concerns the space, its machinetype or itself concerns it."""
    lost = machine(machinetype="gone")
    assert news(facts(machines=(lost,), shutdown_time=NOW)) == [(GRACE_AT, Reason.SHUTDOWN_TIME)]
    for each in (drain(by=NOW), drained("gone", by=NOW)):
        given = facts(machines=(lost,), drains=drains(each))
        assert news(given) == [(GRACE_AT, Reason.DRAINED)]


def test_a_drain_concerns_its_own_machinetype_only() -> None:
    """Machines of others are told nothing, and one without an end tells nobody anything."""
    other = drains(drained("other", by=NOW))
    assert news(facts(kind(), kind("other"), machines=(machine(),), drains=other)) == []
    assert news(facts(machines=(machine(),), drains=drains(drain(by=None)))) == []


@pytest.mark.parametrize(
    ("before", "wanted", "by"),
    [
        pytest.param(NOW + 60, NOW - 10, NOW + 60, id="an end told before is not put off"),
        pytest.param(GRACE_AT + 60, NOW - 10, GRACE_AT, id="one further away comes nearer"),
        pytest.param(NOW + 60, NOW + 50, NOW + 60, id="nor does it come nearer than told"),
        pytest.param(NOW + 60, NOW + 61, NOW + 61, id="a later end holds at once"),
        pytest.param(NOW + 60, NOW + 60, NOW + 60, id="the same end is no news"),
        pytest.param(NOW - 60, NOW - 70, NOW - 60, id="one that is over stays so"),
    ],
)
def test_what_was_told_bounds_what_is_told_next(before: int, wanted: int, by: int) -> None:
    """An end comes nearer only with the grace, and moves away freely."""
    given = facts(machines=(told(by=before),), drains=drains(drain(by=wanted)))
    assert news(given) == ([] if by == before else [(by, Reason.DRAINED)])
    assert reason(given) is (Reason.DRAINED if by < NOW else None)


@pytest.mark.parametrize(("by", "is_due"), [(NOW + 1, False), (NOW, False), (NOW - 1, True)])
@pytest.mark.parametrize("why", [Reason.SHUTDOWN_TIME, Reason.DRAINED])
def test_goes_one_second_after_the_end_that_it_was_told(
    why: Reason, by: int, *, is_due: bool
) -> None:
    """Not before, though it was wanted gone for long."""
    if why is Reason.DRAINED:
        given = facts(machines=(told(by=by, why=why),), drains=drains(drain(by=NOW - 5000)))
    else:
        given = facts(machines=(told(by=by, why=why),), shutdown_time=NOW - 5000)
    made = plan(given)
    assert reasons(made) == ({"vcycle-prod-0": why} if is_due else {})
    assert made.tells == ()
    assert is_due or made.wake_at == by + 1


def test_the_nearest_of_several_ends_is_told() -> None:
    """And the first of equals gives the reason: the space's before an order's."""
    one = machine(drain_by=GRACE_AT + 30)
    mine = drained(by=GRACE_AT + 20)
    given = facts(machines=(one,), drains=drains(mine, drain(by=GRACE_AT + 40)))
    assert news(given) == [(GRACE_AT + 20, Reason.DRAINED)]
    given = replace(given, drains=drains(mine, drain(by=GRACE_AT + 10)))
    assert news(given) == [(GRACE_AT + 10, Reason.DRAINED)]
    given = replace(given, shutdown_time=GRACE_AT + 10)
    assert news(given) == [(GRACE_AT + 10, Reason.SHUTDOWN_TIME)]


@pytest.mark.parametrize("by", [NOW + 60, NOW - 60])
def test_a_machine_is_told_that_it_may_stay(by: int) -> None:
    """Once nothing wants it gone, also if its time was up just now: it is not deleted."""
    given = facts(machines=(told(by=by),))
    assert news(given) == [(None, None)]
    assert reason(given) is None


def test_another_reason_for_the_same_end_is_news() -> None:
    """The story of a machine must not name an order that was lifted."""
    given = facts(machines=(told(by=NOW + 60),), shutdown_time=NOW + 60)
    assert news(given) == [(NOW + 60, Reason.SHUTDOWN_TIME)]


@pytest.mark.parametrize(
    ("one", "is_told"),
    [
        (machine(), True),
        (machine(state=MachineState.UNKNOWN), True),
        (starting(), True),
        (intent(stage=Stage.ASKED), True),
        (intent(), False),
        (machine(state=MachineState.SHUTDOWN), False),
        (machine(state=MachineState.FAILED), False),
        (machine(state=MachineState.DELETING), False),
        (machine(state=MachineState.SHUTDOWN, delete_attempts=1, delete_attempt_at=NOW), False),
        (machine(started_at=NOW - 90_000), False),
        (machine(is_delete_ordered=True), False),
        (machine(started_at=NOW - 90_000, missing_since=NOW - 60), True),
    ],
)
def test_only_machines_that_may_read_it_are_told(one: Machine, *, is_told: bool) -> None:
    """Neither those that ended or go now, nor those that the cloud was never asked for."""
    assert bool(news(facts(machines=(one,), drains=drains(drain(by=NOW))))) is is_told


def test_machines_are_told_in_the_order_of_their_names() -> None:
    """However they are listed; those of one name in the order of their uuids."""
    three = (machine("b", uuid="0"), machine("a", uuid="2"), machine("a", uuid="1"))
    made = plan(facts(machines=three, drains=drains(drain(by=NOW))))
    assert [each.machine.uuid for each in made.tells] == ["1", "2", "0"]


@pytest.mark.parametrize(
    ("state", "expected"),
    [(MachineState.RUNNING, [(None, None)]), (MachineState.DELETING, [])],
)
def test_one_that_lives_no_more_is_not_told_that_it_may_stay(
    state: MachineState, expected: list[tuple[int | None, Reason | None]]
) -> None:
    """It reads nothing any more, though its deletion must be tried again later."""
    one = told(by=NOW + 60)
    going = replace(one, state=state, delete_attempts=1, delete_attempt_at=NOW)
    assert news(facts(machines=(going,))) == expected


# max_wallclock_seconds is a promise too


def lowered(to: int, *, told_seconds: int | None = 86_400) -> Machinetype:
    """Return a machinetype whose machines were told another max_wallclock_seconds before."""
    return kind(max_wallclock_seconds=to, told_wallclock_seconds=told_seconds)


@pytest.mark.parametrize(
    ("ran", "by"),
    [
        pytest.param(3600 - GRACE_SECONDS, None, id="it has the grace anyway"),
        pytest.param(3600 - GRACE_SECONDS + 1, GRACE_AT, id="a second less"),
        pytest.param(3600, GRACE_AT, id="at the new limit"),
        pytest.param(20_000, GRACE_AT, id="long past it"),
    ],
)
def test_a_lower_wallclock_is_told_before_it_ends_a_machine(ran: int, by: int | None) -> None:
    """Who lowers the option under running machines does not kill them unwarned."""
    given = facts(lowered(3600), machines=(machine(started_at=NOW - ran),))
    assert news(given) == ([] if by is None else [(by, Reason.TOO_OLD)])
    assert reason(given) is None


@pytest.mark.parametrize("told_seconds", [None, 3599, 3600])
def test_a_wallclock_that_was_told_needs_no_word(told_seconds: int | None) -> None:
    """Nor one that was raised, nor that of machines which were never told another."""
    given = facts(lowered(3600, told_seconds=told_seconds), machines=(machine(),))
    assert news(given) == []
    late = replace(given, machines=(machine(started_at=NOW - 3601),))
    assert reason(late) is Reason.TOO_OLD


def test_a_machine_that_has_not_started_is_not_too_old() -> None:
    """Whatever the option became."""
    assert news(facts(lowered(0), machines=(starting(),))) == []


@pytest.mark.parametrize(("by", "is_due"), [(NOW, False), (NOW - 1, True)])
def test_it_goes_when_the_grace_is_over(by: int, *, is_due: bool) -> None:
    """By then the new value is the one that was told."""
    old = told(by=by, why=Reason.TOO_OLD)
    given = facts(lowered(1000, told_seconds=1000), machines=(old,))
    assert reason(given) is (Reason.TOO_OLD if is_due else None)
    assert news(given) == []


@pytest.mark.parametrize(
    ("wallclock", "expected"), [(3660, []), (3661, [(None, None)]), (9999, [(None, None)])]
)
def test_a_wallclock_raised_again_lets_it_stay(
    wallclock: int, expected: list[tuple[int | None, Reason | None]]
) -> None:
    """If that is later than what it was told."""
    given = facts(
        lowered(wallclock, told_seconds=1000),
        machines=(told(by=NOW + 60, why=Reason.TOO_OLD),),
    )
    assert news(given) == expected


def test_an_end_that_it_was_told_is_not_overtaken_by_its_age() -> None:
    """A drained machine past a wallclock that was just lowered stays until what it was told."""
    given = facts(lowered(1000), machines=(told(by=NOW + 60),), drains=drains(drain(by=NOW + 60)))
    assert news(given) == [(NOW + 60, Reason.TOO_OLD)]
    assert reason(given) is None


@given(space_facts(), st.sampled_from((None, 0, 59, 60, 599, 600, 601, 3600)))
def test_nobody_goes_early_who_was_not_told_in_time(facts: SpaceFacts, since: int | None) -> None:
    """If all machines were told now what the plan says, none would go for it within its grace."""
    made = plan(facts)
    heard = {each.machine.uuid: each for each in made.tells}
    after = tuple(
        replace(
            each,
            leave_by=heard[each.uuid].by,
            leave_why=heard[each.uuid].why or "",
        )
        if each.uuid in heard
        else each
        for each in facts.machines
    )
    later = plan(replace(facts, machines=after), now=NOW + (since or 0))
    for delete in later.deletes:
        if delete.reason in {Reason.SHUTDOWN_TIME, Reason.DRAINED}:
            assert delete.machine.leave_by is not None
            assert delete.machine.leave_by < NOW + (since or 0)
    for tell in made.tells:
        if tell.by is not None:
            old = tell.machine.leave_by
            assert tell.by >= min(GRACE_AT, GRACE_AT if old is None else old)
