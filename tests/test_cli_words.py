"""Times and names as the command line tells and reads them."""

from __future__ import annotations

from datetime import timedelta, timezone

import pytest

from vcycled.cli.names import demand, hint
from vcycled.cli.words import Words, several, span
from vcycled.errors import OperatorError
from vcycled.testing.clock import START

ZONE = timezone(timedelta(hours=1), "CET")
WORDS = Words(now=START, zone=ZONE)
"""At 2027-01-15 09:00:00 CET."""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (250, "4 min 10 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h"),
        (3660, "1 h 1 min"),
        (3659, "1 h"),
        (86_399, "23 h 59 min"),
        (86_400, "1 d"),
        (90_000, "1 d 1 h"),
        (86_400 * 400 + 3600, "400 d 1 h"),
        (-61, "1 min 1 s"),
    ],
)
def test_a_span_is_told_in_its_two_largest_units(seconds: int, words: str) -> None:
    """Smaller units are left out, and so is a unit of which there is none."""
    assert span(seconds) == words


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 records"), (1, "1 record"), (2, "2 records")]
)
def test_one_of_a_thing_is_told_in_the_singular(number: int, words: str) -> None:
    """Everything else is plural."""
    assert several(number, "record") == words


@pytest.mark.parametrize(
    ("at", "words"),
    [
        pytest.param(START + 250, "09:04:10 CET", id="today"),
        pytest.param(START + 15 * 3600 - 1, "23:59:59 CET", id="the last second of today"),
        pytest.param(START + 15 * 3600, "2027-01-16 00:00:00 CET", id="tomorrow, in this zone"),
        pytest.param(START - 9 * 3600 - 1, "2027-01-14 23:59:59 CET", id="yesterday"),
    ],
)
def test_the_date_is_told_unless_it_is_today(at: int, words: str) -> None:
    """Today is the reader's, not that of UTC."""
    assert WORDS.instant(at) == words


def test_what_is_to_come_and_what_is_over_are_told_with_their_times() -> None:
    """A countdown alone would be wrong as soon as it is read."""
    assert WORDS.until(START + 250) == "in 4 min 10 s (09:04:10 CET)"
    assert WORDS.until(START) == "now"
    assert WORDS.until(START - 1) == "now"
    assert WORDS.ago(START - 60) == "1 min ago (08:59:00 CET)"
    assert WORDS.stamp(START) == "2027-01-15 09:00:00 CET"
    assert WORDS.time_of_day(START) == "09:00:00"


@pytest.mark.parametrize(
    ("sentence", "retold"),
    [
        ("drained since 1800000000 by alice", "drained since 09:00:00 CET by alice"),
        ("machines gone by 1800000600", "machines gone by 09:10:00 CET"),
        (
            "shutdown_time passed at 1800003600, 90 s ago",
            "shutdown_time passed at 10:00:00 CET, 1 min 30 s ago",
        ),
        ("a machine aborted 2534 s ago", "a machine aborted 42 min 14 s ago"),
        ("backoff_seconds is 900", "backoff_seconds is 900"),
        ("request 1800000000 failed", "request 1800000000 failed"),
        ("took 1.5 s, version 3.90 s", "took 1.5 s, version 3.90 s"),
        ("quota_1800000000 s and since 18000000001", "quota_1800000000 s and since 18000000001"),
    ],
)
def test_the_planners_seconds_become_words_and_nothing_else_does(
    sentence: str, retold: str
) -> None:
    """Numbers that are no times stay as the cloud wrote them."""
    assert WORDS.retold(sentence) == retold


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("+2h", START + 7200),
        ("+1d", START + 86_400),
        ("+1h30m", START + 5400),
        ("-2w", START - 1_209_600),
        ("+0m", START),
        ("1800000600", START + 600),
        ("2027-01-15T10:00", START + 3600),
        ("2027-01-15 10:00:01", START + 3601),
        ("2027-01-15T10:00:00+00:00", START + 7200),
        ("2027-01-15T10:00:00Z", START + 7200),
        ("2027-01-16", START + 15 * 3600),
    ],
)
def test_a_time_is_read_as_people_write_it(text: str, at: int) -> None:
    """A time without a zone is in the reader's own."""
    assert WORDS.read(text) == at


@pytest.mark.parametrize(
    "text",
    [
        *("", "2h", "+2", "+h", "+2y", "tomorrow", "12", "12345678901234", "2027-13-01"),
        *("0001-01-01", "1969-12-31T12:00", "+999999w", "-999999w", "9999-12-31T23:59:59"),
    ],
)
def test_what_is_no_time_is_refused_with_what_would_be(text: str) -> None:
    """A year alone or a few digits are a slip, not the year 1970."""
    with pytest.raises(ValueError, match="is no time; accepted are Unix seconds, ISO 8601"):
        Words(now=START).read(text)


@pytest.mark.parametrize(
    ("at", "words"), [(-(2**62), "1970-01-01 01:00:00 CET"), (2**62, "9999-12-30 21:00:00 CET")]
)
def test_nonsense_of_a_cloud_is_told_as_the_nearest_date(at: int, words: str) -> None:
    """Rather than not to tell the rest."""
    assert WORDS.instant(at) == words


@pytest.mark.parametrize(
    ("name", "known", "message"),
    [
        ("claud", ["cloud", "other"], "there is no space 'claud'; did you mean cloud?"),
        ("xyz", ["cloud", "other"], "there is no space 'xyz'; there are: cloud, other"),
        ("xyz", [], "there is no space 'xyz'; there is none at all"),
        ("xyz", [f"cloud{each}" for each in range(9)], "there is no space 'xyz'"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(
    name: str, known: list[str], message: str
) -> None:
    """Or with all that there are, if those are few."""
    with pytest.raises(OperatorError) as caught:
        demand("space", name, known)
    assert str(caught.value) == message


def test_a_known_name_is_taken_as_it_is() -> None:
    """Also if another one is near."""
    assert demand("space", "cloud", ["cloud", "clouds"]) == "cloud"
    assert hint("a", [f"b{each}" for each in range(8)]).startswith("; there are: b0")
