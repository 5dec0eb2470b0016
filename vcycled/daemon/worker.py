"""One thread for each space: cycle after cycle, whatever the others do."""

from __future__ import annotations

import threading
from collections.abc import Callable

from vcycled.clock import Clock
from vcycled.config import SpaceConfig
from vcycled.cycle import SpaceCycle
from vcycled.errors import LeaseLost, StoreError
from vcycled.kvlog import KVLogger

STUCK_S = 900.0
"""A cycle that is under way for longer must be waiting for the cloud, or it gets nowhere."""


class SpaceWorker:
    """Runs the cycles of one space until it is stopped or the space is no longer wanted."""

    def __init__(
        self,
        cycle: SpaceCycle,
        wanted: Callable[[], tuple[SpaceConfig, str] | None],
        *,
        clock: Clock,
        log: KVLogger,
    ) -> None:
        """Store what it works with.

        Args:
            cycle: of this space.
            wanted: gives the space's configuration now and why it is held, or None to end.
            clock: to wait on.
            log: with the space bound.
        """
        self._cycle = cycle
        self._wanted = wanted
        self._clock = clock
        self._log = log
        self._is_stopping = False
        self._has_cycled = False
        self._busy_since: float | None = None
        """When the cycle under way began, on the monotonic clock; None between two."""
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> None:
        """Begin with the first cycle."""
        self._thread.start()

    def kick(self) -> None:
        """Let the next cycle begin now, if none is under way."""
        self._wake.set()

    def stop(self) -> None:
        """Begin no further cycle."""
        self._is_stopping = True
        self._wake.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the cycle under way; True if it has ended within real `timeout_s` seconds."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def owes(self) -> bool:
        """Whether something of the space other than machines must still be removed."""
        return not self._has_cycled or self._cycle.images.owes

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def is_stuck(self) -> bool:
        """Whether a cycle is under way for long, and not for a cloud that does not answer."""
        since = self._busy_since
        is_long = since is not None and self._clock.monotonic() - since > STUCK_S
        return is_long and not self._cycle.is_calling

    @property
    def is_swept(self) -> bool:
        """Whether the space was removed and nothing of ours is left in its cloud."""
        return self._cycle.is_swept

    def _work(self) -> None:
        while not self._is_stopping and (wanted := self._wanted()) is not None:
            config, held = wanted
            self._wake.clear()
            began, since = self._clock.now(), self._clock.monotonic()
            self._busy_since = since
            wake_at = self._cycle_once(config, held) or began + config.options.cycle_seconds
            self._busy_since = None
            self._has_cycled = True
            took = self._clock.monotonic() - since
            self._tell_late(int(took), config.options.cycle_seconds)
            # By both clocks: one that was set back meanwhile must not keep us for hours.
            wait_s = min(wake_at - self._clock.now(), wake_at - began - took)
            self._clock.wait(self._wake, max(0.0, wait_s))
        self._cycle.close()

    def _tell_late(self, took_s: int, cycle_seconds: int) -> None:
        late = took_s - cycle_seconds
        if late > 0:
            self._log.warning("cycle-overran", late=late, skipped=1 + late // cycle_seconds)

    def _cycle_once(self, config: SpaceConfig, held: str) -> int | None:
        """Run one cycle and return when the next is due; None if it could not say."""
        try:
            return self._cycle.run(config, held=held).report.wake_at
        except LeaseLost as error:
            self._log.warning("lease-lost", error=str(error))
        except StoreError as error:
            self._log.error("store-failed", error=str(error))
        except Exception:  # noqa: BLE001 - the top of a cycle: one space's bug is not the others'
            self._log.bug("cycle-broken")
        return None
