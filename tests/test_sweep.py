"""What machines leave in a cloud goes, once it was seen twice and if it is ours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.world import SPACE, World, kind
from vcycled.cycle import sweep
from vcycled.errors import Unavailable
from vcycled.spaces.base import Leftover, owner_mark

KEY = "ssh-ed25519 AAAA root@example"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Return a manager that has swept its cloud for the first time."""
    made = World(tmp_path, kind(root_public_key=str(tmp_path / "key.pub")), processors_limit=1)
    (tmp_path / "key.pub").write_text(KEY)
    made.cycle()
    made.clock.advance(sweep.FIRST_SECONDS)
    made.cycle()
    yield made
    made.close()


def leave(world: World, number: int = 1, **changes: str) -> Leftover:
    """Let a volume of ours be left over, with `changes`."""
    tags = {"vcycle_installation": world.store.installation_id()}
    left = replace(
        Leftover(kind="volume", id=f"id-{number}", name=f"data-{number}", tags=tags),
        **changes,  # type: ignore[arg-type] # tests name real fields
    )
    world.cloud.extras.leftovers[left.id] = left
    return left


def removed(world: World) -> list[str]:
    """Return what has been removed, by id."""
    return world.cloud.extras.removed


def sweeps(world: World, count: int = 1) -> None:
    """Let so many sweeps become due, and done."""
    for _ in range(count):
        world.clock.advance(sweep.SWEEP_SECONDS)
        world.cycle()


