"""Images of this host in Glance, over real HTTP: streamed, tagged, found again, removed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.fakes.openstack import RESET, Fault, OpenStackCloud, Settings, answer, serving
from tests.openstack_kit import options
from tests.openstack_world import OpenStackWorld
from tests.world import kind
from vcycled.errors import Refused, SpaceError, Unavailable
from vcycled.spaces.base import CreateRequest, ImageFile, StoredImage
from vcycled.spaces.openstack.image_store import ACTIVE_SECONDS, MOST_POLL_SECONDS
from vcycled.spaces.openstack.space import OpenStackSpace
from vcycled.testing.clock import START, FakeClock

MIB = 2**20
TAGS = {"vcycle_installation": "here", "vcycle_sha256": "5ec4e7", "vcycle_source": "/srv/é.img"}


@dataclass(slots=True)
class Site:
    """A cloud, a space on it, and an image file."""

    cloud: OpenStackCloud
    space: OpenStackSpace
    clock: FakeClock
    image: ImageFile
    told: list[int] = field(default_factory=list)

    def upload(self) -> str:
        """Upload the image."""
        store = self.space.image_store()
        assert store is not None
        return store.upload(self.image, self.told.append)

    def listed(self) -> list[StoredImage]:
        """Return what is listed of ours."""
        store = self.space.image_store()
        assert store is not None
        return list(store.images())

    def delete(self, image_id: str) -> None:
        """Delete an image."""
        store = self.space.image_store()
        assert store is not None
        store.delete_image(image_id)


@contextmanager
def a_site(folder: Path, settings: Settings | None = None) -> Iterator[Site]:
    """Give a site with an image of ten MiB and a bit."""
    clock = FakeClock()
    cloud = OpenStackCloud(clock, settings or Settings(start_seconds=30))
    path = folder / "disk.img"
    path.write_bytes(bytes(range(256)) * 4096 * 10 + b"end")
    image = ImageFile(
        name="vcycle-disk.img",
        path=path,
        format="qcow2",
        size_bytes=path.stat().st_size,
        tags=TAGS,
    )
    with serving(cloud.answer) as url:
        space = OpenStackSpace("space", options(url), clock=clock)
        space.connect()
        yield Site(cloud=cloud, space=space, clock=clock, image=image)
        space.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site on a cloud of today."""
    with a_site(tmp_path) as made:
        yield made


def test_an_image_arrives_whole_with_its_format_and_tags(site: Site) -> None:
    """Streamed: progress is told about every MiB. It costs three calls."""
    site.listed()
    before = site.space.calls.total()
    image_id = site.upload()
    assert site.space.calls.total() == before + 3
    kept = site.cloud.glance.by_id[image_id]
    assert (kept.status, kept.size) == ("active", 10 * MIB + 3)
    assert kept.sha512 == hashlib.sha512(site.image.path.read_bytes()).hexdigest()
    assert (kept.disk_format, kept.container_format) == ("qcow2", "bare")
    assert (kept.name, kept.visibility) == ("vcycle-disk.img", "private")
    assert kept.properties == TAGS
    assert site.told == sorted(site.told)
    assert site.told[-1] == 10 * MIB + 3
    assert len(site.told) == 11


def test_it_is_listed_with_its_tags_and_no_other_property(site: Site) -> None:
    """As it was uploaded, among all others."""
    site.cloud.settings.glance_properties = {"os_hidden": "False", "owner_specified.x": "1"}
    site.space.machines()
    image_id = site.upload()
    wanted = StoredImage(
        id=image_id,
        name="vcycle-disk.img",
        is_ready=True,
        is_used=False,
        size_bytes=10 * MIB + 3,
        created_at=START,
        tags=TAGS,
    )
    assert site.listed() == [wanted]


def test_every_page_is_read(site: Site) -> None:
    """Glance shows 25 unless asked for more, and never more than it likes."""
    site.cloud.settings.image_max_limit = 2
    for number in range(5):
        site.cloud.glance.add(f"image-{number}", vcycle_installation="here")
    site.cloud.glance.add("foreign")
    assert {each.name for each in site.listed()} == {f"image-{number}" for number in range(5)}


