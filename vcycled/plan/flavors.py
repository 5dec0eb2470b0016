"""Which flavor in which zone a machinetype asks for next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vcycled.model import Cause, Flavor, Hold, Machinetype, SpaceFacts
from vcycled.plan.stock import foreign

Place = tuple[str, str]
"""Name of a flavor and of a zone; the empty zone lets the cloud choose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What to ask the cloud for."""

    flavor: Flavor
    zone: str


def choose(kind: Machinetype, facts: SpaceFacts, unfit: Mapping[Place, int]) -> Choice | Hold:
    """Return the first flavor and zone that may be asked for, or why there is none.

    A flavor must have the right number of processors and fit the limits if all other machines of
    ours had ended; whether there is room now is not asked here. Then each zone is tried, in order
    of preference, before the next flavor. `unfit` tells until when the cloud has no capacity for
    which of them.
    """
    offered = _offered(kind, facts.flavors)
    if not offered:
        return Hold(machinetype=kind.name, cause=Cause.NO_FLAVOR, detail=_none_offered(kind))
    possible = [flavor for flavor in offered if _could_fit(flavor, kind, facts)]
    if not possible:
        detail = _none_fits(kind, facts, offered)
        return Hold(machinetype=kind.name, cause=Cause.NO_FLAVOR, detail=detail)
    return _place(kind, possible, unfit)


def _place(
    kind: Machinetype, possible: Sequence[Flavor], unfit: Mapping[Place, int]
) -> Choice | Hold:
    places = {
        (flavor.name, zone): Choice(flavor=flavor, zone=zone)
        for flavor in possible
        for zone in kind.zones or ("",)
    }
    for place, choice in places.items():
        if place not in unfit:
            return choice
    names = ", ".join(flavor.name for flavor in possible)
    zones = f" in {', '.join(kind.zones)}" if kind.zones else ""
    detail = f"the cloud said that it has no capacity for {names}{zones}"
    until = min(unfit[place] for place in places)
    return Hold(machinetype=kind.name, cause=Cause.NO_CAPACITY, detail=detail, until=until)


def unfit_until(facts: SpaceFacts, *, now: int) -> dict[Place, int]:
    """Return what the cloud has no capacity for at `now`, and until when not to ask again."""
    known = sorted(facts.memory.unfit, key=lambda each: each.until)
    return {(each.flavor, each.zone): each.until for each in known if each.until > now}


def _offered(kind: Machinetype, flavors: Sequence[Flavor]) -> list[Flavor]:
    """Return the flavors of the right size: in the order they are named, or smallest first."""
    by_size = sorted(flavors, key=_size)
    by_name = {flavor.name: flavor for flavor in by_size}
    names = kind.flavor_names or tuple(by_name)
    return [by_name[name] for name in names if name in by_name and _is_right(by_name[name], kind)]


def _size(flavor: Flavor) -> tuple[int, int, str]:
    return flavor.processors, flavor.memory_mb, flavor.name


def _is_right(flavor: Flavor, kind: Machinetype) -> bool:
    most = kind.max_processors
    return max(1, kind.min_processors) <= flavor.processors and (
        most is None or flavor.processors <= most
    )


def _could_fit(flavor: Flavor, kind: Machinetype, facts: SpaceFacts) -> bool:
    """Tell whether there would be room if no machine of ours were there."""
    own = (kind.processors_limit, kind.max_starting_processors)
    return not foreign(facts.memory).plus(flavor).excess(facts.limits) and all(
        limit is None or flavor.processors <= limit for limit in own
    )


def _none_offered(kind: Machinetype) -> str:
    named = f"none of {', '.join(kind.flavor_names)}" if kind.flavor_names else "no flavor"
    most = kind.max_processors
    size = f"{kind.min_processors} or more" if most is None else f"{kind.min_processors} to {most}"
    return f"{named} of this space has {size} processors"


def _none_fits(kind: Machinetype, facts: SpaceFacts, offered: Sequence[Flavor]) -> str:
    least = min(offered, key=_size)
    others = foreign(facts.memory)
    beside = (
        f" beside the {others.processors} processors, {others.memory_mb} MB and {others.machines}"
        " machines of others"
    )
    return (
        f"{least.name} ({least.processors} processors, {least.memory_mb} MB) can never fit"
        f" {_limits(kind, facts)}{beside if others.machines else ''}"
    )


def _limits(kind: Machinetype, facts: SpaceFacts) -> str:
    stated = {
        "processors": facts.limits.processors,
        "MB": facts.limits.memory_mb,
        "machines": facts.limits.machines,
        f"processors of {kind.name}": kind.processors_limit,
        f"starting processors of {kind.name}": kind.max_starting_processors,
    }
    limits = [f"{limit} {unit}" for unit, limit in stated.items() if limit is not None]
    return f"the limits ({', '.join(limits)})"
