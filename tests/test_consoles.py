"""The console of a machine that did not start is kept for its operator, and harms nothing."""

from __future__ import annotations

import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world import FIZZLE, SPACE, World, kind
from vcycled.calls import CallPool
from vcycled.cycle.consoles import MOST
from vcycled.errors import Unavailable

PANIC = "Booting\nKernel panic - not syncing: VFS\n"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Return a manager with room for ten machines, all made and not started yet."""
    made = World(tmp_path, kind(start_timeout_seconds=300))
    made.cloud.start_seconds = None
    made.cycles(2)
    yield made
    made.close()


def failed(world: World, count: int = 1, text: str = PANIC) -> list[str]:
    """Let machines fail before they run and the manager see it; return their names."""
    names = [truth.listed.name for truth in world.here[:count]]
    for name in names:
        world.cloud.extras.consoles[name] = text
        world.cloud.fail(name)
    world.clock.advance(60)
    world.cycle()
    return names


def kept(world: World, name: str) -> Path:
    """Return where the console of a machine is kept that is gone after the next cycle."""
    world.clock.advance(60)
    world.cycle()
    return world.tree.layout.deleted(SPACE) / name / "console_log"


def told(world: World) -> list[str]:
    """Return the events of the space."""
    return [each.event for each in world.store.events(space=SPACE, oldest_first=True)]


def test_the_console_of_a_machine_that_failed_is_kept_before_it_is_deleted(world: World) -> None:
    """For its operator only; the deletion follows in the same cycle."""
    (name,) = failed(world)
    path = kept(world, name)
    assert path.read_text() == PANIC
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    story = [each.event for each in world.store.events(machine=name, oldest_first=True)]
    assert story.index("console-kept") < story.index("machine-delete")
    assert world.cloud.of(name).deletes == 1


def test_a_machine_that_does_not_start_in_time_has_its_console_kept(world: World) -> None:
    """It may have booted all the same, and its console says how far."""
    world.cloud.extras.consoles |= {truth.listed.name: PANIC for truth in world.here}
    world.clock.advance(300)
    world.cycle()
    (name,) = (truth.listed.name for truth in world.cloud.truth if truth.deletes)
    assert kept(world, name).read_text() == PANIC


def test_machines_that_ran_and_ended_are_not_asked_for_their_consoles(world: World) -> None:
    """While all is well this costs no call."""
    world.all_here(world.cloud.run)
    world.clock.advance(FIZZLE + 1)
    world.cycle()
    world.cloud.fail(world.here[0].listed.name)
    world.all_here(world.cloud.finish)
    world.cycles(2)
    assert world.cloud.calls["console"] == 0


def test_it_can_be_switched_off(world: World) -> None:
    """`console_log = False` asks for none."""
    world.set(console_log=False)
    failed(world)
    assert world.cloud.calls["console"] == 0


def test_a_console_that_says_nothing_is_not_kept(world: World) -> None:
    """Many clouds have none of machines that never had a host."""
    (name,) = failed(world, text=" \n")
    assert not kept(world, name).exists()
    assert "console-kept" not in told(world)


def test_only_so_many_are_fetched_in_a_cycle(world: World) -> None:
    """All are deleted; machines that fail together fail alike."""
    names = failed(world, MOST + 2)
    assert world.cloud.calls["console"] == MOST
    assert [world.cloud.of(name).deletes for name in names] == [1] * (MOST + 2)


def test_it_is_fetched_once_however_often_the_deletion_fails(world: World) -> None:
    """Also where the attempts do not count, as the cloud turned them away."""
    away = Unavailable("delete", "429", is_undone=True)
    world.cloud.fail_next("delete", away, away)
    failed(world)
    world.cycles(3)
    assert world.cloud.calls["console"] == 1


def test_one_that_cannot_be_fetched_harms_nothing(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """The machine is deleted in the same cycle."""
    world.cloud.fail_next("console", Unavailable("console", "500"))
    (name,) = failed(world)
    assert world.cloud.of(name).deletes == 1
    assert f"console-failed space={SPACE} machine={name} error=" in caplog.text


def test_calls_that_hang_take_no_slot_from_deletions(world: World) -> None:
    """They have their own, and little patience: later ones are not even begun."""
    gate = world.cloud.hold("console")
    waiting = threading.Event()
    world.cloud.latency = lambda operation: waiting.set() if operation == "console" else None
    world.manager = world.new_cycle(errands=CallPool(1, timeout_s=0, clock=world.clock))
    names = failed(world, 3)
    assert waiting.wait(60)
    assert [world.cloud.of(name).deletes for name in names] == [1, 1, 1]
    assert world.cycle().report.stuck_calls == 1
    gate.set()


def test_a_disk_that_is_full_keeps_none_and_stops_nothing(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """The deletion goes on."""
    world.tree.keep_console = full  # type: ignore[method-assign] # tests may run as root
    (name,) = failed(world)
    assert world.cloud.of(name).deletes == 1
    assert "tree-failed" in caplog.text


def full(space: str, machine: str, text: str) -> None:
    """Fail as a disk without room."""
    raise OSError(28, "No space left on device", f"{space}/{machine}/{text[:1]}")


def test_only_the_end_of_a_long_console_is_kept(world: World) -> None:
    """32 KiB: what happened last says most."""
    (name,) = failed(world, text="x" * 40_000 + "end")
    content = kept(world, name).read_bytes()
    assert len(content) == 32_768
    assert content.endswith(b"xend")


def test_a_machine_without_a_folder_is_asked_for_nothing(world: World) -> None:
    """There would be no place for it."""
    name = world.here[0].listed.name
    world.folder(name).rename(world.root / "elsewhere")
    failed(world)
    assert world.cloud.calls["console"] == 0
    world.tree.keep_console(SPACE, name, "late")
    assert not world.folder(name).exists()
