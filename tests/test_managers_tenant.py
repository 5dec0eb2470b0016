"""The thread that beats for a manager: when it does, and what it tells."""

from __future__ import annotations

import pytest

from tests.fake_leases import Leases
from tests.store_kit import SPACE
from vcycled import kvlog
from vcycled.clock import Clock, SystemClock
from vcycled.daemon.tenant import Tenant
from vcycled.errors import StoreError
from vcycled.store import Lease, Wishes
from vcycled.testing.clock import FakeClock

BEAT = 10
WISHES = Wishes(spaces=frozenset({SPACE}))


def lease(epoch: int) -> dict[str, Lease]:
    """Return that the space is held."""
    return {SPACE: Lease(space=SPACE, holder="m1", epoch=epoch)}


class Bench:
    """A tenant whose turns a test makes, one by one, on a clock that stands still."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.leases = Leases()
        self.tenant = self._tenant(self.clock)

    def in_real_time(self) -> Tenant:
        """Return one whose thread waits for real."""
        return self._tenant(SystemClock())

    def _tenant(self, clock: Clock) -> Tenant:
        log = kvlog.get("tenant")
        return Tenant(self.leases, lambda: WISHES, beat_seconds=BEAT, clock=clock, log=log)

    def turn(self, seconds: float = 0.0) -> int:
        """Make a turn after so many seconds; return how many beats there were by then."""
        self.clock.advance(seconds)
        self.tenant.turn()
        return self.leases.beats


@pytest.fixture
def bench(caplog: pytest.LogCaptureFixture) -> Bench:
    """Return one whose log is caught from INFO on."""
    caplog.set_level("INFO")
    return Bench()


def test_it_beats_when_a_beat_is_due(bench: Bench) -> None:
    """Not sooner."""
    assert bench.turn(BEAT) == 1
    assert bench.turn(BEAT - 1) == 1
    assert bench.turn(1) == 2


def test_it_beats_at_once_for_a_lease_that_became_free(bench: Bench) -> None:
    """So that a take-over does not wait for the next beat."""
    bench.leases.is_any_open = True
    assert bench.turn(1) == 1


def test_it_tries_again_at_each_turn_after_a_failure(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """And tells each error once, and when it is over."""
    bench.leases.error = "no answer"
    bench.turn(BEAT)
    bench.turn(1)
    assert caplog.text.count("beat-failed") == 1
    bench.leases.error = ""
    assert bench.turn(1) == 1
    assert bench.turn(1) == 1
    assert caplog.text.count("beat-back") == 1


def test_it_tells_when_it_may_not_act_any_more(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """After two beats, once, as an error; a short break is none."""
    bench.turn(BEAT)
    bench.leases.error = "no answer"
    bench.turn(2 * BEAT - 1)
    assert "cut-off" not in caplog.text
    for _ in range(3):
        bench.turn(1)
    assert caplog.text.count("cut-off") == 1
    assert [each.levelname for each in caplog.records if "cut-off" in each.message] == ["ERROR"]


def test_it_tells_what_it_holds(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Taken, taken anew, lost; nothing while it stays."""
    bench.leases.held = lease(1)
    bench.turn(BEAT)
    bench.turn(BEAT)
    bench.leases.held = lease(3)
    bench.turn(BEAT)
    bench.leases.held = {}
    bench.turn(BEAT)
    assert [each.message for each in caplog.records] == [
        f"lease-taken space={SPACE} epoch=1",
        f"lease-taken space={SPACE} epoch=3",
        f"lease-lost space={SPACE}",
    ]


def test_what_is_handed_over_is_not_lost(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """It is what was meant; what goes without being asked for is a loss."""
    both = {**lease(1), "other": Lease(space="other", holder="m1", epoch=1)}
    bench.leases.held, bench.leases.to_hand_over = both, SPACE
    bench.turn(BEAT)
    assert bench.tenant.to_hand_over == SPACE
    caplog.clear()
    bench.leases.held = {}
    bench.turn(BEAT)
    assert [each.message for each in caplog.records] == [
        "lease-lost space=other",
        f"lease-handed-over space={SPACE}",
    ]


def test_a_newer_vcycle_is_no_trouble_that_passes(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """It says why this manager must end; who ends it tells."""
    assert bench.tenant.outdated == ""
    bench.leases.error, bench.leases.is_outdated = "a newer Vcycle", True
    bench.turn(BEAT)
    assert bench.tenant.outdated == "a newer Vcycle"
    assert "beat-failed" not in caplog.text


def test_a_loss_is_told_though_the_beat_failed(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Another manager took our name."""
    bench.leases.held = lease(1)
    bench.turn(BEAT)
    bench.leases.held, bench.leases.error = {}, "a manager of the name m1 runs"
    bench.turn(BEAT)
    assert f"lease-lost space={SPACE}" in caplog.text


def test_a_sole_manager_tells_nothing_of_leases(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """They would be news to nobody."""
    bench.leases.is_shared = False
    bench.leases.held = lease(0)
    bench.turn(BEAT)
    assert caplog.text == ""


@pytest.mark.parametrize("skew", [61.0, -61.0])
def test_a_clock_that_is_off_is_told_until_it_is_right(
    bench: Bench, caplog: pytest.LogCaptureFixture, skew: float
) -> None:
    """Once each."""
    bench.leases.skew = 60.0
    bench.turn(BEAT)
    assert caplog.text == ""
    bench.leases.skew = skew
    bench.turn(BEAT)
    bench.turn(BEAT)
    bench.leases.skew = 0.5
    bench.turn(BEAT)
    told = [each.message.partition(" ")[0] for each in caplog.records]
    assert told == ["clock-off", "clock-right"]


def test_a_bug_ends_no_beats(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged with its traceback."""
    real, bench.leases.is_worth_a_beat = bench.leases.is_worth_a_beat, broken  # type: ignore[method-assign]
    bench.turn(1)
    assert "beat-broken" in caplog.text
    assert "Traceback" in caplog.text
    bench.leases.is_worth_a_beat = real  # type: ignore[method-assign]
    assert bench.turn(BEAT) == 1


def broken(wishes: Wishes) -> bool:
    """Fail as no code should."""
    raise ZeroDivisionError


def test_it_beats_in_a_thread_until_it_ends(bench: Bench) -> None:
    """The first beat is over when it has started, and at the end everything is left."""
    tenant = bench.in_real_time()
    tenant.start()
    assert bench.leases.beats == 1
    tenant.kick()
    tenant.end()
    assert bench.leases.has_left


def test_an_end_without_the_database_is_an_end(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Its leases run out by themselves."""
    tenant = bench.in_real_time()
    tenant.start()
    bench.leases.error = "no answer"
    tenant.end()
    assert "beat-failed" in caplog.text


def test_a_manager_that_cannot_be_one_does_not_start(bench: Bench) -> None:
    """The error is for who started it."""
    bench.leases.error = "another vcycled is using this database"
    with pytest.raises(StoreError, match="another vcycled"):
        bench.tenant.start()
