"""Folders in current/ of machines of which nobody knows: whose they are, and for how long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.world import SPACE, World
from vcycled.cycle.tidy import NOBODY_LISTINGS, NOBODY_SECONDS, TIDY_SECONDS
from vcycled.errors import Unavailable


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Return one whose two machines run, and that makes no more."""
    made = World(tmp_path / "root", processors_limit=2)
    made.cycles(3)
    made.set(processors_limit=0)
    yield made
    made.close()


def orphans(world: World) -> list[str]:
    """Let a machine leave that a lost database has known; return what is left of it."""
    name = min(world.ours().values())
    world.cloud.vanish(name)
    world.lose_database()
    world.cycle()
    return [name]


def left(world: World) -> list[str]:
    """Return the folders of machines that are not on record."""
    known = {each.name for each in world.machines}
    return sorted(world.tree.current(SPACE) - known)


def wait(world: World, seconds: int, listings: int = NOBODY_LISTINGS - 1) -> None:
    """Let so much time pass, with complete listings in it, the last one at its end."""
    world.clock.advance(seconds - listings + 1)
    world.cycles(listings, seconds=1)


def test_one_goes_after_an_hour_in_which_no_listing_showed_its_machine(world: World) -> None:
    """Not a second sooner: a cloud may show a machine late."""
    names = orphans(world)
    wait(world, NOBODY_SECONDS - 1)
    assert left(world) == names
    wait(world, 1, 1)
    assert left(world) == []
    assert (world.tree.layout.deleted(SPACE) / names[0]).exists()


def test_so_many_listings_must_lack_it(world: World) -> None:
    """A cloud that answered but twice in that hour has not said enough."""
    names = orphans(world)
    wait(world, NOBODY_SECONDS, NOBODY_LISTINGS - 2)
    assert left(world) == names
    wait(world, TIDY_SECONDS, 1)
    assert left(world) == []


def test_listings_that_failed_count_for_nothing(world: World) -> None:
    """They show no machine at all."""
    names = orphans(world)
    world.cloud.fail_next("machines", *[Unavailable("machines", "down")] * 5)
    wait(world, NOBODY_SECONDS, 5)
    world.clock.advance(1)
    world.cycle()
    assert left(world) == names


def test_a_new_manager_begins_anew(world: World) -> None:
    """What it has not seen for an hour itself, it does not know."""
    names = orphans(world)
    wait(world, NOBODY_SECONDS - 1)
    world.restart()
    world.cycle()
    wait(world, NOBODY_SECONDS - 1)
    assert left(world) == names
    wait(world, 1, 1)
    assert left(world) == []


def test_the_folder_of_a_machine_that_a_listing_shows_stays(world: World) -> None:
    """Whoever's it is; and the hour begins anew when it leaves."""
    (name,) = orphans(world)
    wait(world, NOBODY_SECONDS - 10)
    world.cloud.add_foreign(name)
    world.cycle()
    world.cloud.vanish(name)
    wait(world, 60)
    assert left(world) == [name]
    wait(world, TIDY_SECONDS)
    wait(world, TIDY_SECONDS)
    assert left(world) == []


def test_it_goes_by_the_name_that_the_machine_was_made_with(world: World) -> None:
    """People may have given it another in the cloud."""
    (name,) = orphans(world)
    world.cloud.add_foreign("renamed")
    world.cloud.change("renamed", lambda was: replace(was, tags={"name": name}))
    wait(world, NOBODY_SECONDS)
    wait(world, TIDY_SECONDS)
    assert left(world) == [name]


def test_what_does_not_bear_our_mark_stays(world: World) -> None:
    """Machines of Vcycle 3, and what people put there."""
    (name,) = orphans(world)
    (world.folder(name) / "token_hash").unlink()
    (world.folders / "notes.txt").write_text("mine")
    (world.folders / ".hidden").mkdir()
    wait(world, NOBODY_SECONDS)
    wait(world, TIDY_SECONDS)
    assert left(world) == sorted([".hidden", name, "notes.txt"])


def test_a_listing_that_is_not_believed_decides_nothing(world: World) -> None:
    """It may lack the machine for the same reason as the others."""
    for number in range(6):
        world.cloud.add_foreign(f"other-{number}")
    names = orphans(world)
    wait(world, NOBODY_SECONDS - 2)
    world.cloud.listing.cut = 0
    wait(world, 2)
    assert world.store.memory(SPACE).suspect_since
    assert left(world) == names
    world.cloud.listing.cut = None
    world.cycle()
    wait(world, TIDY_SECONDS)
    assert left(world) == []


def test_one_that_comes_back_after_all_has_its_folder_again(world: World) -> None:
    """With what it sent."""
    name = min(world.ours().values())
    world.say(name, "200 Done")
    world.cloud.listing.omitted.add(name)
    world.lose_database()
    world.cycle()
    wait(world, NOBODY_SECONDS)
    assert not world.folder(name).exists()
    world.cloud.listing.omitted.clear()
    world.cycle()
    assert (world.folder(name) / "joboutputs" / "shutdown_message").read_text() == "200 Done"
