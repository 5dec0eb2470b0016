"""What an import from Vcycle 3 takes, and what it leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import takeover_kit
from tests.takeover_kit import NAME, NAMES, Move
from tests.vcycle3_tree import UUID, Vcycle3Tree
from tests.world import World, kind
from vcycled.vcycle3 import Became

move = takeover_kit.move

pytestmark = pytest.mark.no_cover  # hours of a whole manager: see tests/conftest.py


class TestTheImport:
    """What an import takes, and what it leaves."""

    def test_it_can_be_repeated(self, move: Move) -> None:
        """What is known is passed over, whatever became of it since."""
        move.running(NAMES[0])
        move.gone(NAMES[1], place="deleted", stopped=move.stopped, uuid=UUID)
        move.old.record(NAMES[1], started=move.born, ended=move.stopped)
        first = move.take_over()
        assert len(first.machines) == 2
        again = move.take_over()
        assert (again.changes, again.counts, again.known) == ((), {}, 2)
        move.world.cycles(3)
        assert move.take_over().changes == ()

    def test_a_machine_that_is_known_under_another_name_stays_as_it_is(self, move: Move) -> None:
        """Its id tells that it is the same; a copy of its folder does not rewrite its history."""
        move.running()
        move.take_over()
        before = move.only()
        move.old.folder(NAME).rename(move.old.folder(NAMES[1]))
        assert move.take_over().changes == ()
        assert move.only() == before

    def test_the_tree_is_only_read(self, move: Move) -> None:
        """So that Vcycle 3 could go on with it."""
        move.running()
        move.gone(NAMES[1], place="deleted", stopped=move.stopped)
        before = move.old.contents()
        move.take_over()
        after = move.old.contents()
        assert {key: after[key] for key in before if "vcycle.db" not in key} == {
            key: each for key, each in before.items() if "vcycle.db" not in key
        }

    def test_a_space_that_is_not_configured_is_told(self, move: Move) -> None:
        """Nobody could manage its machines."""
        other = Vcycle3Tree(move.world.root, "other.example.org")
        other.machine(NAME)
        found = move.take_over()
        assert found.machines == ()
        (trouble,) = found.troubles
        assert trouble.path == "shared/spaces/other.example.org"
        assert trouble.is_left_out

    def test_two_folders_with_one_id_are_told(self, move: Move) -> None:
        """One of them is a copy; the machine is taken once."""
        move.gone(NAMES[0])
        move.gone(NAMES[1])
        found = move.take_over()
        assert [each.name for each in found.machines] == [NAMES[0]]
        assert [each.is_left_out for each in found.troubles] == [True]

    def test_one_that_came_back_is_taken_from_current(self, move: Move) -> None:
        """A folder of its name in deleted/ is an older one."""
        cloud_id = move.running()
        move.gone(place="deleted", stopped=move.stopped, uuid="older")
        found = move.take_over()
        assert [each.uuid for each in found.machines] == [cloud_id]

    def test_our_own_machines_are_left_to_their_tags(self, move: Move) -> None:
        """After the database was lost: those of Vcycle 3 by a second import, ours by adoption."""
        world = move.world
        cloud_id = move.running()
        move.take_over()
        world.cycles(3)
        made = {each.uuid for each in world.machines} - {cloud_id}
        assert len(made) == 7
        world.store.close()
        for path in world.root.glob("vcycle.db*"):
            path.unlink()
        installation = world.here[0].listed.tags["vcycle_installation"]
        world.restart()
        world.store.adopt_installation_id(installation)
        found = move.take_over()
        assert (found.counts, found.known) == ({Became.LISTED: 1}, 7)
        world.manager = world.new_cycle()
        world.cycles(3)
        assert {each.uuid for each in world.machines} == {cloud_id, *made}
        assert world.cloud.calls["delete"] == 0

    def test_a_machinetype_that_is_not_configured_runs_on(self, tmp_path: Path) -> None:
        """It drains: nothing new, and what is there ends in its time."""
        world = World(tmp_path / "other", kind("test"), processors_limit=8)
        move = Move(world)
        cloud_id = move.running(NAME)
        move.take_over()
        world.cycles(5)
        assert cloud_id in {each.cloud_id for each in world.machines}
        assert {each.name.split("-")[1] for each in world.machines} == {"prod", "test"}
        world.close()

    def test_without_its_creation_the_first_thing_known_will_do(self, move: Move) -> None:
        """A machine is as old as anything that its folder tells."""
        move.running()
        move.old.damage(NAME, "created")
        (trouble,) = move.take_over().troubles
        assert (trouble.why, trouble.is_left_out) == ("empty", False)
        assert move.only().created_at == move.born + 30
