"""Instants and spans in the words of people, and back. The zone is the reader's own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from itertools import pairwise

_UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))
_LETTERS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_OFFSET = re.compile(r"([+-])((?:[0-9]{1,6}[smhdw])+)")
_UNIX = re.compile(r"[0-9]{9,11}")
_LAST = 253_402_200_000
"""A day before the end of the year 9999, beyond which there is no date in some zone."""
_TOLD_INSTANT = re.compile(r"\b(since|at|by|was|shutdown_time) ([1-4][0-9]{9})\b")
_TOLD_SPAN = re.compile(r"(?<![\w.])([0-9]{1,9}) s\b")

TIMES = "Unix seconds, ISO 8601 (2027-01-31T18:00), or so long from now (+2h, +30m) or ago (-1d)"


def span(seconds: int) -> str:
    """Return a duration in its two largest units, such as `4 min 10 s`."""
    left = abs(seconds)
    for (unit, size), (smaller, smaller_size) in pairwise(_UNITS):
        if left >= size:
            whole, rest = divmod(left, size)
            part = rest // smaller_size
            return f"{whole} {unit} {part} {smaller}" if part else f"{whole} {unit}"
    return f"{left} s"


def several(number: int, noun: str) -> str:
    """Return `1 machine`, `2 machines`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Tells times as seen from `now`, in `zone`; None is the zone of this process."""

    now: int
    zone: tzinfo | None = None

    def instant(self, at: int) -> str:
        """Return the time of day and its zone; the date stands before it unless it is today."""
        when, today = self._local(at), self._local(self.now)
        form = "%H:%M:%S %Z" if when.date() == today.date() else "%Y-%m-%d %H:%M:%S %Z"
        return f"{when:{form}}"

    def time_of_day(self, at: int) -> str:
        """Return hours, minutes and seconds only."""
        return f"{self._local(at):%H:%M:%S}"

    def stamp(self, at: int) -> str:
        """Return date, time and zone, always in the same form."""
        return f"{self._local(at):%Y-%m-%d %H:%M:%S %Z}"

    def ago(self, at: int) -> str:
        """Return how long ago `at` was, and when that was."""
        return f"{span(self.now - at)} ago ({self.instant(at)})"

    def until(self, at: int) -> str:
        """Return in how long `at` will be, and when that is; `now` if it is over."""
        return f"in {span(at - self.now)} ({self.instant(at)})" if at > self.now else "now"

    def retold(self, sentence: str) -> str:
        """Return a sentence of the planner with its Unix seconds and seconds in these words.

        The planner knows no time zone, so it says `since 1800000000` and `2534 s ago`.
        """
        dated = _TOLD_INSTANT.sub(
            lambda found: f"{found[1]} {self.instant(int(found[2]))}", sentence
        )
        return _TOLD_SPAN.sub(lambda found: span(int(found[1])), dated)

    def read(self, text: str) -> int:
        """Return the instant that a person wrote; see TIMES. A time without zone is local.

        Raises:
            ValueError: it is none of these.
        """
        try:
            at = self._read(text)
        except (ValueError, OverflowError):
            at = -1
        if not 0 <= at <= _LAST:
            message = f"{text!r} is no time; accepted are {TIMES}"
            raise ValueError(message)
        return at

    def _read(self, text: str) -> int:
        if offset := _OFFSET.fullmatch(text):
            parts = re.findall(r"([0-9]+)([smhdw])", offset[2])
            seconds = sum(int(number) * _LETTERS[letter] for number, letter in parts)
            return self.now + (seconds if offset[1] == "+" else -seconds)
        if _UNIX.fullmatch(text):
            return int(text)
        when = datetime.fromisoformat(text)
        if when.tzinfo is None and self.zone is not None:
            when = when.replace(tzinfo=self.zone)
        return int(when.timestamp())

    def _local(self, at: int) -> datetime:
        # What a cloud states may be nonsense; it must not keep the rest from being told.
        return datetime.fromtimestamp(min(max(0, at), _LAST), tz=UTC).astimezone(self.zone)
