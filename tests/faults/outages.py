"""Parts of a manager that fail for a while, in the middle of a cycle if need be."""

from __future__ import annotations

from collections.abc import Callable, Collection

EVERY: Collection[str] = ()
"""In place of names of methods: all of them fail."""


class Outage:
    """Lets calls through until it begins, and from its n-th call on none until it ends."""

    def __init__(self) -> None:
        self._error: Callable[[], Exception] | None = None
        self._left = 0
        self._names: Collection[str] = EVERY
        self.met = 0
        """How many calls failed."""

    def begin(
        self, error: Callable[[], Exception], *, after: int = 0, names: Collection[str] = EVERY
    ) -> None:
        """Let every call after the next `after` fail, or only those of these methods."""
        self._error, self._left, self._names = error, after, names

    def end(self) -> None:
        """Let all calls through again."""
        self._error = None

    def check(self, name: str) -> None:
        """Raise the error if a call of this method is to fail."""
        if self._error is None or (self._names and name not in self._names):
            return
        self._left -= 1
        if self._left < 0:
            self.met += 1
            raise self._error()


class Failing:
    """Something whose methods fail while there is an outage."""

    def __init__(self, thing: object, outage: Outage) -> None:
        self._thing = thing
        self._outage = outage

    def __getattr__(self, name: str) -> object:
        """Return the method, behind the outage."""
        attribute = getattr(self._thing, name)
        if not callable(attribute):
            return attribute

        def checked(*args: object, **more: object) -> object:
            self._outage.check(name)
            return attribute(*args, **more)

        return checked
