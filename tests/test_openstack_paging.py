"""Listings of a Nova that has some servers still to place: complete, or none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.openstack_tap import Asked, Json, Tap, tapped
from vcycled.errors import Unavailable

SERVERS = 8


class TwoLists:
    """Shows servers as Nova does: first those without a host, then the others, newest first.

    For a while a server is in both lists; it is shown once, but counts twice against the limit.
    """

    def __init__(self, servers: list[Json], *, placed: int, moves: int) -> None:
        """Take servers, of which so many have a host, and so many get one with each page."""
        self._servers = {each["id"]: each for each in servers}
        ids = list(self._servers)
        self.waiting, self.placed = ids[placed:], ids[:placed]
        self._moves = moves
        self._place()

    def answer(self, asked: Asked, said: Json) -> Json:
        """Return what Nova says instead of `said`."""
        if asked.path == "/servers/detail":
            page = self._page(asked.query.get("marker"), int(asked.query["limit"]))
            self._place()
            return page
        if asked.path.startswith("/servers/"):
            return {"server": self._shown(asked.path.rpartition("/")[2])}
        return said

    def _page(self, marker: str | None, limit: int) -> Json:
        waiting, placed = self.waiting, self.placed
        if marker in waiting:
            waiting = waiting[waiting.index(marker) + 1 :]
        elif marker in placed:
            waiting, placed = [], placed[placed.index(marker) + 1 :]
        waiting = waiting[:limit]
        placed = placed[: limit - len(waiting)]
        page = waiting + [each for each in placed if each not in waiting]
        href = f"http://cloud/servers/detail?marker={page[-1] if page else ''}"
        links = [{"rel": "next", "href": href}] if len(page) == limit else []
        return {"servers": [self._shown(each) for each in page], "servers_links": links}

    def _shown(self, server_id: str) -> Json:
        task = "scheduling" if server_id in self.waiting else None
        return {**self._servers[server_id], "OS-EXT-STS:task_state": task}

    def _place(self) -> None:
        self.waiting = [each for each in self.waiting if each not in self.placed]
        for each in self.waiting[: self._moves]:
            # In any order in truth; this one turns the list round.
            self.placed.insert(0, each)


@contextmanager
def two_lists(servers: int, *, placed: int, moves: int, limit: int) -> Iterator[Tap]:
    """Give a space on a cloud with so many servers, of which some have still to be placed."""
    with tapped() as tap:
        for number in range(servers):
            tap.cloud.add_foreign(f"server-{number}")
        shown: list[Json] = []

        def keep(asked: Asked, said: Json) -> Json:
            shown.extend(said.get("servers", ()))
            return said

        tap.falsify = keep
        tap.space.machines()
        tap.restart(page_size=limit)
        tap.falsify = TwoLists(shown, placed=placed, moves=moves).answer
        yield tap


def listed(*, placed: int, moves: int, limit: int) -> list[str] | None:
    """Return the names in a listing of eight servers; None if it says that there is none now."""
    with two_lists(SERVERS, placed=placed, moves=moves, limit=limit) as tap:
        try:
            return sorted(each.name for each in tap.space.machines())
        except Unavailable:
            return None


ALL = [f"server-{number}" for number in range(SERVERS)]


@pytest.mark.parametrize("placed", [0, 3, SERVERS])
@pytest.mark.parametrize("limit", [2, 3, 7, SERVERS, SERVERS + 1])
def test_servers_that_wait_for_a_host_are_listed_like_others(placed: int, limit: int) -> None:
    """However long they wait: a listing that never came would leave them for ever."""
    assert listed(placed=placed, moves=0, limit=limit) == ALL


@pytest.mark.parametrize("placed", [0, 1, 3, 5])
@pytest.mark.parametrize("moves", [1, 2, 5, SERVERS])
@pytest.mark.parametrize("limit", [2, 3, 5, 7])
def test_a_listing_is_complete_or_none_while_servers_are_placed(
    placed: int, moves: int, limit: int
) -> None:
    """Pages shift between two calls; a short listing would make machines over the limit."""
    assert listed(placed=placed, moves=moves, limit=limit) in (ALL, None)


def test_a_page_with_a_placed_server_is_as_good_a_mark_as_any() -> None:
    """As at all times but in a ramp of more machines than a page holds."""
    assert listed(placed=6, moves=1, limit=4) == ALL


@pytest.mark.parametrize(
    ("servers", "calls"),
    [
        pytest.param(24, ["GET /servers/detail"], id="with each of them twice, 48"),
        pytest.param(25, ["GET /servers/detail"] * 2, id="with each of them twice, 50"),
    ],
)
def test_a_few_servers_that_wait_are_a_whole_listing(servers: int, calls: list[str]) -> None:
    """Every cloud shows 50 on a page, so there is no need to ask for what follows."""
    with two_lists(servers, placed=0, moves=0, limit=1000) as tap:
        assert len(tap.space.machines()) == servers
        assert [each for each in tap.since() if each == calls[0]] == calls
