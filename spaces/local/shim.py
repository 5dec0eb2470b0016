"""Run one machine and record how it ended: a stand-alone program, the standard library alone.

    python -I -S shim.py FOLDER DELAY COMMAND ARGUMENT…           returns once the shim stands
    python -I -S shim.py --wait FOLDER DELAY COMMAND ARGUMENT…    returns once the machine ended

A shim outlives the manager: it has its own session, its parent is the host's first process, and
all that the machine leaves behind becomes its child. It waits DELAY seconds, runs COMMAND in
FOLDER/fs, ends with it whatever is left, and removes FOLDER/fs. COMMAND says `running` on its
stdout and then turns it elsewhere; what else may come from there stands in note [Entering] of the
sandbox.

# Note [Records]

Files of FOLDER that the shim writes, each whole or not there; their times are the machine's:

    shim      identity of the shim: pid, start in clock ticks since boot, id of the boot
    started   when COMMAND began to run
    exit      how it ended: `exit STATUS`, `signal NUMBER`, `power-off`, or `failed WHY`
              if it never ran

If FOLDER/deleting is there when the shim begins, nothing is run: whoever wrote it may have found
no `shim` to signal.

# Note [Power off]

SIGTERM to the shim, or anything written to FOLDER/fs/run/vcycle/power, ends the machine: its
first process is stopped, so that it starts nothing more, all others get SIGTERM, and whatever is
left GRACE_S seconds later gets SIGKILL.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import time

GRACE_S = 5
PR_SET_CHILD_SUBREAPER = 36
POWER = "fs/run/vcycle/power"
NICENESS = 10

_boot: list[str] = []
_libc = ctypes.CDLL(None, use_errno=True)


def identity(pid: int) -> str:
    """Return the identity of a process, different for every process there ever is.

    Returns:
        `PID TICKS BOOT`, or nothing if there is no such process or it has ended.
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat_file:
            fields = stat_file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""  # somebody else's, if it is there at all
    return "" if fields[0] in "ZX" else f"{pid} {fields[19]} {boot()}"


def boot() -> str:
    """Return the id that the kernel gave itself when it was started."""
    if not _boot:
        with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as boot_file:
            _boot.append(boot_file.read().strip())
    return _boot[0]


def children() -> dict[int, list[int]]:
    """Return the pids of the children of every process on this host."""
    found: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as stat_file:
                    parent = int(stat_file.read().rpartition(b")")[2].split()[1])
            except OSError:  # gone meanwhile, or hidden
                continue
            found.setdefault(parent, []).append(int(name))
    return found


def descendants(pid: int) -> list[int]:
    """Return the pids of all processes below `pid`, parents first."""
    tree = children()
    found = list(tree.get(pid, ()))
    for each in found:  # grows while it is walked
        found += tree.get(each, ())
    return found


def write(name: str, text: str) -> None:
    """Put a line into a record, which is whole or not there."""
    with open(f".{name}.tmp", "w", encoding="utf-8") as record:
        record.write(f"{text}\n")
    os.rename(f".{name}.tmp", name)


