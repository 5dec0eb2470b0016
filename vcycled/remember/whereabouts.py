"""Whether a space is still where its machines are. Pure.

A section that is pointed at another project, region or account shows a listing that is complete,
believable and of no use: not one machine of ours is in it. So an account is remembered with the
machines that were found in it, and no listing of another one is looked at while they run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from vcycled.model import Machine, Records, Stage


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


def located(records: Records, account: Mapping[str, str]) -> Records:
    """Return `records` with `account` as where their machines are."""
    before = records.memory.account
    kept = {} if is_elsewhere(before, account) else before
    return replace(records, memory=replace(records.memory, account={**kept, **account}))


def in_words(account: Mapping[str, str]) -> str:
    """Return an account as a person would write it."""
    return ", ".join(f"{part} {value}" for part, value in account.items())
