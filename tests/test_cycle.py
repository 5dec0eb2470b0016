"""Whole cycles on a cloud in memory: what is asked, stored, published, and in which order."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests.faults.clocks import TrueClock
from tests.world import FIZZLE, SPACE, World, kind
from vcycled.calls import CallPool
from vcycled.errors import NoCapacity, QuotaExceeded, Refused, StoreError, Unavailable
from vcycled.model import Cause, Changes, Limits, Order, OrderKind, Stage
from vcycled.options import Amount
from vcycled.spaces.base import CreateRequest
from vcycled.spaces.memory import MemoryCloud, MemorySpace


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Return a manager with one machinetype and room for ten small machines."""
    made = World(tmp_path)
    yield made
    made.close()


def causes(world: World) -> dict[str, Cause]:
    """Run a cycle and return why each machinetype gets no more."""
    return {hold.machinetype: hold.cause for hold in world.cycle().report.holds}


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


# Trouble with the cloud


@pytest.mark.parametrize("operation", ["connect", "limits", "machines", "flavors"])
def test_a_look_that_fails_concludes_nothing(world: World, operation: str) -> None:
    """No creation, no deletion, no transition; the report says why, the next cycle works."""
    world.cycles(2)
    world.restart()
    before = world.machines
    world.cloud.calls.clear()
    world.cloud.fail_next(operation, Unavailable(operation, "503", retry_after_s=500))
    outcome = world.cycle()
    assert outcome.plan is None
    assert "503" in outcome.report.error
    assert outcome.report.wake_at == world.clock.now() + 500
    assert world.machines == before
    assert world.cloud.calls["create"] + world.cloud.calls["delete"] == 0
    assert world.cycle().plan is not None


def test_lost_replies_leak_nothing_and_double_nothing(world: World) -> None:
    """Machines whose creation was not answered are found by the next listing."""
    world.cloud.lose_replies("create", 10)
    world.cycle()
    assert len(world.here) == 10
    assert all(not machine.cloud_id for machine in world.machines)
    world.clock.advance(60)
    world.cycle()
    assert {each.listed.cloud_id for each in world.here} == {m.cloud_id for m in world.machines}
    world.cycles(3)
    assert world.cloud.peak_processors["*"] == 10


def test_machines_that_a_listing_omits_are_not_replaced_or_killed(world: World) -> None:
    """They count until `find` confirms their absence, which it does not."""
    world.cycles(2)
    world.cloud.listing.omitted = {each.listed.name for each in world.here[:3]}
    world.cycles(12)
    assert len(world.here) == 10
    assert sum(each.deletes for each in world.cloud.truth) == 0
    assert len(world.machines) == 10


def test_vanished_machines_are_accounted_and_replaced(world: World) -> None:
    """Somebody deleted them behind our back; after five minutes that is certain."""
    world.cycles(4)
    names = [each.listed.name for each in world.here[:3]]
    for name in names:
        world.cloud.vanish(name)
    world.cycles(4)
    assert len(world.here) == 7
    world.cycles(3)
    assert len(world.here) == 10
    assert len(world.store.intervals()) == 3
    assert world.audit() == []


def test_an_empty_listing_creates_nothing(world: World) -> None:
    """A cloud that shows nothing for five minutes still has our machines."""
    world.cycles(2)
    world.cloud.listing.cut = 0
    assert causes(world) == {"": Cause.LISTING_SUSPECT}
    world.cycles(10)
    assert len(world.here) == 10
    assert world.cloud.peak_processors["*"] == 10
    world.cloud.listing.cut = None
    world.cycles(2)
    assert len(world.machines) == 10


def test_a_delete_that_fails_harms_no_other_and_is_tried_again(world: World) -> None:
    """Each machine has its own try; the failing one waits longer each time."""
    world.cycles(2)
    world.clock.advance(FIZZLE)
    world.all_here(world.cloud.finish)
    world.set(processors_limit=0)
    world.cloud.fail_next("delete", Unavailable("delete", "500"), Refused("delete", "409"))
    world.cycle()
    assert len(world.here) == 2
    events = {event.event for event in world.store.events(space=SPACE)}
    assert "delete-failed" in events
    world.cycles(4)
    assert [each.listed.name for each in world.here] == []
    assert world.audit() == []


