"""Cycles whose creations or deletions are refused: who waits, and for how long."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests import cycle_kit
from tests.cycle_kit import causes
from tests.world import SPACE, World, kind
from vcycled.calls import CallPool
from vcycled.errors import NoCapacity, QuotaExceeded, Refused, Unavailable
from vcycled.model import Cause, Limits
from vcycled.options import Amount
from vcycled.spaces.base import CreateRequest
from vcycled.spaces.memory import MemorySpace

world = cycle_kit.world


def test_a_creation_that_is_refused_backs_off_and_starves_nobody(tmp_path: Path) -> None:
    """The broken machinetype waits longer each time; the other one gets the space."""
    world = World(tmp_path, kind("bad", target_share=10.0), kind("good"))
    world.cloud.flavors = (*world.cloud.flavors[:1],)
    world.set_kind("bad", flavor_names=("small",))
    real = MemorySpace.create

    def create(self: MemorySpace, request: CreateRequest) -> str:
        if request.machinetype == "bad":
            raise Refused("create", "no such image")
        return real(self, request)

    picky = type("Picky", (MemorySpace,), {"create": create})(world.cloud)
    world.manager = world.new_cycle(space=picky)
    world.cycles(3)
    assert {each.machinetype for each in world.here} == {"good"}
    assert len(world.here) == 10
    assert causes(world)["bad"] is Cause.CREATION_FAILED
    assert not any(path.name.startswith("vcycle-bad") for path in world.folders.iterdir())
    world.close()


def test_a_missing_template_holds_its_machinetype_alone(tmp_path: Path) -> None:
    """Nothing is asked for that could not be contextualized."""
    world = World(tmp_path, kind("bad"), kind("good"))
    (world.tree.layout.files(SPACE, "bad") / "template").unlink()
    holds = {hold.machinetype: hold for hold in world.cycle().report.holds}
    assert holds["bad"].cause is Cause.HELD
    assert "template cannot be read" in holds["bad"].detail
    assert {each.machinetype for each in world.here} == {"good"}
    world.close()


def test_a_template_that_comes_with_vcycle_needs_no_file(tmp_path: Path) -> None:
    """Its machines are asked for with what it becomes."""
    world = World(tmp_path, kind(user_data="template:minimal"))
    world.cycle()
    (made, *_) = world.cloud.truth
    assert made.request is not None
    assert b"sleep 60\n" in made.request.user_data
    world.close()


def test_a_template_that_cannot_be_rendered_is_a_failed_creation(tmp_path: Path) -> None:
    """A file to be filled in is gone: the machinetype backs off, saying which."""
    broken = replace(kind(), user_data_files={"key": "/nonexistent/key.pem"})
    world = World(tmp_path, broken)
    world.cycle()
    assert world.here == ()
    (memory,) = world.store.records(SPACE).machinetypes
    assert "/nonexistent/key.pem" in memory.creation_error
    world.close()


def test_the_quota_stops_creation_for_a_while(tmp_path: Path) -> None:
    """The cloud's word counts even where its stated limit allowed more."""
    world = World(tmp_path)
    world.cloud.fail_next("create", QuotaExceeded("create", "ports"))
    world.cycle()
    held = causes(world)
    assert held == {"": Cause.QUOTA}
    world.clock.advance(61)
    world.cycles(2)
    assert len(world.here) == 10
    assert world.cloud.peak_processors["*"] == 10
    world.close()


def test_why_tells_at_once_what_the_cloud_just_answered(tmp_path: Path) -> None:
    """Not a cycle later: the report is of how things are after the answers."""
    world = World(tmp_path)
    world.cloud.fail_next("create", QuotaExceeded("create", "ports"))
    (hold,) = world.cycle().report.holds
    assert (hold.cause, hold.until) == (Cause.QUOTA, world.clock.now() + 60)
    world.close()


