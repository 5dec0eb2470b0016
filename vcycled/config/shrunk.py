"""Limits that a new configuration has lost, which may be an accident."""

from __future__ import annotations

from collections.abc import Mapping

from vcycled.config.model import Config, MachinetypeConfig, SpaceConfig


def lost_limits(before: Config, now: Config) -> Mapping[str, str]:
    """Return the spaces that lost a limit since `before`, and which in a sentence.

    A file that was cut loses limits; so nothing should be created in these spaces until the
    configuration has stayed the same for one more cycle.
    """
    after = {space.name: space for space in now.spaces}
    found = {
        space.name: _lost(space, after[space.name])
        for space in before.spaces
        if space.name in after
    }
    return {name: lost for name, lost in found.items() if lost}


def _lost(before: SpaceConfig, now: SpaceConfig) -> str:
    lost = []
    if before.options.processors_limit is not None and now.options.processors_limit is None:
        lost.append("the space's processors_limit")
    after = {kind.name: kind for kind in now.machinetypes}
    lost += [what for kind in before.machinetypes for what in _lost_by(kind, after.get(kind.name))]
    return f"gone from the configuration: {', '.join(lost)}" if lost else ""


def _lost_by(before: MachinetypeConfig, now: MachinetypeConfig | None) -> list[str]:
    limits = _limits(before)
    if now is None:  # a community may take machinetypes out of its pipe
        is_lost = limits and not before.pipe
        return [f"machinetype {before.name} with its limit"] if is_lost else []
    gone = [name for name in limits if name not in _limits(now)]
    return [f"{name} of machinetype {before.name}" for name in gone[:1]]


def _limits(kind: MachinetypeConfig) -> list[str]:
    """Return which limits it has; max_starting_processors is processors_limit unless given."""
    limits = {
        "processors_limit": kind.options.processors_limit,
        "max_starting_processors": kind.options.max_starting_processors,
    }
    return [name for name, limit in limits.items() if limit is not None]
