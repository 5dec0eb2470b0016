"""The guards of docs/explanation/guards.md, each in the whole manager, on two clouds.

One is in memory, one is an OpenStack that speaks HTTP, so that what is said of tags holds for
servers' metadata.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.openstack_world import OpenStackWorld, image_kind
from tests.world import FIZZLE, World, kind
from vcycled.model import Stage
from vcycled.options import Amount

pytestmark = pytest.mark.no_cover  # hours of a whole manager: see tests/conftest.py

AnyCloud = World | OpenStackWorld
Build = Callable[..., AnyCloud]


@pytest.fixture(params=["memory", "openstack"])
def build(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Build]:
    """Return what makes a world with machinetypes of these names; options are the space's."""
    made: list[AnyCloud] = []

    def make(*names: str, **options: Any) -> AnyCloud:  # noqa: ANN401 - see World
        if request.param == "memory":
            kinds = [kind(name) for name in names or ("prod",)]
            made.append(World(tmp_path / "root", *kinds, **options))
        else:
            kinds = [image_kind(name) for name in names or ("prod",)]
            made.append(OpenStackWorld(tmp_path / "root", *kinds, **options))
        return made[-1]

    yield make
    for world in made:
        world.close()


def deletes(world: AnyCloud) -> int:
    """Return how often machines that have not ended were asked to be deleted."""
    every = world.store.machines(include_gone=True)
    return sum(each.delete_attempts for each in every if each.delete_reason)


def without(world: AnyCloud, name: str) -> None:
    """Take a machinetype out of the configuration."""
    left = tuple(each for each in world.config.machinetypes if each.name != name)
    world.config = replace(world.config, machinetypes=left)


def archived(world: AnyCloud) -> int:
    """Return how many records were written."""
    return len(list(world.queue.archived()))


class TestDeletionCap:
    """However many machines are due, few go in one cycle."""

    def test_machines_that_are_too_old_together_go_few_by_few(self, build: Build) -> None:
        """A mistake in max_wallclock_seconds can be put right before it has cost much."""
        world = build(max_deletions_per_cycle=Amount(percent=20.0))
        world.cycles(3)
        world.set(processors_limit=0)
        world.clock.advance(20_000)
        world.cycle()
        assert deletes(world) == 2
        world.cycle()
        assert deletes(world) == 4
        world.set_kind(max_wallclock_seconds=100_000)
        world.cycles(5)
        assert len(world.machines) == 6
        assert world.audit() == []


class TestListings:
    """A listing that lies costs nothing."""

    def test_an_empty_one_is_not_believed(self, build: Build) -> None:
        """Nothing is made in place of what it lacks, and nothing is given up."""
        world = build()
        world.cycles(3)
        before = {each.uuid for each in world.machines}
        world.cloud.listing.cut = 0
        world.cycles(30)
        assert {each.uuid for each in world.machines} == before
        world.cloud.listing.cut = None
        world.cycles(2)
        assert {each.uuid for each in world.machines} == before
        assert (deletes(world), archived(world), len(world.ours())) == (0, 0, 10)

    def test_one_that_lacks_some_for_hours_is_not_either(self, build: Build) -> None:
        """The cloud itself, asked for each of them, has the last word."""
        world = build()
        world.cycles(3)
        missing = sorted(world.ours().values())[:3]
        world.cloud.listing.omitted |= set(missing)
        world.cycles(30, seconds=300)
        assert len(world.machines) == 10
        assert {each.stage for each in world.machines} == {Stage.LISTED}
        assert (deletes(world), archived(world), len(world.ours())) == (0, 0, 10)

    def test_what_is_truly_gone_is_accounted_and_replaced(self, build: Build) -> None:
        """After it was looked for."""
        world = build()
        world.cycles(5)
        for name in sorted(world.ours().values())[:3]:
            world.cloud.vanish(name)
        world.cycles(10)
        assert (archived(world), len(world.machines)) == (3, 10)
        assert world.audit() == []


