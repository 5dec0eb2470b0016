"""The report of a cycle, as it is kept and read back."""

from __future__ import annotations

import json

from vcycled.cycle.report import SpaceReport, report_from
from vcycled.model import Cause, Hold


def test_a_report_is_read_back_as_it_was() -> None:
    """Every part of it."""
    hold = Hold(machinetype="prod", cause=Cause.QUOTA, detail="ports", until=7)
    report = SpaceReport(
        space="s",
        at=1,
        wake_at=2,
        holds=(hold,),
        notices=("n",),
        credential_ends={"c": 8},
        leftovers=("l",),
        deferred=("d",),
    )
    assert report_from(report.to_json()) == report


def test_what_only_a_later_version_knows_does_not_stop_this_one() -> None:
    """After a downgrade its last reports are read until the next cycle."""
    hold = {"machinetype": "prod", "cause": "comet", "detail": "it falls", "until": None}
    text = json.dumps({"space": "s", "at": 1, "wake_at": 2, "holds": [hold], "orbit": 3})
    (read,) = report_from(text).holds
    assert (read.cause, read.detail) == (Cause.HELD, "comet: it falls")
