"""Keys of a terminal as they are pressed, without Enter."""

from __future__ import annotations

import os
import select
import termios
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

_QUIT = b"q"


@contextmanager
def quit_pressed(stream: TextIO) -> Iterator[threading.Event]:
    """Give an event that is set once `q` is pressed on the terminal `stream`, or it is gone.

    Keys are not shown meanwhile, and Ctrl-C works. Afterwards the terminal is as it was. A stream
    that is no terminal is not read, so the event is never set.
    """
    pressed = threading.Event()
    if not stream.isatty():
        yield pressed
        return
    handle = stream.fileno()
    before = termios.tcgetattr(handle)
    ending, ender = os.pipe()
    reader = threading.Thread(target=_read, args=(handle, ending, pressed), daemon=True)
    try:
        tty.setcbreak(handle, termios.TCSANOW)
        reader.start()
        yield pressed
    finally:
        os.close(ender)
        if reader.ident is not None:
            reader.join()
        os.close(ending)
        with suppress(termios.error):  # it is gone
            termios.tcsetattr(handle, termios.TCSAFLUSH, before)


def _read(handle: int, ending: int, pressed: threading.Event) -> None:
    """Read keys until one quits or `ending` is closed at its other end."""
    while not pressed.is_set():
        ready, _, _ = select.select([handle, ending], [], [])
        if ending in ready:
            return
        try:
            keys = os.read(handle, 64)
        except OSError:
            keys = b""
        if not keys or _QUIT in keys.lower():
            pressed.set()
