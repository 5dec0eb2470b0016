"""What pages say of the admin site and of `vcycle check` is what these answer."""

from __future__ import annotations

import re

from tests.doc_blocks import TOP, blocks_of, text_of
from vcycled.admin.pages.routes import routes
from vcycled.admin.readings import Readings
from vcycled.cli.probe import Finding, Level, answer
from vcycled.cli.session import Session

HOW_TO = TOP / "docs" / "how-to"


def unread() -> Session:
    """Give nothing: no page is asked for."""
    raise AssertionError


def test_the_table_of_pages_is_that_of_the_site() -> None:
    """Every page, and none besides."""
    told = set(re.findall(r"^\| `(/[^`]*)` \|", text_of(HOW_TO / "status-page.md"), re.MULTILINE))
    served = {
        re.sub(r"\{(\w+)[^}]*\}+", lambda found: found[1].upper(), route.path)
        for route in routes(Readings(unread, patience_s=1))
        if not route.path.startswith("/static/")
    }
    assert told == served


def test_the_example_of_a_check_is_in_its_form() -> None:
    """The line that Nagios shows, and one for each thing."""
    (block,) = (
        each for each in blocks_of(HOW_TO / "monitoring.md") if "$ vcycle check\n" in each.text
    )
    _, first, *others = block.text.splitlines()
    (count,) = re.findall(r"\d+(?= things)", first)
    _, printed = answer([Finding(level=Level.OK, text="well")] * int(count))
    assert first.partition(" | ")[0] == printed.partition(" | ")[0]
    levels = {line.partition(": ")[0] for line in others if line != "..."}
    assert levels == {Level.OK.name}