class Shim:
    """The life of one machine; the working folder is the machine's."""

    def __init__(self) -> None:
        self._is_told_off = False
        self._wake, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.signal(signal.SIGTERM, self._tell_off)
        # Open for both, so that it never shows an end of file.
        self._power = os.open(POWER, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._report = -1
        self._pid = 0
        self._fault = "it ended before it ran"

    def _tell_off(self, _number: int, _frame: object) -> None:
        self._is_told_off = True

    def live(self, delay_s: float, command: list[str]) -> str:
        """Return how the machine ended; not all of it may have."""
        if not os.path.exists("deleting") and not self._is_off(delay_s):
            self._enter(command)
            return self._wait()
        return "power-off"

    def _is_off(self, timeout_s: float | None) -> bool:
        """Wait for a signal, a report or the power to go off; True if it is the last."""
        watched = [self._wake, self._power] + ([self._report] if self._report >= 0 else [])
        ready = select.select(watched, [], [], timeout_s)[0]
        if self._wake in ready:
            os.read(self._wake, 4096)
        return self._is_told_off or self._power in ready

    def _enter(self, command: list[str]) -> None:
        go_read, go = os.pipe()
        self._report, report = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            become(command, go_read, report)
        os.close(go_read)
        os.close(report)
        word, text = self._hear()
        if word == "pid":
            os.waitpid(self._pid, 0)
            self._pid = int(text)
            # The pipe stays open to the end: the other side reads from it that we live.
            os.write(go, b"g")

    def _hear(self) -> tuple[str, str]:
        """Read the report; the first word of what it says, and the rest."""
        word, _, text = os.read(self._report, 4096).decode(errors="replace").partition(" ")
        word = word.strip()
        if word == "running":
            self._fault = ""
            write("started", "")
        elif word == "error":
            self._fault = text
        if word != "pid":
            os.close(self._report)
            self._report = -1
        return word, text

    def _wait(self) -> str:
        while True:
            status = self._reap()
            if status:
                return f"failed {self._fault}" if self._fault else status
            if self._is_off(None):
                power_off(self._pid)
                return "power-off"
            if self._report >= 0 and select.select([self._report], [], [], 0)[0]:
                self._hear()

    def _reap(self) -> str:
        """Bury ended children; return how the machine ended if its first is among them."""
        pid = -1
        while pid:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == self._pid:
                if self._report >= 0:
                    self._hear()
                code = os.waitstatus_to_exitcode(status)
                return f"exit {code}" if code >= 0 else f"signal {-code}"
        return ""


def become(command: list[str], stdin: int, stdout: int) -> None:
    """Turn this child of the shim into the command."""
    try:
        os.setsid()
        os.chdir("fs")
        # Python ignores these, and what is ignored stays so in every program after it.
        for each in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(each, signal.SIG_DFL)
        os.dup2(stdin, 0)
        os.dup2(stdout, 1)
        os.execv(command[0], command)
    except OSError as error:
        os.write(1, f"error {command[0]}: {error.strerror}".encode())
    os._exit(1)


def power_off(first: int) -> None:
    """Ask every process of the machine to end and wait for GRACE_S at most."""
    os.kill(first, signal.SIGSTOP)
    leaving = set()
    for pid in descendants(os.getpid()):
        if pid != first:
            try:
                handle = os.pidfd_open(pid)
                signal.pidfd_send_signal(handle, signal.SIGTERM)
            except OSError:  # gone, or more than can be watched: for those SIGKILL must do
                continue
            leaving.add(handle)
    until = time.monotonic() + GRACE_S
    while leaving:
        poll = select.poll()
        for handle in leaving:
            poll.register(handle, select.POLLIN)
        gone = poll.poll(max(0, until - time.monotonic()) * 1000)
        if not gone:
            return
        leaving -= {handle for handle, _ in gone}


def end_children() -> None:
    """Kill every descendant. Those of a dead child become ours, so that none is missed."""
    while True:
        for pid in children().get(os.getpid(), ()):
            os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def stand(delay_s: float, command: list[str]) -> None:
    """Live the machine's life in the working folder, record its end, and remove its files."""
    os.nice(NICENESS)
    os.umask(0o022)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        outcome = Shim().live(delay_s, command)
    except OSError as error:
        outcome = f"failed {error}"
    end_children()
    remove = "chmod -R u+rwX fs; exec rm -rf fs"
    try:
        write("exit", outcome)
    except OSError:  # a full disk, perhaps by this very machine
        os.waitpid(os.spawnv(os.P_NOWAIT, "/bin/sh", ["sh", "-c", remove]), 0)
        write("exit", outcome)
    os.execv("/bin/sh", ["sh", "-c", remove])


def detach() -> bool:
    """Fork the shim off; True in the shim, False in the parent once the record `shim` is there."""
    ready_read, ready = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ready)
        os.setsid()
        # The parent writes the record, so that it is there when create() returns.
        return bool(os.read(ready_read, 1))
    write("shim", identity(pid))
    os.write(ready, b"g")
    return False


def main() -> None:
    """Run as the module's text says."""
    arguments = sys.argv[1:]
    is_waiting = arguments[0] == "--wait"
    folder, delay_s, *command = arguments[is_waiting:]
    os.chdir(folder)
    if is_waiting or detach():
        stand(float(delay_s), command)


if __name__ == "__main__":
    main()
