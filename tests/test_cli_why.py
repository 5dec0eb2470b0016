"""`vcycle why` and `vcycle events`: what holds the manager, and what it did."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.builders import NOW
from tests.cli_kit import (
    BACKOFF,
    CONF,
    OTHER,
    PROD,
    SECOND_SPACE,
    SPACE,
    OnASite,
    Site,
    event,
    machine,
    report,
)
from vcycled.cli.printing import Line, Tone
from vcycled.cli.sentences import ADVICE, EVENTS, LOUD
from vcycled.cli.status import hold_line
from vcycled.cli.why import Answer, why_blocks
from vcycled.cli.words import Words
from vcycled.config import ConfigSource
from vcycled.model import (
    Cause,
    Hold,
    MachinetypeMemory,
    Order,
    OrderKind,
    SpaceMemory,
)

NEVER_SEEN = (
    "It was never seen, and is asked again in every cycle. If it does not let us in, mend what"
    f" [space {SPACE}] says; otherwise see whether its API answers others."
)


def _advice(site: Site) -> dict[str, str]:
    kinds = site.json("why", SPACE)["machinetypes"]
    return {each["machinetype"]: each["holds"][0]["advice"] for each in kinds}


class TestWhy(OnASite):
    """Why there are no more machines, until when, and what to do."""

    def test_a_hold_is_told_with_what_to_do_about_it(self, site: Site) -> None:
        """And where to read more."""
        site.report(report(holds=(BACKOFF,)))
        page = site.ok("why", SPACE, "prod").splitlines()
        assert page[:2] == [
            "prod",
            "  backoff: a machine aborted 10 min 50 s ago and backoff_seconds is 900; over in"
            " 4 min 10 s (08:04:10 UTC)",
        ]
        assert page[2].startswith("  Nothing: it is tried again by itself.")
        assert page[2].endswith("See docs/reference/why.md#backoff")

    def test_every_cause_has_its_advice(self) -> None:
        """A cause that is added to the planner needs a sentence here."""
        assert set(ADVICE) == set(Cause)

    @pytest.mark.parametrize("cause", Cause)
    def test_what_is_usual_is_no_warning(self, cause: Cause) -> None:
        """As documented, whoever tells it: a full space and an empty queue are as it should be."""
        page = Path(__file__).parents[1] / "docs" / "reference" / "why.md"
        told = re.search(
            r"^Nobody has to do anything about ([^:]+):", page.read_text(), re.MULTILINE
        )
        assert told is not None
        usual = set(re.findall(r"`([a-z-]+)`", told[1]))
        assert usual <= set(Cause)
        tone = Tone.FAINT if cause in usual else Tone.WARN
        hold = Hold(machinetype="prod", cause=cause, detail="full")
        words = Words(now=NOW)
        given = Answer(space=SPACE, kinds=(("prod", (hold,)),))
        lines = [each for each in why_blocks(given, words) if isinstance(each, Line)]
        assert [each.tone for each in lines if each.text == f"{cause}: full"] == [tone]
        assert hold_line(hold, words).tone is tone

    def test_a_hold_of_the_whole_space_holds_each_machinetype(self, site: Site) -> None:
        """Every machinetype is told unless one is asked for."""
        hold = Hold(machinetype="", cause=Cause.QUOTA, detail="the quota was exceeded 2 times")
        site.report(report(holds=(hold,)))
        page = site.ok("why", SPACE)
        assert page.count("  quota: the quota was exceeded 2 times\n") == 2

    def test_without_a_hold_the_next_cycle_is_told(self, site: Site) -> None:
        """Something may come of it."""
        site.report(report())
        assert site.ok("why", SPACE, "prod") == (
            "prod\n  nothing holds it; the next cycle is in 50 s (08:00:50 UTC)\n"
        )

    @pytest.mark.parametrize(
        ("changes", "doubt"),
        [
            (None, "There has been no cycle of this space yet, so nothing is known."),
            (
                {"error": "connect: refused"},
                "The cloud could not be looked at, so nothing is created: connect: refused\n"
                f"{NEVER_SEEN}",
            ),
            (
                {"at": NOW - 200, "wake_at": NOW - 61},
                "The next cycle is 1 min 1 s late;"
                " this is how it was 3 min 20 s ago (07:56:40 UTC).",
            ),
        ],
    )
    def test_what_makes_the_answer_doubtful_stands_first(
        self, site: Site, changes: dict[str, object] | None, doubt: str
    ) -> None:
        """Then nobody is told that nothing holds it."""
        if changes is not None:
            site.report(report(**changes))
        said = "" if changes is None else "  nothing but what is said above\n"
        assert site.ok("why", SPACE, "prod") == f"{doubt}\nprod\n{said}"

    def test_a_cloud_that_is_not_seen_any_more_is_told_with_its_age(self, site: Site) -> None:
        """What holds the machinetype is as it was then."""
        site.save(memory=SpaceMemory(space=SPACE, listed_at=NOW - 600))
        site.report(report(error="machines: refused", holds=(BACKOFF,)))
        _, since, *_ = site.json("why", SPACE)["doubts"]
        assert since.startswith("It was last seen 10 min ago (07:50:00 UTC), and is asked again")

    def test_a_pipe_that_gives_nothing_is_told(self, site: Site) -> None:
        """Of this space only: its machinetypes are not there to be asked about."""
        pipe = f"[vacuum_pipe {SPACE} vo]\nvacuum_pipe_url = http://localhost:1/pipe.json\n"
        site.configure(f"{CONF}\n{pipe}")
        site.report(report())
        (note,) = site.json("why", SPACE)["notes"]
        assert note.startswith("Machinetypes of a pipe may be missing: http://localhost:1/")
        assert "has not been fetched yet" in note

    @pytest.mark.parametrize("wrong", ["what is this", "[vcycle]\nmin_free_mb = few"])
    def test_an_error_that_keeps_edits_from_counting_is_told(self, site: Site, wrong: str) -> None:
        """One of another space's section is not: that does nothing to this space."""
        ConfigSource([site.conf]).current()
        site.report(report())
        site.configure(f"{CONF}\n{wrong}\n")
        (note,) = site.json("why", SPACE)["notes"]
        assert note.startswith(f"What was last right in the configuration goes on: {site.conf}:")
        site.configure(CONF + SECOND_SPACE.replace("api = local", "api = nowhere"))
        assert site.json("why", SPACE)["notes"] == []

    def test_a_manager_that_does_not_run_is_the_first_reason(self, site: Site) -> None:
        """With the age of what is told."""
        (site.root / "vcycled.lock").touch()
        site.report(report())
        assert site.ok("why", SPACE, "prod").startswith(
            "vcycled is not running, so nothing is created at all."
            " This is how it was 10 s ago (07:59:50 UTC).\n"
        )

    @pytest.mark.parametrize(
        ("since", "left"),
        [
            (NOW - 599, "; preemptible machines are told to make some in 1 s (08:00:01 UTC)"),
            (NOW - 600, ""),
        ],
    )
    def test_who_waits_for_room_is_told(self, site: Site, since: int, left: str) -> None:
        """And when preemptible machines are told to make some."""
        kinds = (
            MachinetypeMemory(space=SPACE, machinetype="test", waiting_since=since),
            MachinetypeMemory(space=SPACE, machinetype="prod"),
        )
        site.save(machinetypes=kinds)
        site.report(report())
        at = "07:50:01" if left else "07:50:00"
        sentence = f"test has lacked room since {at} UTC{left}."
        assert f"{sentence}\n" in site.ok("why", SPACE)
        assert site.json("why", SPACE)["notes"] == [sentence]

    def test_who_waits_for_room_in_the_cloud_need_do_nothing(self, site: Site) -> None:
        """As preemptible machines make it; otherwise it may name more flavors."""
        hold = Hold(machinetype="test", cause=Cause.NO_CAPACITY, detail="no room")
        site.report(report(holds=(hold,)))
        assert "More flavor_names or" in site.ok("why", SPACE, "test")
        kept = MachinetypeMemory(space=SPACE, machinetype="test", waiting_since=NOW - 1)
        site.save(machinetypes=(kept,))
        said = site.ok("why", SPACE, "test")
        assert "preemptible machines make room for it" in said

    def test_who_makes_room_is_told(self, site: Site) -> None:
        """With the first end; who has ended made it already."""
        site.save(
            machine("a", leave_by=NOW + 300, leave_why="preempted", processors=4),
            machine("b", leave_by=NOW + 240, leave_why="preempted", processors=2),
            machine("c", leave_by=NOW + 60, leave_why="drained"),
            machine("d", leave_by=NOW + 60, leave_why="preempted", stopped_at=NOW),
        )
        site.report(report())
        assert site.json("why", SPACE)["notes"] == [
            "2 preemptible machines with 6 processors must make room, the first in 4 min"
            " (08:04:00 UTC)."
        ]

    @pytest.mark.parametrize("cause", [Cause.SPACE_LIMIT, Cause.RESERVED])
    @pytest.mark.parametrize(("since", "is_due"), [(NOW - 600, True), (NOW - 599, False)])
    def test_one_that_is_made_room_for_is_told_so(
        self, site: Site, cause: Cause, since: int, *, is_due: bool
    ) -> None:
        """A full space asks for no larger limit then; where nobody gives way, it does."""
        waiting = MachinetypeMemory(space=SPACE, machinetype="test", waiting_since=since)
        holds = [Hold(machinetype=name, cause=cause, detail="full") for name in ("prod", "test")]
        site.report(report(holds=tuple(holds)))
        site.save(machinetypes=(waiting,))
        making = "Nothing: preemptible machines make room for it, as said above."
        assert _advice(site)["test"] == (ADVICE[cause] if is_due else making)
        site.save(machine("a", leave_by=NOW + 300, leave_why="preempted"))
        assert _advice(site) == {"prod": ADVICE[cause], "test": making}
        assert f"{making} See docs/reference/why.md#{cause}\n" in site.ok("why", SPACE, "test")

    @pytest.mark.parametrize(("machinetype", "words"), [("", SPACE), ("prod", f"{SPACE} prod")])
    def test_what_lifts_a_drain_is_said(self, site: Site, machinetype: str, words: str) -> None:
        """The whole command, of the space or of its machinetype."""
        site.report(
            report(holds=(Hold(machinetype=machinetype, cause=Cause.DRAIN, detail="it drains"),))
        )
        assert f"Lift the drain with `vcycle undrain {words}` when" in site.ok(
            "why", SPACE, "prod"
        )

    def test_orders_and_modes_are_told(self, site: Site) -> None:
        """They explain what the report cannot know."""
        site.configure(CONF.replace("api = local", "api = local\nmode = observe"))
        site.report(report())
        with site.store() as store:
            store.order(Order(kind=OrderKind.DRAIN, space=SPACE, at=NOW, who="alice"))
        page = site.ok("why", SPACE, "prod")
        assert "1 order left for the next cycle.\n" in page
        assert "mode is observe: nothing is created or deleted in this space.\n" in page

    def test_a_space_that_was_removed_is_told_as_such(self, site: Site) -> None:
        """Its machines are still looked after."""
        site.save(machine(space="old.example.com"), space="old.example.com")
        site.report(replace(report(), space="old.example.com"))
        assert "This space is not configured any more" in site.ok("why", "old.example.com", "prod")

    def test_a_section_that_is_wrong_now_is_told_once(self, site: Site) -> None:
        """Also if it still has machines from better days."""
        site.configure(CONF.replace("fizzle_seconds = 600", "fizzle_seconds = soon", 1))
        site.save(machine())
        site.report(report())
        assert site.ok("why", SPACE).count("its section is wrong") == 1

    def test_a_section_that_never_was_right_is_the_reason(self, site: Site) -> None:
        """The report knows nothing of such a machinetype."""
        site.configure(CONF.replace("fizzle_seconds = 600", "fizzle_seconds = soon", 1))
        site.report(report())
        page = site.ok("why", SPACE, "prod")
        assert page.startswith("prod\n  its section is wrong and never was right: ")
        assert f"{site.conf}:15: " in page
        document = site.json("why", SPACE, "prod")
        assert document["machinetypes"][0]["unusable"] != ""

    def test_a_space_that_never_was_right_is_the_reason(self, site: Site) -> None:
        """It is known by its section only."""
        site.configure(CONF.replace("api = local", "api = locxl"))
        assert site.ok("why", SPACE).startswith(f"{SPACE}\n  its section is wrong and never was")

    def test_an_unknown_machinetype_is_refused(self, site: Site) -> None:
        """With the nearest one."""
        assert site.refused("why", SPACE, "prd") == (
            "vcycle: there is no machinetype 'prd'; did you mean prod?\n"
        )

    def test_the_document_has_the_advice_too(self, site: Site) -> None:
        """For an admin page, say."""
        site.report(report(holds=(BACKOFF,)))
        assert site.json("why", SPACE, "prod") == {
            "space": SPACE,
            "manager": None,
            "doubts": [],
            "notes": [],
            "wake_at": NOW + 50,
            "machinetypes": [
                {
                    "machinetype": "prod",
                    "holds": [
                        {
                            "machinetype": "prod",
                            "cause": "backoff",
                            "detail": BACKOFF.detail,
                            "until": NOW + 250,
                            "advice": ADVICE[Cause.BACKOFF],
                        }
                    ],
                    "unusable": "",
                }
            ],
        }


