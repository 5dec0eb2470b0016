"""Death at a chosen step: wraps what a manager works with, and kills at the n-th call."""

from __future__ import annotations


class Killed(BaseException):
    """The manager's process is gone; nothing in it may catch this."""


class Fuse:
    """Counts steps, and kills at one of them."""

    def __init__(self, length: int) -> None:
        """Kill at step `length`."""
        self.left = length
        self.steps = 0
        self.where = ""
        """The fatal step, once it has come."""

    def burn(self, where: str) -> None:
        """Be one step nearer; from the fatal step on every step kills."""
        self.steps += 1
        self.left -= 1
        if self.left <= 0:
            self.where = self.where or where
            raise Killed


class Mined:
    """Something whose every method is a step before and a step after."""

    def __init__(self, thing: object, fuse: Fuse) -> None:
        """Put the fuse to `thing`."""
        self._thing = thing
        self._fuse = fuse

    def __getattr__(self, name: str) -> object:
        """Return the method with a step on either side."""
        attribute = getattr(self._thing, name)
        if not callable(attribute):
            return attribute

        def stepped(*args: object, **more: object) -> object:
            self._fuse.burn(f"before {name}")
            result = attribute(*args, **more)
            self._fuse.burn(f"after {name}")
            return result

        return stepped
