"""Images of this host in a real Glance, and machines of a real Nova made of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.live import ON_OPENSTACK, PATIENCE_S, PATIENT
from tests.live.conftest import MakeSpace
from tests.openstack_bed.processes import wait_until
from tests.openstack_bed.project import Project
from vcycled.errors import SpaceError, Unavailable
from vcycled.spaces.base import CreateRequest, ImageFile, ImageStore, MachineState

pytestmark = [*ON_OPENSTACK, PATIENT]

MIB = 2**20
TAGS = {
    "vcycle_installation": "live",
    "vcycle_space": "live.example.org",
    "vcycle_source": "/srv/images/é disk.img",
    "vcycle_sha256": "5ec4e7",
    "vcycle_format": "raw",
}


@pytest.fixture
def image(tmp_path: Path) -> ImageFile:
    """An image of 200 MiB and a bit."""
    path = tmp_path / "disk.img"
    with path.open("wb") as stream:
        for _ in range(200):
            stream.write(os.urandom(1024) * 1024)
        stream.write(b"end")
    size = path.stat().st_size
    return ImageFile(name="vcycle-disk.img", path=path, format="raw", size_bytes=size, tags=TAGS)


def store_of(make_space: MakeSpace, project: Project) -> ImageStore:
    """Return the images of a space that has seen its machines."""
    space = make_space(project)
    space.machines()
    store = space.image_store()
    assert store is not None
    return store


def fails_after(size: int) -> Callable[[int], None]:
    """Return a progress that ends the upload after so many bytes."""

    def stop(done: int) -> None:
        if done >= size:
            raise Unavailable("upload", "told to stop")

    return stop


def test_an_image_arrives_whole_is_used_and_goes(
    project: Project, make_space: MakeSpace, image: ImageFile
) -> None:
    """Tags come back as they were, a machine is made of it, and then neither is left."""
    space = make_space(project)
    space.machines()
    store = space.image_store()
    assert store is not None
    told: list[int] = []
    image_id = store.upload(image, told.append)
    assert told[-1] == image.size_bytes
    kept = project.cloud.image.get_image(image_id)
    digest = hashlib.sha512(image.path.read_bytes()).hexdigest()
    assert (kept.hash_algo, kept.hash_value) == ("sha512", digest)
    (listed,) = store.images()
    assert listed.tags == TAGS
    assert (listed.id, listed.is_ready, listed.is_used) == (image_id, True, False)
    assert listed.size_bytes == image.size_bytes
    request = CreateRequest(
        name="vcycle-live-image00001",
        uuid="7e57ab1e-0000-4000-8000-000000000001",
        machinetype="live",
        flavor="vc.1",
        zone="",
        user_data=b"#!/bin/sh\n",
        tags={"vcycle_installation": "live", "vcycle_uuid": "7e57ab1e"},
        image=f"image:{image_id}",
    )
    cloud_id = space.create(request)

    def runs() -> bool:
        found = space.find(request.name, cloud_id)
        return found is not None and found.state is MachineState.RUNNING

    assert wait_until(runs, PATIENCE_S)
    space.machines()
    assert store.images()[0].is_used
    space.delete(request.name, cloud_id)
    assert wait_until(lambda: space.find(request.name, cloud_id) is None, PATIENCE_S)
    space.machines()
    assert not store.images()[0].is_used
    store.delete_image(image_id)
    store.delete_image(image_id)
    assert store.images() == []


@pytest.mark.parametrize("kind", ["qcow2", "iso"])
def test_formats_are_those_of_glance(
    project: Project, make_space: MakeSpace, image: ImageFile, kind: str
) -> None:
    """By the names that it knows."""
    small = image.path.with_name("small")
    small.write_bytes(bytes(0x8001) + b"CD001" if kind == "iso" else b"QFI\xfb" + bytes(1020))
    store = store_of(make_space, project)
    given = replace(image, path=small, format=kind, size_bytes=small.stat().st_size)
    image_id = store.upload(given, lambda _done: None)
    assert project.cloud.image.get_image(image_id).disk_format == kind
    store.delete_image(image_id)


def test_an_upload_that_is_stopped_leaves_nothing(
    project: Project, make_space: MakeSpace, image: ImageFile
) -> None:
    """Glance sees the connection drop, and lets the image be deleted."""
    store = store_of(make_space, project)
    with pytest.raises(SpaceError, match="told to stop"):
        store.upload(image, fails_after(100 * MIB))
    assert wait_until(lambda: store.images() == [], PATIENCE_S)
    assert list(project.cloud.image.images(owner=project.id)) == []


def test_what_a_dead_manager_leaves_is_never_ready_and_can_be_removed(
    project: Project, make_space: MakeSpace
) -> None:
    """An image that was made and never got its file."""
    body = {"name": "half", "disk_format": "raw", "container_format": "bare", **TAGS}
    made = project.cloud.image.post("/images", json={"visibility": "private", **body}).json()
    store = store_of(make_space, project)
    (left,) = store.images()
    assert (left.id, left.is_ready) == (made["id"], False)
    assert left.tags == TAGS
    store.delete_image(left.id)
    assert store.images() == []
