"""How user_data gets to a machine: whole, packed, or as a stub; and how long it waits."""

import gzip
import logging
import random
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.world import SPACE, World
from vcycled.errors import UserDataError
from vcycled.machinedir import hash_of
from vcycled.machinedir.offers import AGAIN_S, WITHIN_S, Offer
from vcycled.spaces.base import CreateRequest
from vcycled.spaces.memory import MemoryCloud, MemorySpace
from vcycled.userdata import Room, delivery_of, stub_of

NOW = 1_800_000_000
SOFT = b"#!/bin/sh\n" + b"#" * 990
"""A thousand bytes that pack well,"""
HARD = random.Random(1).randbytes(1000)
"""and a thousand that do not."""
STUB = b"stub"


@pytest.mark.parametrize(
    ("way", "most", "takes_gzip", "text", "content"),
    [
        ("direct", None, False, SOFT, SOFT),
        ("direct", 1000, False, SOFT, SOFT),
        ("direct", 999, True, SOFT, None),
        ("include", None, True, SOFT, STUB),
        ("include", 1000, True, SOFT, STUB),
        ("auto", None, False, SOFT, SOFT),
        ("auto", 1000, False, SOFT, SOFT),
        ("auto", 999, False, SOFT, STUB),
        ("auto", 999, True, SOFT, gzip.compress(SOFT, mtime=0)),
        ("auto", 999, True, HARD, STUB),
    ],
)
def test_what_the_cloud_is_handed(
    way: str, most: int | None, takes_gzip: bool, text: bytes, content: bytes | None
) -> None:
    """As it is while it fits; else packed where that may be; else a stub."""
    room = Room(most=most, takes_gzip=takes_gzip)
    if content is None:
        with pytest.raises(UserDataError, match="1000 bytes and this cloud takes 999"):
            delivery_of(text, way=way, room=room, stub=STUB, machinetype="prod")
        return
    delivery = delivery_of(text, way=way, room=room, stub=STUB, machinetype="prod")
    assert (delivery.content, delivery.is_stub) == (content, content is STUB)


def test_the_stub_is_what_cloud_init_follows_once() -> None:
    """The first line says so, the second is a URL with the token as password."""
    stub = stub_of("https://[::1]:8443/machines/s/m/user_data", "secret")
    assert stub == b"#include-once\nhttps://vcycle:secret@[::1]:8443/machines/s/m/user_data\n"


@pytest.mark.parametrize(
    ("started_at", "fetched_at", "is_open"),
    [
        (None, None, True),
        (NOW, None, True),
        (NOW - WITHIN_S, None, True),
        (NOW - WITHIN_S - 1, None, False),
        (None, NOW, True),
        (NOW - 60, NOW - AGAIN_S, True),
        (NOW - 600, NOW - AGAIN_S - 1, False),
        (None, NOW - AGAIN_S - 1, False),
        (NOW - WITHIN_S - 1, NOW, False),
    ],
)
def test_how_long_user_data_waits(
    started_at: int | None, fetched_at: int | None, is_open: bool
) -> None:
    """Two minutes from the first fetch, an hour from the start, whichever ends first."""
    offer = Offer(token_hash="x", started_at=started_at, fetched_at=fetched_at)
    assert offer.is_open(NOW) is is_open


