"""Folders in current/ whose machines are gone, left by a manager that died or a database that is.

# Note [Folders of nobody]

A database that is lost forgets machines that had left, but not their folders. Such a folder bears
our mark, which Vcycle 3's have not; the database knows nothing of it, and the cloud shows no
machine of its name, ours or foreign. That is so of a machine that the cloud shows late, too, so it
must stay so for an hour of this manager's life, in whatever listings there are meanwhile. Then the
folder is retired like that of any machine: it is in `deleted/` for cleanup_hours, and comes back
from there if its machine does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vcycled.cycle.context import Context
from vcycled.model import ListedMachine, Records

TIDY_SECONDS = 3600
"""How often folders in current/ are looked through for those of machines that are gone."""
NOBODY_SECONDS = 3600
"""For so long nobody must know of a machine before its folder is retired."""
NOBODY_LISTINGS = 3
"""In so many complete listings at least."""


class Tidier:
    """Tidies the folders of one space, about once an hour."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tidied_at: int | None = None
        self._listings = 0
        """Complete ones since the start."""
        self._nobodys: dict[str, tuple[float, int]] = {}
        """By folder of nobody: since when, on the monotonic clock, and since which listing."""

    def tidy(self, records: Records, listed: Sequence[ListedMachine], now: int) -> None:
        """Retire what is left over, if that is due; to be called after every complete listing."""
        self._listings += 1
        for name in _names(listed) if self._nobodys else ():
            self._nobodys.pop(name, None)
        if self._tidied_at is not None and now - self._tidied_at < TIDY_SECONDS:
            return
        forgotten = sorted(self._forgotten(records, frozenset(_names(listed))))
        retired = [self._retire(name) for name in forgotten]
        if all(retired):
            self._tidied_at = now

    def _forgotten(self, records: Records, listed: frozenset[str]) -> Iterator[str]:
        """Yield the folders that are to be retired."""
        context = self._context
        unknown = context.tree.current(context.name) - {each.name for each in records.machines}
        nobodys = set()
        for name in unknown:
            if context.store.machine(name):
                yield name
            elif name not in listed and context.tree.is_ours(context.name, name):
                nobodys.add(name)
        yield from self._old(nobodys, is_believed=records.memory.suspect_since is None)

    def _old(self, nobodys: set[str], *, is_believed: bool) -> Iterator[str]:
        """Yield those that have been nobody's for long enough; see note [Folders of nobody]."""
        now, listings = self._context.clock.monotonic(), self._listings
        if not is_believed:
            return
        self._nobodys = {name: self._nobodys.get(name, (now, listings)) for name in nobodys}
        for name, (since, first) in self._nobodys.items():
            if now - since >= NOBODY_SECONDS and listings - first + 1 >= NOBODY_LISTINGS:
                yield name

    def _retire(self, name: str) -> bool:
        """Retire a folder; return whether it is gone. Trouble with one harms no other."""
        context = self._context
        try:
            context.tree.retire(context.name, name)
        except OSError as error:
            context.log.warning("tree-failed", machine=name, error=str(error))
            return False
        if self._nobodys.pop(name, None):
            context.log.info("folder-retired", machine=name)
        return True


def _names(listed: Sequence[ListedMachine]) -> Iterator[str]:
    """Yield what folders of machines may be called: by names of now, or of when they were made."""
    for each in listed:
        yield each.name
        yield each.tags.get("name", each.name)
