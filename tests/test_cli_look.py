"""`vcycle status`, `machines`, `machine`, `why`, `events`: what they tell of a real store."""

from __future__ import annotations

import fcntl
import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.builders import NOW
from tests.cli_kit import (
    CONF,
    OTHER,
    SECOND_SPACE,
    SPACE,
    TERMS,
    OnASite,
    Site,
    ended,
    event,
    machine,
    report,
    run_of,
)
from vcycled.apel.queue import Queue
from vcycled.cli.sentences import ADVICE, EVENTS, LOUD
from vcycled.cli.views import LATE_SECONDS
from vcycled.cycle.publish import SINK
from vcycled.machinedir import NewMachine
from vcycled.mjf import Features
from vcycled.model import (
    Cause,
    Drain,
    Hold,
    Limits,
    MachineState,
    Order,
    OrderKind,
    Share,
    SpaceMemory,
    Stage,
)

PROD = "vcycle-prod-0000000001"
STARTING = machine(
    "vcycle-prod-0000000002",
    state=MachineState.STARTING,
    stage=Stage.ASKED,
    started_at=None,
    created_at=NOW - 5,
)
BACKOFF = Hold(
    machinetype="prod",
    cause=Cause.BACKOFF,
    detail="a machine aborted 650 s ago and backoff_seconds is 900",
    until=NOW + 250,
)


