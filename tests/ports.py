"""Ports that are free until somebody is told to listen on them, also while other tests run."""

from __future__ import annotations

import itertools
import os
import random
import socket

_FIRST, _LAST = 10_100, 15_999
"""No system gives these to a client by itself, so none is taken by whoever just connects."""


def _ours() -> list[int]:
    """Return the ports that no other worker of this run of the tests takes, in any order.

    A port on which nobody is to listen for a while, as one of a server that is down, must not be
    drawn by another test meanwhile. Order by chance, and not by that which starts anew with each
    test: programs that tests start may draw too.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    ports = list(range(_FIRST + worker % workers, _LAST + 1, workers))
    random.SystemRandom().shuffle(ports)
    return ports


_TURNS = itertools.cycle(_ours())


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on, and that no other test is given soon."""
    for port in _TURNS:
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("cycle() ends only if there is nothing in it")
