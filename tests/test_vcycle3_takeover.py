"""Stop Vcycle 3, import, start: every machine runs on, and machinetypes go on as they were."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import takeover_kit
from tests.openstack_world import OpenStackWorld
from tests.takeover_kit import HOUR, NAME, NAMES, Move, take_over
from tests.vcycle3_tree import Vcycle3Tree
from tests.world import FIZZLE, SPACE
from vcycled.model import MachineState, Stage
from vcycled.vcycle3 import Became

move = takeover_kit.move

pytestmark = pytest.mark.no_cover  # hours of a whole manager: see tests/conftest.py


class TestMachinesThatRun:
    """What is there runs on."""

    def test_every_machine_runs_on_and_no_other_is_made(self, move: Move) -> None:
        """They fill the space as before, and are ours, though they bear no tags."""
        ids = {move.running(name) for name in NAMES}
        found = move.take_over()
        assert (found.counts, found.troubles) == ({Became.LISTED: 8}, ())
        outcome = move.world.cycles(30)
        assert move.world.cloud.calls["delete"] == 0
        assert move.world.cloud.calls["create"] == 0
        assert {each.cloud_id for each in move.world.machines} == ids
        assert {each.state for each in move.world.machines} == {MachineState.RUNNING}
        assert outcome.report.foreign_processors == 0

    def test_what_is_known_of_it_stays(self, move: Move) -> None:
        """Its cloud's id is its uuid, and what it was promised holds."""
        cloud_id = move.running(processors=4, hs06=44.0)
        move.take_over()
        machine = move.only()
        assert (machine.uuid, machine.cloud_id, machine.name) == (cloud_id, cloud_id, NAME)
        assert (machine.created_at, machine.started_at) == (move.born, move.born + 30)
        assert (machine.processors, machine.memory_mb, machine.zone) == (4, 8192, "nova")
        terms = machine.terms
        assert (terms.power_per_processor, terms.power_unit) == (11.0, "HEPSPEC")
        assert terms.max_wallclock_seconds == 10_000

    def test_it_goes_when_it_would_have_gone(self, move: Move) -> None:
        """At its max_wallclock_seconds since its start, not since the import."""
        move.running()
        move.take_over()
        move.world.clock.advance(move.born + 30 + 10_000 - move.now)
        move.world.cycle()
        assert move.world.cloud.calls["delete"] == 0
        move.world.clock.advance(1)
        move.world.cycle()
        assert move.world.cloud.calls["delete"] == 1
        move.world.cycles(10)
        assert [each.wall_seconds for each in move.records()] == [10_001]

    def test_its_heartbeat_is_read_where_it_was(self, move: Move) -> None:
        """One that fell silent under Vcycle 3 goes by our rules."""
        move.world.set_kind(heartbeat_file="heartbeat", heartbeat_seconds=600)
        move.world.receiver_up(since=move.born)
        for name in NAMES[:2]:
            move.running(name)
        move.old.beat(NAMES[0], at=move.now - 60)
        move.old.beat(NAMES[1], at=move.now - 700)
        move.take_over()
        move.world.cycle()
        reasons = {each.name: each.delete_reason for each in move.world.machines}
        assert reasons[NAMES[0]] == ""
        assert reasons.get(NAMES[1], "heartbeat") == "heartbeat"
        assert move.world.cloud.calls["delete"] == 1

    def test_its_features_are_put_right(self, move: Move) -> None:
        """Where the id stood stands the start, and the id where it belongs; the rest stays."""
        cloud_id = move.running()
        move.take_over()
        move.world.cycle()
        features = move.world.folder(NAME) / "jobfeatures"
        assert (features / "jobstart_secs").read_text() == str(move.born + 30)
        assert (features / "job_id").read_text() == cloud_id
        assert (features / "allocated_cpu").read_text() == "1"

    def test_observing_shows_what_would_be_done(self, move: Move) -> None:
        """Before anything is: nothing of the tree is touched."""
        for name in NAMES[:7]:
            move.running(name)
        move.take_over()
        move.world.set(mode="observe")
        before = move.old.contents()
        outcome = move.world.cycle()
        assert outcome.plan is not None
        assert (len(outcome.plan.deletes), len(outcome.plan.creates)) == (0, 1)
        assert outcome.report.foreign_processors == 0
        after = {key: each for key, each in move.old.contents().items() if "vcycle.db" not in key}
        assert after == {key: each for key, each in before.items() if "vcycle.db" not in key}

    def test_others_of_that_name_pattern_stay_foreign(self, move: Move) -> None:
        """They may be another manager's: counted, and never touched, however old."""
        move.running(NAMES[0])
        move.in_cloud(NAMES[1])
        move.take_over()
        move.world.clock.advance(20_000)
        outcome = move.world.cycles(10)
        assert outcome.report.foreign_processors == 1
        assert NAMES[1] in {each.listed.name for each in move.world.cloud.here}

    def test_a_second_machine_of_its_name_stays_foreign(self, move: Move) -> None:
        """Vcycle 3's repeated requests made such; the id tells which one is meant."""
        cloud_id = move.running()
        move.in_cloud(NAME)
        move.take_over()
        outcome = move.world.cycle()
        assert outcome.report.foreign_processors == 1
        assert cloud_id in {each.cloud_id for each in move.world.machines}

    def test_without_an_id_its_exact_name_will_do(self, move: Move) -> None:
        """The daemon died between asking the cloud and writing that down."""
        move.old.half_made(NAME, created=move.born)
        cloud_id = move.in_cloud(NAME)
        move.in_cloud(f"{NAME}x")
        found = move.take_over()
        assert found.counts == {Became.NAMED: 1}
        outcome = move.world.cycle()
        assert cloud_id in {each.cloud_id for each in move.world.machines}
        assert outcome.report.foreign_processors == 1

    def test_of_two_of_its_exact_name_one_stays_foreign(self, move: Move) -> None:
        """Nothing tells that both are of that request: it is not touched, by whatever terms."""
        move.old.half_made(NAME, created=move.born)
        first, second = move.in_cloud(NAME), move.in_cloud(NAME)
        move.take_over()
        outcome = move.world.cycles(3)
        ours = {each.cloud_id for each in move.world.machines}
        assert (first in ours, second in ours) == (True, False)
        assert outcome.report.foreign_processors == 1
        assert move.world.cloud.calls["delete"] == 0

    def test_one_that_was_never_made_is_given_up(self, move: Move) -> None:
        """And makes no record."""
        move.old.half_made(NAME, created=move.born)
        move.take_over()
        move.world.cycles(12)  # absent for ten minutes, since nobody knows its outcome
        (machine,) = move.world.store.machine(NAME)
        assert machine.stage is Stage.GONE
        assert move.records() == []

    def test_many_that_are_gone_are_suspected_first(self, move: Move) -> None:
        """A first listing that lacks most of them is not believed at once."""
        move.running(NAMES[0])
        for name in NAMES[1:]:
            move.gone(name, uuid=f"gone-{name}")
        move.take_over()
        outcome = move.world.cycle()
        assert outcome.report.creates == 0
        assert {each.stage for each in move.world.machines} == {Stage.LISTED}
        assert len(move.world.machines) == 8


