"""A space that is pointed elsewhere leaves the machines it had alone, and makes none there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.builders import NOW, machine
from tests.fakes.openstack import Settings
from tests.openstack_world import OpenStackWorld
from tests.remember_kit import records
from tests.world import FIZZLE, SPACE, World
from vcycled.errors import Refused
from vcycled.model import ListedMachine, Machine, MachineState, Order, OrderKind, Stage
from vcycled.remember import is_elsewhere, located, mislaid, unproven, waited_for
from vcycled.spaces.memory import MemoryCloud

AnyCloud = World | OpenStackWorld


class TestAccounts:
    """What two accounts say of each other."""

    @pytest.mark.parametrize(
        ("before", "now", "differs"),
        [
            ({}, {}, False),
            ({}, {"project": "a"}, False),
            ({"project": "a"}, {}, False),
            ({"project": "a"}, {"project": "a"}, False),
            ({"project": "a"}, {"project": "b"}, True),
            ({"project": "a", "region": "x"}, {"project": "a", "region": "y"}, True),
            ({"project": "a"}, {"project": "a", "region": "y"}, False),
            ({"project": "a", "region": "x"}, {"region": "x"}, False),
            ({"project": "a", "region": "x"}, {"project": "b", "region": "x"}, True),
        ],
    )
    def test_a_part_that_one_does_not_tell_says_nothing(
        self, before: Mapping[str, str], now: Mapping[str, str], *, differs: bool
    ) -> None:
        """Only one that both tell, and tell differently, does."""
        assert is_elsewhere(before, now) == differs

    def test_what_is_learnt_of_an_account_adds_up(self) -> None:
        """Until it is another one."""
        first = located(records(), {"project": "a"}, ())
        second = located(first, {"region": "x"}, ())
        assert second.memory.account == {"project": "a", "region": "x"}
        assert located(second, {}, ()).memory.account == {"project": "a", "region": "x"}
        assert located(second, {"project": "b"}, ()).memory.account == {"project": "b"}

    @pytest.mark.parametrize(
        ("changes", "is_waited_for"),
        [
            ({"stage": Stage.INTENDED}, False),
            ({"stage": Stage.ASKED}, True),
            ({"stage": Stage.LISTED}, True),
            ({"stage": Stage.LISTED, "stopped_at": NOW}, True),
            ({"stage": Stage.LISTED, "is_delete_acknowledged": True}, True),
            ({"stage": Stage.LISTED, "stopped_at": NOW, "is_delete_acknowledged": True}, False),
            ({"stage": Stage.GONE}, False),
        ],
    )
    def test_machines_that_the_cloud_may_still_run_are_waited_for(
        self, changes: Mapping[str, object], *, is_waited_for: bool
    ) -> None:
        """Not those that are over, whose deletion it has agreed to."""
        given = machine("vcycle-prod-1", **{"state": MachineState.RUNNING, **changes})
        assert bool(waited_for([given])) == is_waited_for


@pytest.fixture(params=["memory", "openstack"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyCloud]:
    """Return a space that is full, in a place that can be told from others."""
    made: AnyCloud
    if request.param == "memory":
        made = World(tmp_path / "root", processors_limit=4)
        made.cloud.extras.account["region"] = "RegionOne"
    else:
        made = OpenStackWorld(tmp_path / "root", processors_limit=4)
    made.cycles(3)
    yield made
    made.close()


@contextmanager
def pointed_elsewhere(world: AnyCloud) -> Iterator[None]:
    """Let the section name another region, with an empty cloud, for a while."""
    before = (world.cloud, world.url) if isinstance(world, OpenStackWorld) else world.cloud
    if isinstance(world, OpenStackWorld):
        world.cloud_settings = Settings(start_seconds=30, region="RegionTwo")
        world.open_cloud()
    else:
        world.cloud = MemoryCloud(world.clock, start_seconds=30)
        world.cloud.extras.account["region"] = "RegionTwo"
    world.manager = world.new_cycle()
    yield
    if isinstance(world, OpenStackWorld):
        assert isinstance(before, tuple)
        world.cloud, world.url = before
    else:
        assert isinstance(before, MemoryCloud)
        world.cloud = before
    world.manager = world.new_cycle()


def imported(name: str, **changes: object) -> Machine:
    """Return a machine as an import leaves it."""
    unseen = {"state": MachineState.UNKNOWN, "flavor": "", "token_hash": ""}
    return machine(name, **{**unseen, **changes})


def shown(name: str, cloud_id: str) -> ListedMachine:
    """Return what a cloud shows."""
    return ListedMachine(
        name=name, cloud_id=cloud_id, state=MachineState.RUNNING, processors=1, memory_mb=2048
    )


class TestImported:
    """Machines that nothing but an import tells of: has a listing ever shown one?"""

    four = tuple(imported(f"m{number}") for number in range(4))

    @pytest.mark.parametrize(
        ("name", "cloud_id", "is_proof"),
        [("m0", "m0", True), ("renamed", "m0", True), ("m0", "other", False)],
    )
    def test_one_that_is_shown_proves_the_place(
        self, name: str, cloud_id: str, *, is_proof: bool
    ) -> None:
        """By its id; a name proves only where no id is known."""
        assert unproven(self.four, ()) == self.four
        listing = [shown(name, cloud_id)]
        assert (unproven(self.four, listing) == ()) == is_proof
        ended = imported("m9", cloud_id="m9", stopped_at=NOW, is_delete_acknowledged=True)
        assert unproven((*self.four, ended), [shown("m9", "m9")]) == ()
        named = imported("m0", cloud_id="", stage=Stage.ASKED)
        assert (unproven([named], listing) == ()) == (name == "m0")

    @pytest.mark.parametrize(
        "changes",
        [
            {"state": MachineState.RUNNING},
            {"flavor": "small"},
            {"state": MachineState.STARTING, "stage": Stage.ASKED},
        ],
    )
    def test_one_that_was_shown_before_or_that_we_made_does_too(
        self, changes: Mapping[str, object]
    ) -> None:
        """Where that was, the account of the space tells."""
        assert unproven((*self.four, imported("x", **changes)), ()) == ()

    @pytest.mark.parametrize(
        ("other", "is_held"),
        [
            ({}, True),
            ({"stopped_at": NOW}, False),
            ({"stage": Stage.ASKED}, False),
            ({"stage": Stage.GONE}, False),
        ],
    )
    def test_four_that_should_be_there_are_too_many_for_chance(
        self, other: Mapping[str, object], *, is_held: bool
    ) -> None:
        """As where listings are suspected; those that have ended or were lost prove nothing."""
        machines = (*self.four[:3], imported("x", **other))
        assert bool(mislaid(unproven(machines, ()))) == is_held

    def test_an_account_is_not_theirs_before_one_was_seen_in_it(self) -> None:
        """Otherwise the section could not be pointed back to where they are."""
        given = records(*self.four[:1])
        assert located(given, {"project": "a"}, ()).memory.account == {}
        listing = [shown("m0", "m0")]
        assert located(given, {"project": "a"}, listing).memory.account == {"project": "a"}


def finish_all(world: AnyCloud) -> None:
    """Let the work of every machine end."""
    world.clock.advance(FIZZLE)
    world.all_here(world.cloud.finish)


def archived(world: AnyCloud) -> int:
    """Return how many records were written."""
    return len(list(world.queue.archived()))


class TestMoved:
    """A section is pointed at another region while its machines run."""

    def test_nothing_is_concluded_and_nothing_made(self, world: AnyCloud) -> None:
        """However long it is so; pointed back, all is as it was."""
        before = {each.uuid for each in world.machines}
        with pointed_elsewhere(world):
            report = world.cycles(10, seconds=600).report
            assert "region RegionTwo" in report.error
            assert "machines are waited for (4) in" in report.error
            assert "region RegionOne" in report.error
            assert world.ours() == {}
        assert world.cycles(3).report.error == ""
        assert {each.uuid for each in world.machines} == before
        assert (archived(world), len(world.ours())) == (0, 4)
        finish_all(world)
        world.set(processors_limit=0)
        world.cycles(5)
        assert (archived(world), world.machines, world.audit()) == (4, (), [])

    @pytest.mark.parametrize("mode", ["manage", "observe"])
    def test_a_restart_does_not_help(self, world: AnyCloud, mode: str) -> None:
        """The database knows where they are; nor does it matter whether anything may be done."""
        world.set(mode=mode)
        with pointed_elsewhere(world):
            world.restart()
            assert "region RegionOne" in world.cycle().report.error
            with pytest.raises(Refused, match="region RegionOne"):
                world.manager.preview(world.config)
        assert len(world.machines) == 4

    def test_once_they_are_over_it_moves(self, world: AnyCloud) -> None:
        """Without a word: drained, there is nothing to be lost."""
        finish_all(world)
        world.set(processors_limit=0)
        world.cycle()
        assert world.machines
        world.set(processors_limit=4)
        with pointed_elsewhere(world):
            assert world.cycles(4).report.error == ""
            assert len(world.ours()) == 4
            memory = world.store.memory(SPACE)
            assert memory.account["region"] == "RegionTwo"
            assert archived(world) == 4

    def test_what_is_given_up_for_lost_is_forgotten_by_order(self, world: AnyCloud) -> None:
        """Each with its record, until it was last seen; then the new place is taken."""
        world.cycles(3)
        with pointed_elsewhere(world):
            for each in world.machines:
                forget = Order(
                    id=0,
                    at=world.clock.now(),
                    space=SPACE,
                    kind=OrderKind.FORGET,
                    who="alice",
                    machine=each.name,
                    is_forced=True,
                )
                world.store.order(forget)
            world.cycles(3)
            assert (archived(world), len(world.ours())) == (4, 4)


def test_a_place_that_was_never_told_holds_nothing_back(tmp_path: Path) -> None:
    """As in a database of before, or a cloud that does not say; from then on it is known."""
    world = World(tmp_path / "root", processors_limit=4)
    world.cycles(2)
    assert world.store.memory(SPACE).account == {}
    world.cloud.extras.account["region"] = "RegionOne"
    assert world.cycle().report.error == ""
    assert world.store.memory(SPACE).account == {"region": "RegionOne"}
    world.close()
