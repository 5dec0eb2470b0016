"""Beats for this manager, beside everything else that it does, and tells what becomes of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from vcycled.clock import Clock
from vcycled.errors import Outdated, StoreError
from vcycled.kvlog import KVLogger
from vcycled.store import Lease, Wishes
from vcycled.store.leases import Leases
from vcycled.store.tenure import BEATS, SKEW_MOST_SECONDS

TICK_S = 1.0
"""How often it is looked whether a beat is due, or a lease has become free."""
EXIT_S = 5.0
"""How long a beat under way is waited for at the end, in real seconds."""


class Tenant:
    """Holds the leases of one manager in a thread of its own, so that no slow work costs them."""

    def __init__(
        self,
        leases: Leases,
        wishes: Callable[[], Wishes],
        *,
        beat_seconds: int,
        clock: Clock,
        log: KVLogger,
    ) -> None:
        """Store what it works with.

        Args:
            leases: that this process has enrolled for.
            wishes: gives the spaces that the manager would look after now.
            beat_seconds: between two beats.
            clock: to wait on.
            log: told of every change.
        """
        self._leases = leases
        self._wishes = wishes
        self._beat_s = beat_seconds
        self._clock = clock
        self._log = log
        self._beaten_at = clock.monotonic()
        self._told: Mapping[str, Lease] = {}
        self._trouble = ""
        self._outdated = ""
        self._is_cut_off = False
        self._is_clock_off = False
        self._is_ending = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    @property
    def held(self) -> Mapping[str, Lease]:
        """The leases that are ours, as far as we know, by space."""
        return self._leases.held

    @property
    def to_hand_over(self) -> str:
        """A held space in which no cycle may begin, as another manager is to have it; or empty."""
        return self._leases.to_hand_over

    @property
    def outdated(self) -> str:
        """Why this manager must end: the database is that of a newer Vcycle; else empty."""
        return self._outdated

    def start(self) -> None:
        """Beat for the first time, and go on in a thread.

        Raises:
            StoreError: this manager cannot be one here.
        """
        self._beat()
        self._thread.start()

    def kick(self) -> None:
        """Look at the wishes now."""
        self._wake.set()

    def end(self) -> None:
        """Give up everything; to be called when no cycle is under way any more."""
        self._is_ending = True
        self._wake.set()
        self._thread.join(EXIT_S)
        try:
            self._leases.leave()
        except StoreError as error:
            self._log.warning("beat-failed", error=str(error))

    def _work(self) -> None:
        while self._wait():
            self.turn()

    def _wait(self) -> bool:
        """Wait for the next turn; False if there is none any more."""
        self._clock.wait(self._wake, TICK_S)
        self._wake.clear()
        return not self._is_ending

    def turn(self) -> None:
        """Beat if that is due or worth it; made in the thread again and again."""
        try:
            is_due = self._clock.monotonic() - self._beaten_at >= self._beat_s
            if is_due or self._trouble or self._leases.is_worth_a_beat(self._wishes()):
                self._beat()
        except Outdated as error:
            self._outdated = str(error)
        except StoreError as error:
            self._fail(str(error))
        except Exception:  # noqa: BLE001 - the top of a thread: without beats all would stop
            self._log.bug("beat-broken")

    def _beat(self) -> None:
        began, handed_over = self._clock.monotonic(), self._leases.to_hand_over
        try:
            self._leases.beat(self._wishes())
        finally:
            self._tell_changes(handed_over)
        self._beaten_at = began
        if self._trouble:
            self._log.info("beat-back")
        self._trouble, self._is_cut_off = "", False
        self._tell_clock()

    def _fail(self, error: str) -> None:
        """Tell why a beat failed, and when that has gone on for too long to act."""
        if error != self._trouble:
            self._log.warning("beat-failed", error=error)
        self._trouble = error
        is_cut_off = self._clock.monotonic() - self._beaten_at >= BEATS * self._beat_s
        if is_cut_off and not self._is_cut_off:
            detail = "nothing is created or deleted until a beat is taken"
            self._log.error("cut-off", detail=detail, error=error)
        self._is_cut_off = is_cut_off

    def _tell_changes(self, handed_over: str) -> None:
        if not self._leases.is_shared:
            return
        before, now = self._told, self._leases.held
        for space in sorted(before.keys() - now.keys()):
            if space == handed_over:
                self._log.info("lease-handed-over", space=space)
            else:
                self._log.warning("lease-lost", space=space)
        for space in sorted(now):
            if now[space] != before.get(space):
                self._log.info("lease-taken", space=space, epoch=now[space].epoch)
        self._told = now

    def _tell_clock(self) -> None:
        skew = self._leases.skew
        is_off = abs(skew) > SKEW_MOST_SECONDS
        if is_off and not self._is_clock_off:
            detail = "this manager holds no space until its clock is right"
            self._log.error("clock-off", seconds=round(skew), detail=detail)
        elif self._is_clock_off and not is_off:
            self._log.info("clock-right", seconds=round(skew))
        self._is_clock_off = is_off
