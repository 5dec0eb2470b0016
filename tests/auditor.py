"""The auditor: compares what was with what is on record, after a test of the whole manager.

The truth comes from the cloud's side (the control face of a fake, the shim of the local space),
the rest from the store and from the two trees of the queue. It knows nothing of how the manager
came to its records, so that it can find what the manager overlooks.

    problems = audit(truth, store_intervals, Queue(root), now=now, sent=messages)
    assert problems == ()

What became of the machines themselves is held to the same truth: `leaks`, `wrong_kills` and
`overshoots` return what is wrong with them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from vcycled.apel import commands
from vcycled.apel.queue import Queue, elements_of
from vcycled.apel.record import JobRecord, record_of, records_in
from vcycled.model import RunInterval


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The instants between which something happened, both included."""

    earliest: int
    latest: int

    def __contains__(self, instant: int) -> bool:
        """Return True if it may have happened at `instant`."""
        return self.earliest <= instant <= self.latest


def around(instant: int, tolerance_s: int = 0) -> Window:
    """Return the window of something that happened at `instant`, give or take."""
    return Window(earliest=instant - tolerance_s, latest=instant + tolerance_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One run of a machine, as the cloud knows it."""

    uuid: str
    started: Window
    ended: Window
    processors: int
    fizzle_seconds: int

    def must_count(self) -> bool:
        """Return True if it ran for fizzle_seconds at least, whatever the instants were."""
        return self.ended.earliest - self.started.latest >= self.fizzle_seconds

    def may_count(self) -> bool:
        """Return True if it can have run for fizzle_seconds."""
        return self.ended.latest - self.started.earliest >= self.fizzle_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """A machine of ours that is or was, as the cloud knows it."""

    id: str
    """The cloud's."""
    uuid: str
    name: str
    machinetype: str
    processors: int
    created_at: int
    launched_at: int | None
    gone_at: int | None
    killed_at: int | None
    """When its deletion was first asked for, if it had not ended by then."""


def leaks(lives: Iterable[Life], known: Iterable[str]) -> tuple[str, ...]:
    """Return the machines that are there and whose names are not among those `known`."""
    names = frozenset(known)
    here = (life for life in lives if life.gone_at is None)
    return tuple(f"{life.name} ({life.id}): leaked" for life in here if life.name not in names)


def wrong_kills(lives: Iterable[Life], may_go: Callable[[Life], int | None]) -> tuple[str, ...]:
    """Return the machines that were deleted before they ended or any rule allowed it.

    One that a repeated request made a second time may always go.

    Args:
        lives: every machine of ours there ever was.
        may_go: the first instant at which a machine that has not ended may be deleted, if any.
    """
    found: list[str] = []
    known: set[str] = set()
    for life in sorted(lives, key=lambda life: (life.created_at, life.id)):
        is_double = life.uuid in known
        known.add(life.uuid)
        if life.killed_at is None or is_double:
            continue
        allowed_at = may_go(life)
        if allowed_at is None or life.killed_at < allowed_at:
            ran = "never ran" if life.launched_at is None else f"ran since {life.launched_at}"
            when = f"allowed at {allowed_at}" if allowed_at is not None else "never allowed"
            found.append(f"{life.name}: killed at {life.killed_at}, {when}; it {ran}")
    return tuple(found)


def overshoots(
    lives: Iterable[Life], limits: Sequence[tuple[int, int]], *, others: int = 0, slack_s: int = 0
) -> tuple[str, ...]:
    """Return the machines by whose creation there were more processors than allowed.

    Args:
        lives: the machines that the limit counts.
        limits: since when which limit was in force, in the order of time.
        others: processors that are not ours and were there all the time.
        slack_s: a request may reach the cloud so long after the limit was last looked at.
    """
    made = sorted(lives, key=lambda life: (life.created_at, life.id))
    found: list[str] = []
    for number, life in enumerate(made):
        at = life.created_at
        before = (each for each in made[: number + 1] if each.gone_at is None or each.gone_at > at)
        there = others + sum(each.processors for each in before)
        most = _most(limits, at - slack_s, at)
        if there > most:
            found.append(f"{life.name}: with it there were {there} processors of {most} at {at}")
    return tuple(found)


def _most(limits: Sequence[tuple[int, int]], since: int, until: int) -> int:
    """Return the highest limit that was in force at some time between the two."""
    later = [at for at, _ in limits[1:]]
    spans = zip(limits, [*later, until + 1], strict=True)
    return max(limit for (began, limit), over in spans if began <= until and over > since)


def audit(
    truth: Sequence[Ran],
    intervals: Iterable[RunInterval],
    queue: Queue,
    *,
    now: int,
    sent: Iterable[str] = (),
) -> tuple[str, ...]:
    """Return everything that is wrong with the accounting of `truth`; empty if nothing is.

    Args:
        truth: every run, also the brief ones; of a machine that came back, each run.
        intervals: what the store holds, in any order.
        queue: the trees.
        now: present time.
        sent: messages that were taken from apel-outgoing before.
    """
    known = tuple(intervals)
    return (
        *_of_the_store(truth, known),
        *_of_the_archive(known, queue),
        *_of_the_way_out(known, queue, tuple(sent)),
        *(f"{path}: {problem}" for path, problem in commands.check(queue, now=now)),
    )


def _of_the_store(truth: Sequence[Ran], intervals: Sequence[RunInterval]) -> Iterator[str]:
    """Compare each machine's runs with its intervals, both in the order of their ends."""
    runs: dict[str, list[Ran]] = defaultdict(list)
    for ran in sorted(truth, key=lambda ran: ran.ended.earliest):
        runs[ran.uuid].append(ran)
    stored: dict[str, list[RunInterval]] = defaultdict(list)
    for interval in sorted(intervals, key=lambda interval: interval.ended_at):
        stored[interval.uuid].append(interval)
    for uuid in sorted(runs.keys() | stored.keys()):
        yield from _of_a_machine(uuid, runs[uuid], stored[uuid])


def _of_a_machine(
    uuid: str, runs: Sequence[Ran], intervals: Sequence[RunInterval]
) -> Iterator[str]:
    for number, times in Counter(interval.interval for interval in intervals).items():
        if times > 1:
            yield f"{uuid}/{number}: {times} intervals of one number"
    for earlier, later in pairwise(intervals):
        if later.started_at < earlier.ended_at:
            yield f"{uuid}: intervals {earlier.interval} and {later.interval} overlap"
    left = list(intervals)
    for ran in runs:
        match = _take(left, ran)
        if match is not None:
            yield from _of_a_run(ran, match)
        elif ran.must_count():
            yield f"{uuid}: lost, it ran until {ran.ended.latest} and has no interval"
    for interval in left:
        reason = "more often than it ran" if runs else "but it never ran"
        when = f"{interval.started_at} to {interval.ended_at}"
        truth = ", ".join(f"{each.started} to {each.ended}" for each in runs)
        yield f"{uuid}/{interval.interval}: accounted, {reason}: {when}; it ran {truth or 'never'}"


def _take(left: list[RunInterval], ran: Ran) -> RunInterval | None:
    """Take the interval nearest to `ran` out of `left`, if one meets it at all."""
    meeting = [
        interval
        for interval in left
        if interval.started_at <= ran.ended.latest and interval.ended_at >= ran.started.earliest
    ]
    if not meeting:
        return None
    nearest = min(meeting, key=lambda each: abs(each.ended_at - ran.ended.earliest))
    left.remove(nearest)
    return nearest


def _of_a_run(ran: Ran, interval: RunInterval) -> Iterator[str]:
    name = f"{ran.uuid}/{interval.interval}"
    if not ran.may_count():
        yield f"{name}: accounted, but it ran for less than {ran.fizzle_seconds} s"
    if interval.started_at not in ran.started:
        yield f"{name}: started at {interval.started_at}, which is not within {ran.started}"
    if interval.ended_at not in ran.ended:
        yield f"{name}: ended at {interval.ended_at}, which is not within {ran.ended}"
    if interval.processors != ran.processors:
        yield f"{name}: {interval.processors} processors instead of {ran.processors}"
    if not interval.is_final:
        yield f"{name}: its end is not final yet"


def _of_the_archive(intervals: Sequence[RunInterval], queue: Queue) -> Iterator[str]:
    """Find each final interval in the archive exactly once, at its place, and nothing else."""
    kept: Counter[JobRecord] = Counter()
    for element in queue.archived():
        kept.update(_records((queue.archive / element).read_bytes()))
    wanted = {record_of(interval): interval for interval in intervals if interval.is_final}
    for record, interval in wanted.items():
        if not kept[record]:
            yield f"{_name(record)}: not in the archive"
        elif not (queue.archive / next(elements_of(interval))).exists():
            yield f"{_name(record)}: in the archive, but not at its place"
    for record, times in kept.items():
        if record not in wanted:
            yield f"{_name(record)}: in the archive, but not in the store"
        elif times > 1:
            yield f"{_name(record)}: {times} times in the archive"


def _of_the_way_out(
    intervals: Sequence[RunInterval], queue: Queue, sent: Sequence[str]
) -> Iterator[str]:
    """Find each published record among those sent or waiting, and no other.

    A record sent twice is no problem as long as it is the same: the server replaces it.
    """
    waiting = (path.read_bytes() for path in sorted(queue.outgoing.glob("????????/" + "?" * 14)))
    messages = (*(message.encode() for message in sent), *waiting)
    left = {record for message in messages for record in _records(message)}
    final = [interval for interval in intervals if interval.is_final]
    public = {record_of(interval) for interval in final if interval.terms.is_published}
    for record in sorted(public - left, key=_name):
        yield f"{_name(record)}: neither sent nor waiting"
    for record in sorted(left - public, key=_name):
        yield f"{_name(record)}: sent or waiting, but it should not leave"


def _records(message: bytes) -> tuple[JobRecord, ...]:
    """Return the job records of a message; none of one that is damaged or counts records.

    What is damaged is found by `commands.check`.
    """
    try:
        return records_in(message.decode("ascii"))
    except ValueError:
        return ()


def _name(record: JobRecord) -> str:
    return f"record {record.local_job_id} until {record.ended_at}"
