"""A file system of our own for histories: in memory, and nobody else sees it.

The suite runs itself once more in a mount namespace. That needs root or user namespaces; where
there is neither, histories are played in an ordinary folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.faults.ending import outlive

_HERE = "VCYCLE_FAULTS_GROUND"
"""Variable with the folder, for whoever runs on it."""
_SIZE = "size=3g,mode=755"


@contextmanager
def prepared() -> Iterator[Path]:
    """Give the folder for histories: the one that we were started on, else an ordinary one."""
    folder = os.environ.get(_HERE)
    if folder:
        mount("tmpfs", _SIZE, Path(folder))
        yield Path(folder)
        return
    with tempfile.TemporaryDirectory(prefix="vcycle-faults-") as ordinary:
        yield Path(ordinary)


def is_prepared() -> bool:
    """Return whether we run in a mount namespace of our own."""
    return _HERE in os.environ


def is_possible() -> bool:
    """Return whether there can be one."""
    done = subprocess.run([*_unshare(), "true"], capture_output=True, check=False)
    return done.returncode == 0


def run_again(module: str, arguments: Sequence[str]) -> int:
    """Run `python -m MODULE ARGUMENTS` on a ground of its own and return its exit status."""
    with tempfile.TemporaryDirectory(prefix="vcycle-faults-") as folder:
        line = [*_unshare(), sys.executable, "-m", module, *arguments]
        return outlive(subprocess.Popen(line, env={**os.environ, _HERE: folder}))


def mount(kind: str, options: str, place: Path) -> None:
    """Mount something, or change how it is mounted."""
    subprocess.run(["mount", "-t", kind, "-o", options, "none", str(place)], check=True)


def _unshare() -> Sequence[str]:
    as_root = () if os.geteuid() == 0 else ("--map-root-user",)
    return ["unshare", "--mount", *as_root]
