"""A supervisor staffs the spaces that it holds, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fake_leases import Leases
from tests.store_kit import run
from tests.test_supervisor import A, B, Site
from vcycled.apel.queue import Queue
from vcycled.model import Changes, Order, OrderKind
from vcycled.store import APEL, Lease, Wishes

ME = "manager.example.org"


def lease(space: str, epoch: int = 1) -> Lease:
    """Return that we hold a space."""
    return Lease(space=space, holder=ME, epoch=epoch)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Return a site whose supervisor ends with the test."""
    made = Site(tmp_path)
    made.write(made.space(A), made.space(B))
    yield made
    made.stop()


def is_idle(site: Site, name: str) -> bool:
    """Return whether a space is left alone for some cycles."""
    before = site.listings(name)
    seen = site.listings(B if name == A else A)
    site.until(lambda: site.listings(B if name == A else A) > seen + 2)
    return site.listings(name) == before


def test_only_spaces_that_are_held_have_workers(site: Site) -> None:
    """One is lost, the other comes; what was lost comes back under another lease."""
    leases = Leases(held={A: lease(A)})
    site.start(leases=leases)
    site.until(lambda: len(site.clouds[A].here) == 2)
    assert is_idle(site, B)
    leases.held = {B: lease(B)}
    site.until(lambda: len(site.clouds[B].here) == 2)
    assert is_idle(site, A)
    leases.held = {A: lease(A, 3), B: lease(B)}
    before = site.listings(A)
    site.until(lambda: site.listings(A) > before)
    assert leases.wishes == Wishes(spaces=frozenset({A, B}))
    site.stop()
    assert leases.has_left


def test_work_goes_on_anew_under_a_new_lease(site: Site) -> None:
    """Lost and taken again between two looks: nothing that was known before counts any more."""
    leases = Leases(held={A: lease(A, 1)})
    site.start(leases=leases)
    site.until(lambda: len(site.clouds[A].here) == 2)
    connects = site.clouds[A].calls["connect"]
    leases.held = {A: lease(A, 2)}
    site.until(lambda: site.clouds[A].calls["connect"] > connects)


def test_an_order_waits_for_the_holder(site: Site) -> None:
    """It is carried out when the space comes."""
    leases = Leases(held={A: lease(A)})
    site.start(leases=leases)
    site.until(lambda: site.listings(A) > 1)
    assert site.store is not None
    site.store.order(Order(kind=OrderKind.DRAIN, space=B, at=1, who="admin"))
    assert is_idle(site, B)
    leases.held = {A: lease(A), B: lease(B)}
    site.until(lambda: site.store is not None and bool(site.store.records(B).drains))


def test_records_that_are_ours_alone_are_written_though_the_space_is_lost(site: Site) -> None:
    """The manager died between taking them and writing them, and is back."""
    leases = Leases(held={})
    site.start(leases=leases)
    assert site.store is not None
    other = run(1, space=A)
    mine = run(2, space=A)
    site.store.unexported(APEL)
    for each, holder in ((mine, ME), (other, "m2.example.org")):
        site.store.save(Changes(space=A, intervals=(each,)))
        store = site.store.under(Lease(space=A, holder=holder, epoch=1))
        assert store.take(APEL, space=A) == (each,)
    site.stop()
    site.start(leases=leases)
    site.until(lambda: site.store is not None and site.store.taken(APEL, ME) == ())
    assert len(list(Queue(site.folder / "root").archived())) == 1
    assert site.store is not None
    assert site.store.taken(APEL, "m2.example.org") == (other,)
