"""What is known of the spaces, gathered for a command from the configuration and the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vcycled.cli.alive import ManagerState
from vcycled.cli.managers import Staff
from vcycled.config import Config, SinkConfig, SpaceConfig, UnknownSink, credential_ends
from vcycled.cycle.report import SpaceReport, report_from
from vcycled.errors import Problem
from vcycled.house.disks import Disk, disks
from vcycled.model import Drain, Limits, Machine, Records
from vcycled.remember import obey, updated
from vcycled.store import Backlog, Outage, Refused, Store

REFUSED_TOLD = 10
"""Of how many refused records of a sink people are told one by one."""
LATE_SECONDS = 60
"""A report is old once the cycle after it has been due for so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceView:
    """One space."""

    name: str
    config: SpaceConfig | None
    """None if no usable section has this name any more."""
    report: SpaceReport | None
    """Of its last cycle; None before the first."""
    records: Records
    """As the store has them; open orders are not carried out yet."""
    is_unattended: bool = False
    """Whether it has machines and no manager could look after them, for want of a section."""

    @property
    def is_emptied(self) -> bool:
        """Whether its section was removed and no machine of ours is left in it."""
        is_removed = self.config is not None and self.config.is_removed
        return is_removed and not self.records.machines

    @property
    def machinetypes(self) -> tuple[str, ...]:
        """The names of all that are configured, reported, or still have machines."""
        names = [kind.name for kind in self.config.machinetypes] if self.config else []
        names += [share.machinetype for share in self.report.shares] if self.report else []
        names += [machine.machinetype for machine in self.records.machines]
        return tuple(dict.fromkeys(names))

    def may_create(self, machinetype: str) -> bool:
        """Tell whether a section may make machines of this machinetype or, if empty, of any."""
        if self.config is None or self.config.is_removed:
            return False
        return machinetype in {"", *(kind.name for kind in self.config.machinetypes)}

    @property
    def limits(self) -> Limits:
        """The tighter of the configuration's limit and what the cloud last stated."""
        stated = self.report.limits if self.report else Limits()
        configured = self.config.options.processors_limit if self.config else None
        known = [each for each in (stated.processors, configured) if each is not None]
        return Limits(
            processors=min(known, default=None),
            machines=stated.machines,
            memory_mb=stated.memory_mb,
        )

    @property
    def mode(self) -> str:
        """`manage` or `observe`, as configured now."""
        if self.config is not None:
            return self.config.options.mode
        return self.report.mode if self.report else "manage"

    def drains(self, *, now: int) -> tuple[Drain, ...]:
        """Return the drains there will be once the open orders are carried out."""
        return self._obeyed(now).drains

    def machines(self, *, now: int) -> tuple[Machine, ...]:
        """Return the machines as they will be once the open orders are carried out."""
        return self._obeyed(now).machines

    def _obeyed(self, now: int) -> Records:
        changes = obey(self.records, now=now)
        return self.records if changes is None else updated(self.records, changes)

    def is_late(self, *, now: int) -> bool:
        """Return whether a cycle has been due for longer than a slow cloud explains."""
        return self.report is not None and now > self.report.wake_at + LATE_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkView:
    """One sink of accounting records."""

    name: str
    backlogs: tuple[Backlog, ...]
    """What is due at it, by space."""
    outages: tuple[Outage, ...]
    """For which managers it fails."""
    credential_ends: Mapping[str, int] = field(default_factory=dict)
    """Until when what opens it is valid, by its name."""
    bug: str = ""
    """Why it cannot be asked for that; empty if it can."""
    refused: tuple[Refused, ...] = ()
    """The first of those records that it refuses though it takes others."""
    left_at: int | None = None
    """When it was last named by a manager; None if the configuration names it."""

    @property
    def refusals(self) -> int:
        """How many records it refuses though it takes others."""
        return sum(each.refused for each in self.backlogs)

    @property
    def waiting(self) -> int:
        """How many records are due."""
        return sum(each.runs for each in self.backlogs)

    @property
    def oldest_at(self) -> int | None:
        """Since when the first of them waits; None if there is none."""
        return min((each.oldest_at for each in self.backlogs), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All that a reading command is made from."""

    now: int
    disks: tuple[Disk, ...]
    """That the manager writes to; empty if one of them does not answer."""
    min_free_mb: int
    """That are to be free on each for anything to be created."""
    manager: ManagerState
    """Of this host."""
    problems: tuple[Problem, ...]
    unusable: Mapping[str, str]
    """Titles of sections that cannot be used, and why."""
    spaces: tuple[SpaceView, ...]
    sinks: tuple[SinkView, ...] = ()
    """Of accounting records."""
    staff: Staff | None = None
    """The managers, if they share the database."""

    @property
    def named_sinks(self) -> tuple[SinkView, ...]:
        """Those that the configuration names."""
        return tuple(each for each in self.sinks if each.left_at is None)

    @property
    def is_managed(self) -> bool:
        """Whether a manager lives: by its lock or, on a host that has none, by its cycles."""
        if self.staff is not None:
            return any(each.is_live for each in self.staff.managers)
        is_fresh = any(each.report and not each.is_late(now=self.now) for each in self.spaces)
        is_elsewhere = self.manager is ManagerState.UNKNOWN and is_fresh
        return self.manager is ManagerState.RUNNING or is_elsewhere


def staff_of(store: Store) -> Staff | None:
    """Return the managers that share the database; None if there can be one only."""
    if not store.leases.is_shared:
        return None
    return Staff(roster=store.roster(), unwritten=store.unwritten())


def sinks_of(config: Config, store: Store) -> tuple[SinkView, ...]:
    """Return how the sinks are that [vcycle] names, then those that collect records unnamed."""
    backlogs, outages = store.backlogs(), store.outages()
    credentials = {sink.name: _credentials(sink, config.manager.root) for sink in config.sinks}
    named = tuple(
        SinkView(
            name=name,
            backlogs=tuple(each for each in backlogs if each.sink == name),
            outages=tuple(each for each in outages if each.sink == name),
            credential_ends=credentials[name][0] if name in credentials else {},
            bug=credentials[name][1] if name in credentials else "",
            refused=_refused(store, name, backlogs),
        )
        for name in config.manager.accounting
    )
    left = store.unnamed(config.manager.accounting)
    named_at = store.sinks() if left else {}
    return named + tuple(
        SinkView(
            name=name,
            backlogs=tuple(each for each in backlogs if each.sink == name),
            outages=(),
            left_at=named_at[name],
        )
        for name in sorted(left & {each.sink for each in backlogs} & named_at.keys())
    )


def _credentials(sink: SinkConfig, root: Path) -> tuple[Mapping[str, int], str]:
    """Return until when what opens a sink is valid, or why it cannot be asked."""
    try:
        return credential_ends(sink, root), ""
    except UnknownSink as error:
        return {}, str(error)


def _refused(store: Store, name: str, backlogs: Iterable[Backlog]) -> tuple[Refused, ...]:
    if not any(each.refused for each in backlogs if each.sink == name):
        return ()
    return store.refused(name, limit=REFUSED_TOLD)


def gather(
    config: Config, store: Store, manager: ManagerState, *, now: int, remembers: bool = False
) -> View:
    """Return what is known of every space that is configured or that the store remembers.

    Args:
        config: as the manager has it, if `remembers`.
        store: open for reading.
        manager: whether one runs on this host.
        now: the instant that all is about.
        remembers: whether `config` has the removed spaces, too, which the manager lets drain.
    """
    reports = {name: report_from(each.report) for name, each in store.reports().items()}
    configured = {space.name: space for space in config.spaces}
    names = dict.fromkeys((*configured, *sorted({*reports, *store.spaces_with_machines()})))
    alone = store.unattended(configured)
    is_certain = remembers or store.leases.is_shared
    spaces = (
        SpaceView(
            name=name,
            config=configured.get(name),
            report=reports.get(name),
            records=store.records(name),
            is_unattended=name in alone and (is_certain or _is_left(reports.get(name), now)),
        )
        for name in names
    )
    return View(
        now=now,
        disks=_disks(config),
        min_free_mb=config.manager.min_free_mb,
        manager=manager,
        problems=config.problems,
        unusable=config.unusable,
        spaces=tuple(each for each in spaces if not _is_over(each)),
        sinks=sinks_of(config, store),
        staff=staff_of(store),
    )


def _is_left(report: SpaceReport | None, now: int) -> bool:
    """Return whether no manager that we cannot see has cycles of a space."""
    return report is None or now > report.wake_at + LATE_SECONDS


def _disks(config: Config) -> tuple[Disk, ...]:
    try:
        return disks(config.manager)
    except OSError:  # `vcycle why` tells of it, as creation is held for it
        return ()


def _is_over(space: SpaceView) -> bool:
    """Return whether nothing but an old report is left of a space that was removed."""
    return space.config is None and not space.records.machines and not space.records.orders


def space_names(spaces: Iterable[SpaceView]) -> tuple[str, ...]:
    """Return their names."""
    return tuple(space.name for space in spaces)
