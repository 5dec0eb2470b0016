"""The newest heartbeat of each machine that must give one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from vcycled.config import SpaceConfig
from vcycled.machinedir import Heartbeat, MachineDir
from vcycled.model import Machine


class Heartbeats:
    """Reads the heartbeats of one space, cycle after cycle.

    Most machines have not beaten since the cycle before: they are given as they were made then.
    To copy thousands of them anew would be a good part of what a cycle costs.
    """

    def __init__(self, tree: MachineDir) -> None:
        self._tree = tree
        self._made: dict[str, tuple[Machine, Machine]] = {}
        """By uuid, for those that must beat: a machine without and with its heartbeat."""

    def of(self, machines: Iterable[Machine], config: SpaceConfig) -> tuple[Machine, ...]:
        """Return `machines` with the newest heartbeat of those that must give one."""
        files = {kind.name: kind.options.heartbeat_file for kind in config.machinetypes}
        before, self._made = self._made, {}
        return tuple(self._beating(machine, files, before) for machine in machines)

    def _beating(
        self,
        machine: Machine,
        files: Mapping[str, str | None],
        before: Mapping[str, tuple[Machine, Machine]],
    ) -> Machine:
        file = files.get(machine.machinetype, machine.terms.heartbeat_file)
        if not file or machine.started_at is None:
            return machine
        now = self._tree.heartbeat(machine.space, machine.name, file)
        was, made = before.get(machine.uuid, (None, machine))
        if was is not machine or Heartbeat(made.heartbeat_at, made.is_heartbeat_known) != now:
            made = replace(machine, heartbeat_at=now.at, is_heartbeat_known=now.is_known)
        self._made[machine.uuid] = machine, made
        return made
