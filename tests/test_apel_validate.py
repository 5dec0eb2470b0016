"""The validator: each rule of APEL, one message that keeps it and one that does not."""

import pytest

from tests.apel_runs import NOW, RUN
from vcycled.apel import validate
from vcycled.apel.record import record_of, text_of

JOB = text_of([record_of(RUN)])
SYNC = """\
APEL-sync-message: v0.1
Site: UKI-EXAMPLE-HEP
SubmitHost: vac01.example.com/vcycle-manager.example.com
NumberOfJobs: 7
Month: 1
Year: 2027
%%
"""


def changed(message: str, old: str, new: str) -> bytes:
    """Return `message` with one thing in it replaced."""
    assert message.count(old) == 1
    return message.replace(old, new).encode()


def test_good_messages_have_no_problems() -> None:
    """Both kinds pass, also with more records and without the last separator."""
    for message in (JOB, SYNC):
        assert validate.problems(message.encode(), now=NOW) == ()
        body = message.partition("\n")[2]
        assert validate.problems((message + body).encode(), now=NOW) == ()
        assert validate.problems(message.removesuffix("%%\n").encode(), now=NOW) == ()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        pytest.param("v0.3", "v0.4", "not one that Vcycle writes", id="version"),
        pytest.param("APEL-individual-job-message: v0.3\n", "", "not one that", id="no header"),
        pytest.param("Queue: ", "queue: ", "queue: unknown key", id="keys have a case"),
        pytest.param("Queue: example", "Queue: example\n", "without a colon", id="blank line"),
        pytest.param("Queue: example", "Queue", "without a colon: 'Queue'", id="no colon"),
        pytest.param("Queue: example", "Queue: a\nQueue: b", "given 2 times", id="twice"),
        pytest.param("Queue: example", "Queue: é", "is not ASCII", id="not ASCII"),
        pytest.param(f"Site: {RUN.terms.site}\n", "", "Site: missing", id="no site"),
        pytest.param(f"Site: {RUN.terms.site}", "Site: None", "Site: missing", id="null site"),
        pytest.param(RUN.uuid, "NULL", "LocalJobId: missing", id="null id"),
        pytest.param("WallDuration: 3000", "WallDuration: ", "WallDuration: missing", id="wall"),
        pytest.param("WallDuration: 3000", "WallDuration: 3.5", "not a whole", id="fraction"),
        pytest.param("WallDuration: 3000", "WallDuration: -1", "not between 0", id="negative"),
        pytest.param("Real: 16777216", "Real: 16777216.0", "not a whole number", id="float KB"),
        pytest.param("Real: 16777216", "Real: 2147483648", "not between", id="too much memory"),
        pytest.param("NodeCount: 1", "NodeCount: one", "NodeCount: not a whole", id="word"),
        pytest.param("StartTime: 1799996000", "StartTime: 1e9", "not whole Unix", id="start"),
        pytest.param("EndTime: 1799999000", "EndTime: -5", "outside the years", id="end"),
        pytest.param("StartTime: 1799996000", "StartTime: ", "StartTime: missing", id="none"),
        pytest.param("InfrastructureType: grid", f"InfrastructureType: {'g' * 21}",
                     "longer than 20", id="type"),
        pytest.param("Queue: example", f"Queue: {'q' * 101}", "longer than 100", id="queue"),
        pytest.param("Description: APEL-VCYCLE", f"Description: {'d' * 101}",
                     "longer than 100", id="description"),
        pytest.param(RUN.terms.fqan, "f" * 256, "FQAN: longer than 255", id="fqan"),
        pytest.param(": HEPSPEC", ": HS06", "ServiceLevelType: not one of", id="unit"),
        pytest.param("ServiceLevelType: HEPSPEC\n", "", "ServiceLevelType: missing", id="unit?"),
        pytest.param("ServiceLevel: 12.5\n", "", "ServiceLevel: missing", id="level?"),
        pytest.param("ServiceLevel: 12.5", "ServiceLevel: {hepscore23: 12.5}", "no braces",
                     id="the dictionary of v0.4"),
        pytest.param("ServiceLevel: 12.5", "ServiceLevel: 10000000", "does not fit", id="big"),
    ],
)  # fmt: skip
def test_a_job_record_that_apel_refuses(old: str, new: str, problem: str) -> None:
    """Exactly one problem, which names the field."""
    (found,) = validate.problems(changed(JOB, old, new), now=NOW)
    assert problem in found


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("Queue: example\n", "", id="no queue"),
        pytest.param("Queue: example", "Queue: None", id="a null that may be"),
        pytest.param("Queue: example", "Queue: a:b", id="a colon"),
        pytest.param("Queue: example", f"Queue: {'q' * 100}", id="queue as long as may be"),
        pytest.param(RUN.terms.fqan, "f" * 255, id="text as long as may be"),
        pytest.param("Real: 16777216", "Real: 2147483647", id="largest number"),
        pytest.param("NodeCount: 1", "NodeCount: 0", id="smallest number"),
        pytest.param(": HEPSPEC", ": hepSCORE23", id="any case of a unit"),
        pytest.param(": HEPSPEC", ": Si2k", id="the oldest unit"),
        pytest.param("ServiceLevel: 12.5", "ServiceLevel: 9999999.999", id="largest level"),
        pytest.param("Queue: example", "UpdateTime: x\nSubmitHostType: y", id="ignored keys"),
        pytest.param("Queue: example", "VO: a\nVOGroup: b\nVORole: c", id="derived keys"),
    ],
)
def test_a_job_record_at_the_edge_of_what_apel_takes(old: str, new: str) -> None:
    """What APEL takes is no problem."""
    assert validate.problems(changed(JOB, old, new), now=NOW) == ()


