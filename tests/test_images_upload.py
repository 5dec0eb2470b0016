"""Uploads: what is told of them, and that they fail or break off without harm."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests import image_kit
from tests.image_kit import MIB, Site, hold_of, lines, status_of
from tests.world import kind
from vcycled.cycle.images import LOOK_SECONDS
from vcycled.errors import Unavailable
from vcycled.images.status import ImageState
from vcycled.testing.clock import START

site, log = image_kit.site, image_kit.log


def test_a_hold_tells_how_far_the_upload_is(site: Site, log: pytest.LogCaptureFixture) -> None:
    """In per cent; the log tells every tenth part and no more."""
    site.write(bytes(40 * MIB))
    gate, arrived = threading.Event(), threading.Event()

    def pause(done: int) -> None:
        if done == 14 * MIB:
            arrived.set()
            assert gate.wait(60)

    site.images.on_piece = pause
    site.world.cycle()
    assert arrived.wait(60)
    outcome = site.world.cycle()
    assert hold_of(outcome).detail == "image: being uploaded, 35 % of 40.0 MiB"
    status = status_of(outcome)
    assert (status.state, status.done_bytes) == (ImageState.UPLOADING, 14 * MIB)
    gate.set()
    assert site.world.manager.images.wait(60)
    told = [line.split("done=")[1].split(" size")[0] for line in lines(log, "image-uploading")]
    assert told == [f'"{percent} %"' for percent in range(0, 101, 10)]
    assert len(lines(log, "image-ready")) == 1


def test_the_log_tells_a_slow_upload_every_minute(
    site: Site, log: pytest.LogCaptureFixture
) -> None:
    """Though it is not a tenth part further."""
    site.write(bytes(20 * MIB))
    site.images.on_piece = lambda _done: site.world.clock.advance(30)
    site.cycle()
    assert len(lines(log, "image-uploading")) == 1 + 10


def test_a_long_upload_delays_no_cycle(site: Site) -> None:
    """Nor is it begun twice."""
    gate = site.world.cloud.hold("upload")
    for _ in range(3):
        site.world.clock.advance(60)
        site.world.cycle()
    gate.set()
    assert site.world.manager.images.wait(60)
    assert site.images.uploads == 1


def test_one_upload_at_a_time(tmp_path: Path) -> None:
    """The others wait for their turn; a cycle later another one has it."""
    for name in ("a.img", "b.img"):
        (tmp_path / name).write_bytes(name.encode())
    site = Site(
        tmp_path,
        kind("a", root_image=str(tmp_path / "a.img")),
        kind("b", root_image=str(tmp_path / "b.img")),
    )
    gate, most, now = threading.Event(), [0], [0]

    def count(_done: int) -> None:
        now[0] += 1
        most[0] = max(most[0], now[0])
        assert gate.wait(60)
        now[0] -= 1

    site.images.on_piece = count
    site.world.cycle()
    waiting = None
    while waiting is None:
        threading.Event().wait(0.01)
        found = site.world.manager.images.statuses()
        waiting = next((each for each in found if "another image" in each.detail), None)
    gate.set()
    site.later(count=2)
    assert most == [1]
    assert len(site.ready) == 2
    site.world.close()


def test_a_failed_upload_is_tried_again_ever_less_often(
    site: Site, log: pytest.LogCaptureFixture
) -> None:
    """And says why and when."""
    broken = [Unavailable("upload", "the store is full")] * 3
    site.world.cloud.fail_next("upload", *broken)
    site.cycle()
    outcome = site.later(10)
    until = START + 60
    assert hold_of(outcome).detail == f"image: upload: the store is full; tried again at {until}"
    assert (status_of(outcome).state, status_of(outcome).until) == (ImageState.FAILED, until)
    for _ in range(9):
        site.later()
    assert len(lines(log, "image-failed")) == 3
    assert site.images.uploads == 1
    assert len(site.ready) == 1


def test_an_upload_ends_with_the_manager(site: Site, log: pytest.LogCaptureFixture) -> None:
    """Within one piece; nobody is told of a failure."""
    site.write(bytes(9 * MIB))
    pieces: list[int] = []

    def close(done: int) -> None:
        pieces.append(done)
        site.world.manager.close()

    site.images.on_piece = close
    site.cycle()
    assert len(pieces) == 1
    assert lines(log, "image-failed") == []
    assert site.ready == []
    assert site.later().report.creates == 0
    assert site.images.uploads == 1, "a keeper that is closed begins nothing"


def test_a_file_that_changes_during_its_upload_is_not_used(
    site: Site, log: pytest.LogCaptureFixture
) -> None:
    """What arrived is not what the tags say; it is deleted, and never used even if that fails."""
    site.images.on_piece = lambda _done: site.write(b"second")
    site.world.cloud.fail_next("delete_image", Unavailable("delete-image", "no answer"))
    site.cycle()
    site.images.on_piece = lambda _done: None
    assert len(lines(log, "image-failed")) == 1
    wrong = site.ready[0]
    site.later(LOOK_SECONDS, count=2)
    (used,) = site.used
    assert site.images.content[used.removeprefix("image:")] == b"second"
    assert used != f"image:{wrong}"
