"""Everything about one machine, read from the store, the published tree and the queue."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from vcycled.apel.queue import Queue, Waiting, elements_of
from vcycled.cli.story import Folder, Output, Record, Story
from vcycled.clock import Clock
from vcycled.machinedir import MachineDir
from vcycled.machinedir.layout import CONSOLE, JOBOUTPUTS, SHUTDOWN_MESSAGE, Layout, is_name
from vcycled.machinedir.reports import heartbeat, shutdown_message
from vcycled.model import Machine, Stage
from vcycled.store import Accounted, Store


def read_story(machine: Machine, store: Store, root: Path, clock: Clock) -> Story:
    """Return the story of `machine`.

    Raises:
        StoreError: the store does not answer.
    """
    queue = Queue(root)
    events = store.events(space=machine.space, machine=machine.name, oldest_first=True)
    runs = sorted(store.intervals(uuid=machine.uuid), key=lambda each: each.interval.interval)
    return Story(
        machine=machine,
        events=events,
        folder=_folder(machine, MachineDir(root, clock=clock).layout, clock),
        records=tuple(_record(each, queue) for each in runs),
    )


def _folder(machine: Machine, layout: Layout, clock: Clock) -> Folder:
    if not (is_name(machine.space) and is_name(machine.name)):
        return Folder()  # adopted under a name that no folder can have
    for path in _places(machine, layout):
        try:
            if path.is_dir():
                return _read_folder(machine, path, clock)
        except OSError as error:
            return Folder(path=str(path), error=str(error))
    return Folder()


def _places(machine: Machine, layout: Layout) -> Iterator[Path]:
    """Return where its folder may be; of several that bore the name, the newest comes first."""
    yield layout.machine(machine.space, machine.name)
    if machine.stage is Stage.GONE:
        retired = layout.deleted(machine.space)
        yield from sorted(retired.glob(f"{machine.name}~*"), key=_number, reverse=True)
        yield retired / machine.name


def _number(path: Path) -> int:
    number = path.name.rpartition("~")[2]
    return int(number) if number.isdecimal() else 0


def _read_folder(machine: Machine, path: Path, clock: Clock) -> Folder:
    outputs = path / JOBOUTPUTS
    file = machine.terms.heartbeat_file
    return Folder(
        path=str(path),
        heartbeat_at=heartbeat(outputs, file, clock).at if file else None,
        message=shutdown_message(outputs / SHUTDOWN_MESSAGE, clock),
        outputs=tuple(_outputs(outputs, clock)),
        console=_console(path / CONSOLE),
    )


def _console(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, PermissionError):
        return ""


def _outputs(folder: Path, clock: Clock) -> Iterator[Output]:
    """Return the files by name; links are shown as what they are, never followed."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            found = entry.stat(follow_symlinks=False)
            written_at = clock.of_stamp(found.st_mtime)
            yield Output(name=entry.name, size=found.st_size, written_at=written_at)


def _record(run: Accounted, queue: Queue) -> Record:
    exported_at = min((at for _, at in run.exports), default=None)
    if exported_at is None:
        return Record(interval=run.interval, exported_at=None, element="", waiting=Waiting.NO)
    element = next(elements_of(run.interval))
    is_there = (queue.archive / element).exists()
    return Record(
        interval=run.interval,
        exported_at=exported_at,
        element=element if is_there else "",
        waiting=queue.waiting(element),
    )