def test_a_cloud_that_turns_creations_away_is_not_asked_for_more(world: World) -> None:
    """What was surely not made counts no more, and the rest of the batch is not sent."""
    away = Unavailable("create", "429 Too Many Requests", retry_after_s=400, is_undone=True)
    world.cloud.fail_next("create", away)
    alone = world.new_cycle(calls=CallPool(1, timeout_s=90, clock=world.clock))
    report = alone.run(world.config).report
    assert world.cloud.calls["create"] == 1
    assert world.machines == ()
    (hold,) = report.holds
    assert (hold.cause, hold.until) == (Cause.PAUSED, world.clock.now() + 400)
    assert "429 Too Many Requests" in hold.detail
    assert report.wake_at == world.clock.now() + 300
    told = {each.event for each in world.store.events(space=SPACE)}
    assert told == {"creation-undone", "intent-dropped"}


def test_a_pause_ends_by_itself(world: World) -> None:
    """After the time that the cloud asked for, the space is filled."""
    away = Unavailable("create", "429", retry_after_s=90, is_undone=True)
    world.cloud.fail_next("create", away)
    alone = world.new_cycle(calls=CallPool(1, timeout_s=90, clock=world.clock))
    assert alone.run(world.config).report.wake_at == world.clock.now() + 90
    world.clock.advance(89)
    assert causes(world) == {"": Cause.PAUSED}
    assert world.here == ()
    world.clock.advance(1)
    world.cycle()
    assert len(world.here) == 10


def test_deletions_that_are_turned_away_do_not_count_as_tried(world: World) -> None:
    """They are tried at the next cycle, and creations wait as the cloud asks."""
    world.cycles(2)
    names = [each.listed.name for each in world.here][:3]
    for name in names:
        world.cloud.finish(name)
    away = Unavailable("delete", "429", retry_after_s=30, is_undone=True)
    world.cloud.fail_next("delete", away)
    world.clock.advance(60)
    alone = world.new_cycle(calls=CallPool(1, timeout_s=90, clock=world.clock))
    report = alone.run(world.config).report
    ended = [each for each in world.machines if each.name in names]
    assert [each.delete_attempts for each in ended] == [0, 0, 0]
    assert sorted(each.delete_error for each in ended) == ["", "", "delete: 429"]
    assert [hold.cause for hold in report.holds] == [Cause.PAUSED]
    assert world.cloud.calls["delete"] == 1
    world.clock.advance(60)
    world.cycle()
    assert world.cloud.calls["delete"] == 4
    assert {each.delete_error for each in world.machines} == {""}


def test_a_deletion_of_unknown_outcome_counts_as_tried(world: World) -> None:
    """A 503 with Retry-After may have been carried out: its own delay holds."""
    world.cycles(2)
    world.cloud.finish(world.here[0].listed.name)
    world.cloud.fail_next("delete", Unavailable("delete", "503", retry_after_s=30))
    world.clock.advance(60)
    world.cycle()
    (ended,) = (each for each in world.machines if each.delete_attempts)
    assert (ended.delete_attempts, ended.delete_error) == (1, "delete: 503")


def test_a_quota_fault_of_a_made_machine_stops_creation(tmp_path: Path) -> None:
    """The cloud took the requests, then had no ports: as if it had refused them."""
    world = World(tmp_path, max_creations_per_cycle=Amount(count=2))
    world.cycle()
    for truth in world.here:
        world.cloud.fail(truth.listed.name, "no more ports", lacks_quota=True)
    world.clock.advance(60)
    (hold,) = world.cycle().report.holds
    assert (hold.machinetype, hold.cause) == ("", Cause.QUOTA)
    assert "no more ports" in hold.detail
    (known,) = world.store.records(SPACE).machinetypes
    assert known.creation_failures == 0
    world.close()


def test_want_of_room_makes_the_planner_try_the_next_flavor(tmp_path: Path) -> None:
    """The flavor that was refused is left alone for a while."""
    world = World(tmp_path, kind(flavor_names=("large", "small")), processors_limit=8)
    world.cloud.fail_next("create", NoCapacity("create", "no host"))
    world.cycles(2)
    assert {each.listed.flavor for each in world.here} == {"small"}
    world.close()


def test_the_cloud_s_quota_is_respected_without_asking_in_vain(tmp_path: Path) -> None:
    """The tighter of both limits counts, foreign machines included."""
    world = World(tmp_path, processors_limit=100)
    world.cloud.limits = Limits(processors=6)
    world.cloud.add_foreign("someone-elses", processors=2)
    world.cycles(3)
    assert len(world.here) == 4
    assert world.cloud.calls["create"] == 4
    world.close()
