"""What the printing layer puts out: on terminals, into pipes, for programs."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from vcycled.cli.printing import BLANK, Block, Line, Printer, Table, Tone, clean, facts

SENTENCE = "one more large would make 104 processors of the space, whose limit is 100 in all"
NAME = "vcycle-a-machinetype-of-a-long-name-0123456789"
BLOCKS: tuple[Block, ...] = (
    Line("space [red]one[/red]", Tone.HEAD),
    BLANK,
    Table(
        headings=("NAME", "N", "REMARKS"),
        rows=((NAME, Line("3", Tone.BAD), SENTENCE), ("b", "14", "")),
        numbers=frozenset({"N"}),
        indent=1,
    ),
    Line(SENTENCE, indent=1),
)


def printed(*blocks: Block, **options: object) -> str:
    """Return what a terminal of 80 columns is sent."""
    stream = io.StringIO()
    usual = {"width": 80, "force_terminal": True, "markup": False, "highlight": False}
    console = Console(file=stream, **{**usual, **options})  # type: ignore[arg-type]
    Printer(console).show(blocks)
    return stream.getvalue()


def test_in_a_pipe_each_row_is_one_line_of_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    """However long it is: grep and awk must find it whole."""
    Printer().show(BLOCKS)
    assert capsys.readouterr().out.splitlines() == [
        "space [red]one[/red]",
        "",
        f"  {'NAME':46}   N  REMARKS",
        f"  {NAME}   3  {SENTENCE}",
        f"  {'b':46}  14",
        f"  {SENTENCE}",
    ]


def test_a_terminal_of_80_columns_gets_nothing_longer() -> None:
    """Names stay whole, so that they can be copied; sentences are wrapped."""
    lines = printed(*BLOCKS, no_color=True, color_system=None).splitlines()
    assert max(map(len, lines)) <= 80
    assert any(NAME in line for line in lines)
    assert sum("processors" in line for line in lines) == 2


def test_a_terminal_gets_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Red is for what is bad."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[31m" in printed(Line("gone", Tone.BAD), color_system="standard")


def test_no_color_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """As https://no-color.org asks."""
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[31m" not in printed(Line("gone", Tone.BAD), color_system="standard")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("plain, ümläut and 机器", "plain, ümläut and 机器"),
        ("\x1b[2Jclear", " [2Jclear"),
        ("two\nlines\tand\rmore", "two lines and more"),
        ("right\u202eto left", "right to left"),
        ("line\u2028separator", "line separator"),
        ("half \udcff byte", "half   byte"),
    ],
)
def test_what_strangers_say_cannot_move_the_cursor(said: str, shown: str) -> None:
    """Names, faults and messages come from machines and clouds."""
    assert clean(said) == shown


def test_what_the_output_cannot_show_does_not_end_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A site without UTF-8 still gets its table."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", stream)
    Printer().show([Line("fault: ümläut")])
    stream.flush()
    stream.seek(0)
    assert stream.read() == "fault: ?ml?ut\n"


def test_an_empty_table_is_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Not even a blank line."""
    Printer().show([facts([("zone", "")])])
    assert capsys.readouterr().out == ""


def test_facts_leave_out_what_is_not_known() -> None:
    """Their names stand left, without headings."""
    assert facts([("zone", ""), ("flavor", "small")]).rows == (
        (Line("flavor", Tone.FAINT), "small"),
    )