class TestStatus(OnASite):
    """One page on which what is wrong stands first."""

    def test_a_space_is_told_with_its_limits_machines_and_shares(self, site: Site) -> None:
        """The tighter limit counts: here that of the configuration."""
        site.save(
            machine(),
            STARTING,
            memory=SpaceMemory(space=SPACE, foreign_processors=3, foreign_machines=1),
        )
        share = Share(machinetype="prod", wanted=2 / 3, had=0.25, processors=2, machines=2)
        site.report(report(shares=(share,), limits=Limits(processors=50), creates=1))
        page = site.ok("status").splitlines()
        assert page[2:] == [
            "cloud.example.com (local)",
            "  processors  2 ours + 3 foreign of 8",
            "  machines    1 starting, 1 running",
            "  last cycle  10 s ago (07:59:50 UTC), took 0.8 s: 1 asked for, 0 deletions,"
            " 0 records; next in 50 s (08:00:50 UTC)",
            "  MACHINETYPE  WANTED  HAS  PROCESSORS  MACHINES  NO MORE BECAUSE",
            "  prod            67%  25%           2         2  -",
            "  test              -    -           0         0  -",
        ]

    def test_a_hold_is_told_with_why_and_until_when(self, site: Site) -> None:
        """In words and in the reader's time."""
        site.report(report(holds=(BACKOFF,)))
        page = site.ok("status")
        assert "-           0         0  backoff" in page
        assert (
            "  prod: backoff: a machine aborted 10 min 50 s ago and backoff_seconds is 900;"
            " over in 4 min 10 s (08:04:10 UTC)\n"
        ) in page

    def test_a_drain_is_told_once_with_its_end(self, site: Site) -> None:
        """Its hold says nothing more."""
        drain = Drain(space=SPACE, machinetype="prod", since=NOW - 60, by=NOW + 600, who="alice")
        hold = Hold(machinetype="prod", cause=Cause.DRAIN, detail=f"drained since {NOW - 60}")
        site.save(drains=(drain,))
        site.report(report(holds=(hold,)))
        told = [line for line in site.ok("status").splitlines() if "drain" in line]
        assert told == [
            "  prod drains since 07:59:00 UTC by alice: machines end by themselves, those left"
            " are deleted in 10 min (08:10:00 UTC)",
            "  prod              -    -           0         0  drain",
        ]

    def test_a_drain_without_a_time_has_no_end(self, site: Site) -> None:
        """Nobody is named who is not known."""
        site.save(drains=(Drain(space=SPACE, machinetype="", since=NOW - 60),))
        told = "the whole space drains since 07:59:00 UTC: machines end by themselves"
        assert f"  {told}\n" in site.ok("status")

    def test_configuration_errors_stand_first(self, site: Site) -> None:
        """They are what a person must act on."""
        site.configure(CONF.replace("fizzle_seconds = 600", "fizzle_seconds = soon", 1))
        first, *_, unusable = site.ok("status").splitlines()[:3]
        assert first.startswith(
            f"error: {site.conf}:15: [machinetype {SPACE} prod] fizzle_seconds"
        )
        assert unusable.startswith(f"[machinetype {SPACE} prod] is not used: {site.conf}:15:")

    def test_a_space_without_machinetypes_is_held(self, site: Site) -> None:
        """With the reason, and without a table of nothing."""
        site.configure(CONF.partition("[machinetype")[0])
        page = site.ok("status")
        assert "  held: there is no machinetype in this space" in page
        assert "MACHINETYPE" not in page

    @pytest.mark.parametrize(
        ("age", "is_late"),
        [(50 + LATE_SECONDS, False), (51 + LATE_SECONDS, True)],
    )
    def test_a_cycle_that_does_not_come_is_told(self, site: Site, age: int, is_late: bool) -> None:
        """A slow cloud is given a minute."""
        site.report(report())
        site.clock.advance(age)
        assert ("its next cycle is 1 min 1 s late" in site.ok("status")) is is_late
        assert site.json("status")["spaces"][0]["last_cycle"]["is_late"] is is_late

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            (
                {"error": "machines: refused"},
                "the cloud could not be looked at: machines: refused",
            ),
            ({"stuck_calls": 1}, "1 call to the cloud given up without an answer so far"),
            ({"deferred": ("3 heartbeat: why",)}, "not deleted yet: 3 heartbeat: why"),
        ],
    )
    def test_what_went_wrong_in_the_last_cycle_is_told(
        self, site: Site, change: dict[str, object], sentence: str
    ) -> None:
        """Each in a sentence of its own."""
        site.report(report(**change))
        assert f"  {sentence}\n" in site.ok("status")

    def test_open_orders_are_counted(self, site: Site) -> None:
        """So that nobody orders twice."""
        with site.store() as store:
            store.order(Order(kind=OrderKind.DRAIN, space=SPACE, at=NOW, who="alice"))
        assert "  1 order left for the next cycle\n" in site.ok("status")

    def test_a_space_that_is_only_remembered_is_told_while_it_has_machines(
        self, site: Site
    ) -> None:
        """Without machines an old report is no reason to show it."""
        site.report(replace(report(), space="old.example.com"))
        assert "old.example.com" not in site.ok("status")
        site.save(machine(space="old.example.com"), space="old.example.com")
        assert "old.example.com (not configured any more)" in site.ok("status")

    def test_notices_and_leftovers_are_told_while_they_last(self, site: Site) -> None:
        """As of the last cycle."""
        site.report(
            report(
                notices=("the application credential ends in 9 days",),
                leftovers=(f"volume id-1, unused since {NOW - 60}",),
            )
        )
        page = site.ok("status")
        assert "  the application credential ends in 9 days\n" in page
        assert "  left in the cloud: volume id-1, unused since 07:59:00 UTC\n" in page
        (space,) = site.json("status")["spaces"]
        assert space["notices"] == ["the application credential ends in 9 days"]
        assert space["leftovers"] == [f"volume id-1, unused since {NOW - 60}"]

    def test_the_check_of_the_configuration_tells_notices_too(self, site: Site) -> None:
        """After its verdict, as far as the database can be read; nothing steers the terminal."""
        before = site.ok("config", "check")
        site.report(report(notices=("it ends in 9 days\x1b[2J",)))
        notice = f"notice: [space {SPACE}] it ends in 9 days [2J\n"
        assert site.ok("config", "check") == f"{before}{notice}"
        config = ("config", "check", "--config", str(site.conf))
        assert site.ok(*config) == f"{before}{notice}"
        assert json.loads(site.ok(*config, "--json")) == []
        site.close()
        (site.root / "vcycle.db").unlink()
        assert site.ok("config", "check") == before

    def test_machines_that_do_not_go_are_told_with_the_cloud_s_words(self, site: Site) -> None:
        """From the third deletion on, the worst of them by name; `why` says it too."""
        stuck = {"state": MachineState.DELETING, "delete_attempt_at": NOW - 3600}
        site.save(
            machine("vcycle-prod-a", delete_attempts=2, **stuck),
            machine("vcycle-prod-b", delete_attempts=3, **stuck),
            machine("vcycle-prod-c", delete_attempts=8, delete_error="delete: 409", **stuck),
            machine("vcycle-prod-d", stage=Stage.GONE, delete_attempts=9, **stuck),
        )
        site.report(report())
        sentence = (
            "2 machines with 2 processors still there after 3 or more deletions; vcycle-prod-c:"
            " asked for 8 times, last 1 h ago (07:00:00 UTC); the last attempt failed:"
            " delete: 409"
        )
        assert f"  {sentence}\n" in site.ok("status")
        (space,) = site.json("status")["spaces"]
        assert space["slow_deletes"] == ["vcycle-prod-c", "vcycle-prod-b"]
        note = f"They count until they are gone: {sentence}"
        assert site.ok("why", SPACE, "prod").startswith(f"{note}\n")
        assert site.json("why", SPACE)["notes"] == [note]

    def test_a_space_in_mode_observe_is_marked(self, site: Site) -> None:
        """Nothing will happen there."""
        site.configure(CONF.replace("api = local", "api = local\nmode = observe"))
        assert f"{SPACE} (local, mode observe)" in site.ok("status")

    def test_one_space_can_be_chosen(self, site: Site) -> None:
        """By its name."""
        site.configure(CONF + SECOND_SPACE)
        page = site.ok("status", OTHER)
        assert OTHER in page
        assert SPACE not in page

    def test_without_any_space_it_says_so(self, site: Site) -> None:
        """The configuration warns of it, too."""
        site.configure("[vcycle]\nroot = ROOT\n")
        page = site.ok("status")
        assert page.startswith("warning: there is no [space SPACE] section")
        assert page.endswith("There is no space.\n")

    def test_the_document_has_all_that_the_page_has(self, site: Site) -> None:
        """Keys and values as docs/reference/cli.md states them."""
        site.save(machine(), STARTING, drains=(Drain(space=SPACE, machinetype="", since=NOW),))
        site.report(report(holds=(BACKOFF,), limits=Limits(processors=4)))
        document = site.json("status")
        (space,) = document.pop("spaces")
        assert document == {
            "now": NOW,
            "manager": {"state": "unknown", "newest_report_at": NOW - 10},
            "problems": [],
            "unusable": {},
        }
        assert space == {
            "name": SPACE,
            "api": "local",
            "mode": "manage",
            "is_configured": True,
            "held": "",
            "limits": {"processors": 4, "machines": None, "memory_mb": None},
            "processors": 2,
            "foreign_processors": 0,
            "machines": {
                "starting": 1,
                "running": 1,
                "shutdown": 0,
                "deleting": 0,
                "failed": 0,
                "unknown": 0,
            },
            "machinetypes": [
                {
                    "machinetype": "prod",
                    "wanted": None,
                    "had": None,
                    "processors": 2,
                    "machines": 2,
                },
                {
                    "machinetype": "test",
                    "wanted": None,
                    "had": None,
                    "processors": 0,
                    "machines": 0,
                },
            ],
            "holds": [
                {
                    "machinetype": "prod",
                    "cause": "backoff",
                    "detail": "a machine aborted 650 s ago and backoff_seconds is 900",
                    "until": NOW + 250,
                }
            ],
            "deferred": [],
            "slow_deletes": [],
            "notices": [],
            "leftovers": [],
            "drains": [{"space": SPACE, "machinetype": "", "since": NOW, "by": None, "who": ""}],
            "open_orders": 0,
            "last_cycle": {
                "at": NOW - 10,
                "wake_at": NOW + 50,
                "is_late": False,
                "error": "",
                "creates": 0,
                "deletes": 0,
                "records": 0,
                "api_calls": 0,
                "stuck_calls": 0,
                "seconds": {"look": 0.25, "plan": 0.5},
            },
        }


