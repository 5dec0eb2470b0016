"""Images in a cloud: who uses them, who shares them, and when they go."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests import image_kit
from tests.image_kit import Site, hold_of, lines
from tests.world import SPACE, kind
from vcycled.cycle.cloud_images import PATIENCE_SECONDS
from vcycled.cycle.images import ENOUGH_FAILURES, LOOK_SECONDS
from vcycled.errors import Refused, StoreError
from vcycled.images.shelf import HANDED_SECONDS, UNUSED_SECONDS
from vcycled.images.status import ImageState
from vcycled.model import Changes, SpaceMemory
from vcycled.spaces.base import StoredImage
from vcycled.testing.clock import START

site, log = image_kit.site, image_kit.log


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


@pytest.mark.parametrize("is_told", [True, False])
def test_images_that_a_forgotten_space_left_are_removed(site: Site, *, is_told: bool) -> None:
    """By any other on its project that knows of all; not those of one that is configured."""
    world = site.world
    sibling = replace(world.config, name="sibling.example.org")
    for space in ("was.example.org", "sibling.example.org"):
        world.store.save(Changes(space=space, memory=SpaceMemory(space=space)))
    for space in ("was.example.org", "sibling.example.org", "never-ours.example.org"):
        site.images.kept[space] = StoredImage(
            id=space,
            name=space,
            is_ready=True,
            is_used=False,
            size_bytes=0,
            created_at=START,
            tags={
                "vcycle_installation": world.store.installation_id(),
                "vcycle_space": space,
            },
        )
    spaces = (world.config, sibling) if is_told else ()
    world.manager = world.new_cycle(configured=lambda: spaces)
    site.cycle(3 + (LOOK_SECONDS + UNUSED_SECONDS) // 60)
    assert ("was.example.org" in site.images.kept) is not is_told
    assert {"sibling.example.org", "never-ours.example.org"} <= site.images.kept.keys()


def test_a_database_that_is_away_removes_no_image_of_another_space(
    site: Site, monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> None:
    """Nobody knows then whose it is."""
    world = site.world

    def away(_configured: object) -> frozenset[str]:
        raise StoreError("no answer")

    world.manager = world.new_cycle(configured=lambda: (world.config,))
    monkeypatch.setattr(world.store, "abandoned", away)
    site.cycle(2 + LOOK_SECONDS // 60)
    assert len(site.images.kept) == 1
    assert lines(log, "images-broken") == []


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


def test_a_manager_that_is_not_sure_of_its_lease_changes_no_image(site: Site) -> None:
    """Another may look after the space by now; once it is sure all is done."""
    is_sure = False
    long = 2 + (HANDED_SECONDS + LOOK_SECONDS + UNUSED_SECONDS) // 60
    site.world.manager = site.world.new_cycle(may_act=lambda: is_sure)
    site.cycle(2)
    assert site.images.kept == {}
    is_sure = True
    site.later(count=2)
    assert len(site.ready) == 1
    site.finish_all()
    site.world.set_kind(root_image="image:CernVM")
    is_sure = False
    site.later(count=long)
    assert len(site.ready) == 1
    is_sure = True
    site.later(count=long)
    assert site.images.kept == {}


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
        kind("one", root_image=str(path), processors_limit=3),
        kind("two", root_image=str(path), processors_limit=3),
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
