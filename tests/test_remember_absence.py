"""Machines that a listing omits: when they are gone, and which listing is not believed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.remember_kit import OURS, T0, asked, cycle, events, listed, machine, only, records
from vcycled.model import Changes, EndSource, Reason, Records, Stage
from vcycled.remember import Answers, learn, match, rewound, updated
from vcycled.remember.match import ABSENT_ANYWAY_LISTINGS


def absent_for(listings: int, seconds: int, **changes: object) -> Records:
    """Return records of a machine that `listings - 1` listings before T0 + 1000 omitted."""
    missing: dict[str, object] = {}
    if listings > 1:
        first = T0 + 1000 - seconds
        missing = {
            "missing_since": T0 + 800,
            "missing_first_at": first,
            "missing_listings": listings - 1,
        }
    return records(machine(**{**missing, **changes}), machine(2), machine(3), machine(4))


OTHERS = [listed(2), listed(3), listed(4)]


@pytest.mark.parametrize(
    ("listings", "seconds", "is_gone"),
    [(3, 300, True), (2, 300, False), (3, 299, False), (1, 0, False), (9, 299, False)],
)
def test_vanished_needs_listings_and_time(listings: int, seconds: int, is_gone: bool) -> None:
    """Three complete listings over five minutes, then `find` confirms (law 3)."""
    changes = cycle(absent_for(listings, seconds), OTHERS)
    (changed,) = changes.machines
    assert (changed.stage is Stage.GONE) is is_gone
    assert len(changes.intervals) == is_gone


def test_a_vanished_machine_ended_when_it_was_last_seen() -> None:
    """Its record has the last sighting as its end, and is final."""
    (interval,) = cycle(absent_for(3, 300), OTHERS).intervals
    assert (interval.ended_at, interval.end_source) == (T0 + 800, EndSource.SIGHTING)
    assert interval.is_final


MISSED = {"missing_since": T0 + 2500, "missing_first_at": T0 + 3100, "missing_listings": 1}


@pytest.mark.parametrize(
    "known", [pytest.param(MISSED, id="missed before"), pytest.param({}, id="missed after")]
)
@pytest.mark.parametrize(
    ("gone_at", "ended_at"),
    [
        pytest.param(T0 + 4000, T0 + 2500, id="the clock is right again"),
        pytest.param(T0 + 2500, T0 + 2500, id="it was last seen now"),
        pytest.param(T0 + 2499, T0 + 2499, id="before it was last seen"),
    ],
)
def test_a_clock_set_back_makes_no_run_brief(
    known: dict[str, object], gone_at: int, ended_at: int
) -> None:
    """To before its start, which the clock passes again before it is set right."""
    ours = (machine(**known), machine(2), machine(3), machine(4))
    before = records(*ours, listed_at=T0 + (3100 if known else 2500))
    for now in (T0 - 900, T0 + 150):
        before = updated(before, rewound(before, now=now) or Changes(space="a.example"))
        before = updated(before, cycle(before, OTHERS, now=now))
    (interval,) = cycle(before, OTHERS, now=gone_at).intervals
    assert (interval.ended_at, interval.end_source) == (ended_at, EndSource.SIGHTING)


def test_a_machine_that_is_listed_after_the_clock_was_set_back_is_as_before() -> None:
    """When it was last seen is kept only until then; nobody ever missed it."""
    before = records(machine(), listed_at=T0 + 2500)
    changes = rewound(before, now=T0 + 500)
    assert changes is not None
    assert only(changes).missing_since == T0 + 2500
    shown = cycle(updated(before, changes), [listed()], now=T0 + 500)
    assert only(shown) == machine()
    assert events(shown) == []


def test_a_machine_that_find_still_shows_is_not_gone() -> None:
    """A listing that omits it is the cloud's fault; counting begins anew."""
    changes = cycle(absent_for(3, 300), OTHERS, found={"uuid-1": listed()})
    changed = only(changes)
    assert (changed.stage, changed.missing_listings) == (Stage.LISTED, 0)
    assert "machine-found" in events(changes)


