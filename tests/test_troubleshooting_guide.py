"""Each symptom has a command that there is, and words of the log and of causes that there are."""

from __future__ import annotations

import re

import pytest

from tests.doc_blocks import COMMANDS, TOP, simple_commands, wrong_words
from vcycled.model import Cause

PAGE = TOP / "docs" / "how-to" / "troubleshooting.md"
ROWS = re.findall(r"^\| (.+?) \| (`.+?`) \| (.+?) \| (.+?) \|$", PAGE.read_text(), re.MULTILINE)
OUTSIDE = {"curl", "journalctl", "ls", "openssl"}
EVENTS = set(
    re.findall(
        r"^\| `([a-z0-9-]+)` \|",
        (TOP / "docs" / "reference" / "events.md").read_text(),
        re.MULTILINE,
    )
)


def test_every_table_was_read() -> None:
    """A row in another form would be checked by nobody."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    assert len(ROWS) == len([each for each in lines if not re.match(r"\| (what you|---)", each)])
    assert len(ROWS) > 30


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_what_is_asked_can_be_typed(row: tuple[str, ...]) -> None:
    """Whole, with what it needs."""
    (words,) = simple_commands(row[1].strip("`"))
    if words[0] in COMMANDS:
        assert wrong_words(words) == ""
    else:
        assert words[0] in OUTSIDE


def test_words_with_hyphens_are_causes_or_events() -> None:
    """Such as `creation-failed`; a misspelt one leads nowhere."""
    words = re.findall(r"`([a-z]+(?:-[a-z]+)+)`", PAGE.read_text())
    known = {cause.value for cause in Cause} | EVENTS | set(COMMANDS)
    assert len(words) > 5
    assert [word for word in words if word not in known] == []
