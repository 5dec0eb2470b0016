"""Runs that Vcycle 3 accounted, and how far back they matter. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from vcycled.model import EndSource, Machine, RunInterval, Terms
from vcycled.vcycle3.archive import OldRecord
from vcycled.vcycle3.facts import OldTree


def archive_since(tree: OldTree, machines: Iterable[Machine], *, now: int) -> str:
    """Return the first day (YYYYMMDD) of the archive that matters.

    That is the day before the oldest machine that may have no record yet was made, in the tree
    or among ours, and at the latest the day before `months_accounted` begin.
    """
    made = [each.first_known_at for each in tree.machines if each.stopped_at is None]
    made += [each.created_at for each in machines]
    first = min([*made, _last_month(now)])
    return f"{datetime.fromtimestamp(first, tz=UTC) - timedelta(days=1):%Y%m%d}"


def runs_of(
    records: Mapping[str, OldRecord], known: frozenset[str], *, now: int
) -> dict[str, tuple[RunInterval, ...]]:
    """Return the runs of this month and the last that Vcycle 3 accounted, by space."""
    since = _last_month(now)
    runs: dict[str, list[RunInterval]] = {}
    for uuid, old in records.items():
        if old.record.ended_at >= since and uuid not in known:
            run = _run(old)
            runs.setdefault(run.space, []).append(run)
    return {space: tuple(each) for space, each in runs.items()}


def _run(old: OldRecord) -> RunInterval:
    record = old.record
    space, _, host = record.submit_host.partition("/vcycle-")
    return RunInterval(
        uuid=record.local_job_id,
        interval=0,
        space=space,
        machinetype=record.queue,
        name=record.local_user_id,  # where Vcycle 3 put it
        processors=record.processors,
        memory_mb=(record.memory_kb or 0) // 1024,
        started_at=record.started_at,
        ended_at=record.ended_at,
        end_source=EndSource.CLOUD,
        is_final=True,
        terms=Terms(
            fizzle_seconds=0,
            max_wallclock_seconds=0,
            site=record.site,
            is_published=old.is_published,
            submit_host=record.submit_host,
            manager_host=host,
            global_user=record.global_user_name,
            fqan=record.fqan,
            power_per_processor=record.service_level,
            power_unit=record.service_level_type,
        ),
    )


def months_accounted(now: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return year and month (1 to 12, in UTC) of the month before that of `now`, and of it.

    APEL is told for each month how many records there are; those before have been told.
    """
    today = datetime.fromtimestamp(now, tz=UTC)
    before = today.replace(day=1) - timedelta(days=1)
    return (before.year, before.month), (today.year, today.month)


def _last_month(now: int) -> int:
    """Return when the first of `months_accounted` began."""
    (year, month), _ = months_accounted(now)
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp())
