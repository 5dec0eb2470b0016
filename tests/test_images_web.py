"""Images of web servers on their way into a cloud."""

from __future__ import annotations

import threading
from email.utils import formatdate
from pathlib import Path

import pytest

from tests import image_kit
from tests.http_servers import Script, answer, serving
from tests.image_kit import MIB, Site, hold_of, lines, status_of
from tests.world import kind
from vcycled.images.status import ImageState
from vcycled.testing.clock import START

site, log = image_kit.site, image_kit.log


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
    gate = threading.Event()
    script = Script((head + bytes(MIB), bytes(2 * MIB)), gate=gate)
    with serving(script) as port:
        site = Site(tmp_path, kind(root_image=f"http://127.0.0.1:{port}/vm.img"))
        site.world.cycle()
        while not site.world.manager.images.statuses()[0].done_bytes:
            threading.Event().wait(0.01)
        outcome = site.world.cycle()
        assert hold_of(outcome).detail == "image: being downloaded, 33 % of 3.0 MiB"
        gate.set()
        assert site.world.manager.images.wait(60)
    assert len(site.ready) == 1
    site.world.close()
