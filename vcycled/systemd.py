"""What systemd wants to know of a service (`Type=notify`), said to the socket that it names.

The protocol is a datagram of lines `NAME=value`, see sd_notify(3). Nothing is said where nobody
asks: on a terminal, in a container, in a test.
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping

from vcycled import kvlog
from vcycled.clock import Clock, SystemClock

_LOG = kvlog.get(__name__)
_PATIENCE_S = 5.0
"""How long a datagram may wait for room; systemd has a long queue and seldom lets it fill."""
_OFTENER = 4
"""Signs of life in each interval of the watchdog: one or two that are late do no harm."""


class Notifier:
    """Tells systemd how this process is, or nobody.

    Args:
        address: path of the socket, abstract with a leading @; empty for nobody.
        watchdog_s: longest time between two signs of life, in real seconds; 0 if none are wanted.
        clock: of the machine: systemd knows no other.
    """

    def __init__(
        self, address: str = "", *, watchdog_s: float = 0.0, clock: Clock | None = None
    ) -> None:
        self._address = address
        self._watchdog_s = watchdog_s
        self._clock = clock or SystemClock()
        self._is_ready = False
        self._status = ""
        self._lived_at: float | None = None
        self._trouble = ""

    def ready(self) -> None:
        """Say that the start, or what `reloading` began, is over; once."""
        if not self._is_ready:
            self._say("READY=1")
        self._is_ready = True

    def reloading(self) -> None:
        """Say that something is read anew, until `ready`."""
        self._is_ready = False
        self._say("RELOADING=1", f"MONOTONIC_USEC={int(self._clock.monotonic() * 1_000_000)}")

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._say("STOPPING=1")

    def status(self, text: str) -> None:
        """Let `systemctl status` show this line, if it is another one than before."""
        if text != self._status:
            self._say(f"STATUS={' '.join(text.split())}")
        self._status = text

    def alive(self) -> None:
        """Give a sign of life, if one is wanted and due; to be called again and again."""
        now = self._clock.monotonic()
        is_due = self._lived_at is None or now - self._lived_at >= self._watchdog_s / _OFTENER
        if self._watchdog_s and is_due:
            self._lived_at = now
            self._say("WATCHDOG=1")

    def _say(self, *lines: str) -> None:
        """Send one datagram; that it cannot be sent is logged once, and hinders nothing."""
        if not self._address:
            return
        name = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        trouble = ""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
                to.settimeout(_PATIENCE_S)
                to.sendto("\n".join(lines).encode(), name)
        except OSError as error:
            trouble = str(error)
        if trouble and trouble != self._trouble:
            _LOG.warning("notify-failed", socket=self._address, error=trouble)
        self._trouble = trouble


def notifier(environ: MutableMapping[str, str]) -> Notifier:
    """Return what tells systemd of this process, and take what it needs out of the environment.

    Processes that this one starts are not to speak for it. A watchdog of another process, as after
    a fork, is none of ours.
    """
    address = environ.pop("NOTIFY_SOCKET", "")
    interval, owner = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
    is_ours = owner in {"", str(os.getpid())} and interval.isdecimal()
    return Notifier(address, watchdog_s=int(interval) / 1_000_000 if is_ours else 0.0)