class TestManager(OnASite):
    """Whether vcycled lives is judged by its lock and its reports."""

    def first_line(self, site: Site) -> str:
        """Return what `vcycle status` says first."""
        return site.ok("status").splitlines()[0]

    def test_one_that_holds_its_lock_is_running(self, site: Site) -> None:
        """The lock is of the kind that vcycled takes."""
        handle = os.open(site.root / "vcycled.lock", os.O_RDWR | os.O_CREAT)
        fcntl.flock(handle, fcntl.LOCK_EX)
        site.report(report())
        line = self.first_line(site)
        os.close(handle)
        assert line == "vcycled is running; last cycle 10 s ago (07:59:50 UTC)"

    def test_a_lock_that_nobody_holds_is_of_a_dead_one(self, site: Site) -> None:
        """The file stays when vcycled ends."""
        (site.root / "vcycled.lock").touch()
        assert self.first_line(site) == "vcycled is NOT running; no cycle yet"
        assert site.json("status")["manager"]["state"] == "stopped"

    def test_without_a_lock_fresh_reports_are_of_another_host(self, site: Site) -> None:
        """As with a database that several hosts see."""
        site.report(report())
        assert self.first_line(site).startswith("vcycled is at work, but not on this host;")

    def test_without_a_lock_and_fresh_reports_it_has_not_run(self, site: Site) -> None:
        """Old reports do not change that."""
        assert self.first_line(site).startswith("vcycled has not run on this host")
        site.report(report(at=NOW - 9000, wake_at=NOW - 8940))
        assert self.first_line(site).startswith("vcycled has not run on this host")


