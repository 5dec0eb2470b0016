"""`vcycle plan` and `vcycle user-data`: what would be done and given, with nothing done."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import pytest

from tests.builders import NOW
from tests.cli_kit import CONF, SPACE, OnASite, Site, machine
from vcycled.cli.preview import plan_blocks, plan_json, reason_text
from vcycled.cli.printing import Line, Tone
from vcycled.cli.words import Words
from vcycled.clock import SystemClock
from vcycled.model import (
    Deferred,
    Drain,
    Machine,
    MachineState,
    Order,
    OrderKind,
    Plan,
    Reason,
    Stage,
    Tell,
)
from vcycled.spaces.base import CreateRequest
from vcycled.spaces.local import LocalSpace
from vcycled.spaces.local.options import LocalOptions

WORDS = Words(now=NOW, zone=UTC)
NO_SANDBOX = "sandbox = none\nallow_root_without_sandbox = true"


def contents(folder: Path) -> dict[str, str]:
    """Return a digest of every file below `folder`, but for what SQLite keeps for itself."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    }


def remembered(site: Site) -> tuple[object, ...]:
    """Return all that the store knows."""
    with site.store() as store:
        return store.records(SPACE), store.events(), store.reports(), store.intervals()


def delete_order(of: Machine) -> Order:
    """Return the order to delete a machine."""
    return Order(kind=OrderKind.DELETE, space=SPACE, machine=of.name, at=NOW, who="alice")


