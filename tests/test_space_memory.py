"""The scripted cloud keeps the contract, does what it is told, and knows the truth."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from vcycled.errors import NoCapacity, QuotaExceeded, Refused, Unavailable
from vcycled.spaces.base import CreateRequest, Flavor, Limits, MachineState, Space
from vcycled.spaces.memory import MemoryCloud, MemorySpace
from vcycled.testing.clock import START, FakeClock
from vcycled.testing.contract import SpaceContract


class TestMemorySpaceContract(SpaceContract):
    """The contract, in a cloud that takes a few seconds for everything."""

    @pytest.fixture
    def clock(self) -> FakeClock:
        """Return a clock that the test moves."""
        return FakeClock()

    @pytest.fixture
    def make_space(self, clock: FakeClock) -> Callable[[], Space]:
        """Return views of one cloud."""
        cloud = MemoryCloud(clock, start_seconds=5, delete_seconds=3)
        return lambda: MemorySpace(cloud)

    @pytest.fixture
    def pass_time(self, clock: FakeClock) -> Callable[[], None]:
        """Let a second pass."""
        return lambda: clock.advance(1)


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock that the test moves."""
    return FakeClock()


@pytest.fixture
def cloud(clock: FakeClock) -> MemoryCloud:
    """Return a cloud where nothing happens by itself."""
    return MemoryCloud(clock)


@pytest.fixture
def space(cloud: MemoryCloud) -> MemorySpace:
    """Return a manager's view of the cloud."""
    return MemorySpace(cloud)


def asked(name: str = "one", *, machinetype: str = "prod", flavor: str = "small") -> CreateRequest:
    """Return a request."""
    return CreateRequest(
        name=name,
        uuid=name,
        machinetype=machinetype,
        flavor=flavor,
        zone="",
        user_data=b"",
        tags={"machinetype": machinetype},
    )


def states(space: Space) -> dict[str, MachineState]:
    """Return the state of each listed machine by its name."""
    return {each.name: each.state for each in space.machines()}


def test_a_machine_goes_through_the_states_it_is_told(
    cloud: MemoryCloud, space: MemorySpace, clock: FakeClock
) -> None:
    """Each with its time."""
    space.create(asked())
    assert states(space) == {"one": MachineState.STARTING}
    clock.advance(60)
    cloud.run("one")
    clock.advance(600)
    cloud.finish("one")
    machine = space.find("one")
    assert machine is not None
    assert machine.state is MachineState.SHUTDOWN
    times = (machine.created_at, machine.started_at, machine.stopped_at)
    assert times == (START, START + 60, START + 660)
    cloud.vanish("one")
    assert space.machines() == ()
    assert cloud.of("one").gone_at == START + 660


def test_a_machine_can_fail_and_be_doubted(cloud: MemoryCloud, space: MemorySpace) -> None:
    """With the fault that the cloud states."""
    space.create(asked("bad"))
    space.create(asked("lost"))
    cloud.fail("bad", "Quota exceeded for disk")
    cloud.doubt("lost")
    assert states(space) == {"bad": MachineState.FAILED, "lost": MachineState.UNKNOWN}
    assert cloud.of("bad").listed.fault == "Quota exceeded for disk"
    assert cloud.of("bad").listed.stopped_at == START


@pytest.mark.parametrize(
    ("passed_s", "state"),
    [(59, MachineState.STARTING), (60, MachineState.RUNNING), (61, MachineState.RUNNING)],
)
def test_machines_run_by_themselves_after_start_seconds(
    clock: FakeClock, passed_s: int, state: MachineState
) -> None:
    """To the second, with the time when it was due."""
    space = MemorySpace(MemoryCloud(clock, start_seconds=60))
    space.create(asked())
    clock.advance(passed_s)
    machine = space.find("one")
    assert machine is not None
    assert machine.state is state
    assert machine.started_at == (START + 60 if state is MachineState.RUNNING else None)


@pytest.mark.parametrize(("passed_s", "is_there"), [(29, True), (30, False), (31, False)])
def test_machines_go_delete_seconds_after_they_were_deleted(
    clock: FakeClock, passed_s: int, is_there: bool
) -> None:
    """Until then they are shown as deleting."""
    cloud = MemoryCloud(clock, delete_seconds=30)
    space = MemorySpace(cloud)
    space.create(asked())
    space.delete("one")
    clock.advance(passed_s)
    assert states(space) == ({"one": MachineState.DELETING} if is_there else {})
    assert cloud.of("one").gone_at == (None if is_there else START + 30)


def test_a_machine_that_was_deleted_or_failed_does_not_run_when_its_time_comes(
    clock: FakeClock,
) -> None:
    """What is due is looked at again then."""
    cloud = MemoryCloud(clock, start_seconds=60, delete_seconds=0)
    space = MemorySpace(cloud)
    space.create(asked("gone"))
    space.create(asked("failed"))
    space.delete("gone")
    cloud.fail("failed")
    clock.advance(60)
    assert states(space) == {"failed": MachineState.FAILED}


def test_deleting_can_last_until_the_test_says(clock: FakeClock) -> None:
    """Every call is counted; the second changes nothing."""
    cloud = MemoryCloud(clock, delete_seconds=None)
    space = MemorySpace(cloud)
    space.create(asked())
    space.delete("one")
    clock.advance(100_000)
    space.delete("one")
    assert states(space) == {"one": MachineState.DELETING}
    assert cloud.of("one").deletes == 2
    assert cloud.of("one").listed.stopped_at == START