@pytest.mark.parametrize(
    ("status", "is_listed", "is_ready"),
    [
        ("active", True, True),
        ("queued", True, False),
        ("saving", True, False),
        ("killed", True, False),
        ("deactivated", True, False),
        ("deleted", False, False),
        ("pending_delete", False, False),
    ],
)
def test_only_an_active_image_is_ready(
    site: Site, status: str, *, is_listed: bool, is_ready: bool
) -> None:
    """What is being deleted is none any more."""
    site.cloud.glance.add("half", status=status, vcycle_installation="here")
    assert [each.is_ready for each in site.listed()] == [is_ready] * is_listed


def test_an_image_is_used_while_a_machine_of_it_is_listed(site: Site) -> None:
    """And, to be safe, as long as no listing has shown the machines."""
    image_id = site.upload()
    assert site.listed()[0].is_used
    site.space.machines()
    assert not site.listed()[0].is_used
    site.space.create(
        CreateRequest(
            name="vcycle-prod-1",
            uuid="u",
            machinetype="prod",
            flavor="small",
            zone="",
            user_data=b"",
            tags={"vcycle_installation": "here", "vcycle_uuid": "u"},
            image=f"image:{image_id}",
        )
    )
    site.space.machines()
    assert site.listed()[0].is_used


def test_a_deleted_image_is_gone_and_may_be_gone_already(site: Site) -> None:
    """Twice is fine."""
    image_id = site.upload()
    site.delete(image_id)
    assert image_id not in site.cloud.glance.by_id
    site.delete(image_id)


def test_an_image_that_the_cloud_needs_is_left(site: Site) -> None:
    """As where disks of servers are clones of it."""
    image_id = site.upload()
    site.cloud.fail_next("remove_image", answer(409, "Image is in use"))
    with pytest.raises(Refused, match=r"delete-image: .*in use"):
        site.delete(image_id)
    assert image_id in site.cloud.glance.by_id


@pytest.mark.parametrize(
    ("operation", "fault", "error"),
    [
        pytest.param("make_image", answer(403, "Quota exceeded"), SpaceError, id="quota"),
        pytest.param("upload", RESET, Unavailable, id="reset"),
        pytest.param("upload", answer(500), Unavailable, id="broken store"),
        pytest.param(
            "upload", answer(413, "Quota for images is over limit"), SpaceError, id="413"
        ),
        pytest.param("upload", answer(401), Unavailable, id="the token ended"),
        pytest.param("image", answer(500), Unavailable, id="no word of it"),
    ],
)
def test_an_upload_that_fails_leaves_nothing(
    site: Site, operation: str, fault: Fault, error: type[SpaceError]
) -> None:
    """It cleans up behind itself, and nothing is sent a second time."""
    site.cloud.fail_next(operation, fault)
    with pytest.raises(error, match=r"^upload: "):
        site.upload()
    assert site.listed() == []
    assert site.cloud.calls["upload"] == (operation != "make_image")


def test_what_an_upload_leaves_behind_is_never_ready(site: Site) -> None:
    """If even the cleaning fails; it has its tags, so it is found later."""
    site.cloud.fail_next("upload", RESET)
    site.cloud.fail_next("remove_image", RESET)
    with pytest.raises(Unavailable):
        site.upload()
    (left,) = site.listed()
    assert not left.is_ready
    assert left.tags == TAGS


def test_a_lost_answer_to_an_upload_is_a_failure(site: Site) -> None:
    """Though all has arrived: it will be uploaded anew rather than guessed at."""
    site.cloud.fail_next("upload", Fault(is_lost=True))
    with pytest.raises(Unavailable):
        site.upload()
    assert site.listed() == []


def test_a_token_that_was_revoked_is_renewed_before_the_file_is_sent(site: Site) -> None:
    """An upload cannot be repeated from the middle; the image is made with the new token."""
    site.upload()
    site.cloud.revoke_tokens()
    site.upload()
    assert site.cloud.calls["upload"] == 2


