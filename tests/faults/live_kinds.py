"""Every kind of fault of a history with real processes."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random

from tests.fakes.openstack import LOST, RESET, answer
from tests.faults.live_site import CLOUD, LiveSite

Undo = Callable[[], None]
Fault = Callable[[LiveSite, Random], Undo | None]
OFFSETS_S = (-4000, -300, 300, 1800)
"""By how much the clock is set wrong."""


def kills(site: LiveSite, _rng: Random) -> None:
    """The manager is killed, wherever it is."""
    site.kill(site.manager)


def ends(site: LiveSite, _rng: Random) -> None:
    """The manager is told to end, and started anew."""
    if site.manager is not None and site.manager.poll() is None:
        site.manager.send_signal(signal.SIGTERM)
        site.manager.send_signal(signal.SIGCONT)  # it may be frozen
        # While the database is locked, the main thread waits 30 s for it, then as long for cycles
        # that wait too, and then a little for everybody else.
        site.manager.wait(120)


def freezes(site: LiveSite, _rng: Random) -> Undo:
    """The manager stands still, as on a host that is suspended or short of memory."""
    process = site.manager
    assert process is not None
    process.send_signal(signal.SIGSTOP)

    def thaw() -> None:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)

    return thaw


def kills_the_web(site: LiveSite, _rng: Random) -> None:
    """The web process is killed."""
    site.kill(site.web)


def fills_disk(site: LiveSite, _rng: Random) -> Undo:
    """Somebody fills the disk with the database, the queue and the tree to the last byte."""
    ballast = site.scene.root / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(1 << 16))
    with suppress(OSError), ballast.open("ab", buffering=0) as stream:
        while True:
            stream.write(b"\0")
    return ballast.unlink


def makes_tree_read_only(site: LiveSite, _rng: Random) -> Undo | None:
    """The file system of the published tree becomes read-only."""
    if not _remount(site, "ro"):
        return None

    def restore() -> None:
        assert _remount(site, "rw")

    return restore


def _remount(site: LiveSite, how: str) -> bool:
    """Return whether it could be done: not while a file is open for writing."""
    line = ["mount", "-o", f"remount,bind,{how}", str(site.shared)]
    tries = (subprocess.run(line, check=False, capture_output=True) for _ in range(20))
    return any(each.returncode == 0 for each in tries)


def locks_database(site: LiveSite, _rng: Random) -> Undo | None:
    """Another process holds the lock of the database."""
    path = site.scene.root / "vcycle.db"
    if not path.exists():
        return None
    other = sqlite3.connect(path, isolation_level=None, timeout=10)
    with suppress(sqlite3.OperationalError):
        other.execute("BEGIN IMMEDIATE")
    return other.close


def sets_clock(site: LiveSite, rng: Random) -> Undo:
    """The clock of the host is set wrong, and right again within the promised time.

    By so little that no machine is too old or too late, as the manager may have died meanwhile.
    """
    site.set_clock(rng.choice(OFFSETS_S))
    return lambda: site.set_clock(0)


def breaks_configuration(site: LiveSite, rng: Random) -> Undo:
    """An edit goes wrong: half a file, a wrong value, a space gone, nothing left."""
    text = site.good_text
    site.configure(rng.choice(broken_edits(text, rng)))
    return lambda: site.configure(text)


def broken_edits(text: str, rng: Random) -> Sequence[str]:
    """Return a good configuration after edits that went wrong.

    None of them leads a manager that starts with it out of its folder: where one has sections
    left, it has ROOT.
    """
    return (
        "[[[ not this file\n= =",
        text[: rng.randrange(len(text) // 4, len(text))],
        text.replace("cycle_seconds = 60", "cycle_seconds = soon"),
        text.replace("fizzle_seconds", "fizle_seconds"),
        text[: text.index(f"[space {CLOUD}]")],
        text[: text.index("[space")],
    )


def cuts_network(site: LiveSite, _rng: Random) -> Undo:
    """The network to one cloud is cut; the other space goes on."""
    site.relay.cut()
    return site.relay.mend


def fails_now_and_then(site: LiveSite, rng: Random) -> Undo:
    """A third of the calls of a kind fail, or are done and nobody hears of it."""
    script = site.cloud.script
    operation = rng.choice(["create", "delete", "machines", "find", "connect"])
    faults = [RESET, answer(500), answer(503, retry_after_s=60), answer(401)]
    fault = LOST if operation in ("create", "delete") else rng.choice(faults)
    script.set_always(operation, fault, 1 / 3, seed=rng.randrange(10**6))
    return lambda: script.set_always(operation, None)


FAULTS: dict[str, Fault] = {
    "manager killed": kills,
    "manager ended and started": ends,
    "manager frozen": freezes,
    "web site killed": kills_the_web,
    "disk full": fills_disk,
    "tree read-only": makes_tree_read_only,
    "database locked": locks_database,
    "clock jumps": sets_clock,
    "configuration broken": breaks_configuration,
    "network to a cloud cut": cuts_network,
    "cloud fails now and then": fails_now_and_then,
}
NEEDS_DISK = frozenset({"disk full", "tree read-only"})
"""Only where the site has a file system of its own."""