def test_two_machines_of_one_request_are_both_seen_and_one_goes(world: World) -> None:
    """A client library that repeats a POST makes a second VM; it does not leak."""
    world.set(processors_limit=2)
    world.cycle()
    first = world.here[0]
    assert first.request is not None
    second = world.cloud.make(first.request)
    world.cycles(4)
    assert len(world.here) == 2
    assert first in world.cloud.here
    assert second not in world.cloud.here


def test_a_second_machine_of_one_request_leaves_the_first_one_s_folder_alone(
    world: World,
) -> None:
    """Its story tells why it goes; the first goes on as if nothing had been."""
    world.set(processors_limit=1)
    world.cycles(2)
    (first,) = world.here
    assert first.request is not None
    second = world.cloud.make(first.request)
    world.clock.advance(60)
    world.cycle()
    folder = world.folder(first.request.name)
    before = (folder / "started").read_text()
    world.cloud.delete_seconds = 30
    world.clock.advance(60)
    world.cycles(4)
    assert second.deletes
    assert not (folder / "joboutputs" / "shutdown_message").exists()
    assert not (folder / "deleted").exists()
    assert (folder / "started").read_text() == before
    told = {each.event: each.detail for each in world.store.events(space=SPACE)}
    assert told["machine-delete"] == "double"
    assert second.listed.cloud_id in told["machine-adopted"]
    assert [each.cloud_id for each in world.machines] == [first.listed.cloud_id]
    world.cloud.vanish(first.listed.name)
    world.set(processors_limit=0)
    world.clock.advance(60)
    world.cycles(8)
    known = {each.cloud_id: each for each in world.store.machine(first.listed.name)}
    reasons = {key: (each.delete_reason, each.message) for key, each in known.items()}
    assert reasons == {first.listed.cloud_id: ("", None), second.listed.cloud_id: ("double", None)}
    assert not folder.exists()


def test_a_lost_database_is_rebuilt_from_the_cloud(world: World) -> None:
    """Everything is found again by its tags, nothing is killed, records are still written."""
    world.set_kind(accounting_fqan="/vo/Role=pilot")
    world.cycles(3)
    installation = world.store.installation_id()
    world.close()
    for path in world.root.glob("vcycle.db*"):
        path.unlink()
    world.store = world._open_store()
    world.store.adopt_installation_id(installation)
    world.manager = world.new_cycle()
    world.cycle()
    assert len(world.machines) == 10
    assert sum(each.deletes for each in world.cloud.truth) == 0
    world.clock.advance(FIZZLE)
    world.all_here(world.cloud.finish)
    world.set(processors_limit=0)
    world.cycles(3)
    assert world.audit() == []
    assert len(list(world.queue.archived())) == 10


def test_records_wait_for_a_disk_that_is_full(world: World) -> None:
    """What cannot be written now is written later, once."""
    world.cycles(2)
    world.clock.advance(FIZZLE)
    world.all_here(world.cloud.finish)
    world.set(processors_limit=0)
    world.queue.archive.write_text("in the way")
    world.cycles(3)
    assert len(world.store.unexported("apel")) == 10
    world.queue.archive.unlink()
    world.cycles(2)
    assert world.store.unexported("apel") == ()
    assert world.audit() == []


def test_a_tree_that_cannot_be_written_stops_creation_not_the_rest(world: World) -> None:
    """A read-only tree makes no machine that nobody could contextualize."""
    current = world.tree.layout.current(SPACE)
    current.parent.mkdir(parents=True, exist_ok=True)
    current.write_text("in the way")
    world.cycle()
    assert world.here == ()
    (memory,) = world.store.records(SPACE).machinetypes
    assert "cannot be written" in memory.creation_error
    current.unlink()
    world.clock.advance(61)
    world.cycle()
    assert len(world.here) == 10


def test_a_clock_that_jumps_kills_nothing(world: World) -> None:
    """Ten days forward make every machine look too old; nobody believes it at once."""
    world.cycles(2)
    world.clock.jump(864_000)
    outcome = world.cycle()
    assert sum(each.deletes for each in world.cloud.truth) == 0
    assert any("max-wallclock" in sentence for sentence in outcome.report.deferred)
    world.clock.jump(-864_000)
    world.cycles(12)
    assert sum(each.deletes for each in world.cloud.truth) == 0


