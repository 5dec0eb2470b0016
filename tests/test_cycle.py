"""Whole cycles on a cloud in memory: how machines come, live and end."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests import cycle_kit
from tests.cycle_kit import causes
from tests.world import FIZZLE, SPACE, World, kind
from vcycled.model import Cause, Stage
from vcycled.options import Amount
from vcycled.spaces.base import CreateRequest
from vcycled.spaces.memory import MemorySpace

world = cycle_kit.world


# Filling


def test_the_first_cycle_fills_the_space(world: World) -> None:
    """Ten processors of limit are ten small machines, all known under their cloud ids."""
    world.cycle()
    assert len(world.here) == 10
    assert {each.listed.cloud_id for each in world.here} == {m.cloud_id for m in world.machines}
    assert causes(world) == {"prod": Cause.SPACE_LIMIT}


def test_every_machine_is_on_record_and_its_tree_complete_before_the_cloud_is_asked(
    world: World,
) -> None:
    """At the moment of the call there is an ASKED row, MJF, user_data and the tags."""
    seen: list[str] = []

    def create(self: MemorySpace, request: CreateRequest) -> str:
        (row,) = (each for each in world.machines if each.uuid == request.uuid)
        assert row.stage is Stage.ASKED
        folder = world.folder(request.name)
        assert (folder / "jobfeatures" / "job_id").read_text() == request.uuid
        assert (folder / "machinefeatures" / "shutdowntime").read_text()
        assert (folder / "joboutputs").is_dir()
        secret = folder / "user_data"
        assert request.name.encode() in secret.read_bytes()
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
        assert request.tags["vcycle_uuid"] == request.uuid
        assert request.tags["joboutputs"].endswith(f"/machines/{SPACE}/{request.name}/joboutputs")
        seen.append(request.name)
        return real(self, request)

    real = MemorySpace.create
    spying = type("Spying", (MemorySpace,), {"create": create})(world.cloud)
    world.new_cycle(space=spying).run(world.config)
    assert len(seen) == 10


def test_a_steady_cycle_costs_three_calls_and_touches_no_file(world: World) -> None:
    """Connect, limits, one listing; flavors are kept, and no machine's folder changes."""
    world.cycles(3)
    world.cloud.calls.clear()
    before = {path: path.stat().st_mtime_ns for path in world.folders.rglob("*")}
    world.cycles(1)
    assert dict(world.cloud.calls) == {"connect": 1, "limits": 1, "machines": 1}
    assert {path: path.stat().st_mtime_ns for path in world.folders.rglob("*")} == before


def test_creation_is_spread_over_cycles(world: World) -> None:
    """max_creations_per_cycle bounds each cycle; the next one goes on."""
    world.set(max_creations_per_cycle=Amount(count=4))
    world.cycle()
    assert len(world.here) == 4
    world.cycles(3)
    assert len(world.here) == 10


def test_machines_that_are_not_listed_yet_count(world: World) -> None:
    """A cloud whose listing lags does not make us ask for the same machines again."""
    world.cloud.listing.lag_seconds = 1000
    world.cycles(5)
    assert len(world.here) == 10
    assert world.cloud.peak_processors["*"] == 10


def test_no_limit_anywhere_is_legal(tmp_path: Path) -> None:
    """Ten processors a cycle are made while nothing is known about a limit."""
    world = World(tmp_path, processors_limit=None, max_creations_per_cycle=Amount(percent=10.0))
    world.cycle()
    assert len(world.here) == 10
    world.close()


def test_a_held_space_creates_nothing_and_still_deletes(world: World) -> None:
    """What is wrong outside stops growth only."""
    world.cycles(2)
    world.cloud.finish(world.here[0].listed.name)
    world.clock.advance(60)
    outcome = world.cycle(held="gone from the configuration: processors_limit")
    assert [hold.detail for hold in outcome.report.holds] == [
        "gone from the configuration: processors_limit"
    ]
    world.cycles(1)
    assert len(world.here) == 9


# Lives and ends


