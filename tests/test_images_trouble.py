"""Files that are no images, clouds that list or take none, bugs: what is held and what goes on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests import image_kit
from tests.image_kit import Site, hold_of, lines, status_of
from tests.world import SPACE, kind
from vcycled.cycle.images import LOOK_SECONDS
from vcycled.errors import Refused, Unavailable
from vcycled.images.shelf import HANDED_SECONDS
from vcycled.images.status import ImageState
from vcycled.model import Cause

site, log = image_kit.site, image_kit.log


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "disk.img is empty"),
        (b"\x1f\x8b\x08", "disk.img is compressed (gzip); unpack it first"),
    ],
)
def test_a_file_that_is_no_image_holds_its_machinetype(
    site: Site, content: bytes, why: str
) -> None:
    """As soon as it is mended it goes on, whatever the delay."""
    site.write(content)
    outcome = site.cycle(9)
    assert hold_of(outcome).detail.startswith(f"image: {why}; tried again at ")
    assert site.images.uploads == 0
    site.write(b"image")
    assert site.later(1, count=2).report.creates == 10


def test_a_missing_file_harms_no_image_that_is_there(site: Site) -> None:
    """Machines are made of what was uploaded before; it is told."""
    site.cycle(2)
    site.path.unlink()
    site.world.set(processors_limit=11)
    outcome = site.later(count=2)
    assert len(site.world.here) == 11
    status = status_of(outcome)
    assert status.state is ImageState.FAILED
    assert status.image_id == site.ready[0]
    assert status.detail == f"{site.path} cannot be read: No such file or directory"


def test_an_image_that_somebody_deleted_is_uploaded_again(site: Site) -> None:
    """Creations fail until the next look, which follows at once."""
    site.cycle(2)
    site.images.kept.clear()
    missing = [Refused("create", "Image image-0001 could not be found")] * 2
    site.world.cloud.fail_next("create", *missing)
    site.world.set(processors_limit=12)
    site.later(count=3)
    assert site.images.uploads == 2
    outcome = site.later()
    assert status_of(outcome).image_id == site.ready[0]


def test_a_cloud_that_does_not_list_its_images_holds_what_needs_one(
    site: Site, log: pytest.LogCaptureFixture
) -> None:
    """The rest of the cycle goes on, and it is asked again ever less often."""
    site.world.config = replace(
        site.world.config, machinetypes=(*site.world.config.machinetypes, kind("plain"))
    )
    folder = site.world.tree.layout.files(SPACE, "plain")
    folder.mkdir(parents=True)
    (folder / "template").write_text("#!/bin/sh\n")
    site.world.cloud.fail_next("images", *[Unavailable("images", "no answer")] * 3)
    outcome = site.cycle()
    assert hold_of(outcome).detail == "image: images: no answer"
    assert outcome.report.creates
    site.later(30, count=1)
    assert len(lines(log, "images-unseen")) == 1
    site.later(count=8)
    assert len(lines(log, "images-unseen")) == 2
    assert len(lines(log, "image-failed")) == 1, "an upload was about to be made"
    assert len(site.ready) == 1


def test_a_cloud_whose_images_are_closed_to_us_bothers_nobody_who_uploads_none(
    site: Site, log: pytest.LogCaptureFixture
) -> None:
    """Roles may be as small as that."""
    site.world.set_kind(root_image="image:CernVM")
    site.world.cloud.fail_next("images", *[Refused("images", "forbidden")] * 9)
    assert site.cycle(3).report.holds[0].cause is Cause.SPACE_LIMIT
    assert lines(log, "images-unseen") == []
    assert site.world.cloud.calls["images"] == 2


def test_a_listing_that_fails_later_changes_nothing(
    site: Site, log: pytest.LogCaptureFixture
) -> None:
    """What was known stays."""
    site.cycle(2)
    site.world.cloud.fail_next("images", Unavailable("images", "no answer"))
    site.world.set(processors_limit=11)
    assert site.later(LOOK_SECONDS).report.creates == 1
    assert len(lines(log, "images-unseen")) == 1
    assert len(site.ready) == 1


def test_a_cloud_that_takes_no_images_holds_what_needs_one(site: Site) -> None:
    """Unless it needs none at all, as the cloud of local processes."""
    site.world.cloud.images = None
    assert site.cycle().report.creates == 10
    assert site.used == [f"{site.path}"]
    assert not site.world.manager.images.owes


def test_observing_and_previewing_begin_nothing(site: Site) -> None:
    """They only look."""
    preview = site.world.manager.preview(site.world.config)
    assert hold_of(preview).detail == "image: its source is about to be looked at"
    site.world.set(mode="observe")
    site.cycle(3)
    assert site.images.uploads == 0
    site.world.set(mode="manage")
    site.later(count=2)
    site.world.set(processors_limit=11)
    site.world.restart()
    assert site.world.manager.preview(site.world.config).report.creates == 1


def test_a_bug_in_a_round_is_told(site: Site, log: pytest.LogCaptureFixture) -> None:
    """With its traceback, in the hold, and not in every cycle; the cycles go on."""

    def fail(_done: int) -> None:
        raise ZeroDivisionError

    site.images.on_piece = fail
    outcome = site.cycle(2, seconds=30)
    assert outcome.report.error == ""
    until = site.world.clock.now() + 30
    why = "a bug ended it, see images-broken in the manager's log"
    assert hold_of(outcome).detail == f"image: {why}; tried again at {until}"
    assert lines(log, "images-broken") == [f"images-broken space={SPACE} source={site.path}"]
    assert log.text.count("Traceback") == 1
    site.images.on_piece = lambda _done: None
    site.later(30)
    assert site.later().report.creates == 10


def test_a_bug_in_tidying_is_told_and_not_in_every_cycle(
    site: Site, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again when the images would be listed next."""
    site.cycle()

    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(site.images, "images", fail)
    site.later(LOOK_SECONDS)
    site.later(LOOK_SECONDS - 1)
    assert len(lines(log, "images-broken")) == 1
    site.later(1)
    assert len(lines(log, "images-broken")) == 2


def test_a_manager_that_may_have_lost_the_space_uploads_and_removes_nothing(site: Site) -> None:
    """Its images are those of whoever holds the space."""
    sure: list[bool] = []
    site.world.manager = site.world.new_cycle(may_act=lambda: bool(sure))
    site.cycle(3)
    assert site.images.uploads == 0
    sure.append(True)
    site.later(count=2)
    assert len(site.ready) == 1
    sure.clear()
    site.write(b"second")
    site.finish_all()
    site.later(HANDED_SECONDS, count=4)
    assert (site.images.uploads, len(site.images.kept)) == (1, 1)
    sure.append(True)
    site.later(HANDED_SECONDS, count=4)
    assert (site.images.uploads, len(site.images.kept)) == (2, 1)
