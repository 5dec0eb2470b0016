"""What a manager keeps, takes and gives up, as a function of what the database says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.store_kit import live_manager, presence
from vcycled.store import Lease, Manager, Roster, Wishes
from vcycled.store.claim import FileClaim, SoleLeases
from vcycled.store.sharing import Decision, decide
from vcycled.store.tenure import BEATS, SKEW_MOST_SECONDS, skew_between

ME, OTHER = "m1.example.org", "m2.example.org"
SPACE = "space.example.org"
BEAT = 10


def manager(name: str = ME, *spaces: str, **changes: object) -> Manager:
    """Return a manager that beat just now, with `changes`."""
    return live_manager(name, *(spaces or (SPACE,)), **changes)


def lease(holder: str, epoch: int = 5) -> Lease:
    """Return the lease of the space."""
    return Lease(space=SPACE, holder=holder, epoch=epoch)


def decided(
    *others: Manager,
    row: Lease | None = None,
    held: Lease | None = None,
    wishes: Wishes | None = None,
    me: Manager | None = None,
) -> Decision:
    """Return what becomes of the space, which is wished for unless stated otherwise."""
    roster = Roster(
        managers={each.presence.name: each for each in others},
        leases={} if row is None else {SPACE: row},
    )
    wanted = Wishes(spaces=frozenset({SPACE})) if wishes is None else wishes
    return decide(me or manager(), wanted, {} if held is None else {SPACE: held}, roster)


TAKEN, KEPT, LEFT, GIVEN_UP = "taken", "kept", "left", "given up"


def fate(decision: Decision) -> str:
    """Return what became of the one space."""
    if decision.taken:
        return TAKEN
    if decision.kept:
        return KEPT
    return GIVEN_UP if decision.given_up else LEFT


@pytest.mark.parametrize(
    ("silent_s", "outcome"),
    [
        pytest.param(0.0, LEFT, id="it beat just now"),
        pytest.param(BEATS * BEAT, LEFT, id="two beats ago"),
        pytest.param(BEATS * BEAT + 0.001, TAKEN, id="more than two beats ago"),
    ],
)
def test_a_lease_is_free_once_two_beats_were_missed(silent_s: float, outcome: str) -> None:
    """By the beats of its holder, whatever ours are."""
    me = manager(presence=presence(ME, beat_seconds=1))
    decision = decided(manager(OTHER, silent_s=silent_s), row=lease(OTHER), me=me)
    assert fate(decision) == outcome


@pytest.mark.parametrize(
    ("others", "row"),
    [
        pytest.param((), None, id="a new space"),
        pytest.param((), lease(""), id="given up"),
        pytest.param((), lease(OTHER), id="of a manager that was forgotten"),
        pytest.param((manager(OTHER, ended_at=9),), lease(OTHER), id="of one that ended"),
        pytest.param((manager(ME),), lease(ME), id="ours, of an earlier run"),
    ],
)
def test_what_nobody_holds_is_taken(others: tuple[Manager, ...], row: Lease | None) -> None:
    """Under an epoch that never was."""
    assert decided(*others, row=row).taken == {SPACE: 1 if row is None else 6}


def test_what_is_held_is_kept() -> None:
    """Without a new epoch, so that work goes on."""
    decision = decided(manager(ME), row=lease(ME), held=lease(ME))
    assert (fate(decision), decision.given_up) == (KEPT, set())


def test_what_was_taken_unheard_is_taken_anew() -> None:
    """The answer to the beat was lost: what was read before it may be old."""
    assert decided(manager(ME), row=lease(ME, 6), held=lease(ME, 5)).taken == {SPACE: 7}


def test_what_was_lost_is_not_taken_back_from_who_lives() -> None:
    """A manager that was cut off waits like any other."""
    assert fate(decided(manager(OTHER), row=lease(OTHER, 6), held=lease(ME, 5))) == LEFT


@pytest.mark.parametrize(
    ("skew", "outcome"),
    [
        (SKEW_MOST_SECONDS, KEPT),
        (SKEW_MOST_SECONDS + 0.1, GIVEN_UP),
        (-SKEW_MOST_SECONDS, KEPT),
        (-SKEW_MOST_SECONDS - 0.1, GIVEN_UP),
    ],
)
def test_a_clock_that_is_off_costs_all_spaces(skew: float, outcome: str) -> None:
    """Ahead or behind; a small difference does no harm."""
    row = lease(ME)
    assert fate(decided(manager(ME), row=row, held=row, me=manager(skew=skew))) == outcome


def test_a_clock_that_is_off_takes_nothing() -> None:
    """Though nobody else is there."""
    assert fate(decided(me=manager(skew=3600.0))) == LEFT


def test_a_space_that_is_not_wished_for_is_given_up() -> None:
    """It was forgotten here, having drained."""
    row = lease(ME)
    assert fate(decided(manager(ME), row=row, held=row, wishes=Wishes())) == GIVEN_UP


@pytest.mark.parametrize(
    ("other", "outcome"),
    [
        pytest.param(manager(OTHER), GIVEN_UP, id="another has it configured"),
        pytest.param(manager(OTHER, "elsewhere"), KEPT, id="another has other spaces"),
        pytest.param(manager(OTHER, silent_s=BEATS * BEAT + 1), KEPT, id="the other is dead"),
    ],
)
def test_a_removed_space_is_drained_only_if_nobody_wants_it(other: Manager, outcome: str) -> None:
    """Configurations of several hosts do not change in the same instant."""
    wishes = Wishes(removed=frozenset({SPACE}))
    row = lease(ME)
    me = manager(ME, "another")
    assert fate(decided(me, other, row=row, held=row, wishes=wishes, me=me)) == outcome


def test_a_removed_space_of_a_dead_manager_is_drained_by_who_removed_it_too() -> None:
    """Its machines are not left alone."""
    dead = manager(OTHER, "elsewhere", silent_s=60.0)
    wishes = Wishes(removed=frozenset({SPACE}))
    assert fate(decided(dead, row=lease(OTHER), wishes=wishes)) == TAKEN


# Who may write


@pytest.mark.parametrize(
    ("row", "mine", "refusal"),
    [
        pytest.param(lease(ME), lease(ME), "", id="it holds"),
        pytest.param(lease(ME, 6), lease(ME, 5), f"{ME} does not hold it any more, {ME} does",
                     id="taken anew by an earlier or later run"),
        pytest.param(lease(OTHER, 6), lease(ME), f"{ME} does not hold it any more, {OTHER} does",
                     id="another's"),
        pytest.param(lease("", 5), lease(ME), f"{ME} does not hold it any more, nobody does",
                     id="given up"),
        pytest.param(None, lease(ME), f"{ME} does not hold it any more, nobody does",
                     id="there is no such lease"),
        pytest.param(lease(OTHER), None, f"only {OTHER}, which holds it, may write of it",
                     id="a command, and a live manager holds it"),
        pytest.param(lease(ME), None, "", id="a command, and the holder is dead"),
        pytest.param(None, None, "", id="a command, and nobody ever held it"),
    ],
)  # fmt: skip
def test_only_who_holds_a_space_may_write_of_it(
    row: Lease | None, mine: Lease | None, refusal: str
) -> None:
    """The lease itself counts, with its epoch; whether its holder lives counts for commands."""
    known = {OTHER: manager(OTHER), ME: manager(ME, silent_s=60.0)}
    roster = Roster(managers=known, leases={SPACE: row} if row else {})
    assert roster.refusal(SPACE, mine) == (f"{SPACE}: {refusal}" if refusal else "")


# Who one is


@pytest.mark.parametrize(
    ("other", "is_rival"),
    [
        pytest.param(manager(OTHER), False, id="of another name"),
        pytest.param(manager(ME), False, id="ourselves"),
        pytest.param(manager(ME, presence=presence(ME, run="another")), True, id="another run"),
        pytest.param(
            manager(ME, presence=presence(ME, run="another"), silent_s=20.1), False, id="dead"
        ),
        pytest.param(
            manager(ME, presence=presence(ME, run="another"), ended_at=3), False, id="ended"
        ),
    ],
)
def test_a_rival_is_another_run_that_lives_under_our_name(
    other: Manager, *, is_rival: bool
) -> None:
    """Whatever its host and folder."""
    roster = Roster(managers={other.presence.name: other}, leases={})
    found = roster.rival(presence(ME))
    assert found == (other.presence if is_rival else None)


def test_a_manager_goes_on_from_its_first_beat_and_begins_anew_with_each_run() -> None:
    """Since when it runs is told by the database's clock."""
    spaces = frozenset({SPACE})
    known = {ME: manager(ME, started_at=100, up_s=50.0, silent_s=9.0, ended_at=140)}
    roster = Roster(managers=known, leases={})
    again = roster.introduce(presence(ME), spaces, skew=1.5, now=150.5)
    assert again == manager(ME, SPACE, started_at=100, up_s=50.0, skew=1.5, presence=presence(ME))
    mine = presence(ME, run="new")
    for known_or_not in (roster, Roster(managers={}, leases={})):
        new = known_or_not.introduce(mine, spaces, skew=0.0, now=150.5)
        assert new == manager(ME, SPACE, started_at=150, up_s=0.0, presence=mine)


