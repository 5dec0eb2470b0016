"""Machines that run out of things: real refusals by the kernel, for root too."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def small_files(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes: writing fails as it does on a full disk."""
    with _limited(resource.RLIMIT_FSIZE, size):
        yield


@contextmanager
def few_files(more: int) -> Iterator[None]:
    """Let only `more` files be opened beyond those that are open."""
    lowest = os.open("/", os.O_RDONLY)
    os.close(lowest)
    with _limited(resource.RLIMIT_NOFILE, lowest + more):
        yield


@contextmanager
def _limited(what: int, most: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(what)
    resource.setrlimit(what, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(what, (soft, hard))