class SmallSpace(MemorySpace):
    """A cloud that takes little user_data, and the requests that it got."""

    user_data_limit = 20

    def __init__(self, cloud: MemoryCloud) -> None:
        """Take no request yet."""
        super().__init__(cloud)
        self.requests: list[CreateRequest] = []

    def create(self, request: CreateRequest) -> str:
        """Keep the request and make the machine."""
        self.requests.append(request)
        return super().create(request)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A manager with room for one machine."""
    made = World(tmp_path, processors_limit=1)
    yield made
    made.close()


def made_in(world: World) -> tuple[CreateRequest, Path]:
    """Let the manager make a machine in a cloud that takes little; its request and folder."""
    space = SmallSpace(world.cloud)
    world.manager = world.new_cycle(space=space)
    world.cycle()
    [request] = space.requests
    return request, world.folder(request.name)


def test_user_data_that_is_too_long_waits_at_the_web_site(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """For the group of the web process, and opened by the hash of the token in the stub."""
    with caplog.at_level(logging.INFO):
        request, folder = made_in(world)
    first, url = request.user_data.decode().splitlines()
    assert first == "#include-once"
    assert urlsplit(url).path == f"/machines/{SPACE}/{request.name}/user_data"
    token = urlsplit(url).password or ""
    assert (folder / "user_data_hash").read_text() == hash_of(token)
    assert token.encode() not in b"".join(
        path.read_bytes() for path in folder.rglob("*") if path.is_file()
    )
    assert request.name.encode() in (folder / "user_data").read_bytes()
    for name in ("user_data", "user_data_hash"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o640
    assert "user-data-included" in caplog.text
    assert token not in caplog.text


def test_a_machinetype_may_insist_on_the_cloud(world: World) -> None:
    """Then it gets no machine, and says why."""
    world.set_kind(user_data_delivery="direct")
    world.manager = world.new_cycle(space=SmallSpace(world.cloud))
    world.cycle()
    assert world.here == ()
    [memory] = world.store.records(SPACE).machinetypes
    assert "this cloud takes 20" in memory.creation_error


@pytest.mark.parametrize("is_restarted", [False, True])
def test_user_data_that_was_fetched_is_removed(world: World, *, is_restarted: bool) -> None:
    """Two minutes after the first fetch, also by a manager that was started meanwhile."""
    _, folder = made_in(world)
    if is_restarted:
        world.restart()
    (folder / "joboutputs" / ".user_data_fetched").write_text(f"{world.clock.now()}\n")
    world.cycles(3, AGAIN_S // 2)
    assert (folder / "user_data").exists()
    world.clock.advance(1)
    world.cycle()
    assert not list(folder.glob("user_data*"))


def test_user_data_that_nobody_fetches_is_removed(world: World) -> None:
    """An hour after the start, not at once: the machine has yet to boot."""
    _, folder = made_in(world)
    world.cycles(3)
    assert (folder / "started").exists()
    assert (folder / "user_data").exists()
    started_at = int((folder / "started").read_text())
    world.clock.advance(started_at + WITHIN_S - world.clock.now())
    world.cycle()
    assert (folder / "user_data").exists()
    world.clock.advance(1)
    world.cycle()
    assert not list(folder.glob("user_data*"))


def test_user_data_goes_with_its_machine(world: World) -> None:
    """Whatever it was waiting for."""
    request, folder = made_in(world)
    world.cycles(2)
    world.all_here(world.cloud.vanish)
    world.cycles(8)
    assert not folder.exists()
    deleted = world.tree.layout.deleted(SPACE) / request.name
    assert deleted.exists()
    assert not list(deleted.glob("user_data*"))


# Who may write, as the configuration says


def dn_of(world: World) -> str:
    """The name that is published for the only machine."""
    [machine] = world.machines
    path = world.folder(machine.name) / "https_x509dn"
    return path.read_text() if path.exists() else ""


def test_the_name_of_a_machinetype_is_published_and_followed(world: World) -> None:
    """Also for machines that live already; token takes it back."""
    seen = []
    for options in (
        {"https_x509dn": "/CN=vm"},
        {"https_x509dn": "/CN=other"},
        {"joboutputs_auth": "token"},
        {"joboutputs_auth": "any"},
        {"https_x509dn": None},
    ):
        world.set_kind(**options)
        world.cycles(2)
        seen.append(dn_of(world))
    assert seen == ["/CN=vm", "/CN=other", "", "/CN=other", ""]


def test_a_name_is_not_published_where_only_tokens_count(world: World) -> None:
    """From the first moment on."""
    world.set_kind(https_x509dn="/CN=vm", joboutputs_auth="token")
    world.cycle()
    assert dn_of(world) == ""
