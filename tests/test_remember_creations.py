"""What the answers to our creations teach: want of quota or room, and clouds that turn us away."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.remember_kit import T0, asked, cycle, events, listed, machine, only, records
from vcycled.errors import NoCapacity, QuotaExceeded, Refused, SpaceError, Unavailable
from vcycled.model import MachineState, Stage, Unfit
from vcycled.remember import Attempt, concluded, paused, updated
from vcycled.remember.ledger import with_room


@pytest.mark.parametrize(
    ("error", "stage", "event"),
    [
        (Unavailable("create", "timeout"), Stage.ASKED, "creation-unknown"),
        (Unavailable("create", "503", retry_after_s=9), Stage.ASKED, "creation-unknown"),
        (Unavailable("create", "refused", is_undone=True), Stage.GONE, "creation-undone"),
        (Refused("create", "no such image"), Stage.GONE, "creation-failed"),
        (QuotaExceeded("create", "cores"), Stage.GONE, "quota-exceeded"),
        (NoCapacity("create", "no host"), Stage.GONE, "no-capacity"),
        (None, Stage.GONE, "intent-dropped"),
    ],
)
def test_what_a_failed_creation_teaches(
    error: SpaceError | None, stage: Stage, event: str
) -> None:
    """Only an unknown outcome goes on counting."""
    attempt = Attempt(machine=asked(), error=error)
    changes = concluded(records(), [attempt], now=T0 + 5)
    assert only(changes).stage is stage
    assert events(changes) == [event]
    memory = changes.memory
    assert memory is not None
    assert (memory.quota_failures == 1) is isinstance(error, QuotaExceeded)
    assert bool(memory.unfit) is isinstance(error, NoCapacity)
    is_away = isinstance(error, Unavailable) and (error.is_undone or error.retry_after_s == 9)
    assert (memory.pauses == 1) is is_away
    failed = [each.creation_failures for each in changes.machinetypes]
    is_counted = event in {"creation-unknown", "creation-failed"}
    assert failed == ([1] if is_counted else [])


def test_the_quota_is_counted_once_however_many_machines_it_kept_away() -> None:
    """One cycle asks for many at once. That another was taken proves nothing yet."""
    made = Attempt(machine=asked(), cloud_id="id-1")
    over = Attempt(machine=asked(2), error=QuotaExceeded("create", "cores"))
    before = records(quota_failures=3, quota_failed_at=T0, quota_error="cores")
    memory = concluded(before, [made, over, over], now=T0 + 5).memory
    assert memory is not None
    assert (memory.quota_failures, memory.quota_failed_at) == (4, T0 + 5)
    taken = concluded(before, [made], now=T0 + 5).memory
    assert taken is not None
    assert taken.quota_failures == 3


def test_room_that_was_made_lets_the_cloud_be_asked_again() -> None:
    """At once; that it had none is still known. For a quota the first delay holds."""
    later = Unfit(flavor="small", zone="", until=T0 + 900, failures=3)
    before = Unfit(flavor="large", zone="", until=T0 - 5)
    full = records(unfit=(later, before), quota_failures=4, quota_failed_at=T0).memory
    memory = with_room(full, now=T0 + 5)
    assert memory.unfit == (replace(later, until=T0 + 5), before)
    assert (memory.quota_failures, memory.quota_failed_at) == (1, T0)
    assert with_room(records().memory, now=T0).quota_failures == 0


@pytest.mark.parametrize(("created_at", "failures"), [(T0 + 4, 3), (T0 + 5, 3), (T0 + 6, 0)])
def test_a_later_machine_that_starts_ends_the_quota_backoff(
    created_at: int, failures: int
) -> None:
    """Only one that was asked for after the refusal shows that there is room again."""
    before = records(
        machine(created_at=created_at, started_at=None, state=MachineState.STARTING),
        quota_failures=3,
        quota_failed_at=T0 + 5,
        quota_error="cores",
    )
    memory = cycle(before, [listed()]).memory
    assert memory is not None
    assert (memory.quota_failures, bool(memory.quota_error)) == (failures, failures > 0)


def test_machines_that_fail_for_want_of_quota_hold_the_space_not_their_machinetype() -> None:
    """Ports and volumes run out only once the cloud has taken the request; seen once a cycle."""
    fault = "Maximum number of ports exceeded"
    ours = [machine(n, started_at=None, state=MachineState.STARTING) for n in (1, 2)]
    shown = [
        replace(listed(n, state="failed"), fault=fault, lacks_quota=True, lacks_capacity=True)
        for n in (1, 2)
    ]
    changes = cycle(records(*ours), shown)
    assert changes.memory is not None
    assert (changes.memory.quota_failures, changes.memory.quota_error) == (1, fault)
    assert (changes.memory.unfit, changes.machinetypes) == ((), ())
    assert events(changes).count("quota-exceeded") == 2


def test_a_cloud_that_turns_us_away_is_left_alone_ever_longer() -> None:
    """From a minute to a quarter of an hour; many at once are one time; success ends it."""
    before, now, waits = records(), T0, []
    away = Attempt(machine=asked(), error=Unavailable("create", "no route", is_undone=True))
    for _ in range(6):
        before = updated(before, concluded(before, [away, away], now=now))
        assert before.memory.paused_until is not None
        waits.append(before.memory.paused_until - now)
        now = before.memory.paused_until
    assert waits == [60, 120, 240, 480, 900, 900]
    made = Attempt(machine=asked(2), cloud_id="id-2")
    after = updated(before, concluded(before, [made], now=now)).memory
    assert (after.pauses, after.paused_until, after.pause_error) == (0, None, "")


@pytest.mark.parametrize(
    ("asked_for", "kept"),
    [((0,), 0), ((5,), 5), ((5, 70, 6), 70), ((3600,), 3600), ((9999,), 3600)],
)
def test_a_cloud_is_left_alone_for_as_long_as_it_asks(
    asked_for: tuple[int, ...], kept: int
) -> None:
    """The longest of its wishes, at most an hour."""
    errors = [Unavailable("delete", "429", retry_after_s=seconds) for seconds in asked_for]
    memory = paused(records().memory, errors, now=T0)
    assert memory.paused_until == T0 + kept


@pytest.mark.parametrize(("since", "pauses"), [(3600, 8), (3601, 1)])
def test_pauses_of_long_ago_are_forgotten(since: int, pauses: int) -> None:
    """Nothing needed to be made meanwhile, so that no success could end them."""
    before = records(pauses=7, paused_until=T0 - since).memory
    after = paused(before, [Unavailable("create", "429", is_undone=True)], now=T0)
    assert after.pauses == pauses


def test_a_pause_that_is_asked_for_never_shortens_another() -> None:
    """The later end counts; what asks for none changes nothing."""
    before = records(pauses=1, paused_until=T0 + 500).memory
    assert (
        paused(before, [Unavailable("x", "x", retry_after_s=5)], now=T0).paused_until == T0 + 500
    )
    assert paused(before, [Unavailable("x", "x"), Refused("x", "x"), None], now=T0) is before


def test_want_of_room_is_remembered_longer_each_time() -> None:
    """The wait doubles with each failure after the last wait was over, up to an hour."""
    before, now, waits = records(), T0, []
    for _ in range(6):
        attempt = Attempt(machine=asked(), error=NoCapacity("create", "x"))
        before = updated(before, concluded(before, [attempt, attempt], now=now))
        (unfit,) = before.memory.unfit
        waits.append(unfit.until - now)
        now = unfit.until
    assert waits == [300, 600, 1200, 2400, 3600, 3600]
