"""One manager at a time, a pid file that survives its owner, logs that reopen."""

from __future__ import annotations

import gc
import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from vcycled import kvlog
from vcycled.daemon import process
from vcycled.errors import OperatorError


def test_a_second_manager_on_the_same_root_is_refused(tmp_path: Path) -> None:
    """The message names the lock; once the first is gone, the root is free."""
    refused = pytest.raises(OperatorError, match=r"another vcycled runs on .*vcycled\.lock")
    with process.only_one(tmp_path), refused:
        process.only_one(tmp_path).__enter__()
    with process.only_one(tmp_path):
        pass


def test_a_killed_manager_leaves_no_lock(tmp_path: Path) -> None:
    """The kernel drops the lock of a process that dies by SIGKILL."""
    script = (
        "import sys, signal\n"
        "from pathlib import Path\n"
        "from vcycled.daemon import process\n"
        "with process.only_one(Path(sys.argv[1])):\n"
        "    print('held', flush=True)\n"
        "    signal.pause()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(OperatorError):
        process.only_one(tmp_path).__enter__()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    with process.only_one(tmp_path):
        pass


def test_a_root_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The error says which file and why."""
    with pytest.raises(OperatorError, match="No such file or directory"):
        process.only_one(tmp_path / "missing").__enter__()


def test_the_pid_file_replaces_a_stale_one_and_goes_at_the_end(tmp_path: Path) -> None:
    """What a dead manager left behind does no harm."""
    path = tmp_path / "vcycled.pid"
    path.write_text("999999\n")
    with process.pid_file(path):
        assert path.read_text() == f"{os.getpid()}\n"
    assert not path.exists()


def test_a_pid_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """A manager that nobody can find does not start."""
    with pytest.raises(OperatorError, match="cannot be written"):
        process.pid_file(tmp_path / "missing" / "x.pid").__enter__()


def test_the_log_is_not_for_everybody_and_reopens(
    tmp_path: Path, root_logger: logging.Logger
) -> None:
    """Mode 0640; after logrotate moved it away, SIGHUP makes a new one."""
    path = tmp_path / "vcycled.log"
    handler = process.log_to(path, "info")
    log = kvlog.get("test", space="a.example")
    log.info("one", why="a reason")
    assert path.stat().st_mode & 0o777 == 0o640
    path.rename(tmp_path / "vcycled.log.1")
    process.reopen(handler)
    log.warning("two")
    assert 'INFO one space=a.example why="a reason"' in (tmp_path / "vcycled.log.1").read_text()
    assert "WARNING two space=a.example" in path.read_text()
    assert root_logger.handlers == [handler]


def test_a_log_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    """Better no start than no log."""
    with pytest.raises(OperatorError, match="cannot be opened"):
        process.log_to(tmp_path / "missing" / "x.log", "info")


def test_reopening_standard_error_is_harmless(root_logger: logging.Logger) -> None:
    """SIGHUP to a manager in the foreground changes nothing."""
    process.reopen(process.log_to(None, "error"))
    assert root_logger.level == logging.ERROR


def test_detaching_keeps_the_lock_and_the_log(tmp_path: Path) -> None:
    """The command returns at once; what stays is a session of its own, with what it was given."""
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from vcycled.daemon import process\n"
        "root = Path(sys.argv[1])\n"
        "with process.only_one(root) as lock:\n"
        "    stream = open(root / 'out', 'w', buffering=1)\n"
        "    process.detach([lock, stream.fileno()])\n"
        "    os.fstat(lock)\n"
        "    print(os.getsid(0) != int(sys.argv[2]), os.getcwd(), file=stream)\n"
        "    (root / 'done').touch()\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path), str(os.getsid(0))]
    ran = subprocess.run(command, timeout=60, check=False)
    assert ran.returncode == 0
    for _ in range(1200):
        if (tmp_path / "done").exists():
            break
        threading.Event().wait(0.05)
    assert (tmp_path / "out").read_text() == "True /\n"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "cycle"),
        ({"a": 1, "b": None, "c": True}, "cycle a=1 c=True"),
        ({"why": 'he said "no"\nand left'}, 'cycle why="he said \\"no\\" and left"'),
        ({"took": 0.12345}, "cycle took=0.123"),
        ({"empty": ""}, 'cycle empty=""'),
        ({"said": "\x1b]0;title\x07é\u202e\ud800"}, "cycle said=?]0;title?é??"),
        ({"said": "a\r\x1bMb\u2028c\x1cd"}, 'cycle said="a ?Mb c d"'),
    ],
)
def test_a_log_line_is_one_line(fields: dict[str, kvlog.Value], text: str) -> None:
    """Values with blanks are quoted, none forges a second line or steers a terminal."""
    assert kvlog.line("cycle", **fields) == text


def test_the_manager_seldom_looks_for_rings_of_garbage() -> None:
    """Facts come by the ten thousand; the usual 700 would look through them all the time."""
    usual = gc.get_threshold()
    try:
        process.collect_seldom()
        assert gc.get_threshold() == (10_000, *usual[1:])
    finally:
        gc.set_threshold(*usual)
