"""`vcycle usage`: what machines used in a month. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vcycled.apel.sync import Month
from vcycled.cli.printing import Block, Json, Line, Table, Tone
from vcycled.cli.words import several
from vcycled.store import Usage

_HOUR = 3600
_HEADINGS = ("SPACE", "MACHINETYPE", "FQAN", "MACHINES", "WALL HOURS", "CPU HOURS", "POWER HOURS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A month."""

    month: Month
    usage: tuple[Usage, ...]
    open_runs: int
    """Runs that ended in it, but may still get a better end, and are not in `usage`."""


def account_json(account: Account) -> Json:
    """Return a month as a document."""
    return {
        "month": str(account.month),
        "open_runs": account.open_runs,
        "usage": [_usage_json(each) for each in account.usage],
    }


def account_blocks(account: Account) -> Iterator[Block]:
    """Return a month for people."""
    if not account.usage:
        yield Line(f"no run ended in {account.month} that is accounted for")
    else:
        numbers = frozenset(_HEADINGS[3:])
        yield Table(headings=_HEADINGS, rows=_rows(account.usage), numbers=numbers)
    if account.open_runs:
        runs = several(account.open_runs, "more run")
        yield Line(f"{runs} ended in it, and may still get a better end", Tone.FAINT)


def _usage_json(usage: Usage) -> Json:
    return {
        "space": usage.space,
        "machinetype": usage.machinetype,
        "fqan": usage.fqan,
        "machines": usage.machines,
        "wall_seconds": usage.wall_seconds,
        "cpu_seconds": usage.cpu_seconds,
        "power_per_processor": usage.power_per_processor,
        "power_unit": usage.power_unit,
    }


def _rows(usage: Sequence[Usage]) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (
            each.space,
            each.machinetype,
            each.fqan or "-",
            str(each.machines),
            _hours(each.wall_seconds),
            _hours(each.cpu_seconds),
            _power_hours(each),
        )
        for each in usage
    )


def _hours(seconds: float) -> str:
    return f"{seconds / _HOUR:.1f}"


def _power_hours(usage: Usage) -> str:
    """Return hours times the power of a processor, as the site states it."""
    if usage.power_per_processor is None:
        return "-"
    return f"{_hours(usage.cpu_seconds * usage.power_per_processor)} {usage.power_unit}"
