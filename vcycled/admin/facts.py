"""What a scrape is made from, read afresh from configuration, database and tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vcycled.apel.queue import Backlog, Queue
from vcycled.cli.served import Served, served
from vcycled.cli.session import Session
from vcycled.cli.views import View
from vcycled.machinedir import MachineDir
from vcycled.model import MachineState
from vcycled.remember import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that is shown."""

    version: str
    view: View
    totals: Mapping[Tally, int]
    outgoing: Backlog
    beats: Mapping[tuple[str, str], int]
    """By space and machinetype: when the most silent running machine was last heard of."""
    is_receiver_up: bool
    """Heartbeats can arrive, as far as is known."""
    certificates: tuple[Served, ...]
    """Of our own web sites."""


def read_facts(session: Session, version: str) -> Facts:
    """Return how everything is now.

    Raises:
        VcycleError: configuration or database cannot be read.
        OSError: the queue of records cannot be read.
    """
    manager, tree = session.config.manager, MachineDir(session.root, clock=session.clock)
    with session.store() as store:
        view, totals = session.view(store), store.totals()
    beats: dict[tuple[str, str], int] = {}
    for key, at in _beats(view, tree):
        beats[key] = min(at, beats.get(key, at))
    return Facts(
        version=version,
        view=view,
        totals=totals,
        outgoing=Queue(session.root).backlog(),
        beats=beats,
        is_receiver_up=manager.heartbeat_receiver == "external"
        or tree.receiver_up_since(session.now) is not None,
        certificates=tuple(served(manager, tree, now=session.now)),
    )


def _beats(view: View, tree: MachineDir) -> Iterator[tuple[tuple[str, str], int]]:
    """Yield when each running machine that must beat did so last, or else started."""
    for space in view.spaces:
        for machine in space.records.machines:
            file, began = machine.terms.heartbeat_file, machine.started_at
            if not file or began is None or machine.state is not MachineState.RUNNING:
                continue
            beat = tree.heartbeat(machine.space, machine.name, file)
            yield (machine.space, machine.machinetype), began if beat.at is None else beat.at
