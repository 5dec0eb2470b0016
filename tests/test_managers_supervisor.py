"""A supervisor staffs the spaces that it holds, and no others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fake_leases import Leases
from tests.store_kit import run
from tests.test_supervisor import A, B, Site
from vcycled.apel.queue import Queue
from vcycled.errors import Outdated
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
    """Return whether a space is left alone for some cycles, once one under way has ended."""
    other = B if name == A else A
    for _ in range(2):
        before, seen = site.listings(name), site.listings(other)
        site.until(lambda seen=seen: site.listings(other) > seen + 2)  # type: ignore[misc]
        if site.listings(name) == before:
            return True
    return False


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


def test_a_space_is_handed_over_when_its_cycle_has_ended(site: Site) -> None:
    """No other begins meanwhile, and where there is nothing to hand over nothing is idle."""
    leases = Leases(held={A: lease(A), B: lease(B)})
    site.start(leases=leases)
    site.until(lambda: len(site.clouds[A].here) == 2)
    assert leases.wishes is not None
    assert leases.wishes.idle == frozenset()
    leases.to_hand_over = A
    leases.is_any_open = True
    site.until(lambda: leases.wishes is not None and leases.wishes.idle == {A})
    assert is_idle(site, A)
    assert leases.wishes.spaces == {A, B}
    leases.to_hand_over, before = "", site.listings(A)
    site.until(lambda: site.listings(A) > before)


def test_a_manager_ends_whose_database_a_newer_one_has_changed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cycles first; whoever started it is told why."""
    raised: list[BaseException | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: raised.append(args.exc_value))
    leases = Leases(held={A: lease(A)})
    site.start(leases=leases)
    site.until(lambda: site.listings(A) > 0)
    leases.error, leases.is_outdated, leases.is_any_open = "a newer Vcycle", True, True
    site.until(lambda: site.thread is not None and not site.thread.is_alive())
    assert [str(each) for each in raised] == ["a newer Vcycle"]
    assert isinstance(raised[0], Outdated)


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