@pytest.mark.parametrize(
    ("before", "after", "skew"),
    [
        pytest.param(100.0, 100.0, 0.0, id="alike"),
        pytest.param(99.0, 101.0, 0.0, id="theirs lies between: nothing is certain"),
        pytest.param(103.0, 104.0, 3.0, id="ahead by three at the least"),
        pytest.param(95.0, 98.0, -2.0, id="behind by two at the least"),
    ],
)
def test_a_clock_is_off_by_as_much_as_is_certain(before: float, after: float, skew: float) -> None:
    """A slow answer proves nothing."""
    assert skew_between(before, 100.0, after) == skew


NAMES = ("a", "b", "c")
SPACES = ("s1", "s2", "s3")
managers = st.builds(
    lambda name, silent, ended, skew, spaces: manager(
        name, *spaces, silent_s=silent, ended_at=ended, skew=skew
    ),
    st.sampled_from(NAMES),
    st.sampled_from([0.0, 20.0, 20.1, 500.0]),
    st.sampled_from([None, 1]),
    st.sampled_from([0.0, 60.0, -61.0]),
    st.sets(st.sampled_from(SPACES), min_size=1),
)
leases = st.builds(
    lambda space, holder, epoch: Lease(space=space, holder=holder, epoch=epoch),
    st.sampled_from(SPACES),
    st.sampled_from(("", *NAMES)),
    st.integers(1, 9),
)


