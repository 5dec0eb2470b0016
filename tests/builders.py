"""Values of the model for tests: a test states what matters, the rest is plain and valid.

All is seen at `NOW`. `machine()` is one of `kind()`, listed, running for an hour, beating if its
machinetype wants that; times are given relative to NOW: `machine(started_at=NOW - 600)`.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from vcycled.model import (
    Drain,
    Flavor,
    Limits,
    Machine,
    MachineState,
    Machinetype,
    MachinetypeMemory,
    Plan,
    SpaceFacts,
    SpaceMemory,
    Stage,
    Terms,
)
from vcycled.plan import plan_space
from vcycled.testing.clock import START

NOW = START
SPACE = "vcycle01.example.com"
PROD = "prod"

SMALL = Flavor(name="small", processors=1, memory_mb=2048)
LARGE = Flavor(name="large", processors=8, memory_mb=16384)

_TERMS = Terms(fizzle_seconds=600, max_wallclock_seconds=86_400)

_MACHINE = Machine(
    uuid="",
    name="",
    space=SPACE,
    machinetype=PROD,
    stage=Stage.LISTED,
    state=MachineState.RUNNING,
    processors=1,
    memory_mb=2048,
    flavor="small",
    terms=_TERMS,
    created_at=NOW - 3700,
    cloud_id="",
    seen_at=NOW - 3660,
    started_at=NOW - 3600,
    token_hash="5ec4e7",
)

_SPACE_MEMORY = SpaceMemory(space=SPACE, listed_at=NOW)


def terms(**changes: Any) -> Terms:  # noqa: ANN401 - replace() refuses wrong names
    """Return the promise to a machine: fizzle 600 s, wallclock a day, no heartbeat."""
    return replace(_TERMS, **changes)


def machine(name: str = "vcycle-prod-0", **changes: Any) -> Machine:  # noqa: ANN401 - as above
    """Return a listed machine of one processor that has run for an hour."""
    return replace(_MACHINE, name=name, **{"uuid": f"uuid-{name}", "cloud_id": name, **changes})


def starting(name: str = "vcycle-prod-0", **changes: Any) -> Machine:  # noqa: ANN401 - as above
    """Return a listed machine that was asked for a minute ago and has not started."""
    return machine(
        name,
        **{
            "state": MachineState.STARTING,
            "started_at": None,
            "seen_at": NOW,
            "created_at": NOW - 60,
            **changes,
        },
    )


def intent(name: str = "vcycle-prod-0", **changes: Any) -> Machine:  # noqa: ANN401 - as above
    """Return a machine that the cloud has not been asked for yet."""
    return starting(name, **{"stage": Stage.INTENDED, "seen_at": None, "cloud_id": "", **changes})


def machines(count: int, **changes: Any) -> tuple[Machine, ...]:  # noqa: ANN401 - as above
    """Return `count` machines as `machine` makes them, named after their machinetype."""
    kind_name = changes.get("machinetype", PROD)
    return tuple(machine(f"vcycle-{kind_name}-{each:05}", **changes) for each in range(count))


def kind(name: str = PROD, **changes: Any) -> Machinetype:  # noqa: ANN401 - as above
    """Return a machinetype with a share of 1 that may use every flavor; no heartbeat.

    Changes named as fields of MachinetypeMemory go there.
    """
    remembered = {key: changes.pop(key) for key in _REMEMBERED & changes.keys()}
    plain = Machinetype(
        name=name,
        target_share=1.0,
        fizzle_seconds=600,
        backoff_seconds=900,
        max_wallclock_seconds=86_400,
        min_wallclock_seconds=600,
        memory=MachinetypeMemory(space=SPACE, machinetype=name, **remembered),
    )
    return replace(plain, **changes)


_REMEMBERED = frozenset(MachinetypeMemory.__dataclass_fields__) - {"space", "machinetype"}


def drain(**changes: Any) -> Drain:  # noqa: ANN401 - as above
    """Return a drain of the whole space without end."""
    return replace(Drain(space=SPACE, machinetype="", since=NOW - 100, who="alice"), **changes)


def drains(*each: Drain) -> dict[str, Drain]:
    """Return drains as facts have them."""
    return {one.machinetype: one for one in each}


def memory(**changes: Any) -> SpaceMemory:  # noqa: ANN401 - as above
    """Return the memory of a space that was just listed and where all is well."""
    return replace(_SPACE_MEMORY, **changes)


def facts(*kinds: Machinetype, **changes: Any) -> SpaceFacts:  # noqa: ANN401 - as above
    """Return a space of 100 processors with these machinetypes (else `kind()`), empty."""
    plain = SpaceFacts(
        space=SPACE,
        machinetypes=kinds or (kind(),),
        machines=(),
        memory=memory(),
        limits=Limits(processors=100),
        flavors=(SMALL, LARGE),
        receiver_up_since=NOW - 86_400,
    )
    return replace(plain, **changes)


def plan(given: SpaceFacts, *, now: int = NOW, seed: int = 1) -> Plan:
    """Return the plan for these facts at `now`."""
    return plan_space(given, now=now, rng=random.Random(seed))
