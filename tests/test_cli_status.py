"""`vcycle status`: what a person sees of spaces and of the manager itself."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import replace

import pytest

from tests.builders import NOW
from tests.cli_kit import (
    BACKOFF,
    CONF,
    OTHER,
    SECOND_SPACE,
    SPACE,
    STARTING,
    OnASite,
    Site,
    machine,
    report,
    sink_document,
)
from vcycled.cli.session import Session
from vcycled.cli.views import LATE_SECONDS
from vcycled.config import ConfigSource
from vcycled.errors import ConfigError
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

    def test_a_file_in_another_encoding_stops_no_look(self, site: Site) -> None:
        """The last good configuration goes on, as in the manager; the error is told with it."""
        ConfigSource([site.conf]).current()
        site.report(report())
        site.conf.write_bytes(b"# caf\xe9\n" + site.conf.read_bytes())
        why = "must be UTF-8 text, which byte 0xe9 at offset 5 is not; save it as UTF-8"
        assert f"error: {site.conf}:1: {why}\n" in site.ok("status")
        assert "1 error in the configuration: vcycle status\n" in site.ok("top", "--once")
        assert f"WARNING: {site.conf}:1: {why}\n" in site.vcycle("check").output

    def test_a_configuration_that_is_gone_stops_no_later_look(self, site: Site) -> None:
        """The manager goes on without it; but somebody must know where ROOT is."""
        ConfigSource([site.conf]).current()
        session = Session(site.clock, [site.conf])
        assert session.root == site.root
        site.conf.unlink()
        for again in (session.anew(), session.anew().anew()):
            with again.store() as store:
                (space,) = again.view(store).spaces
            assert space.name == SPACE
            (problem,) = again.config.problems
            assert "is gone" in str(problem)
        with pytest.raises(ConfigError):
            _ = Session(site.clock, [site.conf]).root

    def test_a_preemptible_machinetype_wants_what_is_left_over(self, site: Site) -> None:
        """It has no share of its own, so that those of the others make 100 %."""
        share = Share(
            machinetype="prod", wanted=0.0, had=0.5, processors=1, machines=1, is_preemptible=True
        )
        site.report(report(shares=(share,)))
        (row,) = (line for line in site.ok("status").splitlines() if line.startswith("  prod"))
        assert row.split()[1:4] == ["left", "over", "-"]
        (space,) = site.json("status")["spaces"]
        (kind,) = (each for each in space["machinetypes"] if each["machinetype"] == "prod")
        assert kind["is_preemptible"] is True
        assert (kind["wanted"], kind["had"]) == (None, None)

    def test_machines_that_were_told_to_leave_are_counted(self, site: Site) -> None:
        """By the reason, with the nearest end; those that have ended need not leave any more."""
        soon = {"leave_by": NOW + 900, "leave_why": "drained"}
        site.save(
            machine("a", **soon),
            machine("b", leave_by=NOW + 600, leave_why="drained"),
            machine("c", leave_by=NOW + 700, leave_why="shutdown-time"),
            machine("d", leave_by=NOW + 60, leave_why="drained", stopped_at=NOW - 5),
            machine("e"),
        )
        told = "told to leave: 2 drained, 1 shutdown-time; the first must be gone in 10 min"
        assert f"  {told} (08:10:00 UTC)\n" in site.ok("status")
        (space,) = site.json("status")["spaces"]
        assert space["leaving"] == {"drained": 2, "shutdown-time": 1}

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
        (disk,) = document.pop("disks")
        assert (disk["folder"], disk["shortage"]) == (str(site.root), "")
        assert document == {
            "now": NOW,
            "manager": {"state": "unknown", "newest_report_at": NOW - 10},
            "managers": [],
            "problems": [],
            "unusable": {},
            "sinks": [sink_document("apel")],
        }
        assert space == {
            "name": SPACE,
            "api": "local",
            "mode": "manage",
            "is_configured": True,
            "manager": None,
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
                    "is_preemptible": False,
                    "wanted": None,
                    "had": None,
                    "processors": 2,
                    "machines": 2,
                },
                {
                    "machinetype": "test",
                    "is_preemptible": False,
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
            "drains": [
                {
                    "space": SPACE,
                    "machinetype": "",
                    "since": NOW,
                    "by": None,
                    "who": "",
                    "is_hold": False,
                    "until": None,
                    "reason": "",
                }
            ],
            "leaving": {},
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
