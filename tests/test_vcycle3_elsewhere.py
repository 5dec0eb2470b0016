"""Import, and the section names another place than Vcycle 3's did: nothing is written off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests import takeover_kit
from tests.takeover_kit import NAMES, Move
from tests.world import SPACE, World
from vcycled.errors import Refused
from vcycled.model import Order, OrderKind, Stage
from vcycled.spaces.memory import MemoryCloud

move = takeover_kit.move

pytestmark = pytest.mark.no_cover  # hours of a whole manager: see tests/conftest.py


@contextmanager
def elsewhere(world: World) -> Iterator[MemoryCloud]:
    """Let the section name another project for a while, in which another's machine runs."""
    before, after = world.cloud, MemoryCloud(world.clock, start_seconds=30)
    for number in range(8):  # so that no id is that of another in the right project
        after.add_foreign(f"another-{number}")
        if number:
            after.vanish(f"another-{number - 1}")
    after.extras.account["project"] = "wrong"
    world.cloud = after
    world.manager = world.new_cycle()
    yield after
    world.cloud = before
    world.manager = world.new_cycle()


def forget(world: World, name: str) -> None:
    """Order that a machine is waited for no more."""
    world.store.order(
        Order(
            space=SPACE,
            kind=OrderKind.FORGET,
            at=world.clock.now(),
            who="alice",
            machine=name,
            is_forced=True,
        )
    )


def imported(move: Move, count: int) -> set[str]:
    """Import machines that run; return the cloud's ids."""
    move.world.cloud.extras.account["project"] = "right"
    ids = {move.running(name) for name in NAMES[:count]}
    move.take_over()
    return ids


class TestMany:
    """Four or more."""

    def test_they_are_waited_for_and_nothing_is_made(self, move: Move) -> None:
        """However long it is so; pointed back, all run on."""
        ids = imported(move, 4)
        with elsewhere(move.world) as wrong:
            report = move.world.cycles(10, seconds=200).report
            assert "this is project wrong, but it shows none of the machines" in report.error
            assert "that were imported (4)" in report.error
            with pytest.raises(Refused, match="point the section to where they run"):
                move.world.manager.preview(move.world.config)
            assert len(wrong.here) == 1
        assert move.world.cycles(3).report.error == ""
        assert ids <= {each.cloud_id for each in move.world.machines}
        assert move.records() == []
        assert move.world.store.memory(SPACE).account == {"project": "right"}

    def test_once_one_was_seen_the_account_tells(self, move: Move) -> None:
        """The usual guard holds from then on."""
        imported(move, 4)
        move.world.cycle()
        with elsewhere(move.world):
            report = move.world.cycles(10, seconds=600).report
            assert "but machines are waited for" in report.error

    def test_one_that_is_there_will_do(self, move: Move) -> None:
        """The others are gone, and accounted."""
        for name in NAMES[1:5]:
            move.gone(name, uuid=f"gone-{name}")
        imported(move, 1)
        assert move.world.cycles(8).report.error == ""
        assert len(move.records()) == 4

    def test_what_is_gone_for_good_is_forgotten_by_order(self, move: Move) -> None:
        """Each with its record, until it was last seen; then the space goes on."""
        for name in NAMES[:4]:
            move.gone(name, uuid=f"gone-{name}")
        move.take_over()
        assert "the listing shows none of the machines" in move.world.cycle().report.error
        for name in NAMES[:4]:
            forget(move.world, name)
        move.world.cycles(3)
        assert [each.ended_at for each in move.records()] == [move.stopped] * 4
        assert len(move.world.cloud.here) == 8


class TestFew:
    """Less than four may well have ended all."""

    def test_they_are_taken_for_gone_after_five_minutes(self, move: Move) -> None:
        """And the account is that of what is made there."""
        imported(move, 3)
        with elsewhere(move.world):
            assert move.world.cycles(10).report.error == ""
            assert len(move.records()) == 3

    def test_pointed_back_sooner_they_run_on(self, move: Move) -> None:
        """Nobody took the wrong place for theirs."""
        ids = imported(move, 3)
        move.world.set(processors_limit=3)
        with elsewhere(move.world):
            move.world.cycles(2)
        assert move.world.cycles(3).report.error == ""
        assert {each.cloud_id for each in move.world.machines} == ids


class TestASecondImport:
    """Machines that were taken for gone, though they run."""

    def test_it_brings_them_back(self, move: Move) -> None:
        """By their ids; what ran before is accounted and stays so."""
        ids = imported(move, 3)
        move.world.set(processors_limit=3)
        with elsewhere(move.world):
            move.world.cycles(8)
            made = [each.name for each in move.world.machines]
            move.world.set(processors_limit=0)
            for name in made:
                move.world.cloud.finish(name)
            move.world.cycles(3)
        assert {each.stage for each in move.world.store.machines(include_gone=True)} == {
            Stage.GONE
        }
        found = move.take_over()
        assert (found.counts, found.known) == ({"lost": 3}, len(made))
        again = move.world.clock.now()
        report = move.world.cycles(3).report
        assert {each.cloud_id for each in move.world.machines} == ids
        assert (report.error, report.foreign_processors) == ("", 0)
        assert all(move.world.folder(name).exists() for name in NAMES[:3])
        for name in NAMES[:3]:
            move.world.cloud.finish(name)
        move.world.cycles(70)
        starts = Counter(each.started_at for each in move.records())
        assert (starts[move.born + 30], starts[again]) == (3, 3)
        runs = {(each.local_job_id, each.started_at) for each in move.records()}
        assert len(runs) == len(move.records())

    def test_what_is_gone_stays_gone(self, move: Move) -> None:
        """And no record is written twice."""
        move.gone(NAMES[0])
        move.take_over()
        move.world.set(processors_limit=0)
        move.world.cycles(8)
        assert len(move.records()) == 1
        assert move.take_over().counts == {"lost": 1}
        assert move.take_over().changes == ()
        move.world.cycles(3)
        (machine,) = move.world.store.machine(NAMES[0])
        assert (machine.stage, len(move.records())) == (Stage.GONE, 1)
        assert move.take_over().counts == {"lost": 1}  # who was wrong twice may try again

    def test_one_that_was_seen_to_end_is_passed_over(self, move: Move) -> None:
        """Nothing of it can be there."""
        move.running(NAMES[0])
        move.take_over()
        move.world.set(processors_limit=0)
        move.world.cycle()
        move.world.cloud.finish(NAMES[0])
        move.world.cycles(5)
        found = move.take_over()
        assert (found.changes, found.known) == ((), 1)