def shown(site: Site, **changes: object) -> Fault:
    """Return an answer about the image as Glance gives it before it is active."""
    body = {"id": "x", "status": "saving", "size": None, **changes}
    return Fault(status=200, body=json.dumps(body), headers={"Content-Type": "application/json"})


def test_an_image_that_arrived_is_waited_for(site: Site) -> None:
    """Some clouds copy it elsewhere first."""
    site.cloud.fail_next("image", *[shown(site)] * 3, shown(site, status="importing"))
    began = site.clock.monotonic()
    image_id = site.upload()
    assert site.clock.monotonic() - began == 0.5 + 1 + 2 + 4
    assert site.cloud.glance.by_id[image_id].status == "active"


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ({"status": "killed"}, "the cloud has it killed"),
        ({"status": "queued"}, "the cloud has it queued"),
        ({"status": "active", "size": 5}, "5 of 10485763 bytes arrived"),
    ],
)
def test_an_image_that_came_to_nothing_is_removed(
    site: Site, fault: dict[str, object], why: str
) -> None:
    """The reason names what the cloud says."""
    site.cloud.fail_next("image", shown(site, **fault))
    with pytest.raises(Unavailable, match=why):
        site.upload()
    assert site.listed() == []


def test_a_cloud_that_is_never_done_is_given_up(site: Site) -> None:
    """After an hour."""
    site.cloud.script.set_always("image", shown(site))
    began = site.clock.monotonic()
    with pytest.raises(Unavailable, match="the image is still saving"):
        site.upload()
    assert ACTIVE_SECONDS <= site.clock.monotonic() - began < ACTIVE_SECONDS + MOST_POLL_SECONDS


def test_an_upload_ends_when_told(site: Site) -> None:
    """By what the progress is told to; the connection is dropped, nothing is left."""

    def stop(done: int) -> None:
        if done > 3 * MIB:
            raise Unavailable("upload", "told to stop")

    store = site.space.image_store()
    assert store is not None
    with pytest.raises(Unavailable, match="told to stop"):
        store.upload(site.image, stop)
    assert site.listed() == []


@pytest.mark.parametrize("change", [-1, 1])
def test_a_file_that_changes_its_length_is_noticed(site: Site, change: int) -> None:
    """A longer one is cut where it ended; it is for the caller to see that it changed."""
    site.image = replace(site.image, size_bytes=site.image.size_bytes - change)
    if change < 0:
        with pytest.raises(Refused, match="became shorter"):
            site.upload()
        assert site.listed() == []
        return
    image_id = site.upload()
    assert site.cloud.glance.by_id[image_id].size == site.image.size_bytes


def test_a_file_that_is_gone_is_named(site: Site) -> None:
    """And no image without a file stays behind."""
    site.image.path.unlink()
    with pytest.raises(Refused, match=r"disk\.img cannot be read: No such file"):
        site.upload()
    assert site.listed() == []


def test_a_manager_uploads_an_image_makes_machines_of_it_and_leaves_none(tmp_path: Path) -> None:
    """From a file of this host to servers, and back to an empty cloud."""
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(MIB))
    world = OpenStackWorld(tmp_path / "root", kind(root_image=str(path)))

    def cycles(count: int, seconds: int) -> None:
        for _ in range(count):
            world.clock.advance(seconds)
            world.cycle()
            assert world.manager.images.wait(60)

    cycles(3, 60)
    (image,) = [each for each in world.cloud.glance.by_id.values() if each.name != "worker"]
    assert len(world.here) == 10
    assert {each.image_id for each in world.here} == {image.id}
    world.finish_all()
    world.config = replace(world.config, is_removed=True, held="removed")
    cycles(12, 300)
    assert image.id not in world.cloud.glance.by_id
    assert not world.manager.images.owes
    world.close()


def test_a_cloud_without_an_image_service_takes_none(tmp_path: Path) -> None:
    """As one that shows only Nova."""
    with a_site(tmp_path, Settings(services=frozenset())) as site:
        assert site.space.image_store() is None
