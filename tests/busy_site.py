"""A site that has been at work for more than a day: what pages are tried on, and pictured with.

Three communities share the first space: one has long work, one short work, one none, so that it is
backed off. The cloud of the second space has not answered for a while. All of it follows from one
seed, as of NOW.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.builders import NOW
from tests.cli_kit import TERMS, Site, report
from vcycled.apel.queue import Queue
from vcycled.machinedir.layout import Layout
from vcycled.model import (
    Cause,
    EndSource,
    Event,
    Hold,
    Limits,
    Machine,
    MachineState,
    RunInterval,
    Share,
    ShutdownMessage,
    SpaceMemory,
    Stage,
    Terms,
)
from vcycled.store import APEL

SPACE = "cloud.example.org"
FAR = "far.example.org"
SIMULATION, ANALYSIS, IDLE = "simulation", "analysis", "theory"
HISTORY_S = 36 * 3600
OUTAGE = (NOW - 15 * 3600, NOW - 13 * 3600)
"""When the cloud made no machines."""
LIMIT = 48

CONF = f"""\
[vcycle]
root = ROOT
manager_hostname = manager.example.org
min_free_mb = 0

[space {SPACE}]
api = local
local_dir = ROOT/cloud
flavors = small:1:2048
processors_limit = {LIMIT}
gocdb_sitename = EXAMPLE-SITE

[machinetype {SPACE} {SIMULATION}]
target_share = 2
backoff_seconds = 900
fizzle_seconds = 600
heartbeat_file = heartbeat
heartbeat_seconds = 300
accounting_fqan = /physics.example.org/Role=production
user_data = FOLDER/user_data

[machinetype {SPACE} {ANALYSIS}]
target_share = 1
backoff_seconds = 900
fizzle_seconds = 600
accounting_fqan = /physics.example.org/Role=user
user_data = FOLDER/user_data

[machinetype {SPACE} {IDLE}]
target_share = 1
backoff_seconds = 900
fizzle_seconds = 600
accounting_fqan = /theory.example.org
user_data = FOLDER/user_data

[space {FAR}]
api = local
local_dir = ROOT/cloud
flavors = small:1:2048
processors_limit = 16

[machinetype {FAR} {SIMULATION}]
target_share = 1
backoff_seconds = 900
fizzle_seconds = 600
user_data = FOLDER/user_data
"""

_RATED = replace(TERMS, power_per_processor=11.5, power_unit="hepscore23")
_TERMS = {
    SIMULATION: replace(_RATED, fqan="/physics.example.org/Role=production"),
    ANALYSIS: replace(_RATED, fqan="/physics.example.org/Role=user", heartbeat_file=""),
    IDLE: replace(_RATED, fqan="/theory.example.org", heartbeat_file=""),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a machinetype's machines do."""

    kind: str
    slots: int
    shortest_s: int
    longest_s: int
    pause_s: int
    """Between two machines of a slot."""
    says: ShutdownMessage
    is_aborted: bool = False


_WORKS = (
    Work(
        kind=SIMULATION,
        slots=29,
        shortest_s=6000,
        longest_s=25_000,
        pause_s=60,
        says=ShutdownMessage(code=200, text="200 Success", written_at=0),
    ),
    Work(
        kind=ANALYSIS,
        slots=14,
        shortest_s=900,
        longest_s=6000,
        pause_s=60,
        says=ShutdownMessage(code=200, text="200 Success", written_at=0),
    ),
    Work(
        kind=IDLE,
        slots=1,
        shortest_s=130,
        longest_s=280,
        pause_s=840,
        says=ShutdownMessage(code=300, text="300 No more work", written_at=0),
        is_aborted=True,
    ),
)


@dataclass(slots=True)
class Book:
    """All that was written down."""

    machines: list[Machine] = field(default_factory=list)
    runs: list[RunInterval] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


