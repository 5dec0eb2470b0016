"""Sends datagrams without making anybody wait for a name server."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from vcycled.kvlog import KVLogger

_MOST_WAITING = 100
"""Letters; with a name server that is dead for long, older news are of no use to anybody."""


@dataclass(frozen=True, slots=True)
class _Letter:
    hostport: str
    datagrams: Sequence[bytes]


class Courier:
    """Sends what it is given from a thread of its own, which starts with the first letter.

    What cannot be sent is lost; it is said once, and again after it worked in between.
    """

    def __init__(self, log: KVLogger) -> None:
        self._log = log
        self._letters: queue.Queue[_Letter] = queue.Queue(_MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._failing: set[str] = set()

    def send(self, hostports: Sequence[str], datagrams: Sequence[bytes]) -> None:
        """Send `datagrams` in their order to every `host:port` soon; returns at once."""
        for hostport in hostports:
            try:
                self._letters.put_nowait(_Letter(hostport, datagrams))
            except queue.Full:
                return
        if hostports and self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            letter = self._letters.get()
            try:
                _send(letter)
            except (OSError, UnicodeError) as error:
                self._fail(letter.hostport, error)
            else:
                self._failing.discard(letter.hostport)

    def _fail(self, hostport: str, error: Exception) -> None:
        if hostport not in self._failing:
            self._failing.add(hostport)
            self._log.warning("vacmon-failed", hostport=hostport, error=str(error))


def _send(letter: _Letter) -> None:
    """Send the datagrams to the first address that the host has.

    Raises:
        OSError: it has none, or the network is not there.
        UnicodeError: the name cannot be one of a host.
    """
    host, _, port = letter.hostport.rpartition(":")
    found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)
    family, kind, protocol, _, address = found[0]
    with socket.socket(family, kind, protocol) as sender:
        for datagram in letter.datagrams:
            sender.sendto(datagram, address)
