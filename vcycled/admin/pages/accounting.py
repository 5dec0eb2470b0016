"""What was used in a month: the page, and the same as CSV."""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import MappingProxyType

from vcycled.admin.pages.links import accounting_path
from vcycled.admin.pages.parts import Cell, Command, Fact, Grid, Page, link
from vcycled.admin.pages.visit import Visit
from vcycled.admin.pages.whole import typed
from vcycled.apel.sync import Month, month_of
from vcycled.cli.session import Session
from vcycled.store import Store, Usage

HS06 = "HEPSPEC"
"""power_unit of what is told as HS06 hours; the other is told as HEPscore23 hours."""
_HOUR = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What some machines used in a month; hours are exact."""

    key: tuple[str, ...]
    machines: int
    wall_hours: float
    cpu_hours: float
    """Wall hours times processors."""
    hs06_hours: float
    hepscore_hours: float
    unrated_hours: float
    """CPU hours on machines for which the site states no power."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """By what is summed."""

    title: str
    headings: tuple[str, ...]
    key: Callable[[Usage], tuple[str, ...]]


GROUPINGS = MappingProxyType(
    {
        "all": Grouping(
            title="by space, machinetype and VO",
            headings=("Space", "Machinetype", "VO (FQAN)"),
            key=lambda usage: (usage.space, usage.machinetype, usage.fqan),
        ),
        "space": Grouping(title="by space", headings=("Space",), key=lambda usage: (usage.space,)),
        "machinetype": Grouping(
            title="by machinetype",
            headings=("Space", "Machinetype"),
            key=lambda usage: (usage.space, usage.machinetype),
        ),
        "vo": Grouping(title="by VO", headings=("VO (FQAN)",), key=lambda usage: (usage.fqan,)),
    }
)
NUMBERS = ("Machines", "Wall hours", "CPU hours", "HS06 hours", "HEPscore23 hours")


def iso(month: Month) -> str:
    """Return a month as `2027-01`."""
    return f"{month.year:04}-{month.month:02}"


def in_words(month: Month) -> str:
    """Return a month as `January 2027`."""
    return f"{calendar.month_name[month.month]} {month.year}"


def moved(month: Month, months: int) -> Month:
    """Return the month so many later."""
    year, number = divmod(month.year * 12 + month.month - 1 + months, 12)
    return Month(year=year, month=number + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """All that was used in a month."""

    month: Month
    by: str
    accounts: tuple[Account, ...]
    total: Account
    open_runs: int
    """Runs that ended in it and are not final yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountingPage:
    """What the page says."""

    month: str
    by: str
    groupings: tuple[tuple[str, str], ...]
    title: str
    accounts: Grid
    open_runs: int
    unrated_hours: str
    """CPU hours without a power; empty if there are none."""
    earlier: Fact | None
    later: Fact | None
    sheet: str


def accounts_of(session: Session, visit: Visit) -> tuple[Accounts, tuple[Month, Month]]:
    """Return the accounts of the month that was asked for, and the first and last there is.

    Raises:
        BadQuery: what is wanted cannot be understood.
    """
    by = visit.choice("by", tuple(GROUPINGS))
    asked = visit.month("month")
    with session.store() as store:
        first, last = _span(store, now=session.now)
        month = last if asked is None else Month(year=asked[0], month=asked[1])
        used = store.usage(month.year, month.month)
        open_runs = store.open_runs(month.year, month.month)
    accounts = Accounts(
        month=month,
        by=by,
        accounts=summed(used, GROUPINGS[by].key),
        total=account_of((), used),
        open_runs=open_runs,
    )
    return accounts, (first, last)


def accounting(session: Session, visit: Visit) -> Page:
    """Return the page.

    Raises:
        BadQuery: what is wanted cannot be understood.
    """
    accounts, (first, last) = accounts_of(session, visit)
    month, by = accounts.month, accounts.by
    unrated = accounts.total.unrated_hours
    return Page(
        template="accounting.html",
        title=f"Accounting of {in_words(month)}",
        facts=AccountingPage(
            month=iso(month),
            by=by,
            groupings=tuple((name, each.title) for name, each in GROUPINGS.items()),
            title=in_words(month),
            accounts=_grid(accounts),
            open_runs=accounts.open_runs,
            unrated_hours=f"{unrated:,.1f}" if unrated else "",
            earlier=_link(moved(month, -1), by) if iso(month) > iso(first) else None,
            later=_link(moved(month, 1), by) if iso(month) < iso(last) else None,
            sheet=accounting_path(is_sheet=True, month=iso(month), by=by),
        ),
        commands=(
            Command(does="See the same in a terminal", command=typed("usage", str(month))),
            Command(does="See the records themselves", command=typed("apel", "list")),
        ),
    )


def summed(used: Iterable[Usage], key: Callable[[Usage], tuple[str, ...]]) -> tuple[Account, ...]:
    """Return one account for each key, in order."""
    groups: dict[tuple[str, ...], list[Usage]] = {}
    for usage in used:
        groups.setdefault(key(usage), []).append(usage)
    return tuple(account_of(each, same) for each, same in sorted(groups.items()))


def account_of(key: tuple[str, ...], used: Iterable[Usage]) -> Account:
    """Return what was used, summed, under a key."""
    same = tuple(used)
    rated = [each for each in same if each.power_per_processor is not None]
    power = {True: 0.0, False: 0.0}
    for each in rated:
        hours = each.cpu_seconds * (each.power_per_processor or 0.0) / _HOUR
        power[each.power_unit == HS06] += hours
    cpu_seconds = sum(each.cpu_seconds for each in same)
    return Account(
        key=key,
        machines=sum(each.machines for each in same),
        wall_hours=sum(each.wall_seconds for each in same) / _HOUR,
        cpu_hours=cpu_seconds / _HOUR,
        hs06_hours=power[True],
        hepscore_hours=power[False],
        unrated_hours=(cpu_seconds - sum(each.cpu_seconds for each in rated)) / _HOUR,
    )


def _span(store: Store, *, now: int) -> tuple[Month, Month]:
    """Return the first month with runs, and this one or a later one with runs."""
    ends = store.accounted_span() or (now, now)
    return month_of(ends[0]), max(month_of(ends[1]), month_of(now), key=iso)


def _link(month: Month, by: str) -> Fact:
    return link(in_words(month), accounting_path(month=iso(month), by=by))


def _grid(accounts: Accounts) -> Grid:
    grouping = GROUPINGS[accounts.by]
    blanks = tuple("" for _ in grouping.headings[1:])
    return Grid(
        caption=f"What was used in {in_words(accounts.month)}, {grouping.title}",
        headings=(*grouping.headings, *NUMBERS),
        rows=tuple(_row(each.key, each) for each in accounts.accounts),
        numbers=frozenset(NUMBERS),
        total=_row(("All", *blanks), accounts.total) if accounts.accounts else (),
    )


def _row(key: tuple[str, ...], account: Account) -> tuple[Cell, ...]:
    hours = (
        account.wall_hours,
        account.cpu_hours,
        account.hs06_hours,
        account.hepscore_hours,
    )
    told = (*(each or "-" for each in key[:1]), *key[1:])
    return (
        *(Cell(text=each) for each in told),
        Cell(text=f"{account.machines:,}"),
        *(Cell(text=f"{each:,.1f}") for each in hours),
    )
