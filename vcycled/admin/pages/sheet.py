"""Accounts as CSV (RFC 4180), safe to open in a spreadsheet. Pure.

# Note [Formulas]

A spreadsheet runs a cell that begins with = + - @ (or a tab or return before them) as a formula,
whatever quotes it has. Names of VOs come from strangers, so such a text gets an apostrophe in
front, which spreadsheets take for "this is text". Numbers are ours and stay numbers.
https://owasp.org/www-community/attacks/CSV_Injection
"""

from __future__ import annotations

import csv
import io

from vcycled.admin.pages.accounting import GROUPINGS, Accounts, iso
from vcycled.cli.printing import clean

_STARTS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_NUMBERS = (
    *("machines", "wall_hours", "cpu_hours", "hs06_hours", "hepscore23_hours"),
    "cpu_hours_without_power",
)


def sheet_of(accounts: Accounts) -> str:
    """Return a line of names, then one for each account."""
    text = io.StringIO()
    writer = csv.writer(text)
    headings = GROUPINGS[accounts.by].headings
    names = ["vo_fqan" if each.startswith("VO") else each.lower() for each in headings]
    writer.writerow(["month", *names, *_NUMBERS])
    for each in accounts.accounts:
        hours = (
            *(each.wall_hours, each.cpu_hours, each.hs06_hours, each.hepscore_hours),
            each.unrated_hours,
        )
        writer.writerow(
            [
                iso(accounts.month),
                *map(harmless, each.key),
                each.machines,
                *(f"{value:.3f}" for value in hours),
            ]
        )
    return text.getvalue()


def harmless(text: str) -> str:
    """Return a text that no spreadsheet runs; see note [Formulas]."""
    cleaned = clean(text)
    is_formula = text.startswith(_STARTS_FORMULA) or cleaned.lstrip().startswith(_STARTS_FORMULA)
    return f"'{cleaned}" if is_formula else cleaned