def busy(site: Site) -> Book:
    """Fill a site that has nothing yet; return what it was given."""
    site.configure(CONF)
    book, rng = Book(), random.Random(20270115)
    for work in _WORKS:
        for _ in range(work.slots):
            _fill_slot(book, work, rng)
    book.events.sort(key=lambda each: each.at)
    with site.store() as store:
        store.unexported(APEL)
    memory = SpaceMemory(space=SPACE, listed_at=NOW - 12, foreign_processors=3)
    site.save(
        *book.machines,
        space=SPACE,
        intervals=tuple(book.runs),
        events=tuple(book.events),
        memory=memory,
    )
    site.save(space=FAR, memory=SpaceMemory(space=FAR, listed_at=NOW - 2000))
    _sent(site, book)
    _reports(site, book)
    _outputs(site, book)
    _web_up(site)
    return book


def _fill_slot(book: Book, work: Work, rng: random.Random) -> None:
    """Let one machine follow another until now."""
    at = NOW - HISTORY_S + rng.randrange(work.longest_s)
    while at < NOW:
        if OUTAGE[0] < at < OUTAGE[1]:
            at = OUTAGE[1] + rng.randrange(1800)
        end = _live(book, work, at, rng)
        at = end + work.pause_s + rng.randrange(120)


def _live(book: Book, work: Work, at: int, rng: random.Random) -> int:
    """Let a machine live from `at` on; return when it is gone."""
    name = f"vcycle-{work.kind}-{rng.getrandbits(40):010x}"
    started = at + rng.randrange(70, 150)
    ran = rng.randrange(work.shortest_s, work.longest_s)
    if not work.is_aborted and rng.random() < 0.02:
        ran = rng.randrange(100, 500)
    stopped = started + ran
    gone = stopped + rng.randrange(40, 100)
    plain = Machine(
        uuid=f"{rng.getrandbits(32):08x}-0000-4000-8000-{rng.getrandbits(48):012x}",
        name=name,
        space=SPACE,
        machinetype=work.kind,
        stage=Stage.LISTED,
        state=MachineState.STARTING,
        processors=1,
        memory_mb=2048,
        flavor="small",
        terms=_TERMS[work.kind],
        created_at=at,
        cloud_id=f"{rng.getrandbits(32):08x}",
        address=f"10.0.{rng.randrange(8)}.{rng.randrange(1, 250)}",
        seen_at=at + 20 if at + 20 < NOW else None,
        token_hash="5ec4e7",
    )
    says = replace(work.says, written_at=stopped)
    machine = _as_of_now(plain, (started, stopped, gone), says, is_aborted=work.is_aborted)
    book.machines.append(machine)
    if machine.stage is Stage.GONE and ran >= machine.terms.fizzle_seconds:
        book.runs.append(_run(machine, started, stopped))
    book.events += _story(machine, says)
    return gone


def _as_of_now(
    plain: Machine, times: tuple[int, int, int], says: ShutdownMessage, *, is_aborted: bool
) -> Machine:
    started, stopped, gone = times
    if started > NOW:
        return plain
    if stopped > NOW:
        return replace(plain, state=MachineState.RUNNING, started_at=started)
    ended = replace(
        plain,
        state=MachineState.SHUTDOWN,
        started_at=started,
        stopped_at=stopped,
        end_source=EndSource.MESSAGE,
        message=says,
        is_aborted=is_aborted,
    )
    if gone > NOW:
        return ended
    return replace(ended, stage=Stage.GONE, gone_at=gone, is_closed=True)


def _run(machine: Machine, started: int, stopped: int) -> RunInterval:
    return RunInterval(
        uuid=machine.uuid,
        interval=0,
        space=SPACE,
        machinetype=machine.machinetype,
        name=machine.name,
        processors=1,
        memory_mb=2048,
        started_at=started,
        ended_at=stopped,
        end_source=EndSource.MESSAGE,
        is_final=True,
        terms=machine.terms,
    )


def _story(machine: Machine, says: ShutdownMessage) -> Iterator[Event]:
    about = Event(
        at=machine.created_at,
        space=SPACE,
        event="machine-created",
        machinetype=machine.machinetype,
        machine=machine.name,
        detail=f"flavor small, id {machine.cloud_id}",
    )
    yield about
    if machine.started_at is not None:
        took = machine.started_at - machine.created_at
        detail = f"{took} s after it was asked for"
        yield replace(about, at=machine.started_at, event="machine-started", detail=detail)
    if machine.stopped_at is not None and machine.started_at is not None:
        ran = machine.stopped_at - machine.started_at
        detail = f"ran {ran} s, end as told by its shutdown message, it said {says.text!r}"
        yield replace(about, at=machine.stopped_at, event="machine-stopped", detail=detail)
        if machine.is_aborted:
            detail = "it said there is no more work"
            yield replace(about, at=machine.stopped_at, event="machine-aborted", detail=detail)
    if machine.gone_at is not None:
        yield replace(about, at=machine.gone_at, event="machine-gone", detail="")


