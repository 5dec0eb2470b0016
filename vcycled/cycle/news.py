"""What VacMon servers are told after each cycle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vcycled.apel.record import stand_in_site
from vcycled.config import MachinetypeConfig, SpaceConfig
from vcycled.cycle.context import Context
from vcycled.model import Changes, Limits, Machine, Records
from vcycled.vacmon import (
    Courier,
    KindFigures,
    Speaker,
    factory_status,
    host_figures,
    machine_status,
    machinetype_status,
)


def ends(context: Context, before: Records, changes: Changes) -> Iterator[Machine]:
    """Yield the machines that ended by these changes, with their last heartbeats.

    One that comes back can end again.
    """
    over = {machine.uuid for machine in before.machines if machine.stopped_at is not None}
    for machine in changes.machines:
        if machine.stopped_at is not None and machine.uuid not in over:
            yield replace(machine, heartbeat_at=_last_beat(context, machine))


def _last_beat(context: Context, machine: Machine) -> int | None:
    file = machine.terms.heartbeat_file
    beat = context.tree.heartbeat(machine.space, machine.name, file) if file else None
    return beat.at if beat else None


class News:
    """Tells the VacMon servers of one space about it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._courier = Courier(context.log)
        self._last_ended: dict[str, Machine] = {}

    def tell(self, config: SpaceConfig, records: Records, limits: Limits) -> None:
        """Send how space and machinetypes are doing, and each machine that has ended since."""
        ended = list(self._context.ended)
        self._context.ended.clear()
        self._last_ended |= {machine.machinetype: machine for machine in ended}
        servers = config.options.vacmon_hostport
        if servers:
            self._courier.send(servers, list(self._datagrams(config, records, limits, ended)))

    def _datagrams(
        self, config: SpaceConfig, records: Records, limits: Limits, ended: list[Machine]
    ) -> Iterator[bytes]:
        context, now = self._context, self._context.clock.now()
        speaker = Speaker(
            space=config.name,
            site=config.options.gocdb_sitename or stand_in_site(config.name),
            factory=context.host,
            now=now,
        )
        yield factory_status(
            speaker,
            records.machines,
            limits=limits,
            host=host_figures(context.manager.root),
            is_web_up=context.tree.receiver_up_since(now) is not None,
        )
        for kind in config.machinetypes:
            yield machinetype_status(speaker, self._figures(kind), records.machines)
        for machine in ended:
            yield machine_status(speaker, machine)

    def _figures(self, kind: MachinetypeConfig) -> KindFigures:
        options = kind.options
        return KindFigures(
            name=kind.name,
            fqan=options.accounting_fqan or "",
            fizzle_seconds=options.fizzle_seconds,
            max_wallclock_seconds=options.max_wallclock_seconds,
            min_wallclock_seconds=options.min_wallclock_seconds,
            min_processors=options.min_processors,
            max_processors=options.max_processors,
            mb_per_processor=options.mb_per_processor,
            last_ended=self._last_ended.get(kind.name),
        )
