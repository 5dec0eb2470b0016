"""The scanner reads what RawConfigParser reads, and knows the lines."""

import io
from configparser import MissingSectionHeaderError, ParsingError, RawConfigParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcycled.config.ini import Ini, lines_of, scan

WORDS = st.sampled_from(
    ["a", "B", "x y", "[s]", "[t]", "[DEFAULT]", "[s", "=", ":", ";", "#", " ;c", "\t", "é", "="]
)
BLANKS = st.sampled_from(["", "", " ", "  ", "\t", "    ", "\x0b", "\x85"])
LINES = st.tuples(BLANKS, st.lists(WORDS, max_size=4).map(" ".join), BLANKS).map("".join)
OPTIONS = st.builds(
    "{}{}{}{}".format, BLANKS, st.sampled_from("aBc"), st.sampled_from("=:"), LINES
)
HEADERS = st.sampled_from(["[s]", "[t]", "[DEFAULT]", " [s]", "[s] x", "[s] ; c", "[a]b]"])
ENDS = st.sampled_from(["\n", "\r\n", "\r"])
TEXTS = st.builds(
    lambda lines, end: end.join(["[s]", *lines]),
    st.lists(st.one_of(LINES, OPTIONS, HEADERS), max_size=12),
    ENDS,
) | st.text(alphabet="[]s=: ;#\n\r\ta\x0b", max_size=30)


def vcycle3(text: str) -> tuple[dict[str, dict[str, str]], list[int]]:
    """Return what Python 3 makes of `text` when it reads as Vcycle 3 did, and lines it refuses."""
    parser = RawConfigParser(strict=False, inline_comment_prefixes=(";",))
    try:
        parser.read_file(io.StringIO(text, newline=None))
    except MissingSectionHeaderError as error:
        return {}, [error.lineno]  # it stops at the first
    except ParsingError as error:
        return {}, [line for line, _ in error.errors]
    return {name: dict(parser[name]) for name in parser}, []


def as_dicts(ini: Ini) -> dict[str, dict[str, str]]:
    """Return sections as dictionaries, [DEFAULT] among them."""
    found: dict[str, dict[str, str]] = {"DEFAULT": {}}
    for header in ini.headers:
        found.setdefault(header.name, {})
    for entry in ini.entries:
        found[entry.section][entry.option] = entry.value
    return found


@given(TEXTS)
def test_reads_what_raw_config_parser_reads(text: str) -> None:
    """Sections, options and values are the same, and so are the lines that are refused."""
    ini = scan(text)
    expected, refused = vcycle3(text)
    errors = [line for line, _ in ini.errors]
    if refused:
        assert errors[: len(refused)] == refused
        assert len(errors) == len(refused) or "before the first" in ini.errors[0][1]
    else:
        found = as_dicts(ini)
        assert errors == []
        assert {name: {**found["DEFAULT"], **own} for name, own in found.items()} == expected


@given(TEXTS)
def test_every_line_of_a_value_is_known(text: str) -> None:
    """The lines of an entry hold its option and, one after the other, the parts of its value."""
    lines = list(lines_of(text))
    for entry in scan(text).entries:
        assert entry.line == entry.lines[0]
        assert entry.option in lines[entry.line - 1].lower()
        for part in entry.value.split("\n"):
            assert any(part in lines[number - 1] for number in entry.lines)


def test_a_value_knows_its_lines() -> None:
    """Comments and empty lines in the middle of a value are not among its lines."""
    ini = scan("[s]\nA = 1 ; one\n# two\n\n  2\n\n[t]\n")
    (entry,) = ini.entries
    assert (entry.option, entry.value, entry.lines) == ("a", "1\n\n2", (2, 5))
    assert [(header.name, header.line) for header in ini.headers] == [("s", 1), ("t", 7)]


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        ("x = 1\n[s]\n", [(1, "text before the first [section]")]),
        ("[s]\nword\n", [(2, "neither a [section] nor option = value")]),
        ("[s]\n= 1\na = 2\nb\n", [(2, "neither"), (4, "neither")]),
        ("[s]\n[\n", [(2, "neither")]),
    ],
)
def test_lines_that_cannot_be_read(text: str, errors: list[tuple[int, str]]) -> None:
    """Every such line is reported, and the others are read all the same."""
    found = scan(text).errors
    assert [line for line, _ in found] == [line for line, _ in errors]
    assert all(said.startswith(short) for (_, said), (_, short) in zip(found, errors, strict=True))
