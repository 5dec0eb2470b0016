"""The way back: stop the new one, start Vcycle 3 on the same tree."""

from __future__ import annotations

import shutil

import pytest

from tests import takeover_kit
from tests.takeover_kit import HOUR, NAME, Move
from tests.world import SPACE
from vcycled.vcycle3 import Became

move = takeover_kit.move

pytestmark = pytest.mark.no_cover  # hours of a whole manager: see tests/conftest.py


class TestTheWayBack:
    """Stop the new one, start Vcycle 3 on the same tree."""

    NEEDED = (
        "created",
        "started",
        "updated",
        "machinetype_name",
        "manager",
        "manager_heartbeat",
        "jobfeatures/allocated_cpu",
        "machinefeatures/shutdowntime",
    )
    """What Vcycle 3 reads of a machine that it finds listed."""

    def test_it_finds_what_it_reads(self, move: Move) -> None:
        """Of its own machines and of those that were made since."""
        move.running()
        move.take_over()
        move.world.cycles(3)
        assert len(move.world.machines) == 8
        for machine in move.world.machines:
            folder = move.world.folder(machine.name)
            told = {file: (folder / file).read_text().strip() for file in self.NEEDED}
            assert int(told["created"]) == machine.created_at
            assert int(told["started"]) == machine.started_at
            assert told["machinetype_name"] == machine.machinetype
            assert int(told["jobfeatures/allocated_cpu"]) == machine.processors
            assert machine.name.startswith("vcycle-")
            # It takes a machine from a manager that has been silent for two hours at most.
            assert int(told["manager_heartbeat"]) <= move.world.clock.now()
            assert not (folder / "stopped").exists()

    def test_it_writes_no_second_record(self, move: Move) -> None:
        """A machine that ended under us has the file that says so."""
        move.running()
        move.take_over()
        move.world.cycle()
        move.world.cloud.delete_seconds = None
        move.world.cloud.finish(NAME)
        move.world.cycles(2)
        folder = move.world.folder(NAME)
        assert int((folder / "stopped").read_text()) == move.now
        assert int((folder / "deleted").read_text()) >= move.now

    def test_what_it_accounts_then_gets_no_second_record_from_us(self, move: Move) -> None:
        """After going back and forth: of a machine of its own, and of one that we made."""
        world = move.world
        world.set(processors_limit=2)
        cloud_id = move.running()
        move.take_over()
        world.cycles(3)
        made = next(each for each in world.machines if each.cloud_id != cloud_id)
        ended = world.clock.now() + HOUR
        for name, uuid, started in (
            (NAME, cloud_id, move.born + 30),
            (made.name, made.cloud_id, made.started_at),
        ):
            assert started is not None
            move.old.record(name, uuid=uuid, started=started, ended=ended)
            world.cloud.vanish(name)
            shutil.rmtree(world.folder(name))
        world.clock.advance(2 * HOUR)
        world.restart()
        found = move.take_over()
        assert (found.counts, len(found.runs)) == ({Became.ENDED: 2}, 2)
        assert {each.stopped_at for each in world.machines} == {ended}
        world.set(processors_limit=0)
        world.cycles(70)
        assert world.machines == ()
        assert move.records() == []
        assert len(world.store.intervals()) == 2

    def test_last_aborts_are_where_it_reads_them(self, move: Move) -> None:
        """The later one of both."""
        move.old.abort("prod", move.now - 5000)
        move.running()
        move.take_over()
        move.world.cycle()
        move.world.say(NAME, "300 No work")
        move.world.cloud.finish(NAME)
        at = move.world.clock.now()
        move.world.cycle()
        assert move.world.tree.layout.last_abort(SPACE, "prod").read_text() == str(at)
