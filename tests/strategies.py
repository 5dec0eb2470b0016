"""Values of the model for properties: small, legal, and aimed at the edges of the rules.

Instants lie within a second of NOW minus a span that some rule has; drawn from all the seconds of
a year, hardly one would ever meet a boundary. Fields that mean something together are drawn as
one, from tables: hypothesis pays for each draw.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from hypothesis import strategies as st

from tests.builders import NOW, SPACE, drain, memory, terms
from vcycled.model import (
    Cause,
    Flavor,
    Limits,
    Machine,
    MachineState,
    Machinetype,
    MachinetypeMemory,
    Reason,
    SpaceFacts,
    Stage,
    Terms,
    Unfit,
)
from vcycled.options import Amount

SPANS_S = (0, 60, 600, 900)
INSTANTS = tuple(NOW - span + off for span in (*SPANS_S, 3600) for off in (0, 1, -1))
NAMES = ("a", "b", "c", "d")
GONE = "gone"
"""A machinetype that is not configured any more."""
FLAVORS = ("f1", "f2", "f3")
ZONES = ("", "north", "south")

spans = st.sampled_from(SPANS_S)
instants = st.sampled_from(INSTANTS)
"""Around NOW and around each rule's span before it."""
maybe_instants = st.sampled_from((None, *INSTANTS))
seldom_instants = st.sampled_from((*[None] * 2 * len(INSTANTS), *INSTANTS))
sizes = st.sampled_from((1, 2, 3, 4, 8, 12))
limits = st.sampled_from((None, None, None, 60, 30, 30, 12, 5, 0))
amounts = st.sampled_from(
    (
        Amount(percent=100.0),
        Amount(count=200),
        Amount(count=20),
        Amount(percent=10.0),
        Amount(count=5),
        Amount(count=1),
    )
)
drains = st.sampled_from(
    tuple(drain(by=by) for by in (None, NOW - 1, NOW, NOW + 1))
    + tuple(drain(is_hold=True, until=until) for until in (None, NOW, NOW + 1))
)
"""Of a space."""
drained_kinds = st.sampled_from((*[()] * 3, ("a",), ("b", GONE), (GONE,)))


def _terms(file: str, fizzle: int, beat: int, most: int) -> Terms:
    return terms(
        heartbeat_file=file,
        heartbeat_seconds=beat,
        fizzle_seconds=fizzle,
        max_wallclock_seconds=most,
        start_timeout_seconds=most,
    )


any_terms = st.sampled_from(
    tuple(_terms(*each) for each in product(("", "hb"), SPANS_S, SPANS_S, (600, 3600)))
)

_LISTED = tuple((Stage.LISTED, state) for state in MachineState)
_RUNNING = (Stage.LISTED, MachineState.RUNNING)
_YOUNG = tuple((stage, MachineState.STARTING) for stage in (Stage.INTENDED, Stage.ASKED))
kind_troubles = st.sampled_from(
    (
        *[None] * 7,
        Cause.BACKOFF,
        Cause.BACKOFF,
        Cause.CREATION_FAILED,
        Cause.HELD,
        Cause.NO_SHARE,
    )
)
space_troubles = st.sampled_from(
    (
        *[None] * 12,
        Cause.SHUTDOWN_TIME,
        Cause.SHUTDOWN_TIME,
        Cause.QUOTA,
        Cause.LISTING_SUSPECT,
        Cause.DRAIN,
        Cause.HELD,
    )
)
shutdown_times = st.sampled_from((NOW - 1, NOW, NOW + 599, NOW + 600))
lives = st.sampled_from((_RUNNING, _RUNNING, *_LISTED, *_YOUNG, (Stage.GONE, _RUNNING[1])))

attempts = st.sampled_from(((0, None),) * 3 + tuple(product((1, 2, 9), INSTANTS)))
FUTURE = (NOW, NOW + 1, NOW + 599, NOW + 600, NOW + 601)
leaving = st.sampled_from(
    (
        *[(None, "")] * 20,
        *product((*INSTANTS[:6], *FUTURE), (Reason.PREEMPTED.value, Reason.DRAINED.value)),
        (NOW - 1, Reason.SHUTDOWN_TIME.value),
        (NOW - 1, Reason.TOO_OLD.value),
    )
)
"""By when a machine was told to leave, and why."""
orders = st.sampled_from((*[None] * 20, *FUTURE))
beats = st.sampled_from(((None, True), (None, False), *((at, True) for at in INSTANTS)))