class TestMachines(OnASite):
    """A table of machines, and which of them."""

    def names(self, site: Site, *words: str) -> list[str]:
        """Return the names that `vcycle machines` lists."""
        return [each["name"] for each in site.json("machines", *words)]

    def test_each_is_told_with_its_state_and_age(self, site: Site) -> None:
        """One that the cloud has not listed yet has no state there."""
        site.save(machine(), STARTING, ended())
        assert site.ok("machines").splitlines() == [
            "NAME                    STATE    PROCS  AGE        RAN  REMARKS",
            "vcycle-prod-0000000001  running      1  1 h 1 min  1 h",
            "vcycle-prod-0000000002  asked        1  5 s        -",
            "2 machines, 2 processors",
        ]

    @pytest.mark.parametrize(
        ("changes", "remark"),
        [
            ({"fault": "no valid host"}, "no valid host"),
            (
                {"delete_attempts": 2, "delete_error": "delete: 409"},
                "deletion asked for (ended, tried 2 times, last error: delete: 409)",
            ),
            ({"missing_since": NOW - 60}, "not listed since 07:59:00 UTC"),
            ({"is_delete_ordered": True}, "deletion ordered"),
            (
                {"delete_attempts": 1, "delete_attempt_at": NOW, "delete_reason": "heartbeat"},
                "deletion asked for (heartbeat)",
            ),
            (
                {"delete_attempts": 3, "delete_attempt_at": NOW},
                "deletion asked for (ended, tried 3 times)",
            ),
        ],
    )
    def test_what_is_odd_about_one_is_remarked(
        self, site: Site, changes: dict[str, object], remark: str
    ) -> None:
        """In as few words as will do."""
        site.save(machine(**changes))
        assert site.ok("machines").splitlines()[1].endswith(f"1 h  {remark}")

    def test_gone_ones_are_listed_when_asked_for(self, site: Site) -> None:
        """With what they said, and whether they aborted."""
        site.save(machine(), ended(is_aborted=True))
        row = site.ok("machines", "--all").splitlines()[1]
        assert row.split("  ", 1) == [
            "vcycle-prod-0000000009",
            "gone         1  3 h 1 min  2 h  aborted; it said '200 Success'",
        ]
        assert self.names(site) == [PROD]

    @pytest.mark.parametrize(
        ("words", "names"),
        [
            ([], [PROD, "vcycle-prod-0000000002", "vcycle-test-1", "vcycle-prod-other"]),
            ([SPACE], [PROD, "vcycle-prod-0000000002", "vcycle-test-1"]),
            (["--machinetype", "prod"], [PROD, "vcycle-prod-0000000002", "vcycle-prod-other"]),
            ([SPACE, "--machinetype", "test"], ["vcycle-test-1"]),
            (["--state", "running"], [PROD, "vcycle-test-1", "vcycle-prod-other"]),
            (["--state", "asked"], ["vcycle-prod-0000000002"]),
            (["--state", "gone"], ["vcycle-prod-0000000009"]),
            (["--state", "failed"], []),
        ],
    )
    def test_filters_narrow_the_list(self, site: Site, words: list[str], names: list[str]) -> None:
        """By space, machinetype and state, all of which must hold."""
        site.configure(CONF + SECOND_SPACE)
        site.save(machine(), STARTING, machine("vcycle-test-1", machinetype="test"), ended())
        site.save(machine("vcycle-prod-other", space=OTHER), space=OTHER)
        assert self.names(site, *words) == names

    def test_the_space_is_told_if_there_are_several(self, site: Site) -> None:
        """Else it would only take room."""
        site.configure(CONF + SECOND_SPACE)
        site.save(machine())
        site.save(machine("vcycle-prod-other", space=OTHER), space=OTHER)
        rows = site.ok("machines").splitlines()
        assert rows[0].startswith("SPACE")
        assert rows[2].startswith(f"{OTHER}  vcycle-prod-other")

    def test_none_at_all_is_no_error(self, site: Site) -> None:
        """An empty space is a usual thing."""
        assert site.ok("machines") == "no machines\n"

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (
                ["claud.example.com"],
                "no space 'claud.example.com'; did you mean cloud.example.com?",
            ),
            (["--machinetype", "prud"], "no machinetype 'prud'; did you mean prod?"),
        ],
    )
    def test_an_unknown_name_is_refused(self, site: Site, words: list[str], message: str) -> None:
        """With the nearest one."""
        assert site.refused("machines", *words) == f"vcycle: there is {message}\n"

    def test_the_document_never_shows_what_proves_who_a_machine_is(self, site: Site) -> None:
        """Not even the hash of its token; everything else is there by its name in the model."""
        site.save(machine())
        (document,) = site.json("machines")
        assert set(document) == {
            "condition", "uuid", "name", "space", "machinetype", "stage", "state", "processors",
            "memory_mb", "flavor", "created_at", "zone", "cloud_id", "address", "seen_at",
            "started_at", "stopped_at", "end_source", "message", "is_aborted", "is_closed",
            "interval", "missing_since", "missing_first_at", "missing_listings", "delete_reason",
            "delete_attempts", "delete_attempt_at", "is_delete_acknowledged", "delete_error",
            "is_delete_ordered", "gone_at", "fault", "warning", "ends_at",
            "drain_by", "leave_by", "leave_why",
        }  # fmt: skip
        assert document["condition"] == "running"


