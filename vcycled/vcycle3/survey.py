"""What a tree holds beside what our store has: all that a takeover follows from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from vcycled.model import EndSource, Machine, SpaceMemory, Stage, Terms
from vcycled.store import Store
from vcycled.vcycle3.archive import read_archive
from vcycled.vcycle3.facts import OldTree
from vcycled.vcycle3.runs import archive_since, months_accounted
from vcycled.vcycle3.takeover import Known, Takeover, take_over


def survey(
    root: Path,
    tree: OldTree,
    store: Store | None,
    *,
    sites: Mapping[str, str],
    terms: Callable[[str, str], Terms],
    now: int,
) -> Takeover:
    """Return what is to be taken over from `tree`, which was read under `root`.

    Args:
        root: its archive is read.
        tree: what was read there.
        store: ours; None if there is none yet.
        sites: gocdb_sitename, or nothing, of each space that is configured.
        terms: returns what a machinetype of a space promises today.
        now: the present time.

    Raises:
        OSError: the archive cannot be listed.
        StoreError: the database does not answer.
    """
    published = frozenset(filter(None, sites.values()))
    known = {name: _known(store, name) for name in sites}
    ours = [machine for each in known.values() for machine in each.machines]
    since = archive_since(tree, ours, now=now)
    records, unread = read_archive(root, since=since, sites=published)
    return take_over(
        replace(tree, troubles=(*tree.troubles, *unread)),
        records,
        spaces=known,
        runs=_runs(store, now=now),
        terms=terms,
        now=now,
    )


def _known(store: Store | None, space: str) -> Known:
    if store is None:
        return Known(memory=SpaceMemory(space=space))
    records = store.records(space)
    machines = store.machines(space=space, include_gone=True)
    return Known(
        memory=records.memory,
        machinetypes=records.machinetypes,
        machines=records.machines,
        vanished=tuple(each for each in machines if _has_vanished(each)),
        names=frozenset(machine.name for machine in machines),
        uuids=frozenset(machine.uuid for machine in machines),
    )


def _has_vanished(machine: Machine) -> bool:
    is_told = machine.end_source in {EndSource.CLOUD, EndSource.DELETED}
    return machine.stage is Stage.GONE and bool(machine.cloud_id) and not is_told


def _runs(store: Store | None, *, now: int) -> frozenset[str]:
    if store is None:
        return frozenset()
    months = (store.intervals(month=month) for month in months_accounted(now))
    return frozenset(each.interval.uuid for runs in months for each in runs)
