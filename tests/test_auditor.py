"""The auditor finds each kind of damage, and nothing where there is none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.apel_runs import NOW, RUN, run_of
from tests.auditor import Ran, Window, around, audit
from tests.ssmsend import consume
from vcycled.apel import commands
from vcycled.apel.queue import Queue, elements_of
from vcycled.apel.record import record_of, text_of
from vcycled.apel.sync import Month
from vcycled.model import RunInterval


@dataclass(slots=True, kw_only=True)
class Case:
    """A manager's accounting that can be damaged."""

    truth: list[Ran]
    stored: list[RunInterval]
    queue: Queue
    sent: list[str]

    def problems(self) -> tuple[str, ...]:
        """Return what the auditor finds."""
        return audit(self.truth, self.stored, self.queue, now=NOW, sent=self.sent)

    def path(self, run: RunInterval) -> Path:
        """Return the file of `run` in the archive."""
        return self.queue.archive / next(elements_of(run))


def ran(run: RunInterval, tolerance_s: int = 0) -> Ran:
    """Return the truth of which `run` is the right account."""
    return Ran(
        uuid=run.uuid,
        started=around(run.started_at, tolerance_s),
        ended=around(run.ended_at, tolerance_s),
        processors=run.processors,
        fizzle_seconds=run.terms.fizzle_seconds,
    )


A, B = run_of(1), run_of(2)
PRIVATE = run_of(3, is_published=False)
BRIEF = replace(run_of(4), ended_at=RUN.started_at + 599)
BACK = replace(A, interval=1, started_at=A.ended_at, ended_at=A.ended_at + 900)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """Three runs accounted for, one of them sent; a fourth was too brief to count."""
    queue = Queue(tmp_path)
    queue.put_all([A, PRIVATE])
    sent = consume(queue.outgoing)
    queue.put(B)
    return Case(
        truth=[ran(run) for run in (A, B, PRIVATE, BRIEF)],
        stored=[B, PRIVATE, A],
        queue=queue,
        sent=sent,
    )


def test_right_accounts_have_no_problems(case: Case) -> None:
    """Also of a machine that came back, with sync messages and records sent twice."""
    assert case.problems() == ()
    case.truth.append(ran(BACK))
    case.stored.insert(0, BACK)
    case.queue.put(BACK)
    commands.sync(case.queue, case.stored, Month(year=2027, month=1))
    case.queue.resend(case.queue.archived())
    (case.queue.outgoing / next(elements_of(PRIVATE))).unlink()
    case.sent.extend(case.sent)
    assert case.problems() == ()


def test_nothing_ran_and_nothing_was_accounted(tmp_path: Path) -> None:
    """A manager that did nothing is right."""
    assert audit([], [], Queue(tmp_path), now=NOW) == ()


def lose_an_interval(case: Case) -> None:
    """Let the store forget a run."""
    case.stored.remove(A)


def double_an_interval(case: Case) -> None:
    """Account for one run under two numbers."""
    case.stored.append(replace(A, interval=1))
    case.queue.put(replace(A, interval=1))


def store_a_number_twice(case: Case) -> None:
    """Hold two rows under one key."""
    case.stored.append(A)


def overlap(case: Case) -> None:
    """Start a second interval before the first ended."""
    back = replace(BACK, started_at=A.ended_at - 1)
    case.truth.append(ran(BACK, tolerance_s=200))
    case.stored.append(back)
    case.queue.put(back)


def account_for_a_stranger(case: Case) -> None:
    """Account for a machine that never ran."""
    stranger = run_of(9)
    case.stored.append(stranger)
    case.queue.put(stranger)


def account_for_another_time(case: Case) -> None:
    """Account for a run at an hour when the machine did not run at all."""
    early = replace(A, interval=1, started_at=NOW - 90_000, ended_at=NOW - 80_000)
    case.stored.append(early)
    case.queue.put(early)


def account_for_another_time_only(case: Case) -> None:
    """Account for an hour when the machine did not run, and not for that when it did."""
    account_for_another_time(case)
    case.stored.remove(A)
    case.path(A).unlink()
    case.sent.clear()


def account_for_a_fizzle(case: Case) -> None:
    """Account for a machine that ran too briefly."""
    case.stored.append(BRIEF)
    case.queue.put(BRIEF)


def change(**changes: int) -> Callable[[Case], None]:
    """Return damage that stores and queues one run with other facts."""

    def change_a_run(case: Case) -> None:
        wrong = replace(B, **changes)  # type: ignore[arg-type]
        for tree in (case.queue.archive, case.queue.outgoing):
            (tree / next(elements_of(B))).unlink()
        case.queue.put(wrong)
        case.stored[0] = wrong

    return change_a_run


def leave_an_end_open(case: Case) -> None:
    """Never find the final end of a run."""
    case.truth.append(ran(run_of(5)))
    case.stored.append(replace(run_of(5), is_final=False))


def lose_an_archived_record(case: Case) -> None:
    """Remove a record of a run from the archive."""
    case.path(A).unlink()


def archive_twice(case: Case) -> None:
    """Keep a record under a second name."""
    case.path(A).with_name("0123456789abcd").write_bytes(case.path(A).read_bytes())