def by_space(rows: list[Lease]) -> Mapping[str, Lease]:
    """Return them by space, the last of each."""
    return {each.space: each for each in rows}


@given(
    others=st.lists(managers), me=managers, rows=st.lists(leases), held=st.lists(leases),
    spaces=st.frozensets(st.sampled_from(SPACES)), removed=st.frozensets(st.sampled_from(SPACES)),
)  # fmt: skip
def test_nothing_is_taken_from_a_live_manager_and_every_epoch_is_new(
    others: list[Manager], me: Manager, rows: list[Lease], held: list[Lease],
    spaces: frozenset[str], removed: frozenset[str],
) -> None:  # fmt: skip
    """Whatever the database says, whatever we believe to hold."""
    table = by_space(rows)
    roster = Roster(managers={each.presence.name: each for each in others}, leases=table)
    name = me.presence.name
    decision = decide(me, Wishes(spaces=spaces, removed=removed), by_space(held), roster)
    for space, epoch in decision.taken.items():
        assert space in spaces | removed
        assert space not in table or epoch > table[space].epoch
        assert roster.is_free(space) or table[space].holder == name
    for space in decision.kept:
        assert table[space] == by_space(held)[space]
        assert table[space].holder == name
    assert not decision.kept & decision.taken.keys()
    assert not {*decision.given_up} & ({*decision.kept} | decision.taken.keys())
    assert all(table[space].holder == name for space in decision.given_up)


def test_the_only_manager_of_a_file_holds_its_spaces_while_it_beats(tmp_path: Path) -> None:
    """A cycle that asks at that instant would take itself for cut off."""
    leases, held = SoleLeases(tmp_path / "vcycle.db"), []

    class Slow(FileClaim):
        def take(self) -> None:
            held.append(SPACE in leases.held)
            super().take()

    leases._claim = Slow(tmp_path / "vcycle.db")
    for _ in range(2):
        leases.beat(Wishes(spaces=frozenset({SPACE})))
    leases.close()
    assert held == [False, True]
    assert not leases.held