@contextmanager
def one_machine(site: Site) -> Iterator[tuple[LocalSpace, Machine]]:
    """Give the cloud with one machine that runs, and what is remembered of it; end it at last."""
    options = LocalOptions(
        local_dir=str(site.root / "cloud"), sandbox="none", allow_root_without_sandbox=True
    )
    space = LocalSpace(SPACE, options, clock=site.clock)
    wanted = machine()
    with site.store() as store:
        ours = store.installation_id()
    request = CreateRequest(
        name=wanted.name,
        uuid=wanted.uuid,
        machinetype="prod",
        flavor="small",
        zone="",
        user_data=b"#!/bin/sh\nexec sleep 600\n",
        tags={"vcycle_installation": ours, "vcycle_uuid": wanted.uuid, "machinetype": "prod"},
    )
    space.connect()
    cloud_id = space.create(request)
    try:
        wait_until(lambda: [each.state for each in space.machines()] == [MachineState.RUNNING])
        yield space, replace(wanted, cloud_id=cloud_id)
    finally:
        space.delete(wanted.name)
        wait_until(lambda: not space.machines())


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so, for a minute at most."""
    clock, never = SystemClock(), threading.Event()
    deadline = clock.monotonic() + 60
    while not is_so():
        assert clock.monotonic() < deadline
        clock.wait(never, 0.02)


class TestPlan(OnASite):
    """The next cycle, thought through."""

    @pytest.fixture(autouse=True)
    def cloud(self, site: Site) -> None:
        """Let the cloud have been looked at before, as when vcycled runs."""
        (site.root / "cloud").mkdir()
        site.ok("plan", SPACE)

    def test_an_empty_space_would_be_filled(self, site: Site) -> None:
        """With the reason for each kind of machine, and for stopping there."""
        page = site.ok("plan", SPACE).splitlines()
        assert page[0] == "0 machines would be deleted"
        assert page[1] == "1 machine would be asked for"
        assert page[2].split() == ["N", "MACHINETYPE", "FLAVOR", "ZONE", "WHY", "(THE", "FIRST)"]
        assert page[3].split()[2:4] == ["small", "any"]
        assert page[4] == "No more than that, because"
        assert "creation-cap" in page[5]
        assert page[-2] == "A cycle after that would be due in 1 min (08:01:00 UTC)."
        assert page[-1] == "Nothing was done."

    def test_an_ordered_deletion_and_a_drain_are_taken_into_account(self, site: Site) -> None:
        """Though no cycle has carried them out yet."""
        site.save(machine(stage=Stage.ASKED, state=MachineState.STARTING, started_at=None))
        with site.store() as store:
            store.order(delete_order(machine()))
            store.order(Order(kind=OrderKind.DRAIN, space=SPACE, at=NOW, who="alice"))
        page = site.ok("plan", SPACE)
        assert "1 machine would be deleted\n" in page
        assert "700 Deleted by the operator\n" in page
        assert "  the whole space: drain: drained since 08:00:00 UTC by alice\n" in page

    def test_a_full_space_is_told_as_such(self, site: Site) -> None:
        """Nothing to do, and why."""
        site.configure(CONF.replace("processors_limit = 8", "processors_limit = 1"))
        site.save(
            machine(
                stage=Stage.ASKED,
                state=MachineState.STARTING,
                started_at=None,
                created_at=NOW - 60,
            )
        )
        page = site.ok("plan", SPACE).splitlines()
        assert page[:3] == [
            "0 machines would be deleted",
            "0 machines would be asked for",
            "No more than that, because",
        ]
        assert "space-limit: one more small would make 2 " in page[4]

    def test_every_reason_to_delete_has_words(self) -> None:
        """One that is added to the planner needs them here."""
        assert all(reason_text(reason) for reason in Reason)
        assert reason_text(Reason.TOO_OLD) == "700 Exceeded max_wallclock_seconds"
        assert reason_text(Reason.FINISHED) == "it has shut down"

    def test_a_plan_without_holds_gives_no_reasons(self) -> None:
        """As of a space without machinetypes."""
        empty = Plan(deletes=(), deferred=(), creates=(), holds=(), shares=(), wake_at=NOW + 60)
        told = [block.text for block in plan_blocks(empty, WORDS) if isinstance(block, Line)]
        assert told == [
            "0 machines would be deleted",
            "0 machines would be asked for",
            "A cycle after that would be due in 1 min (08:01:00 UTC).",
            "Nothing was done.",
        ]

    def test_machines_that_would_be_told_of_their_ends_are_listed(self) -> None:
        """By when and why, or that they may stay."""
        tells = (
            Tell(machine=machine("a"), by=NOW + 600, why=Reason.DRAINED),
            Tell(machine=machine("b")),
        )
        plan = Plan(
            deletes=(), deferred=(), creates=(), holds=(), shares=(), wake_at=NOW, tells=tells
        )
        page = [block.text for block in plan_blocks(plan, WORDS) if isinstance(block, Line)]
        assert "2 machines would be told of their ends" in page
        assert "a must leave by 08:10:00 UTC (drained)" in page
        assert "b may stay" in page
        document = json.loads(json.dumps(plan_json(SPACE, plan)))
        assert [(each["by"], each["why"]) for each in document["tells"]] == [
            (NOW + 600, "drained"),
            (None, None),
        ]

    def test_a_deferred_delete_is_told_with_its_end(self) -> None:
        """If it is known."""
        deferred = Deferred(
            machine=machine(), reason=Reason.TOO_OLD, why="the clock jumped", until=NOW + 60
        )
        plan = Plan(deletes=(), deferred=(deferred,), creates=(), holds=(), shares=(), wake_at=NOW)
        told = list(plan_blocks(plan, WORDS))[1]
        assert told == Line(
            "vcycle-prod-0000000001 is due (max-wallclock) but not deleted: the clock jumped;"
            " over in 1 min (08:01:00 UTC)",
            Tone.WARN,
            1,
        )

    def test_a_due_deletion_that_is_held_back_is_told(self, site: Site) -> None:
        """With the reason; the machine stays."""
        site.save(
            machine(started_at=NOW - 90_000, missing_since=NOW - 60, missing_first_at=NOW - 60)
        )
        page = site.ok("plan", SPACE)
        assert "  vcycle-prod-0000000001 is due (max-wallclock) but not deleted: " in page
        (deferred,) = site.json("plan", SPACE)["deferred"]
        assert deferred["machine"]["name"] == "vcycle-prod-0000000001"
        assert set(deferred) == {"machine", "reason", "why", "until"}

    def test_nothing_changes(self, site: Site) -> None:
        """Store, tree and cloud are the same after it, though a machine is about to be deleted."""
        site.configure(CONF.replace("api = local", f"api = local\n{NO_SANDBOX}"))
        with one_machine(site) as (space, running):
            site.save(
                running,
                machine("vcycle-prod-3", stage=Stage.INTENDED, started_at=None, cloud_id=""),
                drains=(Drain(space=SPACE, machinetype="test", since=NOW),),
            )
            with site.store() as store:
                store.order(delete_order(running))
            before, known, listed = contents(site.root), remembered(site), space.machines()
            document = site.json("plan", SPACE)
            site.ok("plan", SPACE)
            assert [each["machine"]["name"] for each in document["deletes"]] == [running.name]
            assert (contents(site.root), remembered(site), space.machines()) == (
                before,
                known,
                listed,
            )
            assert [each.state for each in listed] == [MachineState.RUNNING]

    def test_a_cloud_that_does_not_answer_is_told(self, site: Site) -> None:
        """Exit status 1, with what it said."""
        site.configure(CONF.replace("local_dir = ROOT/cloud", "local_dir = ROOT/vcycle.db"))
        assert site.refused("plan", SPACE).startswith("vcycle: connect: ")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (("", ""), "there is no space 'nowhere'; there are: cloud.example.com"),
            (("api = local", "api = locxl"), "there is no space 'nowhere'; there is none at all"),
        ],
    )
    def test_an_unknown_space_is_refused(
        self, site: Site, change: tuple[str, str], message: str
    ) -> None:
        """With what there is."""
        site.configure(CONF.replace(*change))
        assert site.refused("plan", "nowhere") == f"vcycle: {message}\n"

    def test_a_space_whose_section_is_wrong_is_refused(self, site: Site) -> None:
        """With what is wrong."""
        site.configure(CONF.replace("api = local", "api = locxl"))
        said = site.refused("plan", SPACE)
        assert said.startswith(
            f"vcycle: the section of space {SPACE} cannot be used: {site.conf}:"
        )

    def test_the_document_has_the_whole_plan(self, site: Site) -> None:
        """As the planner made it."""
        document = site.json("plan", SPACE)
        (create,) = document.pop("creates")
        assert set(create) == {"machinetype", "flavor", "processors", "zone", "why"}
        assert {hold["cause"] for hold in document.pop("holds")} == {"creation-cap"}
        assert [share["machinetype"] for share in document.pop("shares")] == ["prod", "test"]
        assert document == {
            "space": SPACE,
            "deletes": [],
            "deferred": [],
            "tells": [],
            "wake_at": NOW + 60,
        }


class TestUserData(OnASite):
    """What a machine would be given."""

    TEMPLATE = (
        "#!/bin/sh\n"
        "# ##user_data_machine_hostname## ##user_data_uuid## ##user_data_space##\n"
        "token=##user_data_machine_token##\n"
    )

    def test_the_template_is_filled_for_a_machine_that_is_made_up(self, site: Site) -> None:
        """Its name can be given; there need be no database yet."""
        (site.root / "vcycle.db").unlink()
        (site.folder / "user_data").write_text(self.TEMPLATE)
        uuid = "00000000-0000-4000-8000-000000000000"
        for words, name in (((), "vcycle-prod-0example00"), (("--name", "me"), "me")):
            assert site.ok("user-data", SPACE, "prod", *words) == (
                f"#!/bin/sh\n# {name} {uuid} {SPACE}\ntoken=EXAMPLE-TOKEN-THAT-OPENS-NOTHING\n"
            )

    def test_a_ready_template_is_filled_as_others_are(self, site: Site) -> None:
        """With the machinetype's options, and its own for those that are not set."""
        change = "user_data = template:minimal\nuser_data_option_work_seconds = 7"
        site.configure(CONF.replace("user_data = FOLDER/user_data", change, 1))
        said = site.ok("user-data", SPACE, "prod")
        assert "\tsleep 7\n\tsay '200 Intended work completed ok'\n" in said

    def test_no_proxy_is_made_to_be_looked_at(self, site: Site) -> None:
        """A note stands where it would; the certificate need not even be there."""
        change = ("target_share = 2", "target_share = 2\nuser_data_proxy = True")
        site.configure(CONF.replace(*change))
        (site.folder / "user_data").write_text("<##user_data_option_x509_proxy##>")
        said = site.ok("user-data", SPACE, "prod")
        assert said == "<(a proxy that is made for each machine)>"

    def test_what_nothing_fills_is_told_beside_it(self, site: Site) -> None:
        """On standard error, so that the output is just what a machine gets."""
        (site.folder / "user_data").write_text("a ##user_data_nonsense## b\n")
        result = site.vcycle("user-data", SPACE, "prod")
        assert (result.exit_code, result.stdout) == (0, "a  b\n")
        assert result.stderr == ("warning: nothing fills ##user_data_nonsense##; it was removed\n")

    def test_bytes_come_out_as_they_are(self, site: Site) -> None:
        """A template need not be UTF-8."""
        (site.folder / "user_data").write_bytes(b"\x80\xff\n")
        assert site.vcycle("user-data", SPACE, "prod").stdout_bytes == b"\x80\xff\n"

    def test_what_the_cloud_would_not_take_is_told_with_both_numbers(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is shown all the same; exit status 1, unless the machine can fetch it by itself."""
        site.configure(
            CONF.replace("target_share = 2", "target_share = 2\nuser_data_delivery = direct")
        )
        (site.folder / "user_data").write_text("12345")
        monkeypatch.setattr(LocalSpace, "user_data_limit", 5)
        assert site.ok("user-data", SPACE, "prod") == "12345"
        monkeypatch.setattr(LocalSpace, "user_data_limit", 4)
        result = site.vcycle("user-data", SPACE, "prod")
        assert (result.exit_code, result.stdout) == (1, "12345")
        assert "user_data of prod has 5 bytes and this cloud takes 4" in result.stderr
        site.configure(CONF)
        result = site.vcycle("user-data", SPACE, "prod")
        assert (result.exit_code, result.stdout) == (0, "12345")
        assert result.stderr == (
            "note: the cloud is given a stub; the machine fetches this itself\n"
        )

    def test_a_template_that_is_not_there_is_told(self, site: Site) -> None:
        """Exit status 1."""
        (site.folder / "user_data").unlink()
        said = site.refused("user-data", SPACE, "prod")
        assert said.startswith("vcycle: user_data: ")
        assert str(site.folder / "user_data") in said

    def test_an_unknown_machinetype_is_refused(self, site: Site) -> None:
        """With the nearest one."""
        assert site.refused("user-data", SPACE, "tset") == (
            "vcycle: there is no machinetype 'tset'; did you mean test?\n"
        )