class TestEvents(OnASite):
    """What happened, the newest last."""

    @pytest.fixture(autouse=True)
    def history(self, site: Site) -> None:
        """Let four things have happened."""
        site.configure(CONF + SECOND_SPACE)
        told = (
            event("machine-created", PROD, at=NOW - 7201, detail="small, id x"),
            event("creation-failed", PROD, at=NOW - 7200, detail="create: no"),
            event("order-drain", at=NOW - 60, machinetype="test", detail="by alice: nothing more"),
        )
        site.save(events=told)
        site.save(events=(event("order-undrain", machinetype="", space=OTHER),), space=OTHER)

    def test_they_are_told_with_time_and_place(self, site: Site) -> None:
        """An event of a whole space has no subject."""
        assert [line.split("  ", 1)[1] for line in site.ok("events").splitlines()[1:]] == [
            "cloud.example.com  vcycle-prod-0000000001  asked for: small, id x",
            "cloud.example.com  vcycle-prod-0000000001  could not be made: create: no",
            "cloud.example.com  test                    drain ordered: by alice: nothing more",
            "other.example.com  -                       end of drain ordered",
        ]

    @pytest.mark.parametrize(
        ("words", "names"),
        [
            (["--space", OTHER], ["order-undrain"]),
            (["--machine", PROD], ["machine-created", "creation-failed"]),
            (["--since", "-2h"], ["creation-failed", "order-drain", "order-undrain"]),
            (["--since", str(NOW)], ["order-undrain"]),
            (["--limit", "2"], ["order-drain", "order-undrain"]),
            (["--space", SPACE, "--limit", "1"], ["order-drain"]),
        ],
    )
    def test_filters_narrow_the_list(self, site: Site, words: list[str], names: list[str]) -> None:
        """A limit keeps the newest."""
        assert [each["event"] for each in site.json("events", *words)] == names

    def test_every_event_of_the_catalogue_has_its_words(self) -> None:
        """And those that are warnings there catch the eye here."""
        catalogue = Path(__file__).parents[1] / "docs" / "reference" / "events.md"
        told = re.findall(
            r"^\| `(\S+)` \| (\w+), story", catalogue.read_text(), flags=re.MULTILINE
        )
        assert {name for name, _ in told} == set(EVENTS)
        assert {name for name, level in told if level == "WARNING"} == LOUD

    def test_none_is_no_error(self, site: Site) -> None:
        """As with machines."""
        assert site.ok("events", "--since", "+1d") == "no events\n"

    def test_what_never_was_has_no_events(self, site: Site) -> None:
        """A name with a slip is not taken for a machine to which nothing happened."""
        site.save(machine("vcycle-prod-0000000001"))
        told = site.refused("events", "--machine", "vcycle-prod-0000000002")
        assert told.endswith(", nor was there one; did you mean vcycle-prod-0000000001?\n")
        later = site.ok("events", "--machine", "vcycle-prod-0000000001", "--since", "+1d")
        assert later == "no events\n"

    def test_a_wrong_time_is_wrong_usage(self, site: Site) -> None:
        """Exit status 2, with what is accepted."""
        said = site.refused("events", "--since", "yesterday", status=2)
        assert "'yesterday' is no time; accepted are Unix seconds, ISO 8601" in said

    def test_the_document_has_every_field(self, site: Site) -> None:
        """By its name in the model."""
        assert site.json("events", "--limit", "1") == [
            {"at": NOW, "space": OTHER, "event": "order-undrain", "machinetype": "", "machine": "",
             "detail": ""}
        ]  # fmt: skip
