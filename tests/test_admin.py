"""The admin site: health, readiness and metrics of an installation."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from click.testing import CliRunner

from tests.admin_kit import got
from tests.builders import NOW
from tests.cli_kit import (
    CONF,
    SPACE,
    STARTING,
    OnASite,
    Site,
    bare_config,
    ended,
    event,
    machine,
    managed,
    report,
    run_of,
)
from tests.ports import free_port
from tests.store_kit import live_manager, presence
from vcycled import __version__
from vcycled.admin import main
from vcycled.admin.catalogue import COUNTERS, GAUGES, Metric
from vcycled.admin.facts import Facts
from vcycled.admin.health import troubles
from vcycled.admin.measure import Sample, measured
from vcycled.admin.site import AdminSite, listening
from vcycled.apel.queue import Backlog, Queue
from vcycled.cli.alive import ManagerState
from vcycled.cli.managers import Staff
from vcycled.cli.served import Served
from vcycled.cli.session import Session
from vcycled.cli.views import LATE_SECONDS, SpaceView, View
from vcycled.house.disks import Disk
from vcycled.model import Cause, Hold, Limits, Machine, MachineState, Records, Share, SpaceMemory
from vcycled.model import Stage as MachineStage
from vcycled.remember import Tally
from vcycled.store import APEL, Lease, Roster, Store

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "metrics.md"

DELETED = f'{{machinetype="prod",reason="finished",space="{SPACE}"}}'


def busy(site: Site) -> None:
    """Let the site have some of everything that there is a metric for."""
    gone = ended()
    told = (
        event("machine-created", "vcycle-prod-0000000001"),
        event("machine-delete", gone.name, detail="finished"),
        event("machine-stopped", gone.name),
        event("creation-failed", "vcycle-prod-0000000003"),
    )
    memory = SpaceMemory(space=SPACE, listed_at=NOW - 20, foreign_processors=3)
    site.save(machine(), STARTING, gone, intervals=(run_of(gone),), events=told, memory=memory)
    Queue(site.root).put(run_of(gone))
    with site.store() as store:
        store.unexported(APEL)
        raised = {Tally(SPACE, "", "cycles"): 5, Tally(SPACE, "", "api-calls", "machines"): 2}
        store.save_report(SPACE, report().to_json(), NOW, raised=raised)
    site.report(
        report(
            limits=Limits(processors=50, machines=9),
            shares=(share("prod"), replace(share("back"), is_preemptible=True)),
            holds=(
                Hold(machinetype="prod", cause=Cause.BACKOFF, detail="it aborted"),
                Hold(machinetype="test", cause=Cause.HELD, detail="no user_data"),
            ),
            credential_ends={'application credential "c1"\\': NOW + 9},
        )
    )


def share(name: str) -> Share:
    """Return the share of a machinetype."""
    return Share(machinetype=name, wanted=0.75, had=0.5, processors=2, machines=2)


async def fetched(site: Site, path: str) -> tuple[int, str, str]:
    """Return status, type and text of a page of the admin site."""
    (answer,) = await got(site, path)
    return answer.status, answer.headers["Content-Type"], answer.text


async def scraped(site: Site) -> str:
    """Return what Prometheus would read."""
    status, kind, text = await fetched(site, "/metrics")
    assert status == 200
    assert kind == "text/plain; version=0.0.4; charset=utf-8"
    return text


class TestSite(OnASite):
    """Over HTTP."""

    async def test_metrics_are_those_of_the_database(self, site: Site) -> None:
        """Gauges of now, counters of ever, with what must be escaped escaped."""
        busy(site)
        lines = (await scraped(site)).splitlines()
        of = f'{{machinetype="prod",space="{SPACE}"'
        for line in (
            "vcycle_up 1.0",
            f'vcycle_build_info{{version="{__version__}"}} 1.0',
            f'vcycle_machines{of},state="running"}} 1.0',
            f'vcycle_machines{of},state="asked"}} 1.0',
            f'vcycle_machines{of},state="failed"}} 0.0',
            f"vcycle_processors{of}}} 2.0",
            f'vcycle_foreign_processors{{space="{SPACE}"}} 3.0',
            f'vcycle_processors_limit{{space="{SPACE}"}} 8.0',
            f'vcycle_machines_limit{{space="{SPACE}"}} 9.0',
            f"vcycle_share_wanted_ratio{of}}} 0.75",
            f"vcycle_share_had_ratio{of}}} 0.5",
            f'vcycle_hold{{cause="backoff",machinetype="prod",space="{SPACE}"}} 1.0',
            f'vcycle_machinetype_stuck{{cause="held",machinetype="test",space="{SPACE}"}} 1.0',
            f'vcycle_cycle_phase_duration_seconds{{phase="look",space="{SPACE}"}} 0.25',
            f'vcycle_records_due{{sink="apel",space="{SPACE}"}} 1.0',
            "vcycle_records_outgoing 1.0",
            f"vcycle_heartbeat_age_seconds{of}}} 3600.0",
            "vcycle_heartbeat_receiver_up 0.0",
            "vcycle_configuration_errors 0.0",
            f"vcycle_creations_total{of}}} 1.0",
            f"vcycle_aborts_total{of}}} 0.0",
            f'vcycle_creations_total{{machinetype="test",space="{SPACE}"}} 0.0',
            f"vcycle_deletions_total{DELETED} 1.0",
            f'vcycle_cycles_total{{space="{SPACE}"}} 5.0',
            f'vcycle_api_calls_total{{operation="machines",space="{SPACE}"}} 2.0',
        ):
            assert line in lines
        shares = [each for each in lines if each.startswith("vcycle_share_")]
        assert len(shares) == 2, "a preemptible machinetype has none"
        assert any(r'credential="application credential \"c1\"\\"' in line for line in lines)

    async def test_what_cannot_be_read_is_shown_as_such(
        self, site: Site, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A scrape that failed would look like a host that is down."""
        (site.root / "vcycle.db").unlink()
        text = await scraped(site)
        assert "vcycle_up 0.0" in text.splitlines()
        assert [line for line in text.splitlines() if line.startswith("vcycle_managed")] == []
        status, _, why = await fetched(site, "/readyz")
        assert (status, why) == (503, "the database or the configuration cannot be read\n")
        assert "admin-read-failed" in caplog.text
        assert (await fetched(site, "/healthz"))[0] == 200

    async def test_trouble_is_logged_once(
        self, site: Site, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Until it is over."""
        site.close()
        away = site.root / "away.db"
        admin = AdminSite(lambda: Session(site.clock, [site.conf]))
        async with listening(admin, ("127.0.0.1",), 0) as port, aiohttp.ClientSession() as client:

            async def status() -> int:
                async with client.get(f"http://127.0.0.1:{port}/readyz") as answer:
                    return answer.status

            for name in ("first", "second"):
                (site.root / "vcycle.db").rename(away)
                assert [await status(), await status()] == [503, 503], name
                away.rename(site.root / "vcycle.db")
                await status()
        assert caplog.text.count("admin-read-failed") == 2

    async def test_a_database_that_hangs_is_not_waited_for(
        self, site: Site, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Prometheus would take the whole host for dead."""
        is_over = threading.Event()

        class Stuck(Session):
            def view(self, store: Store) -> View:
                is_over.wait(60)
                return super().view(store)

        admin = AdminSite(lambda: Stuck(site.clock, [site.conf]), patience_s=0.2)
        async with listening(admin, ("127.0.0.1",), 0) as port, aiohttp.ClientSession() as client:
            for path, status in (("metrics", 200), ("readyz", 503), ("healthz", 200)):
                async with client.get(f"http://127.0.0.1:{port}/{path}") as answer:
                    assert answer.status == status
            is_over.set()
        assert 'admin-read-failed error="no answer within 0.2 s"' in caplog.text

    @pytest.mark.parametrize(
        ("age", "status"), [(50 + LATE_SECONDS, 200), (51 + LATE_SECONDS, 503)]
    )
    async def test_ready_is_who_has_had_its_cycles(
        self, site: Site, age: int, status: int
    ) -> None:
        """A slow cloud is given a minute."""
        site.report(report())
        site.clock.advance(age)
        found, _, text = await fetched(site, "/readyz")
        assert found == status
        late = f"{SPACE}: its next cycle is 1 min 1 s late"
        assert text.splitlines()[-1] == ("ready" if status == 200 else late)

    async def test_who_was_killed_is_not_ready_though_its_last_cycle_is_fresh(
        self, site: Site
    ) -> None:
        """By the manager's lock, as `vcycle check` judges."""
        site.report(report())
        with managed(site):
            assert (await fetched(site, "/readyz"))[0] == 200
        status, _, text = await fetched(site, "/readyz")
        assert status == 503
        assert text == "vcycled is NOT running; last cycle 10 s ago (07:59:50 UTC)\n"

    async def test_a_space_without_a_cycle_is_not_ready(self, site: Site) -> None:
        """It may never get one."""
        status, kind, text = await fetched(site, "/readyz")
        assert (status, kind) == (503, "text/plain; charset=utf-8")
        assert text.splitlines() == [
            "vcycled has not run on this host, as far as is known; no cycle yet",
            f"{SPACE}: no cycle yet",
        ]

    async def test_nothing_else_is_there(self, site: Site) -> None:
        """And nothing can be written."""
        for path in ("/index.html", "/api", "/metrics/", "/healthz/x"):
            assert (await fetched(site, path))[0] == 404

    def test_the_process_serves_until_it_is_told_to_end(self, site: Site) -> None:
        """With status 0, whatever hangs; 1 if its port is taken, 2 if its options are wrong."""
        site.report(report())
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", free_port()))
            taken.listen()
            port = taken.getsockname()[1]
            site.configure(CONF.replace("[vcycle]", f"[vcycle]\nadmin_port = {port}"))
            assert self.failing(site) == 1
        with self.program(site) as process:
            assert process.stderr is not None
            assert f"admin-started port={port}" in process.stderr.readline()
            site.conf.unlink()
            os.mkfifo(site.conf)
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n")
                unsaid = os.open(site.conf, os.O_WRONLY)  # waits until it is being read
            process.send_signal(signal.SIGTERM)
            try:
                assert process.wait(60) == 0
            finally:
                os.close(unsaid)
            site.conf.unlink()
        site.configure(CONF.replace("[vcycle]", "[vcycle]\nadmin_port = none"))
        assert self.failing(site) == 2

    def test_a_wrong_configuration_is_told_with_its_place(self, site: Site) -> None:
        """All that is wrong with it, before anything is opened."""
        site.configure(CONF.replace("[vcycle]", "[vcycle]\nadmin_port = none"))
        result = CliRunner().invoke(main, ["--config", str(site.conf)])
        assert result.exit_code == 2
        assert f"vcycle-admin: {site.conf}:2: [vcycle] admin_port: " in result.stderr

    def failing(self, site: Site) -> int:
        """Start `vcycle-admin`, which must end by itself; return its exit status."""
        with self.program(site) as process:
            _, told = process.communicate(timeout=60)
            assert "vcycle-admin: " in told
            return process.returncode

    def program(self, site: Site) -> subprocess.Popen[str]:
        """Start `vcycle-admin`."""
        code = "from vcycled.admin import main; main()"
        return subprocess.Popen(
            [sys.executable, "-c", code, "--config", str(site.conf)],
            stderr=subprocess.PIPE,
            env=os.environ,
            text=True,
        )


VIEW = View(
    now=NOW,
    disks=(Disk(folder=Path("/v"), total_bytes=90, free_bytes=50, free_files=None),),
    min_free_mb=512,
    manager=ManagerState.RUNNING,
    problems=(),
    unusable={},
    spaces=(),
)
FACTS = Facts(
    version="4.0",
    view=VIEW,
    totals={},
    outgoing=Backlog(messages=0, oldest_stamp=None),
    beats={},
    is_receiver_up=True,
    certificates=(),
)


def values(facts: Facts, metric: str) -> dict[tuple[str, ...], float]:
    """Return the samples of a metric, by their labels."""
    return {each.labels: each.value for each in measured(facts) if each.metric == metric}


def test_the_ends_of_the_certificates_of_our_own_sites_are_of_no_space() -> None:
    """One that cannot be read has no end."""
    own = (
        Served(owner="vcycle-web on web01", ends_at=NOW + 9),
        Served(owner="vcycle-admin", ends_at=None),
    )
    found = values(replace(FACTS, certificates=own), "vcycle_credential_end_timestamp_seconds")
    assert found == {("", "certificate of vcycle-web on web01"): NOW + 9}


@pytest.mark.parametrize("free_files", [None, 40])
def test_files_that_fit_on_a_disk_are_told_where_there_is_a_bound(free_files: int | None) -> None:
    """As nothing is created without room for them."""
    total = None if free_files is None else 60
    disk = replace(VIEW.disks[0], free_files=free_files, total_files=total)
    facts = replace(FACTS, view=replace(VIEW, disks=(disk,)))
    found = [values(facts, f"vcycle_disk_{each}_files") for each in ("free", "size")]
    assert found == ([{}, {}] if free_files is None else [{("/v",): 40}, {("/v",): 60}])


@pytest.mark.parametrize(
    ("is_removed", "machines", "shown"),
    [
        (True, (), {}),
        (True, (machine(),), {(SPACE,): True}),
        (False, (), {(SPACE,): True}),
    ],
)
def test_nobody_looks_for_the_cloud_of_a_space_that_is_over(
    is_removed: bool, machines: tuple[Machine, ...], shown: dict[tuple[str, ...], bool]
) -> None:
    """Its section was removed and no machine is left: no alert is due for it."""
    space = SpaceView(
        name=SPACE,
        config=bare_config(is_removed=is_removed),
        report=report(error="no route"),
        records=Records(memory=SpaceMemory(space=SPACE), machines=machines),
    )
    facts = replace(FACTS, view=replace(VIEW, spaces=(space,)))
    assert values(facts, "vcycle_space_blind") == shown


def test_managers_that_share_a_database_are_told_apart() -> None:
    """With the age of their heartbeats, and which spaces nobody holds."""
    live = live_manager("m1", SPACE, started_at=NOW, up_s=3600.0, silent_s=3.5)
    lost = replace(live, presence=presence("m2"), silent_s=99.0)
    roster = Roster(
        managers={"m1": live, "m2": lost},
        leases={
            "a": Lease(space="a", holder="m1", epoch=1),
            "b": Lease(space="b", holder="m2", epoch=1),
        },
    )
    spaces = tuple(
        SpaceView(
            name=name, config=None, report=None, records=Records(memory=SpaceMemory(space=name))
        )
        for name in ("a", "b")
    )
    staff = Staff(roster=roster, unwritten={})
    facts = replace(FACTS, view=replace(VIEW, spaces=spaces, staff=staff))
    assert values(facts, "vcycle_manager_up") == {("m1",): 1, ("m2",): 0}
    ages = values(facts, "vcycle_manager_heartbeat_age_seconds")
    assert ages == {("m1",): 3.5, ("m2",): 99.0}
    assert values(facts, "vcycle_space_held") == {("a",): 1, ("b",): 0}
    assert list(troubles(facts.view)) == [
        "a: no cycle yet",
        "b: no manager holds it: m2, which held it, has been silent for 1 min 39 s",
    ]
    dead = Staff(roster=replace(roster, managers={"m2": lost}), unwritten={})
    first, *_ = troubles(replace(facts.view, staff=dead))
    assert first == "No manager is alive; m2 has been silent for 1 min 39 s"


def test_totals_of_later_versions_and_of_spaces_that_are_gone() -> None:
    """Those are passed over, these stay: a counter that vanishes looks like a reset."""
    totals = {Tally("gone", "k", "creations"): 3, Tally("s", "", "comets"): 1}
    facts = replace(FACTS, totals=totals)
    assert values(facts, "vcycle_creations_total") == {("gone", "k"): 3}
    assert "comets" not in {each.metric for each in measured(facts)}


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "running"),
        ({"state": MachineState.UNKNOWN}, "unknown"),
        ({"stage": MachineStage.INTENDED}, "intended"),
        ({"stage": MachineStage.ASKED}, "asked"),
    ],
)
def test_a_machine_is_counted_in_one_state(changes: dict[str, object], state: str) -> None:
    """All other states are zero, so that nothing merely vanishes."""
    one: Machine = machine(**changes)
    records = Records(memory=SpaceMemory(space=SPACE), machines=(one,))
    space = SpaceView(name=SPACE, config=None, report=None, records=records)
    found = values(replace(FACTS, view=replace(VIEW, spaces=(space,))), "vcycle_machines")
    assert {labels[2] for labels, value in found.items() if value} == {state}
    assert sum(found.values()) == 1
    assert len(found) == 8