def test_a_machine_that_could_not_be_asked_for_stays_missing() -> None:
    """No answer is no proof."""
    before = absent_for(3, 300)
    matched = match(before, OTHERS, installation=OURS, now=T0 + 1000)
    changed = only(learn(before, matched, Answers(), now=T0 + 1000))
    assert (changed.stage, changed.missing_listings) == (Stage.LISTED, 3)


def test_a_deleted_machine_is_gone_when_find_confirms_it() -> None:
    """We asked for it, so one listing and `find` are enough to free its processors."""
    ours = {
        "is_delete_acknowledged": True,
        "delete_attempt_at": T0 + 950,
        "delete_reason": Reason.TOO_OLD,
    }
    changes = cycle(absent_for(1, 0, **ours), OTHERS)
    assert only(changes).stage is Stage.GONE
    (interval,) = changes.intervals
    assert (interval.ended_at, interval.end_source) == (T0 + 950, EndSource.DELETED)


@pytest.mark.parametrize("asked_at", [T0, T0 + 1000 + 86_400])
@pytest.mark.parametrize(("absent", "is_gone"), [(599, False), (600, True)])
def test_a_creation_of_unknown_outcome_counts_for_long(
    asked_at: int, absent: int, is_gone: bool
) -> None:
    """The request may still be in some queue of the cloud; whatever clock asked for it."""
    first = T0 + 1000 - absent
    lost = asked(created_at=asked_at, missing_first_at=first, missing_listings=20)
    assert (only(cycle(records(lost), [])).stage is Stage.GONE) is is_gone


@pytest.mark.parametrize(
    ("now", "listings", "is_gone"),
    [
        (T0 + 100, 2, True),
        (T0 + 99, 2, False),
        (T0 + 99, ABSENT_ANYWAY_LISTINGS - 2, False),
        (T0 + 99, ABSENT_ANYWAY_LISTINGS - 1, True),
    ],
)
def test_what_by_the_clock_has_yet_to_begin_is_not_gone(
    now: int, listings: int, is_gone: bool
) -> None:
    """Though we deleted it: its run would have no end after its start, and so no record."""
    ours = machine(is_delete_acknowledged=True, missing_listings=listings)
    changes = cycle(records(ours), [], now=now, found={})
    assert (only(changes).stage is Stage.GONE) is is_gone


@pytest.mark.parametrize(
    ("before", "now_shown", "is_suspect"),
    [(4, 2, False), (4, 1, True), (3, 0, False), (10, 4, True)],
)
def test_a_listing_that_shrank_is_suspect(before: int, now_shown: int, is_suspect: bool) -> None:
    """Losing more than half at once is more likely a cut listing than the truth."""
    known = records(*(machine(n) for n in range(before)))
    changes = cycle(known, [listed(n) for n in range(now_shown)])
    assert changes.memory is not None
    assert (changes.memory.suspect_since is not None) is is_suspect


def test_a_suspect_listing_does_not_lower_what_others_use() -> None:
    """Foreign machines that are not shown may still be there."""
    known = records(foreign_machines=10, foreign_processors=80)
    changes = cycle(known, [])
    assert changes.memory is not None
    assert changes.memory.foreign_processors == 80
    later = replace(known, memory=replace(changes.memory, suspect_since=T0 + 700))
    believed = cycle(later, []).memory
    assert believed is not None
    assert (believed.suspect_since, believed.foreign_processors) == (None, 0)


def test_machines_that_we_deleted_do_not_make_a_listing_suspect() -> None:
    """After a drain the space is empty, as it should be."""
    ours = [machine(n, is_delete_acknowledged=True, delete_attempt_at=T0) for n in range(10)]
    changes = cycle(records(*ours), [])
    assert changes.memory is not None
    assert changes.memory.suspect_since is None
