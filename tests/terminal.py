"""A real terminal (pty) of any size with a program on it: what it shows, and keys to press."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Sequence
from typing import Self

ENTER_SCREEN, LEAVE_SCREEN = "\x1b[?1049h", "\x1b[?1049l"
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
HOME = "\x1b[H"
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_PATIENCE_S = 60.0
_MARK = "\x1c"
"""Written after all that the program wrote."""


class Terminal:
    """A program that runs on a terminal of its own; to be closed by `with`."""

    def __init__(self, command: Sequence[str], *, size: tuple[int, int], term: str) -> None:
        self._handle, self._inner = pty.openpty()
        width, height = size
        packed = struct.pack("HHHH", height, width, 0, 0)
        fcntl.ioctl(self._inner, termios.TIOCSWINSZ, packed)
        self.modes_before = self.modes
        self._process = subprocess.Popen(
            ["setsid", "--ctty", *command],
            stdin=self._inner,
            stdout=self._inner,
            stderr=self._inner,
            env={**_plain_environment(), "TERM": term, "TZ": "UTC"},
        )
        self.text = ""
        """All that was ever sent to it."""
        # A read may end within a character.
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._inner)
        os.close(self._handle)

    @property
    def modes(self) -> list[object]:
        """Echo, line by line, and the like."""
        return termios.tcgetattr(self._inner)

    @property
    def pid(self) -> int:
        """Of the program."""
        return self._process.pid

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._handle, keys.encode())

    def read_until(self, text: str) -> str:
        """Wait until `text` was sent since the last call; return what was."""
        begin, deadline = len(self.text), time.monotonic() + _PATIENCE_S
        while text not in self.text[begin:]:
            assert time.monotonic() < deadline, self.text[begin:]
            self._read(0.2)
        return self.text[begin:]

    def end(self) -> int:
        """Wait until the program ends; return its status."""
        deadline = time.monotonic() + _PATIENCE_S
        while self._process.poll() is None:
            assert time.monotonic() < deadline, self.text
            self._read(0.05)
        # The terminal hands on what was written in its order, but in its own time.
        os.write(self._inner, _MARK.encode())
        while not self.text.endswith(_MARK):
            assert time.monotonic() < deadline, self.text
            self._read(0.2)
        self.text = self.text.removesuffix(_MARK)
        return self._process.returncode

    def picture(self) -> list[str]:
        """Return the lines of the last picture that was drawn whole."""
        *_, last = self.text.rpartition(HOME)
        return [_CONTROL.sub("", line) for line in last.split("\r\n")]

    def _read(self, seconds: float) -> None:
        ready, _, _ = select.select([self._handle], [], [], seconds)
        if ready:
            self.text += self._decoder.decode(os.read(self._handle, 65_536))


def _plain_environment() -> dict[str, str]:
    unwanted = {"NO_COLOR", "COLUMNS", "LINES", "FORCE_COLOR"}
    return {name: value for name, value in os.environ.items() if name not in unwanted}
