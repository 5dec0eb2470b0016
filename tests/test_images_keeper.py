"""Images on their way into a cloud: whole managers, on a cloud in memory."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.http_servers import Script, answer, serving
from tests.test_images_signature import LEAF, ROOT, SIGNER, Scene
from tests.world import SPACE, World, kind
from vcycled.config import MachinetypeConfig, ManagerOptions
from vcycled.cycle import Outcome
from vcycled.cycle.cloud_images import PATIENCE_SECONDS
from vcycled.cycle.images import ENOUGH_FAILURES, LOOK_SECONDS
from vcycled.errors import Refused, Unavailable
from vcycled.images.shelf import HANDED_SECONDS, UNUSED_SECONDS
from vcycled.images.status import ImageState, ImageStatus
from vcycled.model import Cause, Hold
from vcycled.spaces.base import StoredImage
from vcycled.spaces.memory_images import MemoryImages
from vcycled.testing.clock import START

MIB = 2**20


class Site:
    """A world whose cloud takes images, and an image file."""

    def __init__(self, folder: Path, *kinds: MachinetypeConfig) -> None:
        self.folder = folder
        self.path = folder / "disk.img"
        self.write(b"first")
        self.world = World(folder / "root", *(kinds or (self.kind(),)))
        self.images: MemoryImages = self.world.cloud.take_images()

    def kind(self, name: str = "prod", image: str = "", **changes: object) -> MachinetypeConfig:
        """Return a machinetype of our image, or of another."""
        return kind(name, root_image=image or str(self.folder / "disk.img"), **changes)

    def write(self, content: bytes) -> None:
        """Replace the image file by another."""
        new = self.path.with_suffix(".new")
        new.write_bytes(content)
        new.replace(self.path)

    def cycle(self, count: int = 1, seconds: int = 60) -> Outcome:
        """Run cycles, each after so many seconds; after each, what it started has ended."""
        outcome = self.world.cycle()
        assert self.world.manager.images.wait(20)
        for _ in range(count - 1):
            self.world.clock.advance(seconds)
            outcome = self.world.cycle()
            assert self.world.manager.images.wait(20)
        return outcome

    def later(self, seconds: int = 60, count: int = 1) -> Outcome:
        """Run cycles, the first after so many seconds too."""
        self.world.clock.advance(seconds)
        return self.cycle(count, seconds)

    @property
    def used(self) -> list[str]:
        """The images that machines were made of, in order, without repeating."""
        requests = [truth.request for truth in self.world.cloud.truth if truth.request]
        return list(dict.fromkeys(each.image for each in requests))

    @property
    def ready(self) -> list[str]:
        """Ids of the images in the cloud that can be used."""
        return [each.id for each in self.images.kept.values() if each.is_ready]

    def finish_all(self) -> None:
        """Let every machine end and be gone."""
        self.world.all_here(self.world.cloud.vanish)
        self.world.set(processors_limit=0)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site of one machinetype whose image is a file of this host."""
    made = Site(tmp_path)
    yield made
    made.world.close()


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The log from INFO on."""
    caplog.set_level(logging.INFO)
    return caplog


def lines(log: pytest.LogCaptureFixture, event: str) -> list[str]:
    """Return the lines of an event."""
    return [line for line in log.messages if line.startswith(f"{event} ")]


def hold_of(outcome: Outcome, name: str = "prod") -> Hold:
    """Return what holds a machinetype."""
    return next(hold for hold in outcome.report.holds if hold.machinetype == name)


def status_of(outcome: Outcome) -> ImageStatus:
    """Return the status of the first image of a report."""
    return outcome.report.images[0]


def test_machines_wait_for_their_image_and_are_made_of_it(site: Site) -> None:
    """The first cycle begins to upload, the next creates."""
    first = site.cycle()
    assert hold_of(first).detail == "image: its source is about to be looked at"
    assert first.report.creates == 0
    assert site.later().report.creates == 10
    (image_id,) = site.ready
    assert site.used == [f"image:{image_id}"]
    assert site.images.content[image_id] == b"first"


def test_an_image_bears_all_that_must_be_known_of_it(site: Site) -> None:
    """Whose it is, where it came from, what it is."""
    site.cycle()
    (image,) = site.images.kept.values()
    assert image.name == "vcycle-disk.img"
    assert image.tags == {
        "vcycle_installation": site.world.store.installation_id(),
        "vcycle_space": SPACE,
        "vcycle_source": str(site.path),
        "vcycle_sha256": "a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e",
        "vcycle_format": "raw",
    }


def test_a_steady_cycle_asks_nothing_about_images(site: Site) -> None:
    """But for one listing in five minutes."""
    site.cycle(2)
    before = site.world.cloud.calls["images"]
    site.later(LOOK_SECONDS // 10, count=20)
    assert site.world.cloud.calls["images"] == before + 2
    assert site.images.uploads == 1


def test_a_restarted_manager_uses_what_is_there_at_once(site: Site) -> None:
    """It reads the file once more, and uploads nothing."""
    site.cycle(2)
    site.world.restart()
    site.world.set(processors_limit=12)
    assert site.later().report.creates == 2
    site.later()
    assert site.images.uploads == 1
    assert len(site.used) == 1


def test_a_changed_file_is_uploaded_while_the_old_image_goes_on(site: Site) -> None:
    """Machines made meanwhile get the old one; then the new one is used."""
    site.cycle(2)
    (old,) = site.ready
    site.write(b"second")
    site.world.set(processors_limit=11)
    assert site.later().report.creates == 1
    assert site.used == [f"image:{old}"]
    site.world.set(processors_limit=12)
    assert site.later().report.creates == 1
    new = site.ready[-1]
    assert site.used == [f"image:{old}", f"image:{new}"]
    assert site.images.content[new] == b"second"


def test_a_file_that_becomes_what_it_was_needs_no_upload(site: Site) -> None:
    """An image is known by its content, not by its age."""
    site.cycle(2)
    site.write(b"second")
    site.later(count=2)
    site.write(b"first")
    os.utime(site.path, (START - 999, START - 999))
    site.later()
    site.world.set(processors_limit=11)
    site.later()
    assert site.images.uploads == 2
    assert site.used[-1] == f"image:{site.ready[0]}"


def test_an_old_image_is_removed_once_nothing_can_need_it(
    site: Site, log: pytest.LogCaptureFixture
) -> None:
    """No creation may be under way, no machine of it there, in two looks some minutes apart."""
    site.cycle(2)
    old = site.ready[0]
    site.write(b"second")
    site.later(count=2)
    for _ in range((HANDED_SECONDS + 600) // 60):
        site.later()
    assert old in site.ready, "machines still use it"
    statuses = {each.image_id: each for each in site.cycle().report.images}
    assert statuses[old].state is ImageState.OLD
    assert statuses[old].detail == "machines still use it"
    site.finish_all()
    gone_at = site.world.clock.now()
    while old in site.ready:
        site.later()
        assert site.world.clock.now() < gone_at + 1200
    assert site.world.clock.now() - gone_at >= UNUSED_SECONDS
    assert len(site.ready) == 1
    assert lines(log, "image-removed") == [
        f"image-removed space={SPACE} source={site.path} image={old}"
    ]


def test_half_made_images_of_ours_are_removed(site: Site) -> None:
    """Left by a manager that died in an upload; not those of others or of other spaces."""
    own = {"vcycle_installation": site.world.store.installation_id(), "vcycle_space": SPACE}
    for name, tags in {
        "own": own,
        "sibling": {**own, "vcycle_space": "other.example.org"},
        "foreign": {**own, "vcycle_installation": "another"},
    }.items():
        site.images.kept[name] = StoredImage(
            id=name,
            name=name,
            is_ready=False,
            is_used=False,
            size_bytes=0,
            created_at=START,
            tags=tags,
        )
    outcome = site.cycle(1 + LOOK_SECONDS // 60)
    assert site.later().report.images[1].state is ImageState.UNFINISHED
    site.later(count=1 + UNUSED_SECONDS // 60)
    assert "own" not in site.images.kept
    assert {"sibling", "foreign"} <= site.images.kept.keys()
    assert outcome.report.creates == 0


def test_images_of_machinetypes_that_are_gone_go_too(site: Site) -> None:
    """Also if the last one now names an image of the cloud."""
    site.cycle(2)
    site.finish_all()
    site.world.set_kind(root_image="image:CernVM")
    site.later(count=2 + (HANDED_SECONDS + LOOK_SECONDS + UNUSED_SECONDS) // 60)
    assert site.images.kept == {}
    before = site.world.cloud.calls["images"]
    site.later(count=20)
    assert site.world.cloud.calls["images"] == before, "there is nothing to look for any more"


def test_a_removed_space_leaves_no_image(site: Site) -> None:
    """It is owed until it is gone."""
    site.cycle(2)
    site.finish_all()
    site.world.config = replace(site.world.config, is_removed=True, held="removed")
    assert site.world.manager.images.owes
    site.later(count=2 + (HANDED_SECONDS + LOOK_SECONDS + UNUSED_SECONDS) // 60)
    assert site.images.kept == {}
    assert not site.world.manager.images.owes


def test_an_image_that_cannot_be_deleted_is_not_owed_for_ever(
    site: Site, log: pytest.LogCaptureFixture
) -> None:
    """It is asked for ever less often, and told each time."""
    site.cycle(2)
    site.finish_all()
    site.world.config = replace(site.world.config, is_removed=True, held="removed")
    refused = [Refused("delete-image", "in use")] * 99
    site.world.cloud.fail_next("delete_image", *refused)
    for _ in range(99):
        site.later(LOOK_SECONDS)
    failures = lines(log, "image-remove-failed")
    assert ENOUGH_FAILURES <= len(failures) <= 16
    assert failures[0].endswith('error="delete-image: in use"')
    assert len(site.images.kept) == 1
    assert not site.world.manager.images.owes


def test_two_machinetypes_of_one_image_upload_it_once(tmp_path: Path) -> None:
    """And both use it; another image is uploaded after it."""
    (tmp_path / "other.iso").write_bytes(b"cd")
    path = tmp_path / "disk.img"
    site = Site(
        tmp_path,
        kind("one", root_image=str(path)),
        kind("two", root_image=str(path)),
        kind("three", root_image=str(tmp_path / "other.iso")),
        kind("four", root_image="image:CernVM", processors_limit=1),
    )
    outcome = site.cycle(4)
    assert site.images.uploads == 2
    assert len(site.used) == 3
    assert "image:CernVM" in site.used
    assert [(each.source, each.machinetypes) for each in outcome.report.images] == [
        (str(path), ("one", "two")),
        (str(tmp_path / "other.iso"), ("three",)),
    ]
    assert [each.format for each in outcome.report.images] == ["raw", "iso"]
    site.world.close()


def test_an_image_is_not_uploaded_if_another_space_was_quicker(site: Site) -> None:
    """Spaces of one installation on one project share what is there."""
    site.cycle()
    (image,) = site.images.kept.values()
    others = {**image.tags, "vcycle_space": "other.example.org", "vcycle_source": "/else.img"}
    site.images.kept = {"theirs": replace(image, id="theirs", tags=others)}
    site.world.restart()
    site.later(count=2)
    assert site.images.uploads == 1
    assert site.used == ["image:theirs"]


def test_an_upload_of_another_space_is_waited_for_but_not_for_ever(site: Site) -> None:
    """It may have died."""
    site.cycle()
    (image,) = site.images.kept.values()
    others = {**image.tags, "vcycle_space": "other.example.org"}
    half = replace(image, id="theirs", tags=others, is_ready=False)
    site.images.kept = {"theirs": half}
    site.world.restart()
    outcome = site.later(count=2)
    said = "image: another space of this installation is uploading it"
    assert hold_of(outcome).detail == said
    site.later(count=PATIENCE_SECONDS // 60)
    assert site.images.uploads == 2


def test_images_of_other_installations_are_none_of_ours(site: Site) -> None:
    """Whatever their tags say of their source."""
    site.cycle()
    (image,) = site.images.kept.values()
    foreign = {**image.tags, "vcycle_installation": "another"}
    site.images.kept = {"theirs": replace(image, id="theirs", tags=foreign)}
    site.world.restart()
    site.later(count=2)
    assert site.images.uploads == 2
    assert site.used == [f"image:{site.ready[-1]}"]
    assert "theirs" in site.images.kept


def test_a_hold_tells_how_far_the_upload_is(site: Site, log: pytest.LogCaptureFixture) -> None:
    """In per cent; the log tells every tenth part and no more."""
    site.write(bytes(40 * MIB))
    gate, arrived = threading.Event(), threading.Event()

    def pause(done: int) -> None:
        if done == 14 * MIB:
            arrived.set()
            assert gate.wait(20)

    site.images.on_piece = pause
    site.world.cycle()
    assert arrived.wait(20)
    outcome = site.world.cycle()
    assert hold_of(outcome).detail == "image: being uploaded, 35 % of 41.9 MB"
    status = status_of(outcome)
    assert (status.state, status.done_bytes) == (ImageState.UPLOADING, 14 * MIB)
    gate.set()
    assert site.world.manager.images.wait(20)
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
    assert site.world.manager.images.wait(20)
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
        assert gate.wait(20)
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


# Images of web servers.

STAMP = formatdate(START, usegmt=True)


def served(content: bytes) -> Script:
    """Return a server of an image."""
    return Script((answer("200 OK", content, Last_Modified=STAMP),))


def test_an_image_of_a_web_server_is_fetched_and_uploaded(
    tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    """Then asked for once in a cycle, and never again while it did not change."""
    script = served(bytes(3 * MIB))
    with serving(script) as port:
        url = f"http://user:hush@127.0.0.1:{port}/vm.iso?key=hush"
        site = Site(tmp_path, kind(root_image=url))
        site.cycle()
        script.pieces = (answer("304 Not Modified"),)
        site.later(count=4)
        assert len(script.heard) == 5
        assert all("If-Modified-Since: " in head for head in script.heard[1:])
    assert len(lines(log, "image-downloading")) == 3
    assert site.images.uploads == 1
    (image,) = site.images.kept.values()
    assert image.tags["vcycle_format"] == "iso"
    assert image.tags["vcycle_source"].startswith(f"http://127.0.0.1:{port}/vm.iso#")
    told = f"{log.text}{image}{site.cycle().report}{[*(site.world.root / 'imagecache').iterdir()]}"
    assert "hush" not in told
    site.world.close()


def test_a_dead_server_holds_nothing_that_has_an_image(
    tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    """The last good copy goes on being used, and it is said."""
    with serving(served(b"image")) as port:
        site = Site(tmp_path, kind(root_image=f"http://127.0.0.1:{port}/vm.img"))
        site.cycle(2)
    site.world.set(processors_limit=11)
    outcome = site.later(count=2)
    assert len(site.world.here) == 11
    status = status_of(outcome)
    assert (status.state, status.image_id) == (ImageState.FAILED, site.ready[0])
    said = f"http://127.0.0.1:{port}/vm.img: Connection refused; the copy from before is used"
    assert status.detail == said
    assert len(lines(log, "image-failed")) == 2
    site.world.close()


def test_without_a_copy_a_dead_server_holds_its_machinetype(tmp_path: Path) -> None:
    """With the reason, until it answers."""
    site = Site(tmp_path, kind(root_image="http://127.0.0.1:1/vm.img"))
    outcome = site.cycle(2)
    detail = "image: http://127.0.0.1:1/vm.img: Connection refused; tried again at "
    assert hold_of(outcome).detail.startswith(detail)
    site.world.close()


def test_a_hold_tells_how_far_the_download_is(tmp_path: Path) -> None:
    """Of a length that is known."""
    head = b"HTTP/1.1 200 OK\r\nETag: x\r\nContent-Length: 3145728\r\n\r\n"
    script = Script((head + bytes(MIB), b"", bytes(2 * MIB)), pause_s=0.3)
    with serving(script) as port:
        site = Site(tmp_path, kind(root_image=f"http://127.0.0.1:{port}/vm.img"))
        site.world.cycle()
        while not site.world.manager.images.statuses()[0].done_bytes:
            threading.Event().wait(0.01)
        outcome = site.world.cycle()
        assert hold_of(outcome).detail == "image: being downloaded, 33 % of 3.1 MB"
        assert site.world.manager.images.wait(20)
    assert len(site.ready) == 1
    site.world.close()


# Signatures.


def signing(site: Site, *kinds: MachinetypeConfig, is_trusted: bool = True) -> Scene:
    """Let the image of a site be a signed one, and its manager know the authority."""
    scene = Scene(folder=site.folder, certificates=(LEAF,))
    scene.cas.mkdir()
    if is_trusted:
        scene.trust(ROOT)
    site.write(scene.with_block(scene.block()))
    site.world.config = replace(site.world.config, machinetypes=kinds)
    for each in kinds:
        folder = site.world.tree.layout.files(SPACE, each.name)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "template").write_text("#!/bin/sh\n")
    options = ManagerOptions(root=site.world.root, ca_folder=scene.cas)
    site.world.manager = site.world.new_cycle(manager=options)
    return scene


PATTERN = r"/CN=cvm-sign01\.example\.org$"


def test_a_signed_image_is_used_and_its_signer_is_tagged(site: Site) -> None:
    """So that after a restart it is known who signed what is in the cloud."""
    signing(site, site.kind(cernvm_signing_dn=PATTERN))
    assert site.cycle(2).report.creates == 10
    (image,) = site.images.kept.values()
    assert image.tags["vcycle_signer"] == SIGNER


def test_another_signer_holds_the_machinetype_and_uploads_nothing(site: Site) -> None:
    """The reason names both."""
    signing(site, site.kind(cernvm_signing_dn="/CN=somebody"))
    outcome = site.cycle(2)
    assert f"signature: by {SIGNER}, which cernvm_signing_dn" in hold_of(outcome).detail
    assert site.images.uploads == 0


def test_an_unsigned_image_is_held_until_a_signed_one_is_there(site: Site) -> None:
    """And one that was uploaded without a look at its signature is not used instead."""
    site.cycle(2)
    assert len(site.ready) == 1
    site.world.set(processors_limit=12)
    options = ManagerOptions(root=site.world.root, ca_folder=site.folder / "certificates")
    site.world.manager = site.world.new_cycle(manager=options)
    site.world.set_kind(cernvm_signing_dn=PATTERN)
    outcome = site.later(count=2)
    said = "image: {0}: signature: it is not signed as CernVM images are: it is too short"
    assert hold_of(outcome).detail.startswith(said.format(site.path))
    signing(site, *site.world.config.machinetypes)
    site.later(count=3)
    assert len(site.world.here) == 12
    assert site.used == [f"image:{each}" for each in site.ready]


def test_one_machinetype_may_trust_an_image_that_another_does_not(site: Site) -> None:
    """It is uploaded for the one, and the other is told why not."""
    signing(
        site,
        site.kind("easy"),
        site.kind("strict", cernvm_signing_dn=PATTERN),
        site.kind("picky", cernvm_signing_dn="/CN=somebody"),
        is_trusted=False,
    )
    outcome = site.cycle(2)
    assert outcome.report.creates
    assert site.images.uploads == 1
    for name in ("strict", "picky"):
        detail = hold_of(outcome, name).detail
        assert detail.startswith("image: signature: there are no certificates of authorities in")
    assert "image" not in hold_of(outcome, "easy").detail


def test_a_machinetype_that_begins_to_care_is_served_without_a_new_upload(site: Site) -> None:
    """What is in the cloud is the very file whose signature is looked at now."""
    signing(site, site.kind())
    site.cycle(2)
    assert "vcycle_signer" not in next(iter(site.images.kept.values())).tags
    site.world.set_kind(cernvm_signing_dn=PATTERN)
    site.world.set(processors_limit=12)
    site.later(count=2)
    assert len(site.world.here) == 12
    assert site.images.uploads == 1


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
