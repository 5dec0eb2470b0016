"""Images, key pairs and volumes of the OpenStack of our own."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace

import openstack
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from openstack.connection import Connection

from tests import fake_openstack_kit
from tests.fake_openstack_kit import IMAGE_ID, Plain
from tests.fakes.openstack import (
    OpenStackCloud,
    Quota,
)
from vcycled.testing.clock import START

pytestmark = fake_openstack_kit.SDK_TALKS

clock = fake_openstack_kit.clock
cloud = fake_openstack_kit.cloud
url = fake_openstack_kit.url
sdk = fake_openstack_kit.sdk
plain = fake_openstack_kit.plain


def test_a_file_is_kept_as_size_and_digest(
    cloud: OpenStackCloud, sdk: Connection, plain: Plain
) -> None:
    """Queued, then saving, then active; whatever its size it goes through piece by piece."""
    content = bytes(range(256)) * 5000
    made = sdk.image.create_image(
        "ours",
        data=content,
        disk_format="raw",
        container_format="bare",
        vcycle_installation="i",
    )
    image = cloud.glance.by_id[made.id]
    assert (image.status, image.size) == ("active", len(content))
    assert image.sha512 == hashlib.sha512(content).hexdigest()
    found = plain.ask("GET", "/image/v2/images?vcycle_installation=i").json()["images"]
    assert [each["id"] for each in found] == [made.id]
    sdk.image.delete_image(made.id)
    assert image.gone_at == START


def test_an_upload_that_stops_leaves_an_image_queued(cloud: OpenStackCloud, plain: Plain) -> None:
    """The client goes in the middle of it; a second one brings it all."""
    made = plain.ask("POST", "/image/v2/images", {"name": "half"}).json()["id"]
    path = f"{plain.url}/image/v2/images/{made}/file"
    headers = {"X-Auth-Token": plain.token, "Content-Type": "application/octet-stream"}

    def pieces(*, breaks: bool) -> Iterator[bytes]:
        yield b"x" * 1000
        if breaks:
            raise OSError("the disk broke")
        yield b"y" * 200_000

    with pytest.raises(OSError, match="broke"):
        requests.put(path, data=pieces(breaks=True), headers=headers, timeout=60)
    image = cloud.glance.by_id[made]
    while image.size != 1000 or image.status == "saving":
        threading.Event().wait(0.01)
    assert image.status == "queued"
    assert plain.create(imageRef=made).status_code == 400
    requests.put(path, data=pieces(breaks=False), headers=headers, timeout=60)
    assert (image.status, image.size) == ("active", 201_000)
    assert plain.create(imageRef=made).status_code == 202


def test_key_pairs_are_checked_and_made_once(cloud: OpenStackCloud, plain: Plain) -> None:
    """Garbage is refused, and a second one of a name."""
    key = Ed25519PrivateKey.generate().public_key()
    text = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()

    def make(name: str, public_key: str) -> int:
        body = {"keypair": {"name": name, "public_key": public_key}}
        return plain.ask("POST", "/compute/v2.1/os-keypairs", body).status_code

    assert make("k", "ssh-rsa garbage") == 400
    assert make("a/b", text) == 400
    assert make("k", text) in {200, 201}
    assert make("k", text) == 409
    listed = plain.ask("GET", "/compute/v2.1/os-keypairs").json()["keypairs"]
    assert [each["keypair"]["name"] for each in listed] == ["k"]
    assert plain.create(key_name="k").status_code == 202
    assert plain.ask("DELETE", "/compute/v2.1/os-keypairs/k").status_code in {202, 204}
    assert plain.ask("GET", "/compute/v2.1/os-keypairs/k").status_code == 404


def test_volumes_go_with_their_server_if_that_was_asked_for(
    cloud: OpenStackCloud, plain: Plain, sdk: Connection
) -> None:
    """Those that stay can be deleted then, and not before."""
    cloud.settings.delete_seconds = 0
    image = IMAGE_ID
    boot = {"boot_index": 0, "uuid": image, "source_type": "image", "volume_size": 20}
    for name, goes in (("goes", True), ("stays", False)):
        device = {**boot, "destination_type": "volume", "delete_on_termination": goes}
        asked = plain.create(name=name, imageRef=None, block_device_mapping_v2=[device])
        assert asked.status_code == 202
    stays = sdk.block_storage.get_volume(cloud.of("stays").volumes[0])
    assert (stays.status, stays.size) == ("in-use", 20)
    with pytest.raises(openstack.exceptions.BadRequestException):
        sdk.block_storage.delete_volume(stays.id)
    for name in ("goes", "stays"):
        plain.ask("DELETE", f"/compute/v2.1/servers/{cloud.of(name).id}")
    assert [each.id for each in sdk.block_storage.volumes()] == [stays.id]
    sdk.block_storage.delete_volume(stays.id)
    assert list(sdk.block_storage.volumes()) == []


def test_a_volume_too_many_breaks_the_server(cloud: OpenStackCloud, plain: Plain) -> None:
    """That is found out after the POST was accepted."""
    cloud.settings.quota = replace(Quota(), volume_gb=19)
    device = {
        "boot_index": 0,
        "uuid": IMAGE_ID,
        "source_type": "image",
        "destination_type": "volume",
        "volume_size": 20,
    }
    assert plain.create(imageRef=None, block_device_mapping_v2=[device]).status_code == 202
    assert cloud.of("one").fault.endswith("aborted: Volume resource quota exceeded")
