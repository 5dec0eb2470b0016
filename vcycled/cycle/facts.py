"""From the configuration and the records to what the planner is told, and to a machine's terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from vcycled.apel.record import global_user_name, stand_in_site, submit_host_name
from vcycled.config import MachinetypeConfig, SpaceConfig
from vcycled.cycle.look import Look
from vcycled.model import (
    Limits,
    Machinetype,
    MachinetypeMemory,
    Records,
    SpaceFacts,
    Terms,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holds:
    """Why the shell knows that something must not grow, beyond what the planner sees."""

    space: str = ""
    machinetypes: Mapping[str, str]
    """By machinetype, for those whose user_data cannot be made."""


def terms_of(space: SpaceConfig, kind: MachinetypeConfig, *, host: str) -> Terms:
    """Return what a machine of this machinetype is promised if it is asked for now."""
    options = kind.options
    power, unit = _power(kind)
    site = space.options.gocdb_sitename
    return Terms(
        fizzle_seconds=options.fizzle_seconds,
        max_wallclock_seconds=options.max_wallclock_seconds,
        start_timeout_seconds=options.start_timeout_seconds,
        heartbeat_file=options.heartbeat_file or "",
        heartbeat_seconds=options.heartbeat_seconds,
        abort_on_700=options.abort_on_700,
        abort_on_heartbeat=options.abort_on_heartbeat,
        site=site or stand_in_site(space.name),
        is_published=site is not None,
        submit_host=submit_host_name(space.name, host),
        manager_host=host,
        global_user=global_user_name(space.name),
        fqan=options.accounting_fqan or "",
        power_per_processor=power,
        power_unit=unit,
    )


def terms_of_lost(space: SpaceConfig, machinetype: str, *, host: str) -> Terms:
    """Return terms for an adopted machine whose own are lost.

    Those of its machinetype today or, if there is none of that name, ones that never kill it
    before the usual day is over.
    """
    for kind in space.machinetypes:
        if kind.name == machinetype:
            return terms_of(space, kind, host=host)
    site = space.options.gocdb_sitename
    return Terms(
        fizzle_seconds=600,
        max_wallclock_seconds=86400,
        site=site or stand_in_site(space.name),
        is_published=site is not None,
        submit_host=submit_host_name(space.name, host),
        manager_host=host,
        global_user=global_user_name(space.name),
    )


def facts_of(
    config: SpaceConfig,
    records: Records,
    look: Look,
    *,
    holds: Holds,
    receiver_up_since: int | None,
) -> SpaceFacts:
    """Return everything the plan depends on."""
    options = config.options
    memories = {memory.machinetype: memory for memory in records.machinetypes}
    kinds = tuple(
        _machinetype(kind, memories.get(kind.name), config, holds) for kind in config.machinetypes
    )
    return SpaceFacts(
        space=config.name,
        machinetypes=kinds,
        machines=records.machines,
        memory=records.memory,
        limits=limits_in_force(config, look),
        flavors=tuple(look.flavors),
        creation_cap=options.max_creations_per_cycle,
        deletion_cap=options.max_deletions_per_cycle,
        cycle_seconds=options.cycle_seconds,
        preempt_after_seconds=options.preempt_after_seconds,
        shutdown_time=options.shutdown_time,
        drains={drain.machinetype: drain for drain in records.drains},
        held=config.held or holds.space,
        receiver_up_since=receiver_up_since,
    )


def with_memories(facts: SpaceFacts, records: Records) -> SpaceFacts:
    """Return `facts` with what is remembered of machines, machinetypes and space since."""
    memories = {memory.machinetype: memory for memory in records.machinetypes}
    return replace(
        facts,
        machines=records.machines,
        memory=records.memory,
        machinetypes=tuple(
            replace(kind, memory=memories.get(kind.name, kind.memory))
            for kind in facts.machinetypes
        ),
    )


def _machinetype(
    kind: MachinetypeConfig,
    memory: MachinetypeMemory | None,
    config: SpaceConfig,
    holds: Holds,
) -> Machinetype:
    options = kind.options
    return Machinetype(
        name=kind.name,
        target_share=options.target_share,
        fizzle_seconds=options.fizzle_seconds,
        backoff_seconds=options.backoff_seconds,
        max_wallclock_seconds=options.max_wallclock_seconds,
        min_wallclock_seconds=(
            options.fizzle_seconds
            if options.min_wallclock_seconds is None
            else options.min_wallclock_seconds
        ),
        start_timeout_seconds=options.start_timeout_seconds,
        processors_limit=options.processors_limit,
        max_starting_processors=options.max_starting_processors,
        min_processors=options.min_processors,
        max_processors=options.max_processors,
        flavor_names=options.flavor_names or config.options.flavor_names,
        zones=options.zones or config.options.zones,
        heartbeat_file=options.heartbeat_file or "",
        heartbeat_seconds=options.heartbeat_seconds,
        power_per_processor=_power(kind)[0],
        preemptible=options.preemptible,
        held=kind.held or holds.machinetypes.get(kind.name, ""),
        memory=memory or MachinetypeMemory(space=config.name, machinetype=kind.name),
    )


def _power(kind: MachinetypeConfig) -> tuple[float | None, str]:
    """Return the power of a processor and its unit as ServiceLevelType; HEPscore23 wins."""
    if kind.options.hepscore23_per_processor is not None:
        return kind.options.hepscore23_per_processor, "hepscore23"
    return kind.options.hs06_per_processor, "HEPSPEC"


def limits_in_force(config: SpaceConfig, look: Look) -> Limits:
    """Return the tighter of what the configuration and the cloud allow."""
    stated = (config.options.processors_limit, look.limits.processors)
    known = [limit for limit in stated if limit is not None]
    return replace(look.limits, processors=min(known, default=None))
