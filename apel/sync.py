"""Sync records: how many job records a site has sent for a month, so that APEL can compare.

The server counts the records it holds by site, SubmitHost and the month in which they ended, in
UTC, and shows the difference in its portal. So the counts come from the same rows as the records.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from vcycled.apel import envelope
from vcycled.apel.envelope import plain
from vcycled.apel.record import record_of
from vcycled.errors import OperatorError
from vcycled.model import RunInterval


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Month:
    """A calendar month in UTC."""

    year: int
    month: int
    """1 to 12."""

    def __str__(self) -> str:
        """Return it as an operator types it: YYYYMM."""
        return f"{self.year:04d}{self.month:02d}"

    def last_day(self) -> date:
        """Return its last day."""
        in_the_next = date(self.year, self.month, 28) + timedelta(days=4)
        return in_the_next - timedelta(days=in_the_next.day)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class SyncCount:
    """How many job records one submit host has of one month."""

    site: str
    submit_host: str
    month: Month
    jobs: int


def month_of(instant: int) -> Month:
    """Return the month of an instant."""
    day = datetime.fromtimestamp(instant, tz=UTC)
    return Month(year=day.year, month=day.month)


def read_month(text: str, *, now: int) -> Month:
    """Return the month that an operator typed as YYYYMM.

    Raises:
        OperatorError: it is not a month, or lies in the future.
    """
    if not re.fullmatch(r"[0-9]{4}(0[1-9]|1[0-2])", text) or text < "1970":
        raise OperatorError(f"a month is written YYYYMM, such as {month_of(now)}, not {text!r}")
    month = Month(year=int(text[:4]), month=int(text[4:]))
    if month > month_of(now):
        raise OperatorError(f"{month} lies in the future; it is {month_of(now)} now (UTC)")
    return month


def counts_of(intervals: Iterable[RunInterval], month: Month) -> tuple[SyncCount, ...]:
    """Return how many records of `month` the `intervals` make, for each site and submit host.

    Only final intervals of published spaces count, each once however often it is given.
    """
    keys = {
        (record.site, record.submit_host, record.local_job_id, record.ended_at)
        for record in map(record_of, filter(_is_sent, intervals))
        if month_of(record.ended_at) == month
    }
    jobs = Counter((site, submit_host) for site, submit_host, _, _ in keys)
    return tuple(
        SyncCount(site=site, submit_host=submit_host, month=month, jobs=count)
        for (site, submit_host), count in sorted(jobs.items())
    )


def sync_text(counts: Iterable[SyncCount]) -> str:
    """Return one message that holds all `counts`; empty if there are none.

    Counts whose names read the same in a record are added up, as the server would add them.
    """
    jobs: Counter[tuple[Month, str, str]] = Counter()
    for count in counts:
        jobs[count.month, plain(count.site), plain(count.submit_host)] += count.jobs
    if not jobs:
        return ""
    return envelope.join(
        envelope.SYNC,
        (
            (
                ("Site", site),
                ("SubmitHost", submit_host),
                ("NumberOfJobs", str(number)),
                ("Month", str(month.month)),
                ("Year", str(month.year)),
            )
            for (month, site, submit_host), number in sorted(jobs.items())
        ),
    )


def _is_sent(interval: RunInterval) -> bool:
    return interval.is_final and interval.terms.is_published
