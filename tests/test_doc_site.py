"""What pages say of the admin site and of `vcycle check` is what these answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

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
    well, bad = (
        each.text.splitlines()[1:]
        for each in blocks_of(HOW_TO / "monitoring.md")
        if "$ vcycle check\n" in each.text
    )
    (count,) = re.findall(r"\d+(?= things)", well[0])
    assert headline([Finding(level=Level.OK, text="well")] * int(count)) == headline_of(well)
    assert {line.partition(": ")[0] for line in well[1:] if line != "..."} == {Level.OK.name}
    said = bad[0].partition(" - ")[2].partition(" | ")[0]
    assert headline([Finding(level=Level.WARNING, text=said)]) == headline_of(bad)


def headline(findings: Sequence[Finding]) -> str:
    """Return what the command prints before the figures."""
    return headline_of(answer(findings)[1].splitlines())


def headline_of(lines: Sequence[str]) -> str:
    """Return what stands there."""
    return lines[0].partition(" | ")[0]
