"""The live view: one picture of one snapshot, at any size, with or without colours."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta, timezone

import pytest
from rich.cells import cell_len
from rich.console import Console

from tests.builders import NOW
from tests.cli_kit import SPACE, OnASite, Site, ended, event, machine, report, run_of
from vcycled.cli.live import Snapshot, frame, snapshot
from vcycled.cli.live_parts import SpaceShot
from vcycled.model import Cause, Event, Hold, Limits, Machine, MachineState, Share
from vcycled.store import APEL

ZONE = timezone(timedelta(hours=1), "CET")
FULL = "one more small would make 9 processors of the space"


def shares(*kinds: tuple[str, float, float]) -> tuple[Share, ...]:
    """Return shares of these names, wanted and had."""
    return tuple(
        Share(machinetype=name, wanted=wanted, had=had, processors=1, machines=1)
        for name, wanted, had in kinds
    )


def of_kind(kind: str, count: int, state: MachineState = MachineState.RUNNING) -> list[Machine]:
    """Return machines of one machinetype in one state."""
    return [
        machine(f"vcycle-{kind}-{state}{each}", machinetype=kind, state=state)
        for each in range(count)
    ]


SPACE_SHOT = SpaceShot(
    name=SPACE,
    machines=(
        *of_kind("prod", 4),
        *of_kind("prod", 1, MachineState.STARTING),
        *of_kind("test", 2),
        *of_kind("idle", 1, MachineState.FAILED),
    ),
    report=report(
        wake_at=NOW + 2,
        limits=Limits(processors=8),
        shares=shares(("prod", 0.5, 0.625), ("test", 0.25, 0.25), ("idle", 0.25, 0.125)),
        holds=(
            Hold(machinetype="prod", cause=Cause.SPACE_LIMIT, detail=FULL),
            Hold(
                machinetype="idle",
                cause=Cause.BACKOFF,
                detail="a machine aborted 3 s ago",
                until=NOW + 250,
            ),
        ),
    ),
)
EVENTS = (
    event("machine-started", "vcycle-prod-abc", at=NOW - 2, detail="after 2 s"),
    event(
        "machine-stopped",
        "vcycle-idle-d",
        at=NOW - 1,
        detail="ran 2 s, end as told by its shutdown message, it said '300 No more work'",
    ),
    event("machine-created", "vcycle-test-ef", detail="small, id vcycle-test-ef-0011"),
)
SNAPSHOT = Snapshot(spaces=(SPACE_SHOT,), events=EVENTS, records=17)


def drawn(
    given: Snapshot = SNAPSHOT,
    *,
    now: int = NOW,
    size: tuple[int, int] = (80, 24),
    **options: object,
) -> list[str]:
    """Return the lines of the picture on a terminal of this size."""
    stream = io.StringIO()
    usual = {"width": size[0], "height": size[1], "color_system": None, "legacy_windows": False}
    console = Console(file=stream, **{**usual, **options})  # type: ignore[arg-type]
    console.print(frame(given, now, ZONE))
    return stream.getvalue().splitlines()


class TestFrame:
    """What is drawn."""

    def test_the_picture_at_80_by_24(self) -> None:
        """All of it, without a colour: nothing is said by colour alone."""
        assert [line.rstrip() for line in drawn()] == [
            "Vcycle  09:00:00 CET                8 machines, 8 processors, 17 records written",
            "",
            "cloud.example.com                            8 of 8 processors, next look in 2 s",
            "  idle  ██████░░░░░░┃░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░  has  12%, wants  25%",
            "        x  backoff, 4 min 10 s left: a machine aborted 3 s ago",
            "  prod  █████████████████████████┃█████░░░░░░░░░░░░░░░░░░░  has  62%, wants  50%",
            f"        ■■■■□  space-limit: {FULL}",
            "  test  ████████████┃░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░  has  25%, wants  25%",
            "        ■■",
            "  ■ running  □ starting  ? unknown  ▫ shutdown  x failed  · deleting  ┃ wanted",
            "─" * 80,
            "08:59:58  prod-abc  started: after 2 s",
            "08:59:59  idle-d    ended: ran 2 s, it said '300 No more work'",
            "09:00:00  test-ef   asked for: small",
        ]

    def test_a_terminal_that_knows_only_ascii_gets_no_more(self) -> None:
        """Everything can still be told apart."""
        stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
        Console(file=stream, width=80, height=24, color_system=None).print(frame(SNAPSHOT, NOW))
        stream.flush()
        stream.seek(0)
        lines = stream.read().splitlines()
        assert lines[5][8:53] == "=========================|=====" + "." * 14
        assert lines[6].startswith("        ####o  space-limit")
        assert lines[10] == "-" * 80

    def test_states_have_colours_too(self) -> None:
        """Running is green, starting yellow."""
        picture = "\n".join(drawn(color_system="standard", force_terminal=True, no_color=False))
        assert "\x1b[32m■\x1b[0m" in picture
        assert "\x1b[33m□\x1b[0m" in picture

    def test_what_is_usual_is_no_warning(self) -> None:
        """A backoff is faint, as in `vcycle why`."""
        picture = "\n".join(drawn(color_system="standard", force_terminal=True, no_color=False))
        assert "\x1b[2mbackoff, 4 min 10 s left" in picture

    @pytest.mark.parametrize("width", [20, 40, 79, 80, 81, 200])
    @pytest.mark.parametrize("height", [3, 8, 12, 24, 60])
    def test_it_fits_every_terminal(self, width: int, height: int) -> None:
        """Also with many machines, spaces and events, and names of any length."""
        many = Snapshot(
            spaces=(SPACE_SHOT, crowd("a-machinetype-of-a-very-long-name", 500), crowd("x", 90)),
            events=EVENTS * 30,
            records=1,
        )
        for given in (SNAPSHOT, many, Snapshot(spaces=(), events=(), records=0)):
            lines = drawn(given, size=(width, height))
            assert max(map(cell_len, lines)) <= width
            assert len(lines) < height  # one is left for the cursor

    def test_more_room_shows_more_events(self) -> None:
        """The newest stay, at the bottom."""
        many = Snapshot(spaces=(SPACE_SHOT,), events=numbered(50), records=0)
        small, large = drawn(many), drawn(many, size=(80, 40))
        assert (len(small), len(large)) == (23, 39)
        assert small[-1] == large[-1] == "09:00:00  prod-49  started"

    def test_where_room_is_short_a_machinetype_takes_one_line(self) -> None:
        """Then what has still no room is counted."""
        assert drawn(size=(80, 15))[2:6] == [
            "cloud.example.com                            8 of 8 processors, next look in 2 s",
            "  idle  x  12% of 25%  backoff, 4 min 10 s left: a machine aborted 3 s ago",
            f"  prod  ■■■■□  62% of 50%  space-limit: {FULL[:39]}…",
            "  test  ■■  25% of 25%",
        ]
        assert drawn(size=(80, 12))[3:5] == [
            "  idle  x  12% of 25%  backoff, 4 min 10 s left: a machine aborted 3 s ago",
            "  and 2 lines more",
        ]

    def test_machines_beyond_the_room_are_counted(self) -> None:
        """A strip never breaks a line."""
        lines = drawn(Snapshot(spaces=(crowd("x", 90),), events=(), records=0))
        assert lines[4] == "     " + "■" * 68 + " +22"

    def test_machines_that_do_not_run_are_the_last_to_be_left_out(self) -> None:
        """They are what one looks for."""
        some = (*of_kind("x", 100), *of_kind("x", 2, MachineState.FAILED))
        shot = SpaceShot(name=SPACE, report=None, machines=some)
        assert drawn(Snapshot(spaces=(shot,), events=(), records=0))[4].endswith("■■xx +34")
        broken = SpaceShot(
            name=SPACE, report=None, machines=tuple(of_kind("x", 100, MachineState.FAILED))
        )
        lines = drawn(Snapshot(spaces=(broken,), events=(), records=0))
        assert lines[4] == "     " + "x" * 68 + " +32"

    @pytest.mark.parametrize(
        ("now", "words"),
        [
            (NOW + 1, "next look in 1 s"),
            (NOW + 2, "looking"),
            (NOW + 62, "looking"),
            (NOW + 63, "next look 1 min 1 s late"),
        ],
    )
    def test_the_next_look_is_counted_down(self, now: int, words: str) -> None:
        """And then up, if it does not come."""
        assert drawn(now=now)[2].endswith(f", {words}")

    @pytest.mark.parametrize(
        ("left", "words"), [(1, "backoff, 1 s left: "), (0, "backoff: "), (-1, "backoff: ")]
    )
    def test_holds_are_counted_down(self, left: int, words: str) -> None:
        """To nothing."""
        assert drawn(now=NOW + 250 - left)[4].startswith(f"        x  {words}")

    @pytest.mark.parametrize(
        ("changes", "line"),
        [
            ({"error": "machines: refused"}, "  the cloud does not answer: machines: refused"),
            ({"mode": "observe"}, "  mode observe: nothing is done"),
            ({"deferred": ("3 heartbeat: why",)}, "  not deleted yet: 3 heartbeat: why"),
        ],
    )
    def test_trouble_of_a_space_stands_below_its_name(
        self, changes: dict[str, object], line: str
    ) -> None:
        """One line each."""
        shot = SpaceShot(name=SPACE, report=report(**changes), machines=())
        assert drawn(Snapshot(spaces=(shot,), events=(), records=0))[3] == line

    def test_a_space_without_a_report_shows_its_machines(self) -> None:
        """Before its first cycle, or after a restart on a new database."""
        shot = SpaceShot(name=SPACE, report=None, machines=tuple(of_kind("prod", 2)))
        lines = drawn(Snapshot(spaces=(shot,), events=(), records=0))
        assert lines[2].endswith("  2 processors")
        assert lines[3].strip() == "prod"
        assert lines[4].strip() == "■■"
        short = drawn(Snapshot(spaces=(shot,), events=(), records=0), size=(80, 11))
        assert short[3] == "  prod  ■■"

    def test_a_machinetype_that_has_nothing_takes_one_line(self) -> None:
        """Nothing holds it, and it has no machines."""
        shot = SpaceShot(name=SPACE, report=report(shares=shares(("prod", 1.0, 0.0))), machines=())
        lines = drawn(Snapshot(spaces=(shot,), events=(), records=0))
        assert lines[3].endswith("has   0%, wants 100%")
        assert lines[4].startswith("  ■ running")

    def test_a_preemptible_machinetype_has_processors_and_no_share(self) -> None:
        """Neither a bar, which would be of another whole than the others', nor a wish."""
        (share,) = shares(("back", 0.0, 0.75))
        had = report(shares=(replace(share, is_preemptible=True),))
        shot = SpaceShot(name=SPACE, report=had, machines=tuple(of_kind("back", 3)))
        given = Snapshot(spaces=(shot,), events=(), records=0)
        assert drawn(given)[3].split() == ["back", "3", "processors,", "preemptible"]
        assert drawn(given, size=(80, 11))[3] == "  back  ■■■"

    def test_machines_that_were_told_to_leave_are_counted(self) -> None:
        """Beside the cells of all, however many; who has ended need not leave any more."""
        soon = {"leave_by": NOW + 60, "leave_why": "drained"}
        leaving = machine("a", **soon), machine("b", **soon, stopped_at=NOW), machine("c", **soon)
        shot = SpaceShot(name=SPACE, report=report(), machines=(*leaving, *of_kind("prod", 99)))
        given = Snapshot(spaces=(shot,), events=(), records=0)
        assert drawn(given)[4].endswith("■■ +48  2 leaving")
        assert "  2 leaving" in drawn(given, size=(80, 11))[3]
        assert not any("leaving" in line for line in drawn())

    def test_before_the_first_cycle_it_says_so(self) -> None:
        """Nothing is known yet."""
        assert drawn(Snapshot(spaces=(), events=(), records=0))[2] == "no cycle yet"

    def test_what_strangers_say_cannot_redraw_the_screen(self) -> None:
        """Faults and messages are theirs."""
        told = event("creation-failed", "vcycle-\x1b[2J", detail="\x1b]0;title\x07 no")
        shot = SpaceShot(name=SPACE, report=report(error="\x1b[H"), machines=())
        picture = drawn(Snapshot(spaces=(shot,), events=(told,), records=0))
        assert "\x1b" not in "".join(picture)