def _sent(site: Site, book: Book) -> None:
    """Let all records be written, and taken by ssmsend."""
    with site.store() as store:
        store.mark_exported(APEL, [(run.uuid, run.interval) for run in book.runs], NOW - 60)


def _reports(site: Site, book: Book) -> None:
    here = [each for each in book.machines if each.stage is not Stage.GONE]
    aborted = max(each.stopped_at or 0 for each in book.machines if each.is_aborted)
    site.report(
        report(
            space=SPACE,
            at=NOW - 12,
            wake_at=NOW + 48,
            manager="manager.example.org",
            creates=1,
            shares=tuple(
                Share(
                    machinetype=kind,
                    wanted=wanted,
                    had=mine / len(here),
                    processors=mine,
                    machines=mine,
                )
                for kind, wanted in ((SIMULATION, 0.5), (ANALYSIS, 0.25), (IDLE, 0.25))
                for mine in (sum(each.machinetype == kind for each in here),)
            ),
            holds=(
                Hold(
                    machinetype=IDLE,
                    cause=Cause.BACKOFF,
                    detail=f"a machine aborted {NOW - aborted} s ago and backoff_seconds is 900",
                    until=aborted + 900,
                ),
            ),
            limits=Limits(processors=LIMIT),
            foreign_processors=3,
            seconds={"look": 0.84, "remember": 0.06, "plan": 0.02, "act": 1.31, "publish": 0.11},
            credential_ends={"application credential vcycle": NOW + 61 * 86_400},
        )
    )
    site.report(
        report(
            space=FAR,
            at=NOW - 31,
            wake_at=NOW + 29,
            error="503 Service Unavailable from https://far.example.org:8774/v2.1/servers/detail",
        )
    )


def _outputs(site: Site, book: Book) -> None:
    """Give the oldest running machine what a machine has."""
    machine = showpiece(book)
    tree = Layout(site.root).machine(SPACE, machine.name)
    start = machine.started_at or 0
    for folder, keys in {
        "machinefeatures": {"total_cpu": "1", "hs06": "11.5", "shutdowntime": str(start + 86_400)},
        "jobfeatures": {
            "allocated_cpu": "1",
            "job_id": machine.uuid,
            "jobstart_secs": str(start),
            "wall_limit_secs": "86400",
        },
    }.items():
        (tree / folder).mkdir(parents=True)
        for name, value in keys.items():
            (tree / folder / name).write_text(f"{value}\n")
    outputs = tree / "joboutputs"
    outputs.mkdir()
    for name, size, age in (
        ("heartbeat", 0, 41),
        ("pilot.out", 18_211, 44),
        ("vm-bootstrap.log", 3120, 4000),
    ):
        (outputs / name).write_bytes(b"x" * size)
        _date(outputs / name, NOW - age)


def _web_up(site: Site) -> None:
    """Let vcycle-web give its sign of life."""
    mark = site.tree.layout.web_up / "web.example.org"
    mark.parent.mkdir(parents=True)
    mark.write_text(f"{NOW - 9 * 86_400} {NOW + 80 * 86_400}")
    _date(mark, NOW - 20)


def _date(path: Path, at: int) -> None:
    os.utime(path, (at, at))


def showpiece(book: Book) -> Machine:
    """Return the machine that has outputs: the oldest one that runs."""
    running = [each for each in book.machines if each.state is MachineState.RUNNING]
    return min(running, key=lambda each: (each.created_at, each.uuid))


def terms_of(kind: str) -> Terms:
    """Return what machines of a machinetype were promised."""
    return _TERMS[kind]


def waiting(site: Site, book: Book) -> None:
    """Put a record into the queue that ssmsend has not taken yet."""
    Queue(site.root).put(book.runs[-1])
