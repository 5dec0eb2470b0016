"""`vcycle machines` and `vcycle machine NAME`: the list, and the whole story of one."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from tests.builders import NOW
from tests.cli_kit import (
    CONF,
    OTHER,
    PROD,
    SECOND_SPACE,
    SPACE,
    STARTING,
    TERMS,
    OnASite,
    Site,
    ended,
    event,
    machine,
    run_of,
)
from vcycled.apel.queue import Queue
from vcycled.machinedir import NewMachine
from vcycled.mjf import Features
from vcycled.model import (
    EndSource,
    MachineState,
    ShutdownMessage,
)
from vcycled.store import APEL


def prepare(site: Site, name: str) -> None:
    """Make the folder of a machine."""
    new = NewMachine(
        space=SPACE,
        name=name,
        machinetype="prod",
        uuid="u",
        created_at=NOW,
        manager="m",
        features=Features(machine={}, job={}),
    )
    site.tree.prepare(new)


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
                {"leave_by": NOW + 900, "leave_why": "drained"},
                "told to leave by 08:15:00 UTC (drained)",
            ),
            (
                {"leave_by": NOW + 900, "leave_why": "drained", "is_delete_ordered": True},
                "deletion ordered",
            ),
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

    def test_what_the_manager_wrote_is_no_word_of_the_machine(self, site: Site) -> None:
        """In the list and in the story."""
        ours = ShutdownMessage(code=700, text="700 Deleted by the operator", written_at=NOW)
        site.save(ended(PROD, message=ours, end_source=EndSource.DELETED))
        said = "the manager said '700 Deleted by the operator'"
        assert site.ok("machines", "--all").splitlines()[1].endswith(f"  {said}")
        prepare(site, PROD)
        page = site.ok("machine", PROD)
        assert "), as told by the request to delete it\n" in page
        assert "  shutdown message  700 Deleted by the operator (left by the manager)\n" in page

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
        prepare(site, name)
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
        assert (
            "  ended            1 h ago (07:00:00 UTC), as told by its shutdown message\n" in page
        )
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
            store.mark_exported(APEL, [(gone.uuid, 0)], NOW - 60)
        written = f"{span} written 1 min ago (07:59:00 UTC) as {element}"
        assert told() == f"{written}; waits for ssmsend"
        (queue.outgoing / f"{element}.lck").touch()
        assert told() == f"{written}; being sent"
        (queue.outgoing / f"{element}.lck").unlink()
        (queue.outgoing / element).unlink()
        assert told() == f"{written}; taken by ssmsend"
        (queue.archive / element).unlink()
        assert told() == f"{span} written 1 min ago (07:59:00 UTC); taken by ssmsend"

    @pytest.mark.parametrize("stopped_at", [None, NOW - 5])
    def test_its_early_end_is_told_until_it_has_ended(
        self, site: Site, stopped_at: int | None
    ) -> None:
        """As the machine was told it, and why; also in the table."""
        site.save(machine(leave_by=NOW + 900, leave_why="drained", stopped_at=stopped_at))
        told = "told to leave by 08:15:00 UTC (drained)"
        assert (f"  must leave       {told}\n" in site.ok("machine", PROD)) is (not stopped_at)
        assert (told in site.ok("machines")) is (not stopped_at)

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"is_delete_ordered": True}, "ordered by an operator"),
            (
                {"delete_reason": "double"},
                "the cloud made two of one request, and this is the second",
            ),
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
