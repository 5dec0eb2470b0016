"""Stop Vcycle 3, import, start: every machine runs on, and each is accounted once.

The cloud is in memory, the tree is one as Vcycle 3 leaves it, and all else is real.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.openstack_world import OpenStackWorld
from tests.vcycle3_tree import HOST, UUID, Vcycle3Tree
from tests.world import FIZZLE, SPACE, AnyWorld, World, kind
from vcycled.apel.commands import listing
from vcycled.apel.record import JobRecord
from vcycled.apel.sync import counts_of, read_month
from vcycled.cycle.facts import terms_of_lost
from vcycled.model import EndSource, Machine, MachineState, Stage
from vcycled.store import APEL
from vcycled.testing.clock import START
from vcycled.vcycle3 import Became, Takeover, read_tree, survey

pytestmark = pytest.mark.no_cover  # hours of a whole manager: see tests/conftest.py

NAMES = [f"vcycle-prod-{number:010}" for number in range(8)]
NAME = NAMES[0]
HOUR = 3600


def take_over(world: AnyWorld) -> Takeover:
    """Import the tree in the folder of a world, as the command does."""
    found = survey(
        world.root,
        read_tree(world.root, clock=world.clock),
        world.store,
        sites={SPACE: "SITE"},
        terms=lambda _, name: terms_of_lost(world.config, name, host="manager.example.org"),
        now=world.clock.now(),
    )
    world.store.take_over(found.changes, sink=APEL)
    return found


class Move:
    """A world whose space Vcycle 3 looked after; it was stopped ten minutes ago, at `stopped`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.old = Vcycle3Tree(world.root, SPACE)
        self.born = START
        world.clock.advance(2 * HOUR)
        self.now = world.clock.now()
        self.stopped = self.now - 600

    def running(self, name: str = NAME, **facts: Any) -> str:  # noqa: ANN401 - of Vcycle3Tree.machine
        """Let a machine run that Vcycle 3 made when the world began; return the cloud's id."""
        cloud_id = self.in_cloud(name)
        times = {"created": self.born, "started": self.born + 30, "seen": self.stopped}
        self.old.machine(name, uuid=cloud_id, **{**times, **facts})
        return cloud_id

    def in_cloud(self, name: str) -> str:
        """Let the cloud have a machine that runs since the world began."""
        cloud_id = self.world.cloud.add_foreign(name)
        at = self.born
        self.world.cloud.change(name, lambda was: replace(was, created_at=at, started_at=at + 30))
        return cloud_id

    def gone(self, name: str = NAME, **facts: Any) -> None:  # noqa: ANN401 - as above
        """Write what is left of a machine that the cloud does not have any more."""
        times = {"created": self.born, "started": self.born + 30, "seen": self.stopped}
        self.old.machine(name, **{**times, **facts})

    def take_over(self) -> Takeover:
        """Import the tree as the command does."""
        return take_over(self.world)

    def only(self) -> Machine:
        """Return the one machine that the store holds, gone or not."""
        (machine,) = self.world.store.machines(include_gone=True)
        return machine

    def records(self) -> list[JobRecord]:
        """Return what we wrote for APEL: Vcycle 3's have names of digits only."""
        entries = listing(self.world.queue, now=self.world.clock.now())
        ours = (each for each in entries if not each.element.replace("/", "").isdigit())
        return [record for entry in ours for record in entry.records]


@pytest.fixture
def move(tmp_path: Path) -> Iterator[Move]:
    """Return a space of eight processors that Vcycle 3 looked after."""
    world = World(tmp_path / "root", processors_limit=8)
    yield Move(world)
    world.close()


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