def test_samples_have_the_labels_of_the_catalogue() -> None:
    """Each metric of the catalogue once, and no other."""
    labels = {metric.name: metric.labels for metric in (*GAUGES, *COUNTERS)}
    assert len(labels) == len(GAUGES) + len(COUNTERS)
    sample: Sample
    for sample in measured(replace(FACTS, totals={Tally("s", "k", "errors", "no-capacity"): 1})):
        assert len(sample.labels) == len(labels[sample.metric]), sample


@pytest.mark.parametrize("metric", [*GAUGES, *COUNTERS], ids=lambda metric: metric.name)
def test_every_metric_has_its_row(metric: Metric) -> None:
    """In docs/reference/metrics.md, with its labels and what kind it is."""
    rows = re.findall(r"^\| `([a-z_]+)` \| ([^|]*) \| ", PAGE.read_text(), re.MULTILINE)
    assert len(rows) == len(dict(rows))
    assert dict(rows)[metric.name] == ", ".join(f"`{each}`" for each in metric.labels)
    assert metric.name.endswith("_total") == (metric in COUNTERS)


def test_no_row_is_of_a_metric_that_is_not_there() -> None:
    """Or not any more."""
    rows = re.findall(r"^\| `([a-z_]+)` \|", PAGE.read_text(), re.MULTILINE)
    assert set(rows) == {metric.name for metric in (*GAUGES, *COUNTERS)}