class TestSnapshot(OnASite):
    """What is read for it."""

    def test_it_reads_spaces_machines_events_and_records(self, site: Site) -> None:
        """Machines that are gone are only in the events."""
        gone = ended()
        site.save(machine(), gone, intervals=(run_of(gone),), events=EVENTS)
        site.save(machine("vcycle-x-1", space="b.example.com"), space="b.example.com")
        site.report(report())
        with site.store() as store:
            store.mark_exported(APEL, [(gone.uuid, 0)], NOW)
            seen = snapshot(store)
        assert [(space.name, len(space.machines)) for space in seen.spaces] == [
            (SPACE, 1),
            ("b.example.com", 1),
        ]
        assert seen.spaces[0].report == report()
        assert seen.spaces[1].report is None
        assert seen.events == EVENTS
        assert seen.records == 1

    @pytest.mark.parametrize(
        ("name", "detail", "is_shown"),
        [
            ("machine-seen", "listed as starting", False),
            ("machine-state", "starting -> running", False),
            ("machine-gone", "confirmed absent", False),
            ("machine-delete", "finished", False),
            ("machine-delete", "still-deleting", False),
            ("machine-delete", "700 Deleted by the operator", False),
            ("machine-delete", "700 Exceeded max_wallclock_seconds", True),
            ("machine-started", "after 2 s", True),
            ("some-new-event", "", True),
        ],
    )
    def test_events_that_say_little_are_left_out(
        self, site: Site, name: str, detail: str, is_shown: bool
    ) -> None:
        """There is room for few."""
        site.save(events=(event(name, "vcycle-x", detail=detail),))
        with site.store() as store:
            assert bool(snapshot(store).events) is is_shown


def crowd(kind: str, count: int) -> SpaceShot:
    """Return a space with one machinetype that has many machines."""
    return SpaceShot(
        name=f"{kind}.example.com",
        machines=tuple(of_kind(kind, count)),
        report=report(shares=shares((kind, 1.0, 1.5))),
    )


def numbered(count: int) -> tuple[Event, ...]:
    """Return events that can be told apart."""
    return tuple(event("machine-started", f"vcycle-prod-{each}") for each in range(count))