def test_a_machine_s_life_is_published_and_accounted_once(world: World) -> None:
    """Start, outputs, end: folder to deleted/, one record in archive and queue."""
    world.set(processors_limit=1)
    world.cycle()
    (truth,) = world.here
    name = truth.listed.name
    world.clock.advance(60)
    world.cycle()
    folder = world.folder(name)
    assert (folder / "started").read_text() == str(truth.listed.started_at)
    assert not (folder / "user_data").exists()
    assert (folder / "jobfeatures/jobstart_secs").read_text() == (folder / "started").read_text()
    world.clock.advance(FIZZLE)
    world.say(name, "200 Intended work completed ok")
    world.cloud.finish(name)
    world.set(processors_limit=0)
    world.cycles(4)
    assert not folder.exists()
    retired = world.tree.layout.deleted(SPACE) / name
    assert (retired / "joboutputs/shutdown_message").read_text().startswith("200")
    (element,) = world.queue.archived()
    record = (world.queue.archive / element).read_text()
    assert "GlobalUserName: /DC=org/DC=example/DC=space\n" in record
    assert "LocalUserId: manager.example.org\n" in record
    assert len(list(world.queue.outgoing.glob("*/*"))) == 1
    assert world.audit() == []


def test_a_machine_that_finds_no_work_backs_its_machinetype_off(world: World) -> None:
    """300 sets the abort time; after the backoff one probe at a time."""
    world.cycles(2)
    world.all_here(lambda name: world.say(name, "300 No more work available from task queue"))
    world.all_here(world.cloud.finish)
    world.clock.advance(60)
    assert causes(world) == {"prod": Cause.BACKOFF}
    last_abort = world.tree.layout.last_abort(SPACE, "prod")
    assert int(last_abort.read_text()) <= world.clock.now()
    world.clock.advance(601)
    assert causes(world) == {"prod": Cause.PROBING}
    assert len(world.here) == 1
    world.clock.advance(30 + FIZZLE)
    world.cycles(2)
    assert len(world.here) == 10


@pytest.mark.parametrize(
    ("message", "kept"),
    [(None, "700 Exceeded max_wallclock_seconds"), ("200 Done", "200 Done")],
)
def test_a_machine_that_is_too_old_goes_with_a_record(
    world: World, message: str | None, kept: str
) -> None:
    """Vcycle 3 lost the record of every machine it deleted itself."""
    world.set(processors_limit=1)
    world.cycles(2)
    (truth,) = world.here
    if message:
        world.say(truth.listed.name, message)
    world.clock.advance(10_001)
    world.unseen = 10_001
    world.set(processors_limit=0)
    world.cycles(3)
    assert world.here == ()
    retired = world.tree.layout.deleted(SPACE) / truth.listed.name
    assert (retired / "joboutputs/shutdown_message").read_text() == kept
    assert world.audit() == []
    assert len(list(world.queue.archived())) == 1


def test_a_machine_that_never_starts_is_deleted_and_backs_off(tmp_path: Path) -> None:
    """The start timeout is an option; the failure is no abort."""
    world = World(tmp_path, kind(start_timeout_seconds=300), processors_limit=1)
    world.cloud.start_seconds = None
    world.cycles(8)
    assert [each.deletes for each in world.cloud.truth[:1]] == [1]
    (memory,) = world.store.records(SPACE).machinetypes
    assert memory.creation_failures >= 1
    assert memory.last_abort_at is None
    world.close()


def test_a_silent_machine_goes_only_while_heartbeats_could_arrive(tmp_path: Path) -> None:
    """Without a web process that was up all the time, silence proves nothing."""
    world = World(
        tmp_path, kind(heartbeat_file="heartbeat", heartbeat_seconds=120), processors_limit=2
    )
    world.cycles(2)
    silent, alive = (truth.listed.name for truth in world.here)
    for _ in range(5):
        world.clock.advance(60)
        world.beat(alive)
        world.cycle()
    assert len(world.here) == 2
    up_since = world.clock.now()
    for _ in range(4):
        world.clock.advance(60)
        world.beat(alive)
        world.receiver_up(since=up_since)
        world.cycle()
    gone = world.cloud.of(silent)
    assert gone.deletes == 1
    assert world.cloud.of(alive).deletes == 0
    rows = world.tree.layout.heartbeat_list(SPACE, "prod").read_text().splitlines()
    assert any(row.split()[1] == alive for row in rows)
    world.close()
