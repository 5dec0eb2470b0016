"""Ports that are free until somebody is told to listen on them, also while other tests run."""

from __future__ import annotations

import random
import socket

_CHANCE = random.SystemRandom()
"""Not the one that starts anew with each test: others would draw the same ports."""
_FIRST, _LAST = 10_100, 15_999
"""No system gives these to a client by itself, so none is taken by whoever just connects."""


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on, and that nobody but us is likely to."""
    while True:
        port = _CHANCE.randint(_FIRST, _LAST)
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