def test_listings_can_omit_be_cut_and_lag(
    cloud: MemoryCloud, space: MemorySpace, clock: FakeClock
) -> None:
    """While find goes on telling the truth."""
    for name in ("one", "two", "three"):
        space.create(asked(name))
    cloud.listing.lag_seconds = 5
    clock.advance(4)
    assert states(space) == {}
    clock.advance(1)
    assert set(states(space)) == {"one", "two", "three"}
    cloud.listing.omitted = {"one"}
    assert set(states(space)) == {"two", "three"}
    cloud.listing.cut = 1
    assert set(states(space)) == {"two"}
    assert space.find("one") is not None


def test_calls_raise_what_was_scripted_and_then_work_again(
    cloud: MemoryCloud, space: MemorySpace
) -> None:
    """Nothing is done by a call that fails, but it is counted."""
    cloud.fail_next("create", NoCapacity("create", "none"), Refused("create", "no"))
    with pytest.raises(NoCapacity):
        space.create(asked())
    with pytest.raises(Refused):
        space.create(asked())
    assert cloud.truth == []
    assert space.create(asked())
    assert cloud.calls["create"] == space.calls["create"] == 3


@pytest.mark.parametrize("operation", ["connect", "limits", "flavors", "machines"])
def test_every_call_can_fail(cloud: MemoryCloud, space: MemorySpace, operation: str) -> None:
    """Also those that only look."""
    cloud.fail_next(operation, Unavailable(operation, "gone fishing"))
    call: Callable[[], object] = getattr(space, operation)
    with pytest.raises(Unavailable):
        call()
    call()
    assert cloud.calls[operation] == 2


def test_a_lost_reply_is_a_deed_done(cloud: MemoryCloud, space: MemorySpace) -> None:
    """The machine is there although create said that it does not know."""
    cloud.lose_replies("create")
    with pytest.raises(Unavailable):
        space.create(asked())
    assert space.find("one") is not None
    cloud.lose_replies("delete")
    with pytest.raises(Unavailable):
        space.delete("one")
    assert space.find("one") is None


def test_a_call_hangs_until_it_is_let_go_and_delays_no_other(
    cloud: MemoryCloud, space: MemorySpace
) -> None:
    """Only the operation that is held."""
    gate = cloud.hold("machines")
    with ThreadPoolExecutor() as pool:
        listing = pool.submit(space.machines)
        space.create(asked())
        assert not listing.done()
        gate.set()
        assert len(listing.result(timeout=60)) == 1


def test_latency_is_what_the_test_makes_of_it(
    cloud: MemoryCloud, space: MemorySpace, clock: FakeClock
) -> None:
    """It is called with the name of the operation, before anything is done."""
    operations: list[str] = []

    def be_slow(operation: str) -> None:
        operations.append(operation)
        clock.advance(7)

    cloud.latency = be_slow
    space.create(asked())
    assert operations == ["create"]
    assert cloud.of("one").listed.created_at == START + 7


@pytest.mark.parametrize(
    ("limits", "is_made"),
    [
        (Limits(processors=9), True),
        (Limits(processors=8), False),
        (Limits(machines=2), True),
        (Limits(machines=1), False),
        (Limits(), True),
    ],
)
def test_the_quota_counts_foreign_machines_too(
    clock: FakeClock, limits: Limits, is_made: bool
) -> None:
    """And is held to the processor."""
    cloud = MemoryCloud(clock, limits=limits)
    space = MemorySpace(cloud)
    cloud.add_foreign("theirs", processors=1)
    if is_made:
        assert space.create(asked(flavor="large"))
    else:
        with pytest.raises(QuotaExceeded):
            space.create(asked(flavor="large"))
    assert space.limits() == limits
    assert len(cloud.here) == 1 + is_made


def test_two_foreign_machines_may_have_one_name(cloud: MemoryCloud, space: MemorySpace) -> None:
    """They are two entries with two ids."""
    ids = {cloud.add_foreign("twin"), cloud.add_foreign("twin", processors=4)}
    assert {each.cloud_id for each in space.machines()} == ids
    space.delete("twin", max(ids))
    assert [each.cloud_id for each in space.machines()] == [min(ids)]


def test_the_cloud_remembers_every_machine_and_the_peaks(
    cloud: MemoryCloud, space: MemorySpace
) -> None:
    """Also of what is gone, by machinetype and all together."""
    space.create(asked("a", flavor="large"))
    space.create(asked("b", machinetype="test"))
    space.delete("a")
    space.create(asked("c", machinetype="test"))
    cloud.add_foreign("theirs", processors=2)
    assert [each.listed.name for each in cloud.truth] == ["a", "b", "c", "theirs"]
    assert [each.listed.name for each in cloud.here] == ["b", "c", "theirs"]
    assert cloud.peak_processors == {"*": 9, "prod": 8, "test": 2, "": 2}
    with pytest.raises(KeyError):
        cloud.of("never")


def test_a_listing_in_which_nothing_changed_is_the_same_tuple(clock: FakeClock) -> None:
    """Ten thousand machines cost nothing as long as they do nothing."""
    cloud = MemoryCloud(clock, flavors=[Flavor(name="tiny", processors=1, memory_mb=1)])
    space = MemorySpace(cloud)
    for number in range(10_000):
        space.create(asked(f"m{number}", flavor="tiny"))
    before = space.machines()
    assert space.machines() is before
    cloud.run("m5000")
    after = space.machines()
    kept = sum(old is new for old, new in zip(before, after, strict=True))
    assert (len(after), kept) == (10_000, 9_999)


def test_threads_share_a_cloud(cloud: MemoryCloud, space: MemorySpace) -> None:
    """Of many that ask for one name at once, all get the one machine."""
    barrier = threading.Barrier(8)

    def create(_number: int) -> str:
        barrier.wait(timeout=60)
        return space.create(asked())

    with ThreadPoolExecutor(max_workers=8) as pool:
        ids = set(pool.map(create, range(8)))
    assert len(ids) == len(cloud.truth) == 1