@pytest.mark.parametrize(("late_s", "is_taken"), [(-1, True), (0, True), (1, False)])
def test_an_end_may_be_two_days_ahead(late_s: int, is_taken: bool) -> None:
    """One second more is in the future."""
    now = RUN.ended_at - 2 * 86_400 - late_s
    found = validate.problems(JOB.encode(), now=now)
    assert found == (() if is_taken else ("record 1: EndTime: more than two days in the future",))


@pytest.mark.parametrize(("start", "is_taken"), [(1799999000, True), (1799999001, False)])
def test_a_start_is_not_after_its_end(start: int, is_taken: bool) -> None:
    """A run of no seconds is taken, one that ends before it starts is not."""
    message = changed(JOB, "StartTime: 1799996000", f"StartTime: {start}")
    found = validate.problems(message, now=NOW)
    assert found == (() if is_taken else ("record 1: EndTime: before StartTime",))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        pytest.param("Month: 1", "Month: 13", "Month: not between 1 and 12", id="month"),
        pytest.param("Month: 1", "Month: 0", "Month: not between 1 and 12", id="month 0"),
        pytest.param("Month: 1", "Month: Jan", "Month: not a whole number", id="word"),
        pytest.param("NumberOfJobs: 7\n", "", "NumberOfJobs: missing", id="number"),
        pytest.param("Year: 2027", "FQAN: x\nYear: 2027", "FQAN: unknown key", id="strange key"),
    ],
)
def test_a_sync_record_that_is_wrong(old: str, new: str, problem: str) -> None:
    """Exactly one problem, which names the field."""
    (found,) = validate.problems(changed(SYNC, old, new), now=NOW)
    assert problem in found


def test_every_problem_of_every_record_is_told() -> None:
    """One bad record rejects the whole message, so it is numbered."""
    bad = JOB.replace("Queue", "queue").replace("12.5", "x")
    found = validate.problems((JOB + bad.partition("\n")[2]).encode(), now=NOW)
    assert [problem.partition(": ")[0] for problem in found] == ["record 2", "record 2"]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"APEL-sync-message: v0.1\n%%\n"])
def test_an_empty_message_is_a_problem(content: bytes) -> None:
    """A file without a record says nothing and hides a loss."""
    assert len(validate.problems(content, now=NOW)) == 1


def test_two_messages_in_one_are_refused() -> None:
    """A second header is a line like any other, and no key."""
    (found,) = validate.problems((JOB + JOB).encode(), now=NOW)
    assert found == "record 2: APEL-individual-job-message: unknown key"


@pytest.mark.parametrize(("size", "is_taken"), [(999_999, True), (1_000_000, False)])
def test_a_message_is_smaller_than_a_megabyte(size: int, is_taken: bool) -> None:
    """The broker refuses more."""
    message = JOB.encode() + b"\n" * (size - len(JOB))
    assert (validate.problems(message, now=NOW) == ()) is is_taken
