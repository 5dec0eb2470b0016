"""Listings of a Nova that has some servers still to place: complete, or none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.openstack_tap import Tap, tapped
from vcycled.errors import Unavailable

SERVERS = 8


@contextmanager
def two_lists(servers: int, *, placed: int, moves: int, limit: int) -> Iterator[Tap]:
    """Give a space on a cloud with so many servers, of which some have still to be placed.

    Some are placed before the first page, and with each page, the youngest first.
    """
    with tapped(page_size=limit) as tap:
        for number in range(servers):
            tap.cloud.add_foreign(f"server-{number}", waits=number >= placed)
        tap.cloud.place(moves)
        tap.cloud.listing.places_per_page = moves
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


def test_a_page_on_which_all_wait_is_asked_for_again_twice_as_long() -> None:
    """None of them marks a place that is sure, so none is the mark."""
    with two_lists(6, placed=0, moves=0, limit=2) as tap:
        assert len(tap.space.machines()) == 6
        assert [(each.query["limit"], each.query.get("marker")) for each in tap.asked] == [
            ("2", None),
            ("4", None),
            ("8", None),
            ("16", None),
        ]


@pytest.mark.parametrize("placed", [0, 3])
def test_a_cloud_that_shows_few_at_once_is_read_page_by_page(placed: int) -> None:
    """However long they wait; the last of a page is looked at again."""
    with two_lists(SERVERS, placed=placed, moves=0, limit=2) as tap:
        tap.cloud.settings.max_limit = 2
        assert sorted(each.name for each in tap.space.machines()) == ALL


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