def archive_elsewhere(case: Case) -> None:
    """Keep a record under another name only, so that a repeat would send it again."""
    case.path(A).rename(case.path(A).with_name("0123456789abcd"))


def archive_other_figures(case: Case) -> None:
    """Keep a record that says something else than the store."""
    case.path(A).write_text(text_of([record_of(replace(A, processors=9))]))


def cut_a_file(case: Case) -> None:
    """Lose the rest of a file."""
    case.path(A).write_bytes(case.path(A).read_bytes()[:60])


def write_nonsense(case: Case) -> None:
    """Have bytes in a waiting file that are no text."""
    (case.queue.outgoing / next(elements_of(B))).write_bytes(b"\xff\x00")


def misname_a_file(case: Case) -> None:
    """Give a waiting record a name that ssmsend passes over."""
    element = case.queue.outgoing / next(elements_of(B))
    element.rename(element.with_name(element.name[:-1]))


def forget_to_hand_over(case: Case) -> None:
    """Take a waiting record away."""
    (case.queue.outgoing / next(elements_of(B))).unlink()


def forget_what_was_sent(case: Case) -> None:
    """Archive a record that never left."""
    case.sent.clear()


def publish_what_is_private(case: Case) -> None:
    """Hand over a record of a space without gocdb_sitename."""
    case.queue.resend([next(elements_of(PRIVATE))])


def send_another_end(case: Case) -> None:
    """Send one run with two ends, which the server counts twice."""
    case.sent.append(text_of([record_of(replace(A, ended_at=A.ended_at + 1))]))


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lose_an_interval, ("lost, it ran until", "not in the store", "should not leave")),
        (double_an_interval, ("overlap", "more often than it ran", "2 times in the archive")),
        (store_a_number_twice, ("2 intervals of one number", "overlap", "more often")),
        (overlap, ("overlap",)),
        (account_for_a_stranger, ("it never ran",)),
        (account_for_another_time, ("more often than it ran",)),
        (account_for_another_time_only, ("lost, it ran", "more often than it ran")),
        (account_for_a_fizzle, ("less than 600 s",)),
        (change(started_at=B.started_at - 1), (f"started at {B.started_at - 1}",)),
        (change(started_at=B.started_at + 1), (f"started at {B.started_at + 1}",)),
        (change(ended_at=B.ended_at - 1), (f"ended at {B.ended_at - 1}",)),
        (change(ended_at=B.ended_at + 1), (f"ended at {B.ended_at + 1}",)),
        (change(processors=9), ("9 processors instead of 8",)),
        (leave_an_end_open, ("not final yet",)),
        (lose_an_archived_record, ("not in the archive",)),
        (archive_twice, ("2 times in the archive",)),
        (archive_elsewhere, ("not at its place",)),
        (archive_other_figures, ("not in the archive", "not in the store")),
        (cut_a_file, ("not in the archive", "without a colon")),
        (write_nonsense, ("neither sent nor waiting", "not ASCII")),
        (misname_a_file, ("neither sent nor waiting", "never send it")),
        (forget_to_hand_over, ("neither sent nor waiting",)),
        (forget_what_was_sent, ("neither sent nor waiting",)),
        (publish_what_is_private, ("should not leave",)),
        (send_another_end, ("should not leave",)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_damage_is_found(case: Case, damage: Callable[[Case], None], found: Sequence[str]) -> None:
    """Each kind of damage is told, and nothing that is right beside it."""
    damage(case)
    problems = case.problems()
    for words in found:
        assert any(words in problem for problem in problems), problems
    for problem in problems:
        assert any(words in problem for words in found), problems


@pytest.mark.parametrize(
    ("seconds", "must", "may"), [(589, False, False), (590, False, True), (609, False, True),
                                 (610, True, True)]
)  # fmt: skip
def test_a_run_of_about_fizzle_seconds_may_count_or_not(
    seconds: int, must: bool, may: bool
) -> None:
    """Where the cloud's instants are not exact, only what is certain is a problem."""
    run = Ran(
        uuid="u",
        started=around(NOW, 5),
        ended=around(NOW + seconds, 5),
        processors=1,
        fizzle_seconds=600,
    )
    assert (run.must_count(), run.may_count()) == (must, may)


@pytest.mark.parametrize("offset_s", [-4000, 4000])
def test_a_brief_run_of_a_machine_takes_no_interval_of_another(case: Case, offset_s: int) -> None:
    """A machine that fizzled and ran well before or after that has one record."""
    began = A.started_at + offset_s
    brief = replace(A, started_at=began, ended_at=began + 599)
    case.truth.append(ran(brief))
    assert case.problems() == ()


def test_a_run_that_need_not_count_may_be_missing_or_not(case: Case) -> None:
    """Both are right, so neither is a problem."""
    nearly = replace(run_of(6), ended_at=RUN.started_at + 600)
    case.truth.append(ran(nearly, tolerance_s=1))
    assert case.problems() == ()
    case.stored.append(nearly)
    case.queue.put(nearly)
    assert case.problems() == ()


@pytest.mark.parametrize(
    ("instant", "is_inside"), [(9, False), (10, True), (12, True), (13, False)]
)
def test_a_window_has_its_ends(instant: int, is_inside: bool) -> None:
    """Both ends are included."""
    assert (instant in Window(earliest=10, latest=12)) is is_inside
