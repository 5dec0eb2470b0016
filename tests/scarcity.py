"""Machines that run out of things: real refusals by the kernel, for root too."""

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DEEP = 1200
"""Folders within each other: more than Python recurses, and than a path can say."""


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


@contextmanager
def too_deep(folder: Path) -> Iterator[None]:
    """Make folders within `folder` that are too deep for most programs, and remove it at last."""
    handle = os.open(folder, os.O_RDONLY)
    for _ in range(_DEEP):
        os.mkdir("deep", dir_fd=handle)
        deeper = os.open("deep", os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = deeper
    os.close(handle)
    try:
        yield
    finally:
        subprocess.run(["rm", "-rf", str(folder)], check=True)
