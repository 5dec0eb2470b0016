"""`vcycle usage`: a month, for people."""

from __future__ import annotations

from vcycled.apel.sync import Month
from vcycled.cli.printing import Line, Table
from vcycled.cli.usage import Account, account_blocks
from vcycled.store import Usage

MONTH = Month(year=2027, month=1)
USED = Usage(
    space="a.example",
    machinetype="prod",
    fqan="/vo.example/Role=pilot",
    power_per_processor=10.5,
    power_unit="HEPscore23",
    machines=3,
    wall_seconds=5400,
    cpu_seconds=10_800,
)


def test_hours_are_told_with_the_power_that_the_site_states() -> None:
    """CPU hours times the power of a processor; where none is stated, none."""
    bare = USED._replace(fqan="", power_per_processor=None, power_unit="")
    (table,) = account_blocks(Account(month=MONTH, usage=(USED, bare), open_runs=0))
    assert isinstance(table, Table)
    assert table.rows == (
        ("a.example", "prod", "/vo.example/Role=pilot", "3", "1.5", "3.0", "31.5 HEPscore23"),
        ("a.example", "prod", "-", "3", "1.5", "3.0", "-"),
    )


def test_runs_that_are_not_final_are_told_apart() -> None:
    """They may still get a better end."""
    told = account_blocks(Account(month=MONTH, usage=(), open_runs=2))
    assert [each.text for each in told if isinstance(each, Line)] == [
        "no run ended in 202701 that is accounted for",
        "2 more runs ended in it, and may still get a better end",
    ]
