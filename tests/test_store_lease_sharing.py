"""How managers share out spaces: who takes what is free, and who hands over what to whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store_kit import live_manager
from vcycled.store import Lease, Manager, Roster, Wishes
from vcycled.store.sharing import Decision, decide, heirs
from vcycled.store.tenure import BEATS, PROMPT_BEATS, SETTLED_BEATS, SKEW_MOST_SECONDS

A, B, C = "a.example.org", "b.example.org", "c.example.org"
BEAT = 10
SETTLED_S = SETTLED_BEATS * BEAT
SPACES = ("s1", "s2", "s3", "s4")


def manager(name: str, spaces: Collection[str] = SPACES, **changes: object) -> Manager:
    """Return a manager that has run for an hour and beat just now, with `changes`."""
    return live_manager(name, *spaces, **{"up_s": 3600.0, **changes})


def roster(*managers: Manager, **holders: str) -> Roster:
    """Return these managers, and who holds which space."""
    return Roster(
        managers={each.presence.name: each for each in managers},
        leases={space: Lease(space=space, holder=who, epoch=1) for space, who in holders.items()},
    )


def decided(me: Manager, table: Roster, *, idle: Collection[str] = ()) -> Decision:
    """Return what a manager decides that knows what it holds and wishes for what it has."""
    name = me.presence.name
    held = {space: each for space, each in table.leases.items() if each.holder == name}
    return decide(me, Wishes(spaces=me.spaces, idle=frozenset(idle)), held, table)


# What is free


@pytest.mark.parametrize(
    ("holders", "taken"),
    [
        pytest.param({"s1": B, "s2": B}, {"s3", "s4"}, id="what makes it even"),
        pytest.param({"s1": B}, {"s2", "s3"}, id="in turns, the first by name first"),
        pytest.param({}, {"s1", "s3"}, id="half of all"),
        pytest.param({"s1": A}, {"s3"}, id="less for who has some"),
        pytest.param({"s1": A, "s2": A, "s3": A}, set(), id="nothing for who has enough"),
    ],
)
def test_who_holds_fewest_takes_what_is_free(holders: Mapping[str, str], taken: set[str]) -> None:
    """The others leave it alone, so that nobody needs to give it back."""
    free = set(SPACES) - holders.keys()
    for order in ((A, B), (B, A)):
        table = roster(*map(manager, order), **holders)
        assert decided(manager(A), table).taken.keys() == taken
        assert decided(manager(B), table).taken.keys() == free - taken
        assert heirs(table) == {space: A if space in taken else B for space in free}


@pytest.mark.parametrize(
    ("change", "is_waited_for"),
    [
        pytest.param({}, True, id="alive"),
        pytest.param({"silent_s": PROMPT_BEATS * BEAT}, True, id="a beat and a half ago"),
        pytest.param({"silent_s": PROMPT_BEATS * BEAT + 0.001}, False, id="longer ago"),
        pytest.param({"silent_s": BEATS * BEAT + 0.001}, False, id="dead"),
        pytest.param({"ended_at": 1}, False, id="ended"),
        pytest.param({"skew": SKEW_MOST_SECONDS}, True, id="its clock is right"),
        pytest.param({"skew": -SKEW_MOST_SECONDS - 1}, False, id="its clock is off"),
        pytest.param({"spaces": frozenset({"s2"})}, False, id="it has another configured"),
        pytest.param({"up_s": 0.0}, True, id="it has just started"),
    ],
)
def test_a_space_is_left_only_to_who_will_take_it(
    change: Mapping[str, object], *, is_waited_for: bool
) -> None:
    """Else the next one takes it, though it has more."""
    table = roster(manager(A, **change), manager(B), s2=B, s3=B, s4=B)  # type: ignore[arg-type]
    assert decided(manager(B), table).taken.keys() == (set() if is_waited_for else {"s1"})


def test_what_we_held_before_a_restart_is_ours_however_much_it_is() -> None:
    """Nobody may have it before two beats, so nothing is gained by leaving it."""
    table = roster(manager(A), manager(B), s1=A, s2=A, s3=A, s4=B)
    again = decide(manager(A), Wishes(spaces=frozenset(SPACES)), {}, table)
    assert again.taken.keys() == {"s1", "s2", "s3"}
    assert again.to_hand_over == ""


def test_a_removed_space_is_for_who_comes_first() -> None:
    """Nobody knows what the others have removed."""
    table = roster(manager(A, ["s1"]), manager(B, ["s1"]), s1=B, s2=C)
    wishes = Wishes(spaces=frozenset({"s1"}), removed=frozenset({"s2"}))
    for name in (A, B):
        assert decide(manager(name, ["s1"]), wishes, {}, table).taken["s2"] == 2


# What is handed over


@pytest.mark.parametrize(
    ("holders", "number", "handed"),
    [
        pytest.param({"s1": A, "s2": A}, 2, "s1", id="two and none"),
        pytest.param({"s1": B, "s2": A, "s3": A, "s4": A}, 4, "s2", id="three and one"),
        pytest.param({"s1": A, "s2": B, "s3": A}, 3, "", id="two and one"),
        pytest.param({"s1": A, "s2": B, "s3": A, "s4": B}, 4, "", id="two and two"),
        pytest.param({"s1": A}, 1, "", id="one and none"),
        pytest.param({"s2": A, "s3": A, "s4": A}, 4, "s2", id="one that is free counts already"),
        pytest.param({"s2": A, "s3": A}, 3, "", id="it makes two and one"),
    ],
)
def test_who_holds_two_more_hands_one_over(
    holders: Mapping[str, str], number: int, handed: str
) -> None:
    """So that shares differ by one at the most in the end."""
    both = [manager(name, SPACES[:number]) for name in (A, B)]
    assert decided(both[0], roster(*both, **holders)).to_hand_over == handed
    assert decided(both[1], roster(*both, **holders)).to_hand_over == ""


@pytest.mark.parametrize(
    ("change", "handed"),
    [
        pytest.param({}, "s1", id="it waits for it"),
        pytest.param({"up_s": SETTLED_S}, "s1", id="it has run for long enough"),
        pytest.param({"up_s": SETTLED_S - 0.001}, "", id="it has just started"),
        pytest.param({"up_s": SETTLED_S + 9, "silent_s": 9.5}, "", id="it had when it beat"),
        pytest.param({"silent_s": PROMPT_BEATS * BEAT + 0.001}, "", id="it is late"),
        pytest.param({"skew": SKEW_MOST_SECONDS + 1}, "", id="its clock is off"),
        pytest.param({"spaces": frozenset({"s3"})}, "s3", id="it has but one of them configured"),
        pytest.param({"spaces": frozenset({"other"})}, "", id="it has none of them configured"),
    ],
)
def test_a_space_is_handed_only_to_who_is_there_to_stay(
    change: Mapping[str, object], handed: str
) -> None:
    """One that fails again and again is no help, nor one that does not know the space."""
    table = roster(manager(A), manager(B, **change), s1=A, s2=A, s3=A, s4=A, other=B)  # type: ignore[arg-type]
    wide = replace(table, leases={k: v for k, v in table.leases.items() if k != "other"})
    assert decided(manager(A), wide).to_hand_over == handed


def test_a_space_changes_hands_when_nothing_is_under_way_in_it() -> None:
    """It is named first, and kept meanwhile; what nobody asked for stays though it is idle."""
    table = roster(manager(A), manager(B), s1=A, s2=A, s3=A, s4=A)
    asked = decided(manager(A), table)
    assert (asked.to_hand_over, asked.kept, asked.given_up) == ("s1", {*SPACES}, set())
    other = decided(manager(A), table, idle=["s2"])
    assert (other.to_hand_over, other.kept, other.given_up) == ("s1", {*SPACES}, set())
    idle = decided(manager(A), table, idle=["s1"])
    assert (idle.to_hand_over, idle.kept, idle.given_up) == ("", {"s2", "s3", "s4"}, {"s1"})


def test_a_space_that_need_not_go_any_more_stays() -> None:
    """The other manager died while the last cycle was under way."""
    table = roster(manager(A), manager(B, silent_s=60.0), s1=A, s2=A, s3=A, s4=A)
    idle = decided(manager(A), table, idle=["s1"])
    assert (idle.to_hand_over, idle.kept, idle.given_up) == ("", {*SPACES}, set())


# Over time


@dataclass
class Desk:
    """A manager as it knows itself."""

    name: str
    spaces: frozenset[str]
    started_at: float
    beaten_at: float = float("-inf")
    held: Mapping[str, Lease] = field(default_factory=dict)
    leaving: str = ""


class Town:
    """Managers and their leases, on a clock that a test moves second by second."""

    def __init__(self) -> None:
        self.now = 0.0
        self.desks: dict[str, Desk] = {}
        self.rows: dict[str, Lease] = {}
        self.gone: dict[str, Desk] = {}
        self.changes = 0
        """How often a space has changed hands."""

    def start(self, name: str, spaces: Collection[str] = SPACES) -> None:
        """Start a manager."""
        self.gone.pop(name, None)
        self.desks[name] = Desk(name, frozenset(spaces), self.now)
        self.beat(self.desks[name])

    def kill(self, name: str) -> None:
        """Kill one."""
        self.gone[name] = self.desks.pop(name)

    def beat(self, desk: Desk) -> None:
        """Decide for a manager and write what comes of it."""
        decision = self._decided(desk)
        new = {space: Lease(space=space, holder=desk.name, epoch=epoch)
               for space, epoch in decision.taken.items()}  # fmt: skip
        for space in decision.given_up:
            self.rows[space] = replace(self.rows[space], holder="")
        for space, lease in new.items():
            before = self.rows.get(space)
            self.changes += before is None or before.holder != desk.name
            self.rows[space] = lease
        desk.held = {space: self.rows[space] for space in (*decision.kept, *new)}
        desk.leaving, desk.beaten_at = decision.to_hand_over, self.now

    def run(self, seconds: int, *, tick: int = 1) -> None:
        """Let every manager look at each tick, and beat if that is due or worth it."""
        for _ in range(0, seconds, tick):
            self.now += tick
            for desk in self.desks.values():
                is_due = self.now - desk.beaten_at >= BEAT
                if is_due or desk.leaving or self._decided(desk).taken:
                    self.beat(desk)

    def holds(self) -> dict[str, int]:
        """Return how many spaces each manager that runs holds."""
        held = Counter(each.holder for each in self.rows.values())
        return {name: held[name] for name in sorted(self.desks)}

    def _decided(self, desk: Desk) -> Decision:
        known = (*self.desks.values(), *self.gone.values())
        table = Roster(
            managers={each.name: self._manager(each) for each in known}, leases=dict(self.rows)
        )
        wishes = Wishes(spaces=desk.spaces, idle=frozenset({desk.leaving} - {""}))
        me = replace(self._manager(desk), silent_s=0.0)
        return decide(me, wishes, desk.held, table)

    def _manager(self, desk: Desk) -> Manager:
        up_s, silent_s = self.now - desk.started_at, self.now - desk.beaten_at
        return manager(desk.name, desk.spaces, up_s=up_s, silent_s=silent_s)


def test_a_newcomer_gets_its_part_once_it_has_settled() -> None:
    """One space after the other, and then nothing moves any more."""
    town = Town()
    town.start(A)
    assert town.holds() == {A: 4}
    town.start(B)
    town.run(SETTLED_S - 1)
    assert town.holds() == {A: 4, B: 0}
    town.run(4 * BEAT)
    assert town.holds() == {A: 2, B: 2}
    town.start(C)
    town.run(SETTLED_S + 4 * BEAT)
    assert sorted(town.holds().values()) == [1, 1, 2]
    before = town.changes
    town.run(600)
    assert town.changes == before == 4 + 2 + 1


def test_what_a_dead_manager_held_is_shared_out_within_two_beats_and_a_tick() -> None:
    """To all who are left, and it goes back when the dead one has come back to stay."""
    town = Town()
    for name in (A, B, C):
        town.start(name, [f"s{number}" for number in range(9)])
    town.run(300)
    assert town.holds() == {A: 3, B: 3, C: 3}
    town.kill(C)
    town.run(BEATS * BEAT + 1)
    assert sorted(town.holds().values()) == [4, 5]
    town.start(C, [f"s{number}" for number in range(9)])
    town.run(300)
    assert town.holds() == {A: 3, B: 3, C: 3}


def test_a_manager_that_fails_again_and_again_is_given_nothing() -> None:
    """No space moves with it."""
    town = Town()
    town.start(A)
    for _ in range(20):
        town.start(B)
        town.run(SETTLED_S - 1)
        town.kill(B)
        town.run(5)
    assert (town.holds(), town.changes) == ({A: 4}, 4)


def test_who_has_few_spaces_configured_counts_for_those_only() -> None:
    """It cannot hold the others' part, so they share that among themselves."""
    town = Town()
    town.start(A)
    town.start(B)
    town.start(C, ["s4", "s5"])
    town.run(600)
    assert town.rows["s5"].holder == C
    assert (town.holds()[A], town.holds()[B]) == (2, 2)
    assert town.holds()[C] == 1


steps = st.lists(
    st.tuples(
        st.sampled_from((A, B, C)),
        st.frozensets(st.sampled_from(SPACES), min_size=1),
        st.integers(1, 120),
    ),
    max_size=8,
)


@given(steps=steps)
@settings(max_examples=40)
def test_whatever_befell_them_shares_come_to_rest_and_are_fair(
    steps: list[tuple[str, frozenset[str], int]],
) -> None:
    """Every space is held, and by nobody who holds two more than another that could have it."""
    town = Town()
    for name, spaces, seconds in steps:
        if name in town.desks:
            town.kill(name)
        else:
            town.start(name, spaces)
        town.run(seconds, tick=5)
    town.run(SETTLED_S + BEATS * BEAT + 8 * BEAT, tick=5)
    before, holds = town.changes, town.holds()
    town.run(100, tick=5)
    assert town.changes == before
    for desk in town.desks.values():
        for space in desk.spaces:
            holder = town.rows[space].holder
            assert holder in town.desks
            assert holds[holder] <= holds[desk.name] + 1
