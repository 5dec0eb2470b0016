"""The whole manager on the simulated EC2: what the cloud does to it, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.ec2_world import Ec2World, ec2_kind
from tests.fakes.ec2.faults import lost, no_capacity, throttled, unavailable
from tests.served_world import building, wind_up
from tests.world import SPACE
from vcycled.model import Cause, EndSource, MachineState, RunInterval

pytestmark = pytest.mark.no_cover  # hours of a whole manager: see tests/conftest.py

Build = Callable[..., Ec2World]


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    """Return a function that builds worlds."""
    with building(Ec2World, tmp_path / "root") as build:
        yield build


def intervals(world: Ec2World) -> list[RunInterval]:
    """Return what is accounted."""
    return [each.interval for each in world.store.intervals()]


def test_a_space_fills_works_and_leaves_nothing(build: Build) -> None:
    """Within its limit; a record for each machine, its end told by the cloud; none left."""
    world = build(processors_limit=10, view={"page_size": 5})
    world.cycles(3)
    assert len(world.ours()) == 5
    world.clock.advance(600)
    world.finish_all()
    world.cycles(4)
    assert len(world.ours()) == 5
    ended = [run for run in intervals(world) if run.is_final]
    assert {run.end_source for run in ended} == {EndSource.CLOUD}
    assert len(ended) == 5
    world.clock.advance(600)
    wind_up(world)
    assert len(list(world.queue.archived())) == 10


def test_machines_that_ended_while_nobody_looked_are_accounted_by_the_cloud(build: Build) -> None:
    """Long after they are listed no more, EC2 still tells when they ended."""
    world = build()
    world.cycles(2)
    world.clock.advance(3600)
    world.finish_all()
    world.clock.advance(1500)
    world.restart()
    wind_up(world)
    assert {run.end_source for run in intervals(world)} == {EndSource.CLOUD}


def test_a_restart_brings_no_machine_back(build: Build) -> None:
    """What EC2 shows for an hour more was written off, and stays so."""
    world = build()
    world.cycles(2)
    world.clock.advance(600)
    world.finish_all()
    world.cycles(8)
    world.restart()
    known = {each.name for each in world.machines}
    world.cycles(2)
    assert {each.name for each in world.machines} == known
    wind_up(world)


def test_lost_answers_and_throttling_make_no_machine_too_many(build: Build) -> None:
    """Each is found again; none is made twice, none leaked."""
    world = build(processors_limit=10)
    world.cloud.fail("RunInstances", lost(), throttled(), lost())
    world.cycles(20)
    assert len(world.ours()) == 5
    world.clock.advance(600)
    wind_up(world)


def test_a_listing_that_is_late_makes_no_machine_too_many(build: Build) -> None:
    """What was asked for counts until it is shown, though its answer was lost."""
    world = build(processors_limit=10)
    world.cloud.lag_seconds = 200
    world.cloud.fail("RunInstances", lost())
    world.cycles(8)
    assert len(world.cloud.launched) == 5
    assert set(world.ours().values()) == {each.name for each in world.machines}
    wind_up(world)


def test_a_cloud_that_is_ill_for_a_while_kills_nothing(build: Build) -> None:
    """Throttled, down, cut in the middle of its listing: the machines run on."""
    world = build(processors_limit=10, view={"page_size": 5})
    world.cycles(3)
    before = world.ours()
    assert len(before) == 5
    for fault in (throttled(), unavailable(), lost()):
        world.cloud.fail("DescribeInstances", fault)
        world.cycles(2, seconds=61)
    hidden = list(before)[:3]
    for each in hidden:
        world.cloud.shown[each].is_hidden = True
    world.cycles(2)
    for each in hidden:
        world.cloud.shown[each].is_hidden = False
    world.cycles(3)
    assert world.ours() == before
    assert world.cloud.counts()["TerminateInstances"] == 0
    assert len(world.cloud.launched) == 5
    world.clock.advance(600)
    wind_up(world)


def test_a_slow_start_is_waited_for(build: Build) -> None:
    """A pending machine counts, and is not made again."""
    world = build(processors_limit=10)
    world.cloud.starts_slowly = True
    world.cycles(4)
    assert len(world.cloud.launched) == 5
    for each in world.ours():
        world.cloud.run(each)
    world.cycles(2)
    assert {each.state for each in world.machines} == {MachineState.RUNNING}
    world.clock.advance(600)
    wind_up(world)


def test_a_machine_that_could_not_be_made_after_all_makes_its_type_unfit(build: Build) -> None:
    """EC2 took the request, and then had no room: the next type is tried."""
    kind = ec2_kind(flavor_names=("m5.large", "m5.xlarge"))
    world = build(kind, processors_limit=2)
    world.cloud.starts_slowly = True
    world.cycle()
    ((made, _),) = world.ours().items()
    world.end(made, "Server.InsufficientInstanceCapacity")
    world.clock.advance(60)
    world.cycle()
    unfit = world.store.records(SPACE).memory.unfit
    assert [(each.flavor, each.zone) for each in unfit] == [("m5.large", "")]


def test_no_room_is_why(build: Build) -> None:
    """And nothing was made."""
    world = build()
    world.cloud.fail("RunInstances", *[no_capacity()] * 5)
    world.cycle()
    assert world.ours() == {}
    world.clock.advance(60)
    assert {hold.cause for hold in world.cycle().report.holds} == {Cause.NO_CAPACITY}


def test_a_spot_machine_is_told_when_it_will_be_interrupted(build: Build) -> None:
    """Its shutdown time is that instant; its story says why; it is accounted to the second."""
    world = build(processors_limit=2, view={"spot": True})
    world.cycles(2)
    ((made, name),) = world.ours().items()
    world.clock.advance(600)
    now = world.clock.now()
    world.cloud.spot_marks[made] = f"{datetime.fromtimestamp(now, UTC):%Y-%m-%dT%H:%M:%SZ}"
    world.cycle()
    told = (world.folder(name) / "machinefeatures" / "shutdowntime").read_text()
    assert told == str(now + 120)
    assert "machine-warned" in {each.event for each in world.store.events(machine=name)}
    world.clock.advance(120)
    world.end(made, "Server.SpotInstanceTermination")
    world.cycle()
    (run,) = intervals(world)
    assert (run.ended_at, run.end_source) == (now + 120, EndSource.CLOUD)
    wind_up(world)


def test_tags_that_failed_after_the_launch_lose_no_machine(build: Build) -> None:
    """Answer and tags are lost, and the manager is killed: the token tells whose it is."""
    world = build(processors_limit=2, view={"launch_tags": "False"})
    world.cloud.tags_at_launch = False
    world.cloud.fail("RunInstances", lost())
    world.cycle()
    world.restart()
    world.cycles(2)
    (machine,) = world.machines
    assert [machine.cloud_id] == world.cloud.living()