@st.composite
def machines(draw: st.DrawFn, uuid: str) -> Machine:
    """Return machines of any stage, state and age; names may occur twice, uuids may not."""
    stage, state = draw(lives)
    asked = draw(attempts)
    leave_by, leave_why = draw(leaving)
    created_at = draw(instants)
    if leave_by is not None:  # nobody told a machine before it was there
        created_at = min(created_at, leave_by)
    heartbeat_at, is_known = draw(beats)
    return Machine(
        uuid=uuid,
        name=f"vcycle-{int(uuid) // 2}",
        space=SPACE,
        machinetype=draw(st.sampled_from((*NAMES[:3], GONE))),
        stage=stage,
        state=state,
        processors=draw(sizes),
        memory_mb=1000,
        flavor="f1",
        terms=draw(any_terms),
        created_at=created_at,
        started_at=None if stage in {Stage.INTENDED, Stage.ASKED} else draw(maybe_instants),
        heartbeat_at=heartbeat_at,
        is_heartbeat_known=is_known,
        missing_since=draw(seldom_instants),
        drain_by=draw(orders),
        leave_by=leave_by,
        leave_why=leave_why,
        delete_attempts=asked[0],
        delete_attempt_at=asked[1],
        is_delete_ordered=draw(st.sampled_from((False, False, False, True))),
    )


@st.composite
def machinetypes(draw: st.DrawFn, name: str) -> Machinetype:
    """Return machinetypes called `name`, every other of which has some trouble."""
    promised = draw(any_terms)
    plain = Machinetype(
        name=name,
        target_share=draw(st.sampled_from((1.0, 0.1, 3.0))),
        fizzle_seconds=promised.fizzle_seconds,
        backoff_seconds=draw(spans),
        max_wallclock_seconds=promised.max_wallclock_seconds,
        min_wallclock_seconds=draw(spans),
        start_timeout_seconds=promised.start_timeout_seconds,
        processors_limit=draw(limits),
        max_starting_processors=draw(limits),
        min_processors=draw(st.sampled_from((1, 0, 1, 3))),
        max_processors=draw(st.sampled_from((None, None, 3, 12))),
        flavor_names=draw(st.sampled_from(((), FLAVORS, ("f2",), ("f3", "f1")))),
        zones=draw(st.sampled_from(((), ("north",), ("south", "north")))),
        heartbeat_file=promised.heartbeat_file,
        heartbeat_seconds=promised.heartbeat_seconds,
        power_per_processor=draw(st.sampled_from((10.0, 7.3, 7.3, None))),
        preemptible=draw(st.sampled_from((False, False, True))),
        memory=MachinetypeMemory(
            space=SPACE,
            machinetype=name,
            waiting_since=draw(maybe_instants),
            told_wallclock_seconds=draw(st.sampled_from((None, None, 600, 3600, 7200))),
        ),
    )
    match draw(kind_troubles):
        case Cause.NO_SHARE:
            return replace(plain, target_share=0.0)
        case Cause.HELD:
            return replace(plain, held="broken")
        case Cause.CREATION_FAILED:
            return replace(plain, memory=_failing(plain.memory, draw(instants)))
        case Cause.BACKOFF:
            abort = draw(instants), draw(maybe_instants)
            return replace(plain, memory=_aborting(plain.memory, *abort))
        case _:
            return plain


def _failing(before: MachinetypeMemory, at: int) -> MachinetypeMemory:
    return replace(before, creation_failures=1, creation_failed_at=at)


def _aborting(before: MachinetypeMemory, at: int, proven_at: int | None) -> MachinetypeMemory:
    return replace(before, last_abort_at=at, proven_at=proven_at)