def test_a_clock_that_was_behind_makes_no_machine_old(world: World) -> None:
    """What was asked for and started by it is as old as the cloud says once it is set right."""
    world.cloud = MemoryCloud(TrueClock(world.clock), start_seconds=30)
    world.manager = world.new_cycle()
    world.clock.jump(-864_000)
    world.cycles(2)
    world.clock.jump(864_000)
    world.cycles(15)
    assert sum(each.deletes for each in world.cloud.truth) == 0
    newest = max(each.listed.started_at or 0 for each in world.here)
    assert {each.started_at for each in world.machines} == {newest}


def test_a_clock_set_back_while_no_manager_ran_is_noticed(world: World) -> None:
    """Also by a manager that is new, so that a jump noted in the future holds nothing for ever."""
    world.clock.jump(864_000)
    world.cycles(2)
    world.clock.jump(-864_000)
    world.restart()
    world.cycle()
    memory = world.store.records(SPACE).memory
    assert memory.clock_jumped_at == world.clock.now()


def test_an_abort_is_learned_though_the_tree_is_read_only(world: World) -> None:
    """The time of the last abort is published when that can be; the cycle goes on."""
    world.cycles(2)
    (world.root / "shared" / "last_abort_times").write_text("where its folder ought to be")
    world.cloud.finish(world.here[0].listed.name)
    world.cycle()
    (memory,) = world.store.records(SPACE).machinetypes
    assert memory.last_abort_at == world.clock.now()


def test_a_database_that_fails_does_nothing_unknown(world: World) -> None:
    """Without a place for the intent the cloud is not asked."""
    world.store.close()
    world.cloud.calls.clear()

    def broken(changes: Changes) -> None:
        raise StoreError(f"disk full, {changes.space} not saved")

    world.store = world._open_store()
    world.manager = world.new_cycle()
    world.store.save = broken  # type: ignore[method-assign] # a database that refuses
    with pytest.raises(StoreError):
        world.cycle()
    assert world.cloud.calls["create"] == 0


# Orders, modes, preview


def order(world: World, kind_: OrderKind, **more: str | int) -> None:
    """Leave an order as the command line does."""
    usual = Order(kind=kind_, space=SPACE, at=world.clock.now(), who="ops")
    world.store.order(replace(usual, **more))  # type: ignore[arg-type] # tests name real fields


def test_a_drained_machinetype_grows_no_more_until_the_drain_is_lifted(world: World) -> None:
    """Machines end by themselves."""
    world.cycles(2)
    order(world, OrderKind.DRAIN, machinetype="prod")
    world.all_here(world.cloud.finish)
    world.cycles(3)
    assert world.here == ()
    assert causes(world) == {"prod": Cause.DRAIN}
    order(world, OrderKind.UNDRAIN, machinetype="prod")
    world.clock.advance(700)
    world.cycles(2)
    assert len(world.here) >= 1


def test_a_drain_by_a_time_is_told_and_kept(world: World) -> None:
    """Machines see the new shutdown time; after it they are deleted and accounted."""
    world.cycles(3)
    by = world.clock.now() + 1000
    order(world, OrderKind.DRAIN, by=by)
    world.cycle()
    name = world.here[0].listed.name
    assert (world.folder(name) / "jobfeatures/shutdowntime_job").read_text() == str(by)
    assert (world.folder(name) / "machinefeatures/shutdowntime").read_text() == str(by)
    world.clock.advance(990)
    world.cycle()
    assert len(world.here) == 10
    world.cycles(3)
    assert world.here == ()
    assert world.audit() == []


def test_a_machine_is_told_when_the_cloud_will_end_it(world: World) -> None:
    """Its shutdown time is the cloud's, once there is one, and its story has the reason."""
    world.cycles(2)
    name = world.here[0].listed.name
    soon = world.clock.now() + 120
    world.cloud.change(name, lambda was: replace(was, warning="spot", ends_at=soon))
    world.cycle()
    assert (world.folder(name) / "jobfeatures/shutdowntime_job").read_text() == str(soon)
    assert (world.folder(name) / "machinefeatures/shutdowntime").read_text() == str(soon)
    assert world.store.machine(name)[0].ends_at == soon


def test_an_ordered_delete_is_carried_out(world: World) -> None:
    """The operator's word needs no other reason."""
    world.cycles(2)
    name = world.here[0].listed.name
    order(world, OrderKind.DELETE, machine=name)
    world.cycle()
    assert world.cloud.of(name).deletes == 1
    story = [event.event for event in world.store.events(machine=name, oldest_first=True)]
    assert story[-2:] == ["order-delete", "machine-delete"]


