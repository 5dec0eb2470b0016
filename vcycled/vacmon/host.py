"""Figures of the manager's host for VacMon."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from pathlib import Path

from vcycled.vacmon.messages import Figures

_MEMINFO = Path("/proc/meminfo")
_STAT = Path("/proc/stat")
_TOP = Path("/")


def host_figures(root: Path) -> Figures:
    """Return load, memory, disks and versions; what cannot be found out is left out.

    Args:
        root: of the manager, whose disk is told of beside the host's own.
    """
    parts = (_system, _memory, _boot, lambda: _disk("root", _TOP), lambda: _disk("daemon", root))
    return {key: value for part in parts for key, value in _or_nothing(part).items()}


def _or_nothing(read: Callable[[], Figures]) -> Figures:
    try:
        return read()
    except (OSError, ValueError, KeyError):
        return {}


def _system() -> Figures:
    return {
        "kernel_version": platform.release(),
        "os_issue": platform.freedesktop_os_release()["PRETTY_NAME"],
        "load_average": os.getloadavg()[2],
    }


def _memory() -> Figures:
    lines = (line.split() for line in _MEMINFO.read_text(encoding="ascii").splitlines())
    kb = {words[0].rstrip(":"): int(words[1]) for words in lines if len(words) > 1}
    return {
        "mem_total_kb": kb["MemTotal"],
        "mem_used_kb": kb["MemTotal"] - kb["MemFree"],
        "swap_free_kb": kb["SwapFree"],
        "swap_used_kb": kb["SwapTotal"] - kb["SwapFree"],
    }


def _boot() -> Figures:
    lines = (line.split() for line in _STAT.read_text(encoding="ascii").splitlines())
    return {"boot_time": int(dict(words[:2] for words in lines if len(words) > 1)["btime"])}


def _disk(name: str, folder: Path) -> Figures:
    found = os.statvfs(folder)
    return {
        f"{name}_disk_avail_kb": found.f_bavail * found.f_frsize // 1024,
        f"{name}_disk_avail_inodes": found.f_favail,
    }
