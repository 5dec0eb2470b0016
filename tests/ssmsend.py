"""A consumer that takes messages from apel-outgoing as ssmsend does, by the same class."""

from collections.abc import Iterator
from pathlib import Path

from dirq.QueueSimple import QueueSimple


def consume(outgoing: Path) -> list[str]:
    """Take every element that can be locked, tidy up, and return the messages in their order."""
    return list(consuming(outgoing))


def consuming(outgoing: Path) -> Iterator[str]:
    """Take element after element as the caller goes on, and tidy up at the end."""
    queue = QueueSimple(str(outgoing))
    for name in queue:
        if not queue.lock(name):
            continue
        yield queue.get(name).decode("ascii")
        queue.remove(name)
    queue.purge()


def files_below(tree: Path) -> list[Path]:
    """Return every file that stands in `tree`, whatever its name."""
    return sorted(path for path in tree.rglob("*") if not path.is_dir())