class TestRecords:
    """Each run is accounted once, by Vcycle 3 or by us."""

    def test_a_machine_that_ends_later_gets_its_one_record(self, move: Move) -> None:
        """From its true start, under the id by which its history is known."""
        cloud_id = move.running()
        move.take_over()
        move.world.cycles(3)
        ended = move.world.clock.now()
        move.world.cloud.finish(NAME)
        move.world.cycles(5)
        (record,) = (each for each in move.records() if each.local_job_id == cloud_id)
        assert (record.started_at, record.ended_at) == (move.born + 30, ended)
        assert (record.site, record.queue) == ("SITE", "prod")

    def test_one_that_vanished_meanwhile_ended_when_it_was_last_seen(self, move: Move) -> None:
        """By Vcycle 3, in its last cycle."""
        move.running(NAMES[0])
        move.gone(NAMES[1])
        move.take_over()
        move.world.cycles(8)
        (record,) = move.records()
        assert (record.started_at, record.ended_at) == (move.born + 30, move.stopped)
        (machine,) = move.world.store.machine(NAMES[1])
        assert machine.end_source is EndSource.SIGHTING

    def test_what_vcycle_3_saw_stop_gets_no_second_record(self, move: Move) -> None:
        """What is left of it in the cloud is deleted."""
        move.running(stopped=move.stopped)
        move.world.cloud.finish(NAME)
        found = move.take_over()
        assert found.counts == {Became.ENDED: 1}
        move.world.cycles(70)
        assert [each.delete_attempts for each in move.world.store.machine(NAME)] == [1]
        assert NAME not in {each.listed.name for each in move.world.cloud.here}
        assert move.records() == []

    def test_what_is_in_the_archive_gets_no_second_record(self, move: Move) -> None:
        """Though a power cut took the note of its end."""
        cloud_id = move.running()
        move.old.record(NAME, uuid=cloud_id, started=move.born + 30, ended=move.stopped)
        move.old.damage(NAME, "stopped")
        move.world.cloud.finish(NAME)
        found = move.take_over()
        assert found.counts == {Became.ENDED: 1}
        assert [each.why for each in found.troubles] == ["empty"]
        assert move.only().stopped_at == move.stopped
        move.world.cycles(70)
        assert move.records() == []

    def test_one_that_runs_again_is_accounted_from_then_on(self, move: Move) -> None:
        """What ran before Vcycle 3 accounted, and no second counts twice."""
        cloud_id = move.running(stopped=move.stopped)
        move.take_over()
        again = move.world.clock.now()
        move.world.cycles(5)
        move.world.cloud.finish(NAME)
        move.world.cycles(5)
        (record,) = (each for each in move.records() if each.local_job_id == cloud_id)
        assert record.started_at == again

    def test_records_of_vcycle_3_count_in_sync_messages(self, move: Move) -> None:
        """APEL has them, and would find too few told otherwise; they are never sent again."""
        move.old.record(NAMES[0], uuid="a", started=START, ended=START + HOUR)
        move.old.record(NAMES[1], uuid="b", started=START, ended=START + HOUR, site="archive only")
        assert len(move.take_over().runs) == 2
        assert move.world.store.unexported(APEL) == ()
        month = read_month("202701", now=move.now)
        runs = [each.interval for each in move.world.store.intervals()]
        (count,) = counts_of(runs, month)
        assert (count.site, count.submit_host, count.jobs) == ("SITE", f"{SPACE}/vcycle-{HOST}", 1)

    @pytest.mark.parametrize(
        ("ended", "is_taken"),
        [
            pytest.param("2026-11-30T23:59:59", False, id="two months ago"),
            pytest.param("2026-12-01T00:00:00", True, id="last month"),
        ],
    )
    def test_records_of_this_month_and_the_last_count(
        self, move: Move, ended: str, is_taken: bool
    ) -> None:
        """Those before have been told of."""
        at = int(datetime.fromisoformat(ended).replace(tzinfo=UTC).timestamp())
        move.old.record(NAME, uuid="a", started=at - HOUR, ended=at)
        assert len(move.take_over().runs) == is_taken


class TestLostMachines:
    """Vcycle 3 moved the folders of machines that one listing omitted, and forgot them."""

    def test_one_that_lives_is_found_again(self, move: Move) -> None:
        """Its folder comes back, and it is managed and accounted like any other."""
        cloud_id = move.running(place="deleted")
        found = move.take_over()
        assert found.counts == {Became.LOST: 1}
        move.world.cycles(2)
        assert cloud_id in {each.cloud_id for each in move.world.machines}
        assert (move.world.folder(NAME) / "jobfeatures" / "allocated_cpu").exists()
        move.world.cloud.finish(NAME)
        move.world.cycles(5)
        assert [each.started_at for each in move.records()] == [move.born + 30]

    def test_one_that_is_gone_gets_the_record_it_never_had(self, move: Move) -> None:
        """With its last sighting as its end."""
        move.running(NAMES[0])
        move.gone(NAMES[1], place="deleted", seen=move.stopped - HOUR)
        move.take_over()
        move.world.cycles(8)
        (record,) = move.records()
        assert record.ended_at == move.stopped - HOUR

    def test_one_that_was_deleted_and_gone_by_the_next_listing_too(self, move: Move) -> None:
        """Vcycle 3 accounted none of those that it killed for their age."""
        deleted = move.stopped - 60
        move.gone(place="deleted", seen=deleted - 5, deleted=deleted)
        move.old.say(NAME, "700 Exceeded max_wallclock_seconds", at=deleted, place="deleted")
        move.take_over()
        move.world.cycles(2)
        assert [each.ended_at for each in move.records()] == [deleted]
        (machine,) = move.world.store.machine(NAME)
        assert not machine.is_aborted
        assert machine.delete_reason == "max-wallclock"

    def test_one_that_never_started_is_gone(self, move: Move) -> None:
        """Nothing is blamed for it anew."""
        move.gone(place="deleted", started=None, deleted=move.stopped)
        found = move.take_over()
        assert found.counts == {Became.GONE: 1}
        outcome = move.world.cycle()
        assert outcome.report.creates > 0
        memories = move.world.store.records(SPACE).machinetypes
        assert [each.creation_failures for each in memories if each.creation_failures] == []

    def test_one_that_was_seen_to_stop_is_gone(self, move: Move) -> None:
        """With its last words, for who asks."""
        move.gone(place="deleted", stopped=move.stopped)
        move.old.say(NAME, "300 No more work", at=move.stopped, place="deleted")
        move.take_over()
        machine = move.only()
        assert (machine.stage, machine.is_aborted) == (Stage.GONE, True)
        assert machine.message is not None
        assert machine.message.text == "300 No more work"
        move.world.cycles(70)
        assert move.records() == []


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


