"""Managers that share a PostgreSQL database: who holds a space, and what the others may not."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import replace

import pytest
import sqlalchemy as sa

from tests import postgres
from tests.lease_kit import BEAT, ONE, TWO, WISHES, Desk, Office, WithManagers
from tests.store_kit import SPACE, machine, run
from vcycled.clock import SystemClock
from vcycled.errors import LeaseLost, OperatorError, StoreError
from vcycled.model import Changes, Machine
from vcycled.store import APEL, Store, Wishes
from vcycled.testing.clock import FakeClock


def known(store: Store) -> tuple[Machine, ...]:
    """Return the machines of the space."""
    return store.records(SPACE).machines


def new(number: int = 1) -> Changes:
    """Return that a machine was made."""
    return Changes(space=SPACE, machines=(machine(number),))


def _late_s(began: float) -> float:
    """Return how far a clock may be behind that stood since `began`, at a whole second."""
    return 1 + SystemClock().monotonic() - began


@pytest.mark.live
class TestHolding(WithManagers):
    """One holds a space, the others wait for it."""

    def test_the_first_that_comes_holds_it(self, office: Office) -> None:
        """And goes on to hold it under the same lease."""
        one, two = office.desk(ONE), office.desk(TWO)
        assert one.beat()
        lease = one.lease
        assert not two.beat()
        assert one.beat()
        assert one.lease == lease
        roster = two.store.roster()
        assert roster.leases[SPACE] == lease
        assert roster.managers[ONE].spaces == {SPACE}
        assert roster.managers[ONE].presence.version == "4.0"

    def test_another_takes_over_from_one_that_fell_silent(self, office: Office) -> None:
        """It sees that without a beat of its own, and the epoch rises."""
        one, two = office.desk(ONE), office.desk(TWO)
        one.beat()
        two.beat()
        assert not two.leases.is_worth_a_beat(WISHES)
        one.fall_silent()
        assert two.leases.is_worth_a_beat(WISHES)
        assert two.beat()
        assert two.lease.epoch == one.lease.epoch + 1
        assert not two.leases.is_worth_a_beat(WISHES)
        assert not one.beat()

    def test_an_orderly_end_frees_it_at_once(self, office: Office) -> None:
        """And is seen as one."""
        one, two = office.desk(ONE), office.desk(TWO)
        one.beat()
        lease = one.lease
        one.leases.leave()
        assert not one.leases.may_act(lease)
        assert two.leases.is_worth_a_beat(WISHES)
        assert two.beat()
        ended = two.store.roster().managers[ONE]
        assert ended.ended_at is not None
        assert not ended.is_live

    def test_one_that_joins_is_handed_its_part(self, office: Office) -> None:
        """Named by one beat, given up by the next once it is idle, and taken at once."""
        wishes = Wishes(spaces=frozenset({"s1", "s2"}))
        one, two = office.desk(ONE), office.desk(TWO)
        one.beat(wishes)
        two.beat(wishes)
        one.beat(wishes)
        assert one.leases.to_hand_over == ""
        two.grow_old()
        assert not one.leases.is_worth_a_beat(wishes)
        one.beat(wishes)
        assert one.leases.to_hand_over == "s1"
        assert one.leases.held.keys() == {"s1", "s2"}
        idle = replace(wishes, idle=frozenset({"s1"}))
        assert one.leases.is_worth_a_beat(idle)
        one.beat(idle)
        assert one.leases.to_hand_over == ""
        assert one.leases.held.keys() == {"s2"}
        assert not one.leases.is_worth_a_beat(wishes)
        assert two.leases.is_worth_a_beat(wishes)
        two.beat(wishes)
        assert two.leases.held.keys() == {"s1"}

    def test_many_that_come_at_once_share_out_the_spaces(self, office: Office) -> None:
        """Each space has one holder, who knows it, and nobody fails."""
        wishes = Wishes(spaces=frozenset(f"s{number}" for number in range(20)))
        desks = [office.desk(f"m{number}") for number in range(6)]
        start = threading.Barrier(len(desks))

        def work(desk: Desk) -> None:
            start.wait()
            for _ in range(3):
                desk.leases.beat(wishes)

        threads = [threading.Thread(target=work, args=(desk,)) for desk in desks]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        held = [lease for desk in desks for lease in desk.leases.held.values()]
        assert sorted(lease.space for lease in held) == sorted(wishes.spaces)
        assert {lease.space: lease for lease in held} == desks[0].store.roster().leases


@pytest.mark.live
class TestFencing(WithManagers):
    """What one that was overtaken would write is refused."""

    def test_nothing_is_written_under_a_lease_that_was_lost(self, office: Office) -> None:
        """Neither machines nor a report, nor is a record taken; the new holder may."""
        one, two = office.desk(ONE), office.desk(TWO)
        one.beat()
        old = one.leased
        old.save(new(1))
        old.unexported(APEL)
        old.save(Changes(space=SPACE, intervals=(run(1),)))
        one.fall_silent()
        two.beat()
        lost = f"{SPACE}: {ONE} does not hold it any more, {TWO} does"
        for write in (
            lambda: old.save(new(2)),
            lambda: old.save_report(SPACE, "{}", 1),
            lambda: old.take(APEL, space=SPACE),
        ):
            with pytest.raises(LeaseLost, match=lost):
                write()
        assert known(two.store) == (machine(1),)
        assert two.store.reports() == {}
        two.leased.save(new(2))
        assert two.leased.take(APEL, space=SPACE) == (run(1),)

    def test_a_lease_of_before_is_not_that_of_now(self, office: Office) -> None:
        """A cycle that went on through the loss has old facts, though its manager holds it."""
        one, two = office.desk(ONE), office.desk(TWO)
        one.beat()
        old = one.leased
        one.fall_silent()
        two.beat()
        two.leases.leave()
        assert not one.leases.is_worth_a_beat(WISHES)  # it does not know yet that it lost it
        assert one.beat()
        assert not one.leases.may_act(old.lease or one.lease)
        assert one.leases.may_act(one.lease)
        with pytest.raises(LeaseLost, match=ONE):
            old.save(new())
        one.leased.save(new())

    def test_a_space_that_was_given_up_is_nobodys(self, office: Office) -> None:
        """The message says so."""
        one = office.desk(ONE)
        one.beat()
        old = one.leased
        assert not one.beat(Wishes())
        with pytest.raises(LeaseLost, match="nobody does"):
            old.save(new())

    def test_a_command_writes_only_of_what_nobody_holds(self, office: Office) -> None:
        """Orders it may always leave."""
        one, command = office.desk(ONE), office.desk(TWO).store
        command.save(new(1))
        one.beat()
        with pytest.raises(LeaseLost, match=f"only {ONE}, which holds it"):
            command.save(new(2))
        one.fall_silent()
        command.save(new(2))
        assert len(known(command)) == 2


@pytest.mark.live
class TestCertainty(WithManagers):
    """How long a manager may act on its last beat."""

    def test_it_may_act_for_two_beats(self, office: Office) -> None:
        """On its own monotonic clock, without asking the database."""
        one = office.desk(ONE)
        one.beat()
        lease = one.lease
        one.store._database.close()
        one.clock.advance(2 * BEAT - 0.001)
        assert one.leases.may_act(lease)
        one.clock.advance(0.001)
        assert not one.leases.may_act(lease)
        one.beat()
        assert one.leases.may_act(lease)

    def test_a_wall_clock_that_is_set_changes_nothing(self, office: Office) -> None:
        """Neither its right to act nor anybody's right to take over."""
        began = SystemClock().monotonic()
        one, two = office.desk(ONE), office.desk(TWO)
        one.beat()
        one.clock.jump(55)
        two.clock.jump(-55)
        assert one.leases.may_act(one.lease)
        assert not two.beat()
        assert one.beat()
        skew = two.store.roster().managers[ONE].skew
        assert 55 - _late_s(began) <= skew <= 55

    def test_one_that_closed_holds_nothing(self, office: Office) -> None:
        """As one that was killed; others wait for two beats."""
        one, two = office.desk(ONE), office.desk(TWO)
        one.beat()
        lease = one.lease
        one.store.close()
        assert not one.leases.may_act(lease)
        assert not two.beat()

    @pytest.mark.parametrize("shift", [200, -200])
    def test_a_clock_that_is_off_gives_up_its_spaces(self, office: Office, shift: int) -> None:
        """Another takes them at once; it may hold some again when it is right."""
        began = SystemClock().monotonic()
        one, two = office.desk(ONE), office.desk(TWO)
        one.beat()
        two.beat()
        one.clock.jump(shift)
        assert not one.beat()
        assert one.store.roster().managers[ONE].is_clock_off
        assert not one.leases.is_worth_a_beat(WISHES)
        assert two.beat()
        one.clock.jump(-shift)
        one.beat()
        assert -_late_s(began) <= one.leases.skew <= 0
        two.leases.leave()
        assert one.beat()

    def test_a_beat_that_fails_leaves_what_was_certain(self, office: Office) -> None:
        """The server restarts in between: the lease is the same."""
        one = office.desk(ONE)
        one.beat()
        lease = one.lease
        real, one.store._database.write = one.store._database.write, gone  # type: ignore[assignment,method-assign]
        with pytest.raises(StoreError):
            one.beat()
        assert one.leases.may_act(lease)
        one.store._database.write = real  # type: ignore[method-assign]
        postgres.running().break_connections()
        assert one.beat()
        assert one.lease == lease

    def test_who_did_not_enrol_is_no_manager(self, url: str) -> None:
        """A command cannot hold anything by accident."""
        with Store.open(url, clock=FakeClock()) as store:
            for act in (
                lambda: store.leases.beat(WISHES),
                lambda: store.leases.is_worth_a_beat(WISHES),
                store.leases.leave,
            ):
                with pytest.raises(StoreError, match="has not enrolled"):
                    act()


