"""Machines of ours that the records do not have: lost with a database, late, or made twice."""

from __future__ import annotations

import re
import uuid as uuids
from dataclasses import replace

from vcycled.model import FATE, Fate, ListedMachine, Machine, MachineState, Reason, Stage, Terms
from vcycled.remember.claims import Claim

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,249}")
"""What can name a folder; a few characters less than there may be leave room for `NAME~2`."""
_NAMESPACE = uuids.UUID("5d3f3f0e-6f0b-5bb1-9a4e-0c8f6a1b7c55")


def adopted(
    listed: ListedMachine, *, space: str, known: Machine | None, terms: Terms, now: int
) -> Machine:
    """Return the machine to remember for one that is tagged as ours.

    Args:
        listed: what the cloud shows.
        space: the space that listed it.
        known: what the store has under its uuid, whatever its stage; None if nothing. One of
            another space is of one that nobody looks after any more.
        terms: what its machinetype promises today, used only if nothing better is known.
        now: when it was seen.
    """
    if known is None:
        return _from_tags(listed, space=space, terms=terms, now=now)
    if _is_gone(known, listed):
        return replace(_returned(known, listed, now=now), space=space)
    duplicate = _from_tags(listed, space=space, terms=known.terms, now=now)
    return replace(duplicate, uuid=_uuid_of(listed), delete_reason=Reason.DOUBLE)


def claimed(claim: Claim, *, space: str, known: Machine | None, terms: Terms, now: int) -> Machine:
    """Return the machine to remember for one that an operator claims.

    Args:
        claim: one that is granted.
        space: the space that listed it.
        known: what the store has under `claim.uuid`, whatever its stage; None if nothing.
        terms: what its machinetype promises today.
        now: when it was seen.
    """
    listed, uuid = claim.listed, claim.uuid
    assert listed is not None, "checked by uuid"
    if known is not None and _is_gone(known, listed):
        back = _returned(known, listed, now=now)
        return replace(back, space=space, machinetype=claim.machinetype)
    if known is not None:
        uuid = _uuid_of(listed)
    machine = _from_tags(listed, space=space, terms=terms, now=now)
    return replace(machine, uuid=uuid, machinetype=claim.machinetype)


def _is_gone(known: Machine, listed: ListedMachine) -> bool:
    """Return whether `listed` is the machine that we held for gone, and no other."""
    return known.stage is Stage.GONE and known.cloud_id in {"", listed.cloud_id}


def _from_tags(listed: ListedMachine, *, space: str, terms: Terms, now: int) -> Machine:
    return Machine(
        uuid=listed.tags.get("vcycle_uuid") or _uuid_of(listed),
        name=_name_of(listed),
        space=space,
        machinetype=listed.tags.get("machinetype", ""),
        stage=Stage.LISTED,
        state=MachineState.UNKNOWN,  # the cloud's word for it is learned as a change
        processors=listed.processors,
        memory_mb=listed.memory_mb,
        flavor=listed.flavor,
        terms=terms,
        created_at=min(listed.created_at or listed.started_at or now, now),
        zone=listed.zone,
        cloud_id=listed.cloud_id,
        address=listed.address,
        seen_at=now,
    )


def _name_of(listed: ListedMachine) -> str:
    """Return the name by which a machine is known here: the one it was made with, if it has it.

    It names a folder, and people may have given the machine any other name since.
    """
    for name in (listed.tags.get("name", ""), listed.name):
        if _NAME.fullmatch(name):
            return name
    return f"machine-{_uuid_of(listed)}"


def _returned(known: Machine, listed: ListedMachine, *, now: int) -> Machine:
    """Return a machine that we held for gone; what ran before is accounted and stays so."""
    has_ended = FATE[listed.state] in {Fate.REMOVE, Fate.GOING} and known.stopped_at is not None
    back = replace(
        known,
        stage=Stage.LISTED,
        cloud_id=listed.cloud_id,
        gone_at=None,
        seen_at=known.seen_at or now,
        missing_since=None,
        missing_first_at=None,
        missing_listings=0,
        delete_attempts=0,
        delete_attempt_at=None,
        is_delete_acknowledged=False,
        delete_error="",
    )
    return back if has_ended else renewed(back)


def renewed(machine: Machine) -> Machine:
    """Return an ended machine that runs again: a new interval if the last record may have left."""
    began = None if machine.is_closed else machine.started_at
    return replace(
        machine,
        interval=machine.interval + machine.is_closed,
        started_at=began,
        stopped_at=None,
        end_source=None,
        message=None,
        is_aborted=False,
        is_closed=False,
        delete_reason=Reason.DOUBLE if machine.delete_reason == Reason.DOUBLE else "",
        warning="",
        ends_at=None,
        leave_by=None,
        leave_why="",
    )


def _uuid_of(listed: ListedMachine) -> str:
    return str(uuids.uuid5(_NAMESPACE, listed.cloud_id))
