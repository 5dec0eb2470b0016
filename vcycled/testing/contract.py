"""What every space must do, as tests: subclass `SpaceContract` and supply `make_space`.

    class TestMySpace(SpaceContract):
        @pytest.fixture
        def make_space(self, fake_cloud: FakeCloud) -> Callable[[], Space]:
            return lambda: MySpace("my.example.com", fake_cloud.options, clock=SystemClock())

Each call of `make_space` gives one more space on the same cloud, as after a restart of the
manager; the machines that tests make are deleted at their end. A slow cloud overrides `pass_time`
and `MOST_STEPS`: how often the tests look again, never what they want to see.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar, Protocol, TypeAlias

import pytest

from vcycled.clock import Clock, SystemClock
from vcycled.errors import Refused
from vcycled.model import FATE, Fate, ListedMachine, MachineState
from vcycled.spaces.base import CreateRequest, Space

TAGS: Mapping[str, str] = {
    "machinetype": "contract",
    "machinefeatures": "https://vcycle.example.com:443/machines/space/machine/machinefeatures",
    "jobfeatures": "https://vcycle.example.com:443/machines/space/machine/jobfeatures",
    "joboutputs": "https://vcycle.example.com:443/machines/space/machine/joboutputs",
    "vcycle_installation": "4f9d6a5c-contract",
    "vcycle_space": "contract.example.com",
}

Until: TypeAlias = Callable[[Callable[[], bool]], None]
"""Let time pass until a condition holds; fail if it never does."""


class RequestFor(Protocol):
    """Make a request for a machine of this name; everything else is any that must work."""

    def __call__(
        self,
        name: str,
        *,
        flavor: str = "",
        user_data: bytes | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> CreateRequest:
        """Return the request."""
        ...


class SpaceContract:
    """The contract of spaces/base.py; a subclass supplies `make_space`."""

    USER_DATA: ClassVar[bytes] = b"#!/bin/sh\nexec sleep 600\n"
    """Keeps a machine running until it is deleted."""
    IMAGE: ClassVar[str] = ""
    """An image that machines can be made of, where they need one."""
    MOST_STEPS: ClassVar[int] = 1000
    """How often time is let pass, at most, until something is seen."""

    @pytest.fixture
    def make_space(self) -> Callable[[], Space]:
        """Return a function that gives a new space on one and the same cloud."""
        raise NotImplementedError

    @pytest.fixture
    def clock(self) -> Clock:
        """Return the clock of the cloud and of the spaces."""
        return SystemClock()

    @pytest.fixture
    def pass_time(self, clock: Clock) -> Callable[[], None]:
        """Return a function that lets a little time pass in the cloud."""

        def wait() -> None:
            clock.wait(threading.Event(), 0.02)

        return wait

    @pytest.fixture
    def space(
        self, make_space: Callable[[], Space], pass_time: Callable[[], None]
    ) -> Iterator[Space]:
        """Give a connected space; afterwards delete what carries our tag and wait for that."""
        space = make_space()
        space.connect()
        yield space
        for _ in range(self.MOST_STEPS):
            left = [each for each in space.machines() if _is_ours(each)]
            for each in left:
                space.delete(each.name, each.cloud_id)
            if not left:
                break
            pass_time()
        space.close()

    @pytest.fixture
    def until(self, pass_time: Callable[[], None]) -> Until:
        """Return a function that lets time pass until a condition holds."""

        def wait(condition: Callable[[], bool]) -> None:
            for _ in range(self.MOST_STEPS):
                if condition():
                    return
                pass_time()
            raise AssertionError(f"not seen after {self.MOST_STEPS} steps")

        return wait

    @pytest.fixture
    def request_for(self, space: Space) -> RequestFor:
        """Return a function that makes requests."""
        smallest = min(space.flavors(), key=lambda each: each.processors)

        def make(
            name: str,
            *,
            flavor: str = "",
            user_data: bytes | None = None,
            tags: Mapping[str, str] | None = None,
        ) -> CreateRequest:
            return CreateRequest(
                name=name,
                uuid=f"uuid-{name}",
                machinetype="contract",
                flavor=flavor or smallest.name,
                zone="",
                user_data=self.USER_DATA if user_data is None else user_data,
                tags={**TAGS, "name": name, "vcycle_uuid": f"uuid-{name}", **(tags or {})},
                image=self.IMAGE,
            )

        return make

    def test_it_is_in_one_place(self, space: Space, make_space: Callable[[], Space]) -> None:
        """The parts of the account are words, and the same to whoever looks, however often."""
        space.connect()
        before = dict(space.account())
        space.machines()
        space.connect()
        other = make_space()
        other.connect()
        assert before == space.account() == other.account()
        assert all(part and value for part, value in before.items())

    # What is offered

    def test_offers_flavors_with_different_names_and_real_sizes(self, space: Space) -> None:
        """There is something to ask for, and each has processors and memory."""
        flavors = space.flavors()
        assert flavors
        assert len({each.name for each in flavors}) == len(flavors)
        assert all(each.name and each.processors > 0 and each.memory_mb > 0 for each in flavors)

    def test_states_limits_that_can_be_compared(self, space: Space) -> None:
        """A limit is none or a number; an unlimited quota is none, never -1."""
        limits = space.limits()
        stated = (limits.processors, limits.machines, limits.memory_mb)
        assert all(each is None or each >= 0 for each in stated)

    def test_connects_again_each_cycle(self, space: Space) -> None:
        """A second connect changes nothing."""
        before = space.flavors()
        space.connect()
        assert tuple(space.flavors()) == tuple(before)

    # Creation

    def test_a_created_machine_is_listed_and_found(
        self, space: Space, request_for: RequestFor, until: Until
    ) -> None:
        """It has the name asked for and the id that create returned."""
        cloud_id = space.create(request_for("vcycle-contract-aaaaaaaaa1"))
        until(lambda: _ids(space, "vcycle-contract-aaaaaaaaa1") == [cloud_id])
        found = space.find("vcycle-contract-aaaaaaaaa1")
        assert found
        assert (found.name, found.cloud_id) == ("vcycle-contract-aaaaaaaaa1", cloud_id)

    def test_tags_come_back_as_they_were_given(
        self, space: Space, request_for: RequestFor, until: Until
    ) -> None:
        """Every tag, with its value to the letter, in the listing and by find."""
        odd = 'it\'s "quoted"; a=b & <c> 100% $HOME\\n'
        request = request_for("vcycle-contract-aaaaaaaaa2", tags={"odd": odd, "long": "x" * 255})
        space.create(request)
        until(lambda: len(_ids(space, request.name)) == 1)
        found = space.find(request.name)
        assert found is not None
        for machine in (found, _listed(space, request.name)):
            assert {name: machine.tags.get(name) for name in request.tags} == dict(request.tags)

    def test_a_machine_has_the_size_of_its_flavor(
        self, space: Space, request_for: RequestFor, until: Until
    ) -> None:
        """Processors count against limits from the first sighting."""
        largest = max(space.flavors(), key=lambda each: each.processors)
        request = request_for("vcycle-contract-aaaaaaaaa3", flavor=largest.name)
        space.create(request)
        until(lambda: len(_ids(space, request.name)) == 1)
        machine = _listed(space, request.name)
        assert (machine.processors, machine.flavor) == (largest.processors, largest.name)

    def test_creating_a_name_that_exists_makes_no_second_machine(
        self, space: Space, request_for: RequestFor, until: Until
    ) -> None:
        """It succeeds with the same id, so that a lost answer can be asked for again."""
        request = request_for("vcycle-contract-aaaaaaaaa4")
        cloud_id = space.create(request)
        until(lambda: len(_ids(space, request.name)) == 1)
        assert space.create(request) == cloud_id
        assert _ids(space, request.name) == [cloud_id]

    def test_names_are_listed_to_the_letter(
        self, space: Space, request_for: RequestFor, until: Until
    ) -> None:
        """Also one with many hyphens, and as long as host names may be."""
        names = {"vcycle-a-b-c-0123456789", f"vcycle-{'m' * 45}-0123456789"}
        for name in names:
            space.create(request_for(name))
        until(lambda: names <= {each.name for each in space.machines()})
        assert {each.name for each in space.machines() if _is_ours(each)} == names

    def test_machines_created_side_by_side_are_all_listed(
        self, space: Space, request_for: RequestFor, until: Until
    ) -> None:
        """The manager creates from several threads; each machine is its own."""
        names = [f"vcycle-contract-{number:010}" for number in range(8)]
        with ThreadPoolExecutor(max_workers=8) as pool:
            ids = list(pool.map(lambda name: space.create(request_for(name)), names))
        assert len(set(ids)) == len(names)
        until(lambda: {each.cloud_id for each in space.machines() if _is_ours(each)} == set(ids))

    def test_an_unknown_flavor_is_refused_and_nothing_is_made(
        self, space: Space, request_for: RequestFor
    ) -> None:
        """A person must correct the name."""
        request = request_for("vcycle-contract-aaaaaaaaa5", flavor="no-such-flavor")
        with pytest.raises(Refused):
            space.create(request)
        assert space.find(request.name) is None
        assert _ids(space, request.name) == []

    def test_user_data_of_the_size_that_every_cloud_takes_is_taken(
        self, space: Space, request_for: RequestFor
    ) -> None:
        """EC2 has the smallest limit: 16 KiB, with any byte in it."""
        filling = bytes(range(1, 256)).replace(b"\n", b"") * 64
        user_data = (self.USER_DATA + b"# " + filling)[: 16 * 1024]
        request = request_for("vcycle-contract-aaaaaaaaa6", user_data=user_data)
        assert space.create(request)

    # Life

    def test_a_machine_comes_to_run_or_ends(
        self, space: Space, request_for: RequestFor, until: Until
    ) -> None:
        """It does not stay in a state of which nothing follows."""
        request = request_for("vcycle-contract-aaaaaaaaa7")
        space.create(request)
        settled = {Fate.KEEP, Fate.REMOVE}
        until(lambda: bool(_ids(space, request.name)))
        until(lambda: FATE[_listed(space, request.name).state] in settled)

    def test_times_are_in_order_where_they_are_stated(
        self, space: Space, request_for: RequestFor, clock: Clock, until: Until
    ) -> None:
        """Created, then started, neither before the call nor in the future."""
        request = request_for("vcycle-contract-aaaaaaaaa8")
        asked_at = clock.now()
        space.create(request)
        until(lambda: bool(_ids(space, request.name)))
        until(lambda: _listed(space, request.name).state is not MachineState.STARTING)
        machine = _listed(space, request.name)
        created_at = asked_at if machine.created_at is None else machine.created_at
        started_at = created_at if machine.started_at is None else machine.started_at
        # A second for clouds that round down.
        assert asked_at - 1 <= created_at <= started_at <= clock.now()
        assert machine.stopped_at is None or machine.stopped_at >= started_at

    def test_another_manager_sees_the_same_machines(
        self, space: Space, make_space: Callable[[], Space], request_for: RequestFor, until: Until
    ) -> None:
        """What must survive our memory is in the cloud; closing a space ends no machine."""
        request = request_for("vcycle-contract-aaaaaaaaa9")
        cloud_id = space.create(request)
        until(lambda: len(_ids(space, request.name)) == 1)
        space.close()
        other = make_space()
        other.connect()
        assert _ids(other, request.name) == [cloud_id]
        assert _listed(other, request.name).tags["vcycle_uuid"] == request.uuid
        space.connect()

    # Finding

    def test_an_unknown_machine_is_not_found(self, space: Space) -> None:
        """None, not an error: it is the proof of absence."""
        assert space.find("vcycle-contract-bbbbbbbbb1") is None
        assert space.find("vcycle-contract-bbbbbbbbb1", "no-such-id") is None

    def test_an_id_decides_which_machine_is_found(
        self, space: Space, request_for: RequestFor, until: Until
    ) -> None:
        """A machine of the same name but another id is not the one."""
        first = space.create(request_for("vcycle-contract-bbbbbbbbb2"))
        second = space.create(request_for("vcycle-contract-bbbbbbbbb3"))
        until(lambda: space.find("vcycle-contract-bbbbbbbbb2", first) is not None)
        found = space.find("vcycle-contract-bbbbbbbbb3", second)
        assert found is not None
        assert found.cloud_id == second
        assert space.find("vcycle-contract-bbbbbbbbb2", "no-such-id") is None

    # Deletion

    def test_a_deleted_machine_vanishes(
        self, space: Space, request_for: RequestFor, until: Until
    ) -> None:
        """From the listing and for find."""
        request = request_for("vcycle-contract-ccccccccc1")
        cloud_id = space.create(request)
        until(lambda: len(_ids(space, request.name)) == 1)
        space.delete(request.name, cloud_id)
        until(lambda: not _ids(space, request.name))
        assert space.find(request.name) is None
        assert space.find(request.name, cloud_id) is None

    def test_a_machine_can_be_deleted_by_its_name_alone(
        self, space: Space, request_for: RequestFor, until: Until
    ) -> None:
        """An answer that was lost had the id in it."""
        request = request_for("vcycle-contract-ccccccccc2")
        space.create(request)
        until(lambda: len(_ids(space, request.name)) == 1)
        space.delete(request.name)
        until(lambda: space.find(request.name) is None)

    def test_a_machine_that_runs_can_be_deleted(
        self, space: Space, request_for: RequestFor, until: Until
    ) -> None:
        """It need not end by itself first, and until it is gone it is shown as going or ended."""
        request = request_for("vcycle-contract-ccccccccc3")
        space.create(request)
        until(lambda: bool(_ids(space, request.name)))
        until(lambda: _listed(space, request.name).state is not MachineState.STARTING)
        space.delete(request.name)
        until(lambda: _fates(space, request.name) <= {Fate.GOING, Fate.REMOVE})
        until(lambda: not _ids(space, request.name))

    def test_deleting_what_is_gone_succeeds(
        self, space: Space, request_for: RequestFor, until: Until
    ) -> None:
        """However often it is asked for, and for a machine that never was."""
        request = request_for("vcycle-contract-ccccccccc4")
        cloud_id = space.create(request)
        until(lambda: len(_ids(space, request.name)) == 1)
        space.delete(request.name, cloud_id)
        space.delete(request.name, cloud_id)
        until(lambda: space.find(request.name) is None)
        space.delete(request.name, cloud_id)
        space.delete("vcycle-contract-ccccccccc5")
        assert space.find(request.name) is None

    def test_deleting_one_machine_leaves_the_others(
        self, space: Space, request_for: RequestFor, until: Until
    ) -> None:
        """Also one whose name begins alike, and one that has the name but another id."""
        gone = space.create(request_for("vcycle-contract-ccccccccc6"))
        alike = space.create(request_for("vcycle-contract-ccccccccc66"))
        same = space.create(request_for("vcycle-contract-ccccccccc7"))
        until(lambda: {gone, alike, same} <= {each.cloud_id for each in space.machines()})
        space.delete("vcycle-contract-ccccccccc6", gone)
        space.delete("vcycle-contract-ccccccccc7", gone)
        until(lambda: gone not in {each.cloud_id for each in space.machines()})
        fates = {each.cloud_id: FATE[each.state] for each in space.machines()}
        assert {alike, same} <= set(fates)
        assert Fate.GOING not in {fates[alike], fates[same]}

    def test_a_name_can_be_used_again_after_it_is_gone(
        self, space: Space, request_for: RequestFor, until: Until
    ) -> None:
        """The new machine has an id of its own, so that the two are never confused."""
        request = request_for("vcycle-contract-ccccccccc8")
        first = space.create(request)
        until(lambda: len(_ids(space, request.name)) == 1)
        space.delete(request.name, first)
        until(lambda: space.find(request.name) is None)
        second = space.create(request)
        until(lambda: _ids(space, request.name) == [second])
        assert second != first
        assert space.find(request.name, first) is None


def _is_ours(machine: ListedMachine) -> bool:
    return machine.tags.get("vcycle_installation") == TAGS["vcycle_installation"]


def _ids(space: Space, name: str) -> list[str]:
    return [each.cloud_id for each in space.machines() if each.name == name]


def _fates(space: Space, name: str) -> set[Fate]:
    return {FATE[each.state] for each in space.machines() if each.name == name}


def _listed(space: Space, name: str) -> ListedMachine:
    return next(each for each in space.machines() if each.name == name)
