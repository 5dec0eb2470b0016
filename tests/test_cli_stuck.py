"""Which machinetypes get no machines until a person acts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.builders import NOW
from tests.cli_kit import BACKOFF, SPACE, STARTING, machine, report
from tests.failing_world import play
from vcycled.cli.stuck import stuck
from vcycled.cli.views import SpaceView
from vcycled.images.status import ImageState, ImageStatus
from vcycled.model import Cause, Drain, Hold, Machine, MachinetypeMemory, Records, SpaceMemory

MISSING = "user_data: /etc/vcycle/prod.sh cannot be read"
HELD = Hold(machinetype="prod", cause=Cause.HELD, detail=MISSING)
IMAGE = Hold(machinetype="prod", cause=Cause.HELD, detail="image: no such file")
FAILED = Hold(machinetype="prod", cause=Cause.CREATION_FAILED, detail="creation failed", until=9)
DRAIN = Drain(space=SPACE, machinetype="prod", since=NOW - 9)
ON_HOLD = replace(DRAIN, is_hold=True, until=NOW + 1)


def found(
    *holds: Hold,
    failures: int = 0,
    image: ImageState | None = None,
    drain: Drain | None = None,
    machines: tuple[Machine, ...] = (),
) -> list[tuple[str, Cause, str]]:
    """Return what is told of a space after a cycle with these holds."""
    images = (
        ImageStatus(
            source="/i", state=image or ImageState.READY, since=NOW, machinetypes=("prod",)
        ),
    )
    memory = MachinetypeMemory(
        space=SPACE,
        machinetype="prod",
        creation_failures=failures,
        creation_failed_at=NOW - 10,
        creation_error="no image",
    )
    view = SpaceView(
        name=SPACE,
        config=None,
        report=report(holds=holds, images=images if image else ()),
        records=Records(
            memory=SpaceMemory(space=SPACE),
            machines=machines,
            machinetypes=(memory,),
            drains=(drain,) if drain else (),
        ),
    )
    return [(each.machinetype, each.cause, each.detail) for each in stuck(view, now=NOW)]


def test_what_its_files_hold_needs_a_person() -> None:
    """By name, with the reason; nobody waits for it before the first cycle."""
    assert found(HELD, BACKOFF) == [("prod", Cause.HELD, MISSING)]
    view = SpaceView(
        name=SPACE, config=None, report=None, records=Records(memory=SpaceMemory(space=SPACE))
    )
    assert stuck(view, now=NOW) == ()


@pytest.mark.parametrize("cause", set(Cause) - {Cause.HELD})
def test_other_causes_need_none(cause: Cause) -> None:
    """A full or an idle space looks like this, and so does a single failure."""
    assert found(replace(HELD, cause=cause)) == []


def test_a_space_that_is_held_is_told_by_itself() -> None:
    """Not once more for nobody's machinetype."""
    assert found(replace(HELD, machinetype="")) == []


@pytest.mark.parametrize("state", ImageState)
def test_an_image_on_its_way_needs_none(state: ImageState) -> None:
    """One that failed does, and so does one that is there and will not do."""
    is_coming = state in {"waiting", "downloading", "checking", "uploading"}
    assert found(IMAGE, image=state) == (
        [] if is_coming else [("prod", Cause.HELD, "image: no such file")]
    )
    assert found(HELD, image=state) == [("prod", Cause.HELD, MISSING)]


@pytest.mark.parametrize(
    ("drain", "is_told"),
    [
        (DRAIN, False),
        (replace(DRAIN, machinetype=""), False),
        (replace(DRAIN, machinetype="test"), True),
        (ON_HOLD, False),
        (replace(ON_HOLD, until=NOW), True),
    ],
)
def test_what_an_operator_ordered_is_no_alarm(drain: Drain, is_told: bool) -> None:
    """As long as the order holds, whatever else is wrong."""
    assert bool(found(HELD, drain=drain)) is is_told
    assert bool(found(FAILED, failures=7, drain=drain)) is is_told


@pytest.mark.parametrize(("failures", "is_told"), [(6, False), (7, True), (900, True)])
def test_failures_need_a_person_once_they_are_tried_hourly(failures: int, is_told: bool) -> None:
    """After 60 s, 120 s and so on: that takes an hour."""
    told = f"creation failed {failures} times in a row: no image"
    expected = [("prod", Cause.CREATION_FAILED, told)]
    assert found(FAILED, failures=failures) == (expected if is_told else [])


@pytest.mark.parametrize(
    ("tried", "is_told"),
    [
        (STARTING, True),
        (replace(STARTING, machinetype="test"), False),
        (replace(STARTING, created_at=NOW - 10), False),
        (machine(created_at=NOW - 5, started_at=NOW - 1), False),
    ],
)
def test_the_next_try_is_not_taken_for_the_end_of_it(tried: Machine, is_told: bool) -> None:
    """Only a machine that runs is; without a try, whatever else holds the machinetype counts."""
    assert bool(found(failures=7, machines=(tried,))) is is_told


@pytest.mark.parametrize(("slots", "is_taken"), [(1, False), (3, True)])
def test_it_is_told_from_about_an_hour_on_until_machines_run(
    tmp_path: Path, slots: int, is_taken: bool
) -> None:
    """Without a gap, whether the cloud refuses or its machines go to ERROR."""
    told = list(play(tmp_path, slots=slots, is_taken=is_taken, minutes=230, mended_at=180))
    since = told.index(True)
    assert 55 <= since <= 75
    assert all(told[since:180])
    assert not any(told[-30:])