def test_a_leftover_goes_once_it_was_seen_twice(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """A volume that is being made looks like one for a while."""
    caplog.set_level("INFO")
    leave(world)
    sweeps(world)
    assert removed(world) == []
    sweeps(world)
    assert removed(world) == ["id-1"]
    assert 'leftover-removed space=space.example.org detail="volume data-1 (id-1)' in caplog.text
    assert world.cycle().report.leftovers == ()


def test_what_waits_is_reported(world: World) -> None:
    """With since when it has been unused."""
    leave(world, name="")
    sweeps(world)
    assert world.cycle().report.leftovers == (f"volume id-1, unused since {world.clock.now()}",)


def test_what_is_used_again_meanwhile_stays(world: World) -> None:
    """Seen twice means twice in a row."""
    left = leave(world)
    sweeps(world)
    del world.cloud.extras.leftovers["id-1"]
    sweeps(world)
    world.cloud.extras.leftovers["id-1"] = left
    sweeps(world)
    assert removed(world) == []


@pytest.mark.parametrize("ahead", [0, 1])
def test_a_manager_that_was_just_started_has_more_urgent_work(world: World, ahead: int) -> None:
    """It sweeps a minute later."""
    world.restart()
    world.cycle()
    before = world.cloud.calls["leftovers"]
    world.clock.advance(sweep.FIRST_SECONDS - 1 + ahead)
    world.cycle()
    assert world.cloud.calls["leftovers"] - before == ahead


@pytest.mark.parametrize("ahead", [0, 1])
def test_a_sweep_is_due_every_ten_minutes(world: World, ahead: int) -> None:
    """It costs its calls only then."""
    before = world.cloud.calls["leftovers"]
    world.clock.advance(sweep.SWEEP_SECONDS - 1 + ahead)
    world.cycle()
    assert world.cloud.calls["leftovers"] - before == ahead


def test_what_is_not_ours_is_never_touched(world: World) -> None:
    """Neither another installation's, by tag or by mark, nor what bears neither."""
    leave(world, 1, tags={"vcycle_installation": "another"})  # type: ignore[arg-type] # a mapping
    leave(world, 2, tags={})  # type: ignore[arg-type] # as above
    leave(world, 3, kind="keypair", owner_mark=owner_mark("another"))
    sweeps(world, 3)
    assert removed(world) == []


def test_key_pairs_of_ours_go_unless_a_machinetype_uses_their_keys(world: World) -> None:
    """Their names tell whose they are."""
    mark = owner_mark(world.store.installation_id())
    leave(world, 1, kind="keypair", name=KEY, owner_mark=mark, tags={})  # type: ignore[arg-type] # as above
    leave(world, 2, kind="keypair", name="ssh-rsa OLD", owner_mark=mark, tags={})  # type: ignore[arg-type] # as above
    sweeps(world, 3)
    assert removed(world) == ["id-2"]


def test_keys_of_other_spaces_of_this_manager_are_in_use(world: World) -> None:
    """Two spaces may share an account, and so its key pairs."""
    other = world.root / "other.pub"
    other.write_text("ssh-rsa OTHER")
    neighbour = replace(
        world.config, name="b.example.org", machinetypes=(kind(root_public_key=str(other)),)
    )
    world.manager = world.new_cycle(configured=lambda: (world.config, neighbour))
    mark = owner_mark(world.store.installation_id())
    leave(world, 1, kind="keypair", name="ssh-rsa OTHER", owner_mark=mark)
    world.cycle()
    sweeps(world, 3)
    assert removed(world) == []


def test_nothing_is_swept_while_a_key_cannot_be_read(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody can say then which keys are in use."""
    leave(world)
    sweeps(world)
    (world.root / "key.pub").unlink()
    sweeps(world)
    assert removed(world) == []
    assert "leftover-failed" in caplog.text
    assert "root_public_key" in caplog.text


def test_one_that_cannot_be_removed_harms_no_other_and_is_tried_again(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """The report has the cloud's words."""
    leave(world, 1)
    leave(world, 2)
    world.cloud.fail_next("remove", Unavailable("remove", "still detaching"))
    sweeps(world, 2)
    assert len(removed(world)) == 1
    (sentence,) = world.cycle().report.leftovers
    assert sentence.endswith("; it could not be removed: remove: still detaching")
    assert "leftover-failed" in caplog.text
    sweeps(world)
    assert sorted(removed(world)) == ["id-1", "id-2"]


def test_a_sweep_that_fails_stops_no_cycle(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The machines matter more; the next sweep tries again."""
    world.cloud.fail_next("leftovers", Unavailable("leftovers", "503"))
    world.clock.advance(sweep.SWEEP_SECONDS)
    assert world.cycle().report.error == ""
    assert 'leftover-failed space=space.example.org detail="leftovers: 503"' in caplog.text


def test_only_so_many_go_at_once_and_the_rest_in_the_next_cycle(world: World) -> None:
    """The cycle is for machines first."""
    for number in range(sweep.MOST + 1):
        leave(world, number)
    sweeps(world, 2)
    assert len(removed(world)) == sweep.MOST
    world.clock.advance(60)
    world.cycle()
    assert len(removed(world)) == sweep.MOST + 1


def test_a_slow_cloud_delays_the_next_cycle_by_little(world: World) -> None:
    """After half a minute no further removal begins."""
    for number in range(9):
        leave(world, number)
    sweeps(world)

    def slow(operation: str) -> None:
        if operation == "remove":
            world.clock.advance(sweep.PATIENCE_SECONDS / 2)

    world.cloud.latency = slow
    sweeps(world)
    assert 0 < len(removed(world)) < 9
    world.cloud.latency = lambda _operation: None
    sweeps(world)
    assert len(removed(world)) == 9


def test_observing_sweeps_nothing(world: World) -> None:
    """`mode = observe` touches nothing."""
    leave(world)
    world.set(mode="observe")
    before = world.cloud.calls["leftovers"]
    sweeps(world, 3)
    assert (removed(world), world.cloud.calls["leftovers"]) == ([], before)
    assert world.manager.is_swept


def test_a_removed_space_is_swept_in_every_cycle_until_nothing_is_left(world: World) -> None:
    """Also of key pairs that it alone used; only then may it be forgotten."""
    mark = owner_mark(world.store.installation_id())
    leave(world, 1, kind="keypair", name=KEY, owner_mark=mark)
    world.config = replace(world.config, is_removed=True, held="removed")
    world.clock.advance(60)
    world.cycle()
    states = [world.manager.is_swept]
    world.all_here(world.cloud.finish)
    world.cycles(3)
    assert world.machines == ()
    states.append(world.manager.is_swept)
    world.clock.advance(sweep.TWICE_SECONDS)
    world.cycle()
    states.append(world.manager.is_swept)
    assert removed(world) == ["id-1"]
    assert states == [False, False, True]
    before = world.cloud.calls["leftovers"]
    world.clock.advance(60)
    world.cycle()
    assert world.cloud.calls["leftovers"] == before


def test_spaces_that_are_removed_together_do_not_keep_each_others_keys(world: World) -> None:
    """Nobody would be left to remove them."""
    gone = replace(world.config, is_removed=True, held="removed")
    neighbour = replace(gone, name="b.example.org")
    world.config = gone
    world.manager = world.new_cycle(configured=lambda: (gone, neighbour))
    leave(world, 1, kind="keypair", name=KEY, owner_mark=owner_mark(world.store.installation_id()))
    world.all_here(world.cloud.finish)
    world.cycles(3)
    world.clock.advance(sweep.TWICE_SECONDS)
    world.cycle()
    assert removed(world) == ["id-1"]
    assert world.manager.is_swept


def test_a_removed_space_whose_sweep_fails_is_not_clean(world: World) -> None:
    """What was not seen may be there."""
    world.config = replace(world.config, is_removed=True, held="removed")
    world.all_here(world.cloud.finish)
    world.cloud.fail_next("leftovers", *[Unavailable("leftovers", "503")] * 4)
    world.cycles(4)
    states = [world.manager.is_swept]
    world.cycles(2)
    assert [*states, world.manager.is_swept] == [False, True]


def test_a_manager_that_is_told_to_end_removes_nothing_more(world: World) -> None:
    """Its cycle ends soon."""
    leave(world)
    sweeps(world)
    world.manager = world.new_cycle(is_stopping=lambda: True)
    world.cycle()
    sweeps(world, 2)
    assert removed(world) == []
    assert SPACE in world.store.reports()