class TestLostDatabase:
    """Everything is found again by what it bears."""

    def test_machines_go_on_and_are_accounted(self, build: Build) -> None:
        """Under their own uuids, by the cloud's times."""
        world = build("prod", "test")
        world.cycles(5)
        before = {(each.uuid, each.name, each.machinetype) for each in world.machines}
        world.lose_database()
        world.cycles(3)
        after = {(each.uuid, each.name, each.machinetype) for each in world.machines}
        assert after == before
        assert (deletes(world), len(world.ours())) == (0, 10)
        world.set(processors_limit=0)
        world.clock.advance(FIZZLE)
        for name in tuple(world.ours().values()):
            world.cloud.finish(name)
        world.cycles(5)
        assert world.machines == ()
        assert archived(world) == 10
        assert world.audit() == []

    def test_nothing_goes_on_the_strength_of_one_listing(self, build: Build) -> None:
        """What is due is seen a second time first."""
        world = build(max_deletions_per_cycle=Amount(count=100))
        world.cycles(3)
        world.clock.advance(20_000)
        world.set(processors_limit=0)
        world.lose_database()
        world.cycle()
        assert (deletes(world), len(world.machines)) == (0, 10)
        world.clock.advance(60)
        world.cycle()
        assert deletes(world) == 10

    def test_one_that_ended_meanwhile_is_accounted_too(self, build: Build) -> None:
        """Its end is what the cloud says."""
        world = build()
        world.cycles(5)
        ended = world.clock.now()
        world.cloud.finish(min(world.ours().values()))
        world.clock.advance(900)
        world.set(processors_limit=0)
        world.lose_database()
        world.cycles(5)
        (run,) = (each.interval for each in world.store.intervals() if each.interval.is_final)
        assert run.ended_at == ended
        assert archived(world) == 1

    def test_records_that_had_left_are_not_written_again(self, build: Build) -> None:
        """Machines that are gone are not found, and what the queue has stays as it is."""
        world = build()
        world.cycles(5)
        for name in sorted(world.ours().values())[:4]:
            world.cloud.finish(name)
        world.cycles(3)
        before = sorted(world.queue.archived())
        assert len(before) == 4
        world.lose_database()
        world.cycles(5)
        assert sorted(world.queue.archived()) == before

    def test_folders_of_machines_that_had_left_are_retired(self, build: Build) -> None:
        """What they hold is kept for as long as that of any machine; user_data goes at once."""
        world = build()
        world.cycles(2)
        names = sorted(world.ours().values())
        (world.folder(names[0]) / "user_data").write_text("secret")
        world.say(names[0], "200 Done")
        world.set(processors_limit=0)
        for name in names[:4]:
            world.cloud.vanish(name)
        world.lose_database()
        world.cycles(60)
        assert sorted(each.name for each in world.folders.iterdir()) == names
        world.cycles(2)
        assert sorted(each.name for each in world.folders.iterdir()) == names[4:]
        retired = world.tree.layout.deleted(world.config.name)
        assert sorted(each.name for each in retired.iterdir()) == names[:4]
        assert not (retired / names[0] / "user_data").exists()
        assert (retired / names[0] / "joboutputs" / "shutdown_message").exists()
        world.tree.remove_retired(world.config.name, before=world.clock.now() - 120)
        assert sorted(each.name for each in retired.iterdir()) == names[:4]
        assert len(world.machines) == 6

    def test_folders_of_foreign_machines_are_left_alone(self, build: Build) -> None:
        """Without the installation id those that run are foreign; they are to be ours again."""
        world = build()
        world.cycles(4)
        names = sorted(world.ours().values())
        world.lose_everything()
        world.set(processors_limit=0)
        world.cycles(5, seconds=3600)
        assert sorted(each.name for each in world.folders.iterdir()) == names

    def test_without_its_installation_id_machines_are_foreign_until_it_is_stated(
        self, build: Build
    ) -> None:
        """Nothing is touched meanwhile; their tags tell the id to whoever looks."""
        world = build()
        world.cycles(4)
        lost = world.store.installation_id()
        before = {each.uuid for each in world.machines}
        world.lose_everything()
        world.clock.advance(20_000)
        report = world.cycles(5).report
        assert (report.foreign_processors, report.processors, len(world.ours())) == (10, 0, 10)
        world.store.adopt_installation_id(lost)
        world.manager = world.new_cycle()
        world.cycle()
        assert {each.uuid for each in world.machines} == before


class TestWhatIsNotConfigured:
    """A section that is removed drains; it kills and forgets nothing."""

    def test_machines_of_a_removed_machinetype_end_by_themselves(self, build: Build) -> None:
        """Under what they were promised, and each is accounted."""
        world = build("prod", "test")
        world.set_kind("test", accounting_fqan="/vo/Role=test")
        world.cycles(4)
        of_test = [each for each in world.machines if each.machinetype == "test"]
        assert of_test
        without(world, "test")
        world.set(processors_limit=0)
        world.cycles(10)
        assert deletes(world) == 0
        promised = {each.uuid: each.terms for each in world.machines}
        assert {each.uuid: each.terms for each in of_test}.items() <= promised.items()
        for each in of_test:
            world.cloud.finish(each.name)
        world.cycles(3)
        runs = [each.interval for each in world.store.intervals()]
        assert {run.uuid for run in runs} == {each.uuid for each in of_test}
        assert {run.terms.fqan for run in runs} == {"/vo/Role=test"}

    def test_they_go_when_they_are_too_old(self, build: Build) -> None:
        """By the promise that they were given, now that no section says otherwise."""
        world = build("prod", "test", max_deletions_per_cycle=Amount(count=100))
        world.cycles(4)
        number = sum(each.machinetype == "test" for each in world.machines)
        without(world, "test")
        world.set(processors_limit=0)
        world.set_kind("prod", max_wallclock_seconds=100_000)
        world.clock.advance(10_000)
        world.cycles(5)
        assert {each.machinetype for each in world.machines} == {"prod"}
        assert archived(world) == number

    def test_they_are_found_after_the_database_was_lost(self, build: Build) -> None:
        """Their machinetype is told by their tags, though nothing else knows it."""
        world = build("prod", "test")
        world.cycles(4)
        without(world, "test")
        world.set(processors_limit=0)
        world.lose_database()
        world.cycles(3)
        assert {each.machinetype for each in world.machines} == {"prod", "test"}
        assert deletes(world) == 0

    def test_machines_of_a_removed_space_end_by_themselves(self, build: Build) -> None:
        """And are accounted; then the space is let go."""
        world = build()
        world.cycles(4)
        held = "its section was removed from the configuration"
        world.config = replace(world.config, is_removed=True, held=held)
        world.cycles(10)
        assert (deletes(world), len(world.machines)) == (0, 10)
        for name in tuple(world.ours().values()):
            world.cloud.finish(name)
        world.cycles(4)
        assert (len(world.ours()), archived(world)) == (0, 10)
        assert world.store.spaces_with_machines() == frozenset()