def _flavors(processors: tuple[int, ...]) -> tuple[Flavor, ...]:
    named = zip(FLAVORS, processors, strict=True)
    return tuple(Flavor(name=name, processors=size, memory_mb=1000) for name, size in named)


flavors = st.tuples(sizes, st.sampled_from((1, 5, 7, 0)), sizes).map(_flavors)
unfits = st.lists(
    st.builds(
        Unfit,
        flavor=st.sampled_from(FLAVORS),
        zone=st.sampled_from(ZONES),
        until=st.sampled_from((NOW + 30, NOW + 1, NOW, NOW + 70)),
    ),
    max_size=4,
).map(tuple)


@st.composite
def space_facts(draw: st.DrawFn) -> SpaceFacts:
    """Return facts of a space with up to four machinetypes and eight machines.

    One in three has one trouble that concerns the whole space.
    """
    foreign = draw(st.sampled_from((0, 0, 0, 3, 20)))
    plain = SpaceFacts(
        space=SPACE,
        machinetypes=tuple(draw(machinetypes(each)) for each in NAMES[: draw(st.integers(1, 4))]),
        machines=tuple(draw(machines(f"{each:02}")) for each in range(draw(st.integers(0, 8)))),
        memory=memory(
            foreign_processors=foreign,
            foreign_machines=foreign // 2,
            foreign_memory_mb=foreign * 1000,
            unfit=draw(unfits),
            clock_jumped_at=draw(seldom_instants),
            preempted_at=draw(seldom_instants),
        ),
        limits=Limits(
            processors=draw(st.sampled_from((100, None, *range(99, 0, -7)))),
            machines=draw(st.sampled_from((None, None, *range(30, -1, -3)))),
            memory_mb=draw(st.sampled_from((None, None, *range(60_000, 0, -5500)))),
        ),
        flavors=draw(flavors),
        creation_cap=draw(amounts),
        deletion_cap=draw(amounts),
        preempt_after_seconds=draw(spans),
        cycle_seconds=draw(st.sampled_from((60, 1, 600))),
        receiver_up_since=draw(maybe_instants),
        drains={name: replace(draw(drains), machinetype=name) for name in draw(drained_kinds)},
    )
    match draw(space_troubles):
        case Cause.HELD:
            return replace(plain, held="closed")
        case Cause.DRAIN:
            whole = draw(drains)
            return replace(plain, drains={**plain.drains, "": whole})
        case Cause.LISTING_SUSPECT:
            return replace(plain, memory=replace(plain.memory, suspect_since=NOW - 60))
        case Cause.QUOTA:
            failed = replace(plain.memory, quota_failures=1, quota_failed_at=draw(instants))
            return replace(plain, memory=failed)
        case Cause.SHUTDOWN_TIME:
            return replace(plain, shutdown_time=draw(shutdown_times))
        case _:
            return plain


@st.composite
def crowded_facts(draw: st.DrawFn) -> SpaceFacts:
    """Return facts of a space that preemptible machines have all but filled; others wait."""
    facts = draw(space_facts())
    needy = replace(
        draw(machinetypes("a")),
        held="",
        target_share=draw(st.sampled_from((1.0, 3.0))),
        preemptible=False,
        processors_limit=None,
        max_starting_processors=None,
        min_processors=1,
        max_processors=None,
        flavor_names=(),
        memory=MachinetypeMemory(
            space=SPACE, machinetype="a", waiting_since=draw(st.sampled_from((NOW - 901, None)))
        ),
    )
    back = replace(draw(machinetypes("b")), preemptible=True)
    filling = tuple(
        replace(draw(machines(f"{each:02}")), machinetype="b")
        for each in range(draw(st.integers(2, 6)))
    )
    used = sum(each.processors for each in filling if each.stage is not Stage.GONE)
    return replace(
        facts,
        machinetypes=(needy, back),
        machines=filling,
        held="",
        drains={},
        shutdown_time=None,
        memory=replace(
            facts.memory, foreign_processors=0, foreign_machines=0, foreign_memory_mb=0, unfit=()
        ),
        limits=Limits(processors=used + draw(st.sampled_from((0, 0, 1)))),
    )
