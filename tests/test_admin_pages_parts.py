"""What the admin site's pages are made from: days, charts, sheets, queries. All pure."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest

from tests.builders import NOW
from tests.cli_kit import SPACE, report
from tests.test_admin import VIEW, share
from vcycled.admin.pages.accounting import (
    GROUPINGS,
    HS06,
    Accounts,
    account_of,
    iso,
    moved,
    summed,
)
from vcycled.admin.pages.cards import card_of
from vcycled.admin.pages.chart import chart_of
from vcycled.admin.pages.day import HOUR, HOURS, STATES, STEP, STEPS, Day, day_of
from vcycled.admin.pages.links import kind_path, machines_path, output_path
from vcycled.admin.pages.outputs import is_text
from vcycled.admin.pages.render import foldable
from vcycled.admin.pages.sheet import harmless, sheet_of
from vcycled.admin.pages.visit import BadQuery, Visit
from vcycled.admin.pages.whole import typed
from vcycled.apel.sync import Month
from vcycled.cli.printing import Table
from vcycled.cli.status import status_blocks
from vcycled.cli.views import SpaceView
from vcycled.cli.words import Words
from vcycled.model import Records, SpaceMemory
from vcycled.store import Life, Usage

SINCE = NOW - HOURS * HOUR
FIZZLE = 600


def life(
    created_at: int,
    started_at: int | None = None,
    stopped_at: int | None = None,
    gone_at: int | None = None,
    *,
    is_aborted: bool = False,
) -> Life:
    """Return how a machine lived."""
    return Life(created_at, started_at, stopped_at, gone_at, FIZZLE, is_aborted=is_aborted)


def spans(day: Day) -> dict[str, tuple[int, int]]:
    """Return the first and last point at which each state had a machine."""
    found = {}
    for state, counts in zip(STATES, day.states, strict=True):
        points = [point for point, count in enumerate(counts) if count]
        if points:
            found[state] = points[0], points[-1]
    return found


@pytest.mark.parametrize(
    ("lived", "expected"),
    [
        pytest.param(life(SINCE), {"starting": (0, STEPS)}, id="never started"),
        pytest.param(life(SINCE + 1), {"starting": (1, STEPS)}, id="a second after a point"),
        pytest.param(life(NOW), {"starting": (STEPS, STEPS)}, id="just now"),
        pytest.param(life(SINCE - 9, SINCE), {"running": (0, STEPS)}, id="runs on"),
        pytest.param(
            life(SINCE - 9, SINCE + STEP),
            {"starting": (0, 0), "running": (1, STEPS)},
            id="at a point",
        ),
        pytest.param(
            life(SINCE, SINCE + STEP, SINCE + 2 * STEP),
            {"starting": (0, 0), "running": (1, 1), "ended": (2, STEPS)},
            id="ended and not gone",
        ),
        pytest.param(
            life(SINCE, SINCE + STEP, NOW - STEP, NOW),
            {"starting": (0, 0), "running": (1, STEPS - 2), "ended": (STEPS - 1, STEPS - 1)},
            id="gone at the end",
        ),
        pytest.param(life(SINCE, None, None, SINCE + STEP), {"starting": (0, 0)}, id="never ran"),
        pytest.param(
            life(SINCE + 1, SINCE + 2, SINCE + 3, SINCE + 4), {}, id="between two points"
        ),
        pytest.param(life(SINCE - 9, SINCE - 8, SINCE - 7, SINCE), {}, id="gone before"),
        pytest.param(life(NOW + 50), {}, id="by a clock that is ahead"),
    ],
)
def test_a_machine_is_seen_where_it_was(lived: Life, expected: dict[str, tuple[int, int]]) -> None:
    """In one state at each point of the curves."""
    assert spans(day_of([lived], now=NOW)) == expected


@pytest.mark.parametrize(
    ("lived", "starts", "fizzles", "aborts"),
    [
        (life(SINCE - 9, SINCE), 1, 0, 0),
        (life(SINCE - 9, SINCE - 1), 0, 0, 0),
        (life(SINCE - 9, SINCE - 1, SINCE), 0, 1, 0),
        (life(SINCE - 9, SINCE - 9, SINCE - 1), 0, 0, 0),
        (life(SINCE, SINCE, SINCE + FIZZLE - 1), 1, 1, 0),
        (life(SINCE, SINCE, SINCE + FIZZLE), 1, 0, 0),
        (life(SINCE, None, SINCE + 5), 0, 0, 0),
        (life(SINCE, SINCE, SINCE + FIZZLE, is_aborted=True), 1, 0, 1),
        (life(SINCE, None, SINCE + 5, is_aborted=True), 0, 0, 1),
    ],
)
def test_what_counts_in_the_first_hour(
    lived: Life, starts: int, fizzles: int, aborts: int
) -> None:
    """A fizzle ran, and for less than its fizzle_seconds."""
    hour = day_of([lived], now=NOW).hours[0]
    assert (hour.starts, hour.fizzles, hour.aborts) == (starts, fizzles, aborts)


@pytest.mark.parametrize(
    ("at", "hour"), [(SINCE + HOUR - 1, 0), (SINCE + HOUR, 1), (NOW - 1, 23), (NOW, 23)]
)
def test_an_hour_ends_where_the_next_begins(at: int, hour: int) -> None:
    """What happens at this instant belongs to the last."""
    hours = day_of([life(at, at)], now=NOW).hours
    assert [number for number, each in enumerate(hours) if each.starts] == [hour]
    assert hours[hour].at == SINCE + hour * HOUR


class TestChart:
    """The last day as shapes."""

    words = Words(now=NOW)

    def test_an_empty_day(self) -> None:
        """Has no shapes, and says so."""
        chart = chart_of(day_of([], now=NOW), self.words)
        assert [each.path for each in chart.areas] == [""] * 3
        assert [each.path for each in chart.bars] == [""] * 3
        assert chart.scale == ("1", "", "0")
        assert chart.summary == (
            "Now 0 running, 0 starting, 0 ended; at most 0 at once."
            " In 24 hours: 0 starts, 0 fizzles, 0 aborts."
        )
        assert len(chart.ticks) == 5

    def test_states_stand_on_each_other(self) -> None:
        """The running ones on the ground; the height is a round number."""
        lives = [*([life(SINCE - 9, SINCE)] * 2), life(SINCE), life(SINCE)]
        chart = chart_of(day_of(lives, now=NOW), self.words)
        running, starting, _ = (each.path for each in chart.areas)
        assert chart.scale == ("4", "2", "0")
        assert running.startswith("M0 50L1 50L")
        assert running.endswith("L1 100L0 100Z")
        assert starting.startswith("M0 0L")
        assert starting.endswith("L0 50Z")

    @pytest.mark.parametrize(
        ("most", "top"),
        [(0, 1), (1, 1), (3, 3), (7, 8), (9, 10), (11, 20), (50, 50), (51, 60), (81, 100)],
    )
    def test_the_height_is_a_round_number(self, most: int, top: int) -> None:
        """No less than there were machines."""
        chart = chart_of(day_of([life(SINCE)] * most, now=NOW), self.words)
        assert chart.scale[0] == str(top)

    def test_bars_are_as_high_as_the_highest(self) -> None:
        """Each in its hour."""
        lives = [life(SINCE, SINCE), life(SINCE, SINCE), life(SINCE, NOW)]
        starts = chart_of(day_of(lives, now=NOW), self.words).bars[0]
        assert starts.path == "M0.5 100v-100h5V100zM138.5 100v-50h5V100z"
        assert (starts.total, starts.most) == (3, 2)

    def test_the_table_tells_the_same(self) -> None:
        """The newest hour first."""
        grid = chart_of(day_of([life(SINCE, SINCE)], now=NOW), self.words).hours
        assert len(grid.rows) == HOURS
        assert [cell.text for cell in grid.rows[-1][1:]] == ["1", "0", "0", "1", "0", "0"]
        assert [cell.text for cell in grid.rows[0][1:]] == ["1", "0", "0", "0", "0", "0"]


def usage(machinetype: str = "prod", **changes: object) -> Usage:
    """Return what was used in ten hours on two processors."""
    plain = Usage("space", machinetype, "/vo", 10.0, HS06, 1, 36_000, 72_000)
    return plain._replace(**changes)  # type: ignore[arg-type] # tests name real fields


class TestAccounts:
    """What was used in a month."""

    def test_hours_by_power(self) -> None:
        """Each kind of power has its own sum; without one there is none to tell."""
        (told,) = summed(
            [
                usage(),
                usage(power_unit="hepscore23", power_per_processor=0.5),
                usage(power_per_processor=None),
            ],
            GROUPINGS["all"].key,
        )
        assert told.key == ("space", "prod", "/vo")
        assert (told.machines, told.wall_hours, told.cpu_hours) == (3, 30.0, 60.0)
        assert (told.hs06_hours, told.hepscore_hours, told.unrated_hours) == (200.0, 10.0, 20.0)

    @pytest.mark.parametrize(
        ("by", "keys"),
        [
            ("all", [("a", "k", "/vo"), ("space", "k", "/vo"), ("space", "prod", "/vo")]),
            ("space", [("a",), ("space",)]),
            ("machinetype", [("a", "k"), ("space", "k"), ("space", "prod")]),
            ("vo", [("/vo",)]),
        ],
    )
    def test_by_what_it_is_summed(self, by: str, keys: list[tuple[str, ...]]) -> None:
        """In order, each once."""
        used = [usage("prod"), usage("k"), usage("k", space="a"), usage("prod")]
        accounts = summed(used, GROUPINGS[by].key)
        assert [each.key for each in accounts] == keys
        assert sum(each.cpu_hours for each in accounts) == 80.0

    @pytest.mark.parametrize(
        ("month", "by", "expected"),
        [
            (Month(year=2027, month=1), -1, "2026-12"),
            (Month(year=2026, month=12), 1, "2027-01"),
            (Month(year=2026, month=6), 0, "2026-06"),
        ],
    )
    def test_months_follow_each_other(self, month: Month, by: int, expected: str) -> None:
        """Over the end of the year."""
        assert iso(moved(month, by)) == expected

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("/vo/Role=pilot", "/vo/Role=pilot"),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@sum", "'@sum"),
            ("\t=1", "' =1"),
            ("\r\n=1", "'  =1"),
            ("  =1", "'  =1"),
            ("a\0b", "a b"),
            ("", ""),
        ],
    )
    def test_no_spreadsheet_runs_it(self, text: str, shown: str) -> None:
        """Names of VOs come from strangers."""
        assert harmless(text) == shown

    def test_a_sheet_can_be_read_again(self) -> None:
        """Whatever is in the names."""
        used = [usage('a "b", c\n', fqan="=x"), usage("k", power_per_processor=None)]
        accounts = Accounts(
            month=Month(year=2027, month=1),
            by="all",
            accounts=summed(used, GROUPINGS["all"].key),
            total=account_of((), used),
            open_runs=0,
        )
        text = sheet_of(accounts)
        first, second = csv.DictReader(io.StringIO(text))
        assert first["machinetype"] == 'a "b", c '
        assert first["vo_fqan"] == "'=x"
        assert (first["cpu_hours"], first["hs06_hours"]) == ("20.000", "200.000")
        assert (second["month"], second["machines"]) == ("2027-01", "1")
        assert second["cpu_hours_without_power"] == "20.000"
        assert text.count("\r\n") == 3


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (Visit(query={"a": " x "}).text("a"), "x"),
        (Visit().text("a"), ""),
        (Visit().choice("a", ("x", "y")), "x"),
        (Visit(query={"a": "y"}).choice("a", ("x", "y")), "y"),
        (Visit().number("a"), None),
        (Visit(query={"a": "0"}).number("a"), 0),
        (Visit().month("a"), None),
        (Visit(query={"a": "1970-01"}).month("a"), (1970, 1)),
        (Visit(query={"a": "9998-12"}).month("a"), (9998, 12)),
    ],
)
def test_queries_are_read(read: object, value: object) -> None:
    """What is not there is nothing."""
    assert read == value


@pytest.mark.parametrize(
    "month", ["2027", "2027-00", "2027-13", "1969-12", "9999-01", "\uff12\uff10\uff12\uff17-01"]
)
def test_no_month(month: str) -> None:
    """It is refused, with what it should be."""
    with pytest.raises(BadQuery, match="such as 2027-01"):
        Visit(query={"m": month}).month("m")


@pytest.mark.parametrize("number", ["-1", "1.5", "x", "1" * 19, "²"])
def test_no_number(number: str) -> None:
    """Nothing that a database would choke on."""
    with pytest.raises(BadQuery):
        Visit(query={"n": number}).number("n")


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (b"", True),
        (b"a\tb\r\n\x1b[0m", True),
        ("\u00e4".encode(), True),
        ("\u00e4".encode()[:1], True),
        ("\U0001f600".encode()[:3], True),
        (b"\xff", False),
        (b"\xff\xffabcd", False),
        (b"a\0b", False),
        (b"\x7fELF\x02", False),
        ("\u00e4".encode("latin-1") + b" and more", False),
    ],
)
def test_what_is_text(start: bytes, expected: bool) -> None:
    """By how it begins; a character may be cut in two there."""
    assert is_text(start) is expected


def test_links_hold_any_name() -> None:
    """A slash in a name is no folder, and nothing that was not asked for is said."""
    assert kind_path("a/b", "c?d") == "/spaces/a%2Fb/c%3Fd"
    assert output_path("u", "a b") == "/machines/u/outputs/a%20b"
    assert machines_path(space="a&b", state="") == "/machines?space=a%26b"
    assert typed("drain", "a b", "$(x)") == "vcycle drain 'a b' '$(x)'"


def test_a_preemptible_machinetype_has_no_part_in_the_shares() -> None:
    """As `vcycle status` has it; what is beside it does."""
    usual, rest = share("prod"), replace(share("rest"), is_preemptible=True)
    space = SpaceView(
        name=SPACE,
        config=None,
        report=report(shares=(usual, rest)),
        records=Records(memory=SpaceMemory(space=SPACE)),
    )
    card = card_of(space, replace(VIEW, spaces=(space,)), Words(now=NOW))
    table = next(
        each
        for each in status_blocks(replace(VIEW, spaces=(space,)), Words(now=NOW))
        if isinstance(each, Table) and "HAS" in each.headings
    )
    shown = [tuple(cell.text for cell in row[:3]) for row in card.kinds.rows]
    assert shown == [row[:3] for row in table.rows]
    assert shown == [("prod", "75%", "50%"), ("rest", "left over", "-")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max_wallclock_seconds", "max_<wbr>wallclock_<wbr>seconds"),
        ("/var/lib/", "/var/<wbr>lib/"),
        ("https://a/b", "https://a/<wbr>b"),
        ("", ""),
        ("ran 2 h 5 min, 12 st", "ran 2\u00a0h 5\u00a0min, 12 st"),
        (24 * "w", 24 * "w"),
        (25 * "w", f'<span class="long">{25 * "w"}</span>'),
        (f"{20 * 'v'}-{20 * 'w'}", f"{20 * 'v'}-{20 * 'w'}"),
        (f"{25 * '<'}", f'<span class="long">{25 * "&lt;"}</span>'),
        ("<b>\u202e_c", "&lt;b&gt; _c"),
    ],
)
def test_where_a_word_may_break(text: str, expected: str) -> None:
    """After slashes and underscores; anywhere only if it is very long. All of it is escaped."""
    assert str(foldable(text)) == expected
