"""A process of its own that saves again and again, to be killed or to run beside others.

python -m tests.store_child URL NAME FIRST COUNT saves COUNT times, numbered from FIRST, as the
space NAME, and prints each number once it is saved.
"""

import sys

from tests.store_kit import machine, run
from vcycled.model import Changes, Event, SpaceMemory
from vcycled.store import Store
from vcycled.testing.clock import FakeClock

MACHINES = 60


def changes(name: str, number: int, count: int = MACHINES) -> Changes:
    """Return changes in which everything says `number`, so that a half of them would show."""
    machines = tuple(
        machine(each, uuid=f"{name}-{each}", space=name, delete_attempts=number)
        for each in range(count)
    )
    return Changes(
        space=name,
        machines=machines,
        intervals=(run(0, uuid=name, interval=number, space=name),),
        memory=SpaceMemory(space=name, listed_machines=number),
        events=(Event(at=number, space=name, event="saved"),),
    )


def main(url: str, name: str, first: int, count: int) -> None:
    """Save, and say so."""
    with Store.open(url, clock=FakeClock()) as store:
        store.unexported("sink")
        for number in range(first, first + count):
            store.save(changes(name, number))
            print(number, flush=True)  # noqa: T201 - the parent reads it


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