def gone() -> None:
    """Fail as a server that is away."""
    raise StoreError("no answer")


@pytest.mark.live
class TestNames(WithManagers):
    """A name is that of one manager."""

    def test_a_restart_goes_on_at_once(self, office: Office) -> None:
        """It need not wait for its own beats to be missed; what the dead one began is fenced."""
        before = office.desk(ONE, run="before")
        before.beat()
        old = before.leased
        after = office.desk(ONE, run="after")
        assert after.beat()
        assert after.lease.epoch == old.lease.epoch + 1  # type: ignore[union-attr]
        with pytest.raises(LeaseLost):
            old.save(new())

    def test_a_copy_of_a_manager_does_not_fight_with_it(self, office: Office) -> None:
        """As containers with one name and folder: the elder holds nothing from then on."""
        elder = office.desk(ONE, run="elder")
        elder.beat()
        younger = office.desk(ONE, run="younger")
        younger.beat()
        for _ in range(2):
            with pytest.raises(StoreError, match="give each its own manager_hostname"):
                elder.beat()
            assert elder.leases.held == {}
            assert younger.beat()
        elder.leases.leave()
        assert younger.store.roster().managers[ONE].is_live
        younger.fall_silent()
        assert elder.beat()

    @pytest.mark.parametrize("change", [{"host": "other"}, {"root": "/other"}])
    def test_another_host_of_the_same_name_is_refused(
        self, office: Office, change: dict[str, object]
    ) -> None:
        """It may come in place of one that is dead."""
        one = office.desk(ONE)
        one.beat()
        said = f"a manager of the name {ONE} runs on {ONE} in /var/lib/vcycle \\(process 1234\\)"
        with pytest.raises(StoreError, match=said):
            office.desk(ONE, run="another", **change)
        one.fall_silent()
        assert office.desk(ONE, run="another", **change).beat()


