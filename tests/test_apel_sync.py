"""Sync records: one for each site, submit host and month, counted by the end in UTC."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.apel_runs import ANY_RUN, NOW, RUN, SITE, TERMS, run_of
from vcycled.apel import validate
from vcycled.apel.record import record_of
from vcycled.apel.sync import Month, SyncCount, counts_of, month_of, read_month, sync_text
from vcycled.errors import OperatorError
from vcycled.model import RunInterval

JANUARY = Month(year=2027, month=1)
JANUARY_1 = 1_798_761_600
FEBRUARY_1 = 1_801_440_000
HOST = TERMS.submit_host


def counted(*runs: RunInterval, month: Month = JANUARY) -> list[tuple[str, str, int]]:
    """Return site, submit host and number of each count."""
    return [(count.site, count.submit_host, count.jobs) for count in counts_of(runs, month)]


@pytest.mark.parametrize(
    ("ended_at", "number"),
    [(JANUARY_1 - 1, 0), (JANUARY_1, 1), (FEBRUARY_1 - 1, 1), (FEBRUARY_1, 0)],
)
def test_a_record_counts_in_the_month_of_its_end(ended_at: int, number: int) -> None:
    """As the server counts: in UTC, wherever it started and whenever it was written."""
    runs = [replace(RUN, started_at=ended_at - 10**7, ended_at=ended_at)]
    assert counted(*runs) == [(SITE, HOST, 1)] * number


def test_each_space_has_a_count_of_its_own() -> None:
    """Vcycle 3 counted one site and skipped the others."""
    runs = [run_of(1), run_of(2, submit_host="b/vcycle-h"), run_of(3), run_of(4, site="OTHER")]
    assert counted(*runs) == [("OTHER", HOST, 1), (SITE, "b/vcycle-h", 1), (SITE, HOST, 2)]


def test_only_what_is_sent_counts_and_only_once() -> None:
    """The server holds one row for each site, LocalJobId and EndTime."""
    again = replace(RUN, interval=1, ended_at=RUN.ended_at + 1)
    unfinished = replace(run_of(2), is_final=False)
    private = run_of(3, is_published=False)
    assert counted(RUN, RUN, again, unfinished, private) == [(SITE, HOST, 2)]


def test_several_counts_are_one_message() -> None:
    """One header, one record for each site, submit host and month; equal names add up."""
    counts = [
        SyncCount(site="S", submit_host="a", month=JANUARY, jobs=7),
        SyncCount(site="S", submit_host="é", month=JANUARY, jobs=1),
        SyncCount(site="S", submit_host="ü", month=JANUARY, jobs=2),
        SyncCount(site="S", submit_host="a", month=Month(year=2026, month=12), jobs=5),
    ]
    assert sync_text(counts) == (
        "APEL-sync-message: v0.1\n"
        "Site: S\nSubmitHost: a\nNumberOfJobs: 5\nMonth: 12\nYear: 2026\n%%\n"
        "Site: S\nSubmitHost: ?\nNumberOfJobs: 3\nMonth: 1\nYear: 2027\n%%\n"
        "Site: S\nSubmitHost: a\nNumberOfJobs: 7\nMonth: 1\nYear: 2027\n%%\n"
    )


def test_no_counts_are_no_message() -> None:
    """Neither a header without records nor an error."""
    assert counts_of([], JANUARY) == ()
    assert sync_text([]) == ""


@given(st.lists(ANY_RUN, max_size=5))
def test_any_runs_make_a_sync_message_that_apel_takes(runs: list[RunInterval]) -> None:
    """Names are made harmless as in the records, so that the two match."""
    months = {month_of(record_of(run).ended_at) for run in runs}
    counts = [count for month in months for count in counts_of(runs, month)]
    sent = {
        (record.site, record.submit_host, record.local_job_id, record.ended_at)
        for record in (record_of(run) for run in runs if run.terms.is_published)
    }
    assert sum(count.jobs for count in counts) == len(sent)
    if counts:
        assert validate.problems(sync_text(counts).encode("ascii"), now=NOW) == ()


@pytest.mark.parametrize(
    ("text", "month"),
    [("202701", JANUARY), ("202612", Month(year=2026, month=12)), ("197001", month_of(0))],
)
def test_reads_a_month(text: str, month: Month) -> None:
    """YYYYMM, from the first month there is to the present one."""
    assert read_month(text, now=NOW) == month
    assert str(month) == text


@pytest.mark.parametrize(
    "text",
    ["", "2027", "202713", "202700", "2027-1", "196912", "\uff12\uff10\uff12\uff17\uff10\uff11"],
)
def test_refuses_what_is_no_month(text: str) -> None:
    """The message shows how a month is written."""
    with pytest.raises(OperatorError, match="a month is written YYYYMM, such as 202701, not"):
        read_month(text, now=NOW)


@pytest.mark.parametrize(("now", "is_taken"), [(FEBRUARY_1 - 1, False), (FEBRUARY_1, True)])
def test_refuses_a_month_of_the_future(now: int, is_taken: bool) -> None:
    """The present month counts as far as it has come; the next does not exist yet."""
    if is_taken:
        assert read_month("202702", now=now) == Month(year=2027, month=2)
    else:
        with pytest.raises(OperatorError, match="202702 lies in the future; it is 202701 now"):
            read_month("202702", now=now)


@pytest.mark.parametrize(
    ("month", "day"),
    [
        (JANUARY, date(2027, 1, 31)),
        (Month(year=2027, month=2), date(2027, 2, 28)),
        (Month(year=2028, month=2), date(2028, 2, 29)),
        (Month(year=2027, month=12), date(2027, 12, 31)),
    ],
)
def test_the_last_day_of_a_month(month: Month, day: date) -> None:
    """Leap years and the end of the year."""
    assert month.last_day() == day
