"""Cycles under a cloud that hides or doubles machines, a full disk, a clock that jumps."""

from __future__ import annotations

import pytest

from tests import cycle_kit
from tests.cycle_kit import causes
from tests.faults.clocks import TrueClock
from tests.world import FIZZLE, SPACE, World
from vcycled.errors import Refused, StoreError, Unavailable
from vcycled.model import Cause, Changes
from vcycled.spaces.memory import MemoryCloud

world = cycle_kit.world


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
    world.lose_database()
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


def test_a_folder_that_could_not_be_retired_is_tried_at_the_next_cycle(world: World) -> None:
    """Also by a manager that comes after the one that failed first."""
    world.cycles(2)
    deleted = world.tree.layout.deleted(SPACE)
    deleted.parent.mkdir(parents=True, exist_ok=True)
    deleted.write_text("in the way")
    name = world.here[0].listed.name
    world.cloud.finish(name)
    world.cycles(3)
    world.restart()
    world.cycle()
    assert name not in {each.name for each in world.machines}
    assert name in world.tree.current(SPACE)
    deleted.unlink()
    world.clock.advance(60)
    world.cycle()
    assert name not in world.tree.current(SPACE)
    assert (deleted / name).is_dir()


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
