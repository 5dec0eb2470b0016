"""Calls that may hang: bounded in number and time, and each error where it belongs."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from vcycled.calls import CallPool
from vcycled.clock import SystemClock
from vcycled.errors import QuotaExceeded, Unavailable


@pytest.fixture
def release() -> threading.Event:
    """Return what hanging calls wait for; set at the end so that no thread is left."""
    return threading.Event()


def pool(size: int = 3, timeout_s: float = 60.0) -> CallPool:
    """Return a pool with much patience, or little."""
    return CallPool(size, timeout_s=timeout_s, clock=SystemClock())


def test_returns_what_the_call_returns() -> None:
    """One call's value comes back."""
    assert pool().run("limits", lambda: 7) == 7


def test_raises_what_the_call_raises() -> None:
    """A space's error reaches the caller as it is."""

    def refuse() -> int:
        raise QuotaExceeded("create", "cores")

    with pytest.raises(QuotaExceeded, match="create: cores"):
        pool().run("create", refuse)


def test_a_bug_is_not_taken_for_an_answer() -> None:
    """Anything but a space's error is raised, not reported as an outcome."""
    with pytest.raises(ZeroDivisionError):
        list(pool().run_all("create", [lambda: 1 // 0]))


def test_every_call_of_a_batch_has_one_outcome() -> None:
    """Errors and values are told apart by number."""

    def call(number: int) -> int:
        if number % 2:
            raise QuotaExceeded("create", str(number))
        return number

    calls = [lambda number=number: call(number) for number in range(20)]
    outcomes = {outcome.number: outcome for outcome in pool().run_all("create", calls)}
    assert sorted(outcomes) == list(range(20))
    assert all(outcomes[n].value == n for n in range(0, 20, 2))
    assert all(isinstance(outcomes[n].error, QuotaExceeded) for n in range(1, 20, 2))


def test_never_more_at_once_than_the_size() -> None:
    """The bound holds whatever the batch."""
    lock, running, peak = threading.Lock(), 0, 0
    gate = threading.Event()

    def call() -> None:
        nonlocal running, peak
        with lock:
            running += 1
            peak = max(peak, running)
            if running == 3:
                gate.set()
        gate.wait(60)
        with lock:
            running -= 1

    list(pool(size=3, timeout_s=600).run_all("create", [call] * 12))
    assert peak == 3


def test_a_call_that_hangs_is_given_up_and_counted(release: threading.Event) -> None:
    """Its caller gets Unavailable, its slot stays taken until it returns."""
    calls = pool(size=2, timeout_s=0.3)
    with pytest.raises(Unavailable, match="no answer within"):
        calls.run("machines", lambda: release.wait(60))
    assert calls.stuck == 1
    calls._timeout_s = 60.0
    assert calls.run("machines", lambda: 1) == 1
    release.set()
    for _ in range(3000):
        if calls.stuck == 0:
            break
        threading.Event().wait(0.02)
    assert calls.stuck == 0


def test_a_host_without_threads_takes_no_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cloud was surely not asked, and once there are threads again all slots are free."""

    class Unstarted(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    calls, asked = pool(size=2), threading.Event()
    without = SimpleNamespace(Thread=Unstarted)
    with monkeypatch.context() as patch:
        patch.setattr("vcycled.calls.threading", without)
        outcomes = list(calls.run_all("create", [asked.set] * 3))
    assert [each.number for each in outcomes] == [0, 1, 2]
    errors = [each.error for each in outcomes]
    assert all(isinstance(error, Unavailable) and error.is_undone for error in errors)
    assert "can't start new thread" in str(errors[0])
    assert not calls.is_busy
    assert not asked.is_set()
    assert [each.value for each in calls.run_all("create", [lambda: 1] * 2)] == [1, 1]


def test_when_all_slots_hang_nothing_more_is_started(release: threading.Event) -> None:
    """Callers are told at once; nobody waits behind a dead cloud."""
    calls = pool(size=2, timeout_s=0.3)
    outcomes = list(calls.run_all("create", [lambda: release.wait(60)] * 2))
    assert [type(outcome.error) for outcome in outcomes] == [Unavailable, Unavailable]
    started = threading.Event()
    with pytest.raises(Unavailable, match="all 2 slots are held"):
        calls.run("create", started.set)
    assert not started.is_set()
    release.set()
