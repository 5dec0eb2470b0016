"""Every reason that a plan can give is explained to the operator."""

import re
from enum import StrEnum
from pathlib import Path

import pytest

from vcycled.model import MESSAGES, Cause, Reason

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"


def sections(page: str) -> dict[str, str]:
    """Return the text under each heading of a page of the reference."""
    parts = re.split(
        r"^## (.+)$", (REFERENCE / page).read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize(("page", "known"), [("why.md", Cause), ("deletes.md", Reason)])
def test_every_reason_has_its_section_and_no_other_has(page: str, known: type[StrEnum]) -> None:
    """A value added to or taken from the enumeration must be so on its page too."""
    codes = {each for each in sections(page) if re.fullmatch(r"[a-z-]+", each)}
    assert codes == {member.value for member in known}


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_says_until_when_and_what_to_do(cause: Cause) -> None:
    """What it means, how long it lasts, and what a person does about it."""
    text = sections("why.md")[cause.value]
    assert text.index("Until: ") < text.index("**Do:** ")
    assert text.index("Until: ") > 40


@pytest.mark.parametrize("reason", MESSAGES)
def test_the_shutdown_message_that_a_deletion_leaves_is_told(reason: Reason) -> None:
    """As it stands in the machine's joboutputs."""
    assert f"`{MESSAGES[reason]}`" in sections("deletes.md")[reason.value]


def test_reasons_to_delete_are_explained_in_the_order_in_which_they_count() -> None:
    """The page says that the first in its list is given."""
    assert list(sections("deletes.md"))[:-1] == [
        Reason.ORDERED,
        Reason.DOUBLE,
        Reason.FINISHED,
        Reason.FAILED,
        Reason.DELETING,
        Reason.SHUTDOWN_TIME,
        Reason.DRAINED,
        Reason.PREEMPTED,
        Reason.TOO_OLD,
        Reason.NOT_STARTED,
        Reason.SILENT,
    ]