class TestTheImport:
    """What an import takes, and what it leaves."""

    def test_it_can_be_repeated(self, move: Move) -> None:
        """What is known is passed over, whatever became of it since."""
        move.running(NAMES[0])
        move.gone(NAMES[1], place="deleted", stopped=move.stopped, uuid=UUID)
        move.old.record(NAMES[1], started=move.born, ended=move.stopped)
        first = move.take_over()
        assert len(first.machines) == 2
        again = move.take_over()
        assert (again.changes, again.counts, again.known) == ((), {}, 2)
        move.world.cycles(3)
        assert move.take_over().changes == ()

    def test_a_machine_that_is_known_under_another_name_stays_as_it_is(self, move: Move) -> None:
        """Its id tells that it is the same; a copy of its folder does not rewrite its history."""
        move.running()
        move.take_over()
        before = move.only()
        move.old.folder(NAME).rename(move.old.folder(NAMES[1]))
        assert move.take_over().changes == ()
        assert move.only() == before

    def test_the_tree_is_only_read(self, move: Move) -> None:
        """So that Vcycle 3 could go on with it."""
        move.running()
        move.gone(NAMES[1], place="deleted", stopped=move.stopped)
        before = move.old.contents()
        move.take_over()
        after = move.old.contents()
        assert {key: after[key] for key in before if "vcycle.db" not in key} == {
            key: each for key, each in before.items() if "vcycle.db" not in key
        }

    def test_a_space_that_is_not_configured_is_told(self, move: Move) -> None:
        """Nobody could manage its machines."""
        other = Vcycle3Tree(move.world.root, "other.example.org")
        other.machine(NAME)
        found = move.take_over()
        assert found.machines == ()
        (trouble,) = found.troubles
        assert trouble.path == "shared/spaces/other.example.org"
        assert trouble.is_left_out

    def test_two_folders_with_one_id_are_told(self, move: Move) -> None:
        """One of them is a copy; the machine is taken once."""
        move.gone(NAMES[0])
        move.gone(NAMES[1])
        found = move.take_over()
        assert [each.name for each in found.machines] == [NAMES[0]]
        assert [each.is_left_out for each in found.troubles] == [True]

    def test_one_that_came_back_is_taken_from_current(self, move: Move) -> None:
        """A folder of its name in deleted/ is an older one."""
        cloud_id = move.running()
        move.gone(place="deleted", stopped=move.stopped, uuid="older")
        found = move.take_over()
        assert [each.uuid for each in found.machines] == [cloud_id]

    def test_our_own_machines_are_left_to_their_tags(self, move: Move) -> None:
        """After the database was lost: those of Vcycle 3 by a second import, ours by adoption."""
        world = move.world
        cloud_id = move.running()
        move.take_over()
        world.cycles(3)
        made = {each.uuid for each in world.machines} - {cloud_id}
        assert len(made) == 7
        world.store.close()
        for path in world.root.glob("vcycle.db*"):
            path.unlink()
        installation = world.here[0].listed.tags["vcycle_installation"]
        world.restart()
        world.store.adopt_installation_id(installation)
        found = move.take_over()
        assert (found.counts, found.known) == ({Became.LISTED: 1}, 7)
        world.manager = world.new_cycle()
        world.cycles(3)
        assert {each.uuid for each in world.machines} == {cloud_id, *made}
        assert world.cloud.calls["delete"] == 0

    def test_a_machinetype_that_is_not_configured_runs_on(self, tmp_path: Path) -> None:
        """It drains: nothing new, and what is there ends in its time."""
        world = World(tmp_path / "other", kind("test"), processors_limit=8)
        move = Move(world)
        cloud_id = move.running(NAME)
        move.take_over()
        world.cycles(5)
        assert cloud_id in {each.cloud_id for each in world.machines}
        assert {each.name.split("-")[1] for each in world.machines} == {"prod", "test"}
        world.close()

    def test_without_its_creation_the_first_thing_known_will_do(self, move: Move) -> None:
        """A machine is as old as anything that its folder tells."""
        move.running()
        move.old.damage(NAME, "created")
        (trouble,) = move.take_over().troubles
        assert (trouble.why, trouble.is_left_out) == ("empty", False)
        assert move.only().created_at == move.born + 30


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
