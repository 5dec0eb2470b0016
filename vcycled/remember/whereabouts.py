"""Whether a space is still where its machines are. Pure.

A section that is pointed at another project, region or account shows a listing that is complete,
believable and of no use: not one machine of ours is in it. So an account is remembered with the
machines that were found in it, and no listing of another one is looked at while they run.

Of machines that were imported nobody knows the account until a listing has shown one of them.
Before that, one that shows none is no reason to take many of them for gone, however often it is
repeated: it may well be that of another place.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from vcycled.model import ListedMachine, Machine, MachineState, Records, Stage
from vcycled.remember.match import SUSPECT_FROM


def is_elsewhere(before: Mapping[str, str], now: Mapping[str, str]) -> bool:
    """Return whether two accounts differ in a part that both tell."""
    return any(part in before and before[part] != value for part, value in now.items())


def waited_for(machines: Iterable[Machine]) -> tuple[Machine, ...]:
    """Return those that may run in the cloud, or of which something is still to be learnt there.

    One that was never asked for is not there, and one that has ended and whose deletion the cloud
    agreed to needs no more of it.
    """
    return tuple(
        each
        for each in machines
        if each.stage in {Stage.ASKED, Stage.LISTED}
        and not (each.stopped_at is not None and each.is_delete_acknowledged)
    )


def unproven(
    machines: Collection[Machine], listing: Iterable[ListedMachine]
) -> tuple[Machine, ...]:
    """Return those of `machines` that nothing but an import tells of; empty once one was shown.

    Then neither this `listing` nor any before has shown that it is of the place where they are.
    """
    left = waited_for(machines)
    if not all(_is_unseen(each) for each in left):
        return ()
    ids = {each.cloud_id for each in machines if each.cloud_id}
    names = {each.name for each in machines if not each.cloud_id}
    if any(each.cloud_id in ids or each.name in names for each in listing):
        return ()
    return left


def mislaid(unproven: Iterable[Machine]) -> tuple[Machine, ...]:
    """Return those of machines that no listing has shown of which one should; empty if too few.

    A few may all have ended since, and so may any that Vcycle 3 saw end or lost sight of.
    """
    running = tuple(
        each for each in unproven if each.stage is Stage.LISTED and each.stopped_at is None
    )
    return running if len(running) >= SUSPECT_FROM else ()


def _is_unseen(machine: Machine) -> bool:
    """Return whether no listing of ours has shown a machine that we did not ask for.

    An import knows neither its state nor its flavor; the first listing tells them.
    """
    return machine.state is MachineState.UNKNOWN and not machine.flavor


def located(
    records: Records, account: Mapping[str, str], listing: Iterable[ListedMachine]
) -> Records:
    """Return `records` with `account` as where their machines are, unless that is in doubt."""
    if unproven(records.machines, listing):
        return records
    before = records.memory.account
    kept = {} if is_elsewhere(before, account) else before
    return replace(records, memory=replace(records.memory, account={**kept, **account}))


def in_words(account: Mapping[str, str]) -> str:
    """Return an account as a person would write it."""
    return ", ".join(f"{part} {value}" for part, value in account.items())