def test_observing_touches_nothing(world: World) -> None:
    """The whole cycle is thought through, and only its report is kept."""
    world.cycles(2)
    world.all_here(world.cloud.finish)
    world.set(mode="observe")
    before, files = world.machines, sorted(world.root.rglob("*"))
    world.cloud.calls.clear()
    outcome = world.cycle()
    assert outcome.plan is not None
    assert len(outcome.plan.deletes) == 10
    assert world.machines == before
    assert sorted(world.root.rglob("*")) == files
    assert set(world.cloud.calls) <= {"connect", "limits", "flavors", "machines", "find"}


def test_a_preview_is_what_the_next_cycle_does(world: World) -> None:
    """`vcycle plan` shows creations and deletions, and nothing happens."""
    outcome = world.manager.preview(world.config)
    assert outcome.plan is not None
    assert len(outcome.plan.creates) == 10
    assert world.store.reports() == {}
    assert world.cloud.calls["create"] == 0
    assert world.machines == ()


def test_a_cycle_that_is_told_to_end_begins_nothing(world: World) -> None:
    """Intents that were not asked for are dropped, and the cloud is not called."""
    world.manager = world.new_cycle(is_stopping=lambda: True)
    world.cycle()
    assert world.cloud.calls["create"] == 0
    assert world.machines == ()


def test_old_folders_go_after_cleanup_hours(world: World) -> None:
    """deleted/ keeps a machine for so long and no longer."""
    world.set(processors_limit=1, cleanup_hours=2)
    world.cycles(2)
    name = world.here[0].listed.name
    world.cloud.finish(name)
    world.set(processors_limit=0)
    world.cycles(3)
    retired = world.tree.layout.deleted(SPACE) / name
    assert retired.is_dir()
    world.clock.advance(7000)
    world.cycle()
    assert retired.is_dir()
    world.clock.advance(3700)
    world.cycle()
    assert not retired.exists()


def test_a_torn_folder_is_repaired_by_the_next_manager(world: World) -> None:
    """A power cut may leave empty files; a manager that starts writes them again."""
    world.cycles(2)
    name = world.here[0].listed.name
    torn = world.folder(name) / "jobfeatures" / "job_id"
    whole = torn.read_text()
    torn.write_text("")
    world.restart()
    world.cycles(1)
    assert torn.read_text() == whole


@pytest.mark.parametrize(
    ("option", "network", "url"),
    [
        ("squid", "192.0.2.", "http://192.0.2.0:280"),
        ("squid:3128", "192.0.2.", "http://192.0.2.0:3128"),
        ("squid", "2001:db8::", "http://[2001:db8::0]:280"),
    ],
)
def test_web_caches_that_are_alive_are_told_to_new_machines(
    tmp_path: Path, option: str, network: str, url: str
) -> None:
    """cvmfs_proxy_machinetype: addresses with a current heartbeat, then the option's own."""
    told = replace(kind(cvmfs_proxy_machinetype=option), user_data_options={"cvmfs_proxy": "own"})
    squid = kind("squid", heartbeat_file="beat", heartbeat_seconds=100, processors_limit=3)
    world = World(tmp_path, replace(told, options=replace(told.options, target_share=0)), squid)
    world.cycles(2)
    for number, truth in enumerate(world.here):
        here = replace(truth.listed, address=f"{network}{number}")
        world.cloud.change(truth.listed.name, partial(lambda shown, _was: shown, here))
    fresh, stale, _silent = (truth.listed.name for truth in world.here)
    world.beat(stale, "beat")
    world.clock.advance(101)
    world.beat(fresh, "beat")
    template = world.tree.layout.files(SPACE, "prod") / "template"
    template.write_text("#!/bin/sh\n##user_data_option_cvmfs_proxy##\n")
    world.cycle()
    world.set_kind(target_share=1.0)
    world.cycle()
    made = next(each for each in world.cloud.truth if each.machinetype == "prod")
    assert made.request is not None
    assert made.request.user_data.decode() == f"#!/bin/sh\n{url};own\n"
    world.close()


def test_unknown_patterns_are_warned_about_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """One line for each machinetype and pattern, not one for each machine."""
    template = world.tree.layout.files(SPACE, "prod") / "template"
    template.write_text("#!/bin/sh\n##user_data_typo##\n")
    with caplog.at_level("WARNING"):
        world.cycle()
    lines = [record.message for record in caplog.records if "user-data-unknown" in record.message]
    assert len(lines) == 1
    assert "##user_data_typo##" in lines[0]