class TestStory(OnASite):
    """All that is known of one machine."""

    def publish(self, site: Site, name: str = PROD) -> None:
        """Make the machine's folder, with a heartbeat and an output."""
        features = Features(machine={}, job={})
        new = NewMachine(
            space=SPACE, name=name, machinetype="prod", uuid="u", created_at=NOW, manager="m",
            features=features,
        )  # fmt: skip
        site.tree.prepare(new)
        for file, age in (("heartbeat", 30), ("job.log", 90)):
            path = site.tree.layout.outputs(SPACE, name) / file
            path.write_text("12345")
            os.utime(path, (NOW - age, NOW - age))

    def test_a_running_machine_is_told_with_its_outputs(self, site: Site) -> None:
        """As its folder has them now."""
        site.save(machine(address="192.0.2.1"))
        self.publish(site)
        page = site.ok("machine", PROD)
        assert "  state            running\n" in page
        assert "  address          192.0.2.1\n" in page
        assert "  heartbeat         30 s ago (07:59:30 UTC)\n" in page
        assert "  shutdown message  none\n" in page
        assert "  job.log        5  1 min 30 s ago (07:58:30 UTC)\n" in page
        assert "  max_wallclock_seconds  86400 (1 d)\n" in page
        assert page.endswith(
            "none yet: it has not ended. It gets one if it runs for 10 min or more\n"
        )

    def test_the_end_of_its_console_is_told_without_what_steers_a_terminal(
        self, site: Site
    ) -> None:
        """Forty lines at most; the rest is in the file, and in the document as it was."""
        site.save(machine(state=MachineState.FAILED, fault="No valid host was found"))
        self.publish(site)
        lines = [f"[{number}] \x1b[1;31mfailed\x1b[0m\x07 \x9b2J\r" for number in range(50)]
        site.tree.keep_console(SPACE, PROD, "\n\n".join(lines))
        page = site.ok("machine", PROD)
        assert "  fault            No valid host was found\n" in page
        place = site.tree.layout.machine(SPACE, PROD) / "console_log"
        assert f"Console\n  the last 40 of 50 lines in {place}\n  [10] failed   2J\n" in page
        assert "[9] failed" not in page
        assert all(each.isprintable() or each == "\n" for each in page)
        (document,) = site.json("machine", PROD)
        assert document["console"].startswith("[0] \x1b[1;31mfailed")

    def test_a_console_that_was_not_fetched_is_not_told(self, site: Site) -> None:
        """There is no heading without lines."""
        site.save(machine())
        self.publish(site)
        assert "Console" not in site.ok("machine", PROD)
        (document,) = site.json("machine", PROD)
        assert document["console"] == ""

    def test_its_events_are_told_in_the_order_of_time(self, site: Site) -> None:
        """In words, with full dates."""
        told = (
            event("machine-created", PROD, at=NOW - 3700, detail="small, id x"),
            event("machine-started", PROD, at=NOW - 3600, detail="after 100 s"),
            event("machine-new-thing", PROD, at=NOW - 60),
            event("machine-started", "vcycle-prod-another"),
        )
        site.save(machine(), events=told)
        page = site.ok("machine", PROD).splitlines()
        start = page.index("Story")
        assert page[start + 1 : start + 5] == [
            "  2027-01-15 06:58:20 UTC  asked for: small, id x",
            "  2027-01-15 07:00:00 UTC  started: after 1 min 40 s",
            "  2027-01-15 07:59:00 UTC  machine new thing",
            "Outputs",
        ]

    def test_a_gone_machine_is_told_from_the_folder_of_the_deleted(self, site: Site) -> None:
        """Of several that bore the name the last one's."""
        for _ in range(2):
            self.publish(site, "vcycle-prod-0000000009")
            site.tree.retire(SPACE, "vcycle-prod-0000000009")
        site.save(ended(fault="it broke"))
        page = site.ok("machine", "vcycle-prod-0000000009")
        assert "/deleted/vcycle-prod-0000000009~2\n" in page
        assert "  shutdown message  200 Success\n" in page
        assert "  ended            1 h ago (07:00:00 UTC), as told by shutdown-message\n" in page
        assert "  fault            it broke\n" in page

    def test_a_machine_without_a_folder_says_so(self, site: Site) -> None:
        """After cleanup_hours, or for one that was adopted under a strange name."""
        site.save(ended(), machine("../strange name"))
        assert "there is no folder of it\n" in site.ok("machine", "vcycle-prod-0000000009")
        assert "there is no folder of it\n" in site.ok("machine", "../strange name")

    def test_a_folder_that_cannot_be_read_is_no_reason_to_tell_nothing(self, site: Site) -> None:
        """The rest is told, and the reason."""
        site.save(machine())
        site.tree.layout.machine(SPACE, PROD).mkdir(parents=True)
        page = site.ok("machine", PROD)
        assert "cannot be read: [Errno 2] No such file or directory" in page

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({}, "none: it ran for less than fizzle_seconds (10 min)"),
            ({"started_at": None}, "none: it never ran"),
        ],
    )
    def test_why_there_is_no_record_is_told(
        self, site: Site, changes: dict[str, object], words: str
    ) -> None:
        """A machine that fizzled has none."""
        site.save(ended(**changes))
        assert site.ok("machine", "vcycle-prod-0000000009").endswith(f"  {words}\n")

    def test_what_it_was_promised_is_told(self, site: Site) -> None:
        """Also if it need send no heartbeat, or just one, and is not published."""
        terms = replace(TERMS, power_per_processor=15.5, power_unit="hepscore23", fqan="/vo")
        site.save(machine(terms=replace(terms, heartbeat_seconds=0)))
        page = site.ok("machine", PROD)
        assert "  heartbeat_file         heartbeat\n" in page
        assert "  power                  15.5 hepscore23 per processor\n" in page
        assert "  accounting_fqan        /vo\n" in page
        self.publish(site)
        assert "  heartbeat         30 s ago (07:59:30 UTC)\n" in site.ok("machine", PROD)
        site.save(machine(terms=replace(terms, heartbeat_file="", is_published=False)))
        page = site.ok("machine", PROD)
        assert "heartbeat_file" not in page
        assert "s ago (07:59:30 UTC)\n  shutdown message" not in page
        assert "  site                   EXAMPLE-SITE (archived only)\n" in page

    def test_what_became_of_its_record_is_told(self, site: Site) -> None:
        """From the end of the run until ssmsend has taken it."""
        gone, span = ended(), "  2027-01-15 05:00:00 UTC to 2027-01-15 07:00:00 UTC (2 h): record"

        def told() -> str:
            return site.ok("machine", gone.name).splitlines()[-1]

        site.save(gone, intervals=(run_of(gone, is_final=False),))
        assert told() == f"{span} not written yet, as a better end may still turn up"
        site.save(intervals=(run_of(gone),))
        assert told() == f"{span} not written yet; it is at the next cycle"
        queue = Queue(site.root)
        element = str(queue.put(run_of(gone)).relative_to(queue.archive))
        with site.store() as store:
            store.mark_exported(SINK, [(gone.uuid, 0)], NOW - 60)
        written = f"{span} written 1 min ago (07:59:00 UTC) as {element}"
        assert told() == f"{written}; waits for ssmsend"
        (queue.outgoing / f"{element}.lck").touch()
        assert told() == f"{written}; being sent"
        (queue.outgoing / f"{element}.lck").unlink()
        (queue.outgoing / element).unlink()
        assert told() == f"{written}; taken by ssmsend"
        (queue.archive / element).unlink()
        assert told() == f"{span} written 1 min ago (07:59:00 UTC); taken by ssmsend"

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"is_delete_ordered": True}, "ordered by an operator"),
            (
                {
                    "delete_attempts": 1,
                    "delete_attempt_at": NOW - 60,
                    "delete_reason": "heartbeat",
                },
                "700 Heartbeat file not updated; asked for 1 time, last 1 min ago (07:59:00 UTC);"
                " no answer yet",
            ),
            (
                {"delete_attempts": 2, "delete_attempt_at": NOW, "is_delete_acknowledged": True},
                "it had ended; asked for 2 times, last 0 s ago (08:00:00 UTC); the cloud agreed",
            ),
            (
                {"delete_attempts": 2, "delete_attempt_at": NOW, "delete_error": "delete: 409"},
                "it had ended; asked for 2 times, last 0 s ago (08:00:00 UTC); the last attempt"
                " failed: delete: 409",
            ),
        ],
    )
    def test_its_deletion_is_told(
        self, site: Site, changes: dict[str, object], words: str
    ) -> None:
        """Why, how often, and with what answer."""
        site.save(machine(**changes))
        assert f"  deletion         {words}\n" in site.ok("machine", PROD)

    def test_an_unknown_name_is_refused_with_the_nearest(self, site: Site) -> None:
        """Machines that are gone are known, too."""
        site.save(machine())
        assert site.refused("machine", "vcycle-prod-000000001") == (
            "vcycle: there is no machine 'vcycle-prod-000000001', nor was there one;"
            " did you mean vcycle-prod-0000000001?\n"
        )

    def test_the_document_tells_everything(self, site: Site) -> None:
        """A list, as a name may have been borne by several."""
        gone = ended()
        site.save(gone, events=(event("machine-gone", gone.name),), intervals=(run_of(gone),))
        self.publish(site, gone.name)
        (story,) = site.json("machine", gone.name)
        assert story["terms"]["fizzle_seconds"] == 600
        assert story["heartbeat_at"] == NOW - 30
        assert story["folder"].endswith(gone.name)
        assert story["outputs"][1] == {"name": "job.log", "size": 5, "written_at": NOW - 90}
        assert [each["event"] for each in story["events"]] == ["machine-gone"]
        (record,) = story["records"]
        assert set(record) == {
            "uuid", "interval", "space", "machinetype", "name", "processors", "memory_mb",
            "started_at", "ended_at", "end_source", "is_final", "exported_at", "element",
            "is_waiting",
        }  # fmt: skip
        assert (record["is_final"], record["exported_at"], record["element"]) == (True, None, "")


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
                "The cloud could not be looked at, so nothing is created: connect: refused",
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
        assert site.ok("why", SPACE, "prod") == f"{doubt}\nprod\n"

    def test_a_manager_that_does_not_run_is_the_first_reason(self, site: Site) -> None:
        """With the age of what is told."""
        (site.root / "vcycled.lock").touch()
        site.report(report())
        assert site.ok("why", SPACE, "prod").startswith(
            "vcycled is not running, so nothing is created at all."
            " This is how it was 10 s ago (07:59:50 UTC).\n"
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
        assert site.ok("events", "--machine", "none") == "no events\n"

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
