"""The published tree follows what is remembered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from vcycled.config import SpaceConfig
from vcycled.cycle.context import Context
from vcycled.cycle.news import ends
from vcycled.machinedir import HeartbeatRow, NewMachine, Noted
from vcycled.mjf import MachineFacts, features, moving
from vcycled.model import GRACE_SECONDS, Changes, Machine, Reason, Records, Stage


def settle(context: Context, config: SpaceConfig, records: Records, changes: Changes) -> Records:
    """Save `changes`, let the tree follow them, and return the records after them."""
    after = context.save(records, changes)
    context.ended.extend(ends(context, records, changes))
    _follow(context, config, records, _of_own_folders(changes, after.machines))
    return after


def _of_own_folders(changes: Changes, living: Iterable[Machine]) -> Changes:
    """Return `changes` without machines whose folder is another's.

    A cloud may hold two of one name; the folder is the first one's, and who is left gets it.
    """
    if not changes.machines:
        return changes
    doubles, owners = dict[str, str](), dict[str, str]()
    for each in living:
        known = doubles if each.delete_reason == Reason.DOUBLE else owners
        known[each.name] = each.uuid
    owners = {**doubles, **owners}
    own = (each for each in changes.machines if owners.get(each.name, each.uuid) == each.uuid)
    return replace(changes, machines=tuple(own))


def _follow(context: Context, config: SpaceConfig, before: Records, changes: Changes) -> None:
    """Bring the folders of changed machines up to date; trouble with one harms no other."""
    known = {machine.uuid: machine for machine in before.machines}
    for machine in changes.machines:
        try:
            _follow_one(context, config, known.get(machine.uuid), machine)
        except OSError as error:
            context.log.warning("tree-failed", machine=machine.name, error=str(error))
    for memory in changes.machinetypes:
        if memory.last_abort_at is None:
            continue
        try:
            context.tree.write_last_abort(memory.space, memory.machinetype, memory.last_abort_at)
        except OSError as error:
            context.log.warning("tree-failed", machinetype=memory.machinetype, error=str(error))


def _follow_one(
    context: Context, config: SpaceConfig, before: Machine | None, machine: Machine
) -> None:
    tree = context.tree
    if before is None and machine.stage is Stage.LISTED:
        tree.repair(new_machine(context, config, machine, user_data=b""))
    if machine.stage is Stage.GONE:
        _note(context, before, machine)
        tree.retire(machine.space, machine.name)
        return
    _note(context, before, machine)
    has_started = machine.started_at is not None and (before is None or before.started_at is None)
    has_moved = before is not None and _jobstart(machine) != _jobstart(before)
    if has_started or has_moved or machine.ends_at != (before and before.ends_at):
        publish_moving(context, config, machine)
    if has_started:
        tree.wipe_if_over(machine.space, machine.name)


def _note(context: Context, before: Machine | None, machine: Machine) -> None:
    noted = _noted(machine)
    if noted != Noted() and (before is None or noted != _noted(before)):
        context.tree.note(machine.space, machine.name, noted)


def _noted(machine: Machine) -> Noted:
    return Noted(
        started_at=machine.started_at,
        stopped_at=machine.stopped_at,
        deleted_at=machine.delete_attempt_at,
        zone=machine.zone,
        address=machine.address,
    )


def repair_all(context: Context, config: SpaceConfig, records: Records) -> None:
    """Write again what a power cut tore of the folders of machines that live."""
    for machine in records.machines:
        if machine.stage is Stage.LISTED:
            whole = new_machine(context, config, machine, user_data=b"")
            if context.tree.repair(whole):
                context.log.warning("folder-repaired", machine=machine.name)


def new_machine(
    context: Context, config: SpaceConfig, machine: Machine, *, user_data: bytes
) -> NewMachine:
    """Return all that the folder of `machine` holds from the start."""
    return NewMachine(
        space=machine.space,
        name=machine.name,
        machinetype=machine.machinetype,
        uuid=machine.uuid,
        created_at=machine.created_at,
        manager=context.host,
        features=features(_facts(config, machine)),
        zone=machine.zone,
        https_x509dn=_published_dns(config).get(machine.machinetype, ""),
        token_hash=machine.token_hash,
        user_data=user_data,
    )


def tell_terms(context: Context, config: SpaceConfig, records: Records) -> None:
    """Write the shutdown times and names of all machines anew, after `terms_in_force` changed.

    Raises:
        OSError: not every machine was told.
    """
    dns = _published_dns(config)
    for machine in records.machines:
        publish_moving(context, config, machine)
        if machine.machinetype in dns:
            dn = dns[machine.machinetype]
            context.tree.publish_dn(machine.space, machine.name, dn)


def publish_moving(context: Context, config: SpaceConfig, machine: Machine) -> None:
    """Write what a machine is told of its end.

    Raises:
        OSError: it may not have been told.
    """
    context.tree.publish(machine.space, machine.name, moving(_facts(config, machine)))


def _published_dns(config: SpaceConfig) -> dict[str, str]:
    """Return the name in certificates that may stand for the machines of each machinetype."""
    return {
        kind.name: ""
        if kind.options.joboutputs_auth == "token"
        else kind.options.https_x509dn or ""
        for kind in config.machinetypes
    }


def publish_heartbeats(context: Context, config: SpaceConfig, machines: Iterable[Machine]) -> None:
    """Write the heartbeat list of every machinetype that has one."""
    rows: dict[str, list[HeartbeatRow]] = {
        kind.name: [] for kind in config.machinetypes if kind.options.heartbeat_file
    }
    for machine in machines:
        if machine.heartbeat_at is not None and machine.machinetype in rows:
            row = HeartbeatRow(machine.heartbeat_at, machine.name, machine.address)
            rows[machine.machinetype].append(row)
    for machinetype, each in rows.items():
        context.tree.write_heartbeat_list(config.name, machinetype, each)


def _facts(config: SpaceConfig, machine: Machine) -> MachineFacts:
    ends = (machine.leave_by, machine.ends_at)
    return MachineFacts(
        uuid=machine.uuid,
        processors=machine.processors,
        memory_mb=machine.memory_mb,
        max_wallclock_seconds=_wallclock(config, machine),
        jobstart_at=_jobstart(machine),
        grace_seconds=GRACE_SECONDS,
        shutdown_time=min((end for end in ends if end is not None), default=None),
        power_per_processor=machine.terms.power_per_processor,
    )


def _wallclock(config: SpaceConfig, machine: Machine) -> int:
    """Return the limit in force: what it was told when that was lowered, else today's.

    Where its machinetype is gone it is the one that was promised.
    """
    if machine.leave_by is not None and machine.leave_why == Reason.TOO_OLD:
        return machine.leave_by - _jobstart(machine)
    for kind in config.machinetypes:
        if kind.name == machine.machinetype:
            return kind.options.max_wallclock_seconds
    return machine.terms.max_wallclock_seconds


def _jobstart(machine: Machine) -> int:
    return machine.created_at if machine.started_at is None else machine.started_at


def terms_in_force(config: SpaceConfig) -> object:
    """Return a value that changes when the ends of many machines or their names may have."""
    limits = {kind.name: kind.options.max_wallclock_seconds for kind in config.machinetypes}
    return (*sorted(limits.items()), *sorted(_published_dns(config).items()))