class TestMachinetypes:
    """Last aborts and proofs of work."""

    def test_a_recent_abort_backs_off(self, move: Move) -> None:
        """As it did under Vcycle 3."""
        move.old.abort("prod", move.now - 100)
        move.take_over()
        assert move.world.cycle().report.creates == 0
        move.world.clock.advance(500)
        assert move.world.cycle().report.creates == 1

    def test_an_abort_never_moves_back(self, move: Move) -> None:
        """What our store knows is newer than a tree that was imported before."""
        move.old.abort("prod", move.now - 100)
        move.take_over()
        move.old.abort("prod", move.now - 5000)
        assert move.take_over().changes == ()
        (memory,) = move.world.store.records(SPACE).machinetypes
        assert memory.last_abort_at == move.now - 100

    @pytest.mark.parametrize(
        ("ran", "creates"),
        [
            pytest.param(FIZZLE - 1, 1, id="it fizzled: one probe"),
            pytest.param(FIZZLE, 8, id="it ran long enough: there is work"),
        ],
    )
    def test_a_machine_that_ended_well_proves_that_there_is_work(
        self, move: Move, ran: int, creates: int
    ) -> None:
        """If it was made after the last abort."""
        move.old.abort("prod", move.born - 1)
        move.gone(place="deleted", stopped=move.born + 30 + ran)
        move.take_over()
        assert move.world.cycle().report.creates == creates


class TestOnOpenStack:
    """Servers with the metadata that Vcycle 3 gave them, over HTTP."""

    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[OpenStackWorld]:
        """Return a space of four processors."""
        world = OpenStackWorld(tmp_path / "root", processors_limit=4)
        yield world
        world.close()

    def test_servers_are_known_by_id_or_exact_name(self, world: OpenStackWorld) -> None:
        """Whatever else is in the project is foreign, and nothing is touched."""
        old, now = Vcycle3Tree(world.root, SPACE), world.clock.now()
        ids = {
            name: world.cloud.add_foreign(name, flavor="small", metadata=self.metadata(name))
            for name in (*NAMES[:3], f"{NAMES[1]}x")
        }
        world.clock.advance(HOUR)
        old.machine(NAMES[0], uuid=ids[NAMES[0]], created=now, started=now, seen=now + 3000)
        old.half_made(NAMES[1], created=now)
        found = take_over(world)
        assert found.counts == {Became.LISTED: 1, Became.NAMED: 1}
        outcome = world.cycles(12)
        assert {each.cloud_id for each in world.machines} == {ids[NAMES[0]], ids[NAMES[1]]}
        assert {each.flavor for each in world.machines} == {"small"}
        assert outcome.report.foreign_processors == 2
        assert {each.id for each in world.cloud.here} == set(ids.values())
        world.cloud.finish(NAMES[0])
        world.cycles(3)
        (run,) = (each.interval for each in world.store.intervals())
        assert (run.uuid, run.started_at) == (ids[NAMES[0]], now)
        assert ids[NAMES[0]] not in {each.id for each in world.cloud.here}

    def metadata(self, name: str) -> dict[str, str]:
        """Return what Vcycle 3 told Nova of a machine."""
        url = f"https://vcycle.example.org/machines/{SPACE}/{name}"
        folders = ("machinefeatures", "jobfeatures", "joboutputs")
        urls = {folder: f"{url}/{folder}" for folder in folders}
        return {"cern-services": "false", "name": name, "machinetype": "prod", **urls}
