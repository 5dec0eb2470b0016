"""The whole manager on the simulated Azure: what the cloud does to it, and what it leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.azure_world import AzureWorld, azure_kind
from tests.fakes.azure import LOST, RESET, Settings, answer
from tests.fakes.azure.settings import SMALL, Size
from tests.served_world import building, wind_up

pytestmark = pytest.mark.no_cover  # hours of a whole manager: see tests/conftest.py

OTHER = Size(name="Standard_F2s_v2", vcpus=2, memory_gb=4, family="standardFSv2Family")


Build = Callable[..., AzureWorld]


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    """Return a function that builds worlds."""
    with building(AzureWorld, tmp_path / "root") as build:
        yield build


def test_a_space_fills_works_and_leaves_nothing(build: Build) -> None:
    """Two machinetypes by their shares within the limit, a record for each machine, none left."""
    world = build(
        azure_kind("prod", target_share=3.0),
        azure_kind("test", target_share=1.0),
        processors_limit=16,
    )
    world.cycles(3)
    assert Counter(each.machinetype for each in world.here) == {"prod": 6, "test": 2}
    assert {each.power for each in world.here} == {"running"}
    world.clock.advance(600)
    world.finish_all()
    world.cycles(4)
    assert Counter(each.machinetype for each in world.here) == {"prod": 6, "test": 2}
    assert world.cloud.peak_processors["*"] == 16
    world.clock.advance(600)
    wind_up(world)
    assert len(list(world.queue.archived())) == 16


def test_a_steady_cycle_asks_for_limits_and_two_listings_only(build: Build) -> None:
    """The token, the sizes and the addresses are known."""
    world = build(settings=Settings(start_seconds=30, page_size=3))
    world.cycles(3)
    world.cloud.calls.clear()
    world.clock.advance(60)
    assert world.cycle().report.api_calls == 5
    assert world.cloud.calls == {"limits": 1, "machines": 2, "states": 2}


def test_the_quota_of_the_subscription_is_shared_with_others(build: Build) -> None:
    """What they use is no room of ours; when they go, it is."""
    settings = Settings(start_seconds=30, cores=20, others_cores=8)
    world = build(settings=settings, processors_limit=None)
    world.cycles(6)
    assert len(world.here) == 6
    settings.others_cores = 0
    world.cycles(8, seconds=700)
    assert len(world.here) == 10


def test_a_size_without_room_gives_way_to_the_next(build: Build) -> None:
    """Whether Azure says so at once or finds out later; what failed is deleted."""
    settings = Settings(
        start_seconds=30, sizes=(SMALL, OTHER), unavailable=frozenset({SMALL.name})
    )
    world = build(azure_kind(flavor_names=(SMALL.name, OTHER.name)), settings=settings)
    world.cycles(4)
    assert {each.size.name for each in world.here} == {OTHER.name}
    assert len(world.here) == 5
    settings.unavailable, settings.no_room = frozenset(), frozenset({OTHER.name})
    world.clock.advance(600)
    world.finish_all()
    world.cycles(12, seconds=300)
    assert {each.size.name for each in world.here if each.power == "running"} == {SMALL.name}
    wind_up(world)


def test_answers_that_are_lost_make_no_second_machine_and_leave_none(build: Build) -> None:
    """Of creations, deletions and listings, one in two."""
    world = build()
    for operation in ("create", "delete", "machines", "states", "limits", "find"):
        world.cloud.script.set_always(operation, LOST, 0.5, seed=5)
    world.cycles(8)
    world.finish_all()
    world.cycles(8)
    assert world.cloud.peak_processors["*"] <= 10
    names = Counter(each.name for each in world.cloud.truth)
    assert max(names.values()) == 1
    for operation in ("create", "delete", "machines", "states", "limits", "find"):
        world.cloud.script.set_always(operation, None)
    world.cycles(4, seconds=300)
    assert len(world.here) == 5
    wind_up(world)


def test_what_a_machine_that_never_came_to_be_left_is_removed(build: Build) -> None:
    """Its disk and its interface, once they were seen unused for five minutes; not before."""
    world = build()
    world.cycles(3)
    lost = world.here[0].name
    world.cloud.abandon(lost)
    assert len([each for each in world.cloud.parts if each.startswith(f"{lost}-")]) == 2
    world.cycles(40, seconds=60)
    assert not any(each.startswith(f"{lost}-") for each in world.cloud.parts)
    assert world.cloud.calls["remove_interface"] == world.cloud.calls["remove_disk"] == 1
    wind_up(world)


def test_a_cloud_that_is_ill_for_a_while_kills_nothing(build: Build) -> None:
    """Throttled, down, resetting, omitting, without states: the machines run on."""
    world = build()
    world.cycles(3)
    before = world.ours()
    assert len(before) == 5
    for fault in (RESET, answer(503), answer(429, "TooManyRequests", "slowly", retry_after_s=60)):
        for operation in ("limits", "machines", "states"):
            world.cloud.fail_next(operation, fault)
            world.cycles(2, seconds=61)
    world.cloud.listing.no_status = set(before.values())
    world.cycles(3)
    world.cloud.listing.omitted = set(list(before.values())[:3])
    world.cycles(2)
    world.cloud.listing.no_status, world.cloud.listing.omitted = set(), set()
    world.cycles(3)
    assert world.ours() == before
    assert all(each.deletes == 0 for each in world.here)
    wind_up(world)


def test_a_listing_that_is_late_makes_no_machine_too_many(build: Build) -> None:
    """What was asked for counts until it is listed."""
    world = build()
    world.cloud.listing.lag_seconds = 200
    world.cycles(8)
    assert len(world.cloud.truth) == 5
    wind_up(world)


@pytest.mark.parametrize("policy", ["delete", "deallocate"])
def test_spot_machines_that_are_taken_back_are_on_record_and_replaced(
    build: Build, policy: str
) -> None:
    """Whether they vanish or stay deallocated until we delete them."""
    world = build(view={"priority": "spot", "eviction_policy": policy})
    world.cycles(3)
    assert all(each.is_spot for each in world.here)
    world.clock.advance(600)
    world.cycle()
    world.unseen = 1300
    taken = [each.name for each in world.here[:2]]
    for name in taken:
        world.cloud.evict(name)
    world.cycles(14)
    assert len(world.here) == 5
    assert not set(taken) & {each.name for each in world.here}
    world.clock.advance(600)
    wind_up(world)


def test_a_manager_that_was_killed_goes_on_with_its_machines(build: Build) -> None:
    """Nothing but the store and the tags tells it which they are."""
    world = build()
    world.cloud.fail_next("create", LOST, LOST)
    world.cycle()
    world.restart()
    world.cycles(4)
    assert len(world.here) == 5
    assert set(world.ours().values()) == {each.name for each in world.machines}
    wind_up(world)