@pytest.mark.live
class TestRecords(WithManagers):
    """Each record is written by one manager."""

    def test_what_one_took_no_other_writes(self, office: Office) -> None:
        """Though it died; what comes later is the new holder's."""
        one, two = office.desk(ONE), office.desk(TWO)
        one.beat()
        one.store.unexported(APEL)
        one.leased.save(Changes(space=SPACE, intervals=(run(1), run(2))))
        assert one.leased.take(APEL, space=SPACE, limit=1) == (run(1),)
        one.fall_silent()
        two.beat()
        assert two.leased.take(APEL, space=SPACE) == (run(2),)
        assert two.leased.take(APEL, space=SPACE) == (run(2),)
        assert one.store.taken(APEL, ONE) == (run(1),)
        one.store.mark_exported(APEL, [(run(1).uuid, 0)], at=1)
        assert one.store.taken(APEL, ONE) == ()
        assert two.store.unexported(APEL) == (run(2),)

    def test_what_a_lost_manager_took_is_freed_by_order(self, office: Office) -> None:
        """It is forgotten with its leases."""
        one, two = office.desk(ONE), office.desk(TWO)
        one.beat()
        one.store.unexported(APEL)
        one.leased.save(Changes(space=SPACE, intervals=(run(1),)))
        one.leased.take(APEL, space=SPACE)
        with pytest.raises(OperatorError, match=f"{ONE} lives: .* \\d s ago"):
            two.store.forget_manager(ONE)
        one.fall_silent()
        assert two.store.forget_manager(ONE) == 1
        assert two.store.roster().managers == {}
        assert two.store.roster().leases[SPACE].holder == ""
        two.beat()
        assert two.leased.take(APEL, space=SPACE) == (run(1),)
        with pytest.raises(OperatorError, match="no manager"):
            two.store.forget_manager(ONE)

    def test_who_is_forgotten_and_comes_back_is_a_new_one(self, office: Office) -> None:
        """Only cut off for long: it enters itself again."""
        one, two = office.desk(ONE), office.desk(TWO)
        one.beat()
        old = one.lease
        one.fall_silent()
        two.store.forget_manager(ONE)
        assert one.beat()
        assert one.lease.epoch == old.epoch + 1


@pytest.mark.live
class TestStuck(WithManagers):
    """A manager that stops in the midst of a write."""

    def test_it_holds_up_the_others_for_a_moment_only(self, url: str) -> None:
        """The server ends its session; ten seconds unless the URL says otherwise."""
        patience = f"{url}&options=-c%20idle_in_transaction_session_timeout%3D1s"
        with ExitStack() as stack:
            stuck = Office(patience, stack).desk(ONE)
            two = Office(url, stack).desk(TWO)
            with pytest.raises(StoreError, match="idle-in-transaction"):
                write_slowly(stuck, two)
            assert two.lease.epoch == 1


def write_slowly(stuck: Desk, other: Desk) -> None:
    """Let another manager beat in the midst of a write."""
    with stuck.store._database.write() as connection:
        assert other.beat()
        connection.execute(sa.text("SELECT 1"))
