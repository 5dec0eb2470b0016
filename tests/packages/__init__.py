"""What `make packages` built, installed and run where nothing else of Vcycle is."""

import os
import shutil
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
DIST = TOP / "dist"

PROGRAMS = {
    "cpio": "cpio",
    "curl": "curl",
    "dh": "debhelper",
    "fish": "fish",
    "ip": "iproute2",
    "logrotate": "logrotate",
    "man": "man-db",
    "mandoc": "mandoc",
    "openssl": "openssl",
    "pgrep": "procps",
    "rpmbuild": "rpm",
    "rpmlint": "rpmlint",
    "systemd-analyze": "systemd",
    "zsh": "zsh",
}
"""What the packages are made and looked at with, and which package of Debian 12 has it."""

MARKS = [
    pytest.mark.live,
    pytest.mark.live_packages,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]
"""The marks of a module that needs dist/, which `make packages` makes."""


def built(pattern: str) -> Path:
    """Return the one file of `pattern` in dist/."""
    found = [*DIST.glob(pattern)]
    if len(found) != 1:
        pytest.fail(f"{len(found)} files {pattern} in {DIST}; make packages makes it")
    return found[0]


def lacking() -> str:
    """Return what must be installed before packages can be made and tried, or nothing."""
    found = {package for name, package in PROGRAMS.items() if shutil.which(name) is None}
    return f"this needs: apt-get install {' '.join(sorted(found))}" if found else ""
