"""The Grafana dashboard and the alerts, before a real Prometheus that scrapes real installations.

There are three: a bare one in which little happens, one in which everything does, and one of
managers that share a database.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests import postgres
from tests.builders import NOW as KIT_NOW
from tests.cli_kit import CONF, SPACE, Site, ended, event, machine, new_site, report, run_of
from tests.lease_kit import ONE, TWO, Office
from tests.live.prometheus import Prometheus, scraping
from tests.openstack_bed.processes import wait_until
from tests.ports import free_port
from tests.test_admin import share
from vcycled.apel.queue import Queue
from vcycled.clock import SystemClock
from vcycled.cycle.report import SpaceReport
from vcycled.model import (
    Cause,
    Event,
    Hold,
    Limits,
    Machine,
    MachinetypeMemory,
    RunInterval,
    SpaceMemory,
)
from vcycled.remember import Tally
from vcycled.remember.totals import record_tally
from vcycled.store import APEL, Outage, Wishes

pytestmark = pytest.mark.live

Fact = TypeVar("Fact", Machine, RunInterval, Event, SpaceReport)

ETC = Path(__file__).parents[2] / "etc"
BOARD = json.loads((ETC / "grafana" / "vcycle-dashboard.json").read_text(encoding="utf-8"))
RULES = ETC / "prometheus" / "vcycle.rules.yml"
PANELS: list[dict[str, Any]] = [each for each in BOARD["panels"] if each["type"] != "row"]
TARGETS = [(panel, target) for panel in PANELS for target in panel["targets"]]
NAMES = [f"{panel['title']}-{target['refId']}" for panel, target in TARGETS]

PATIENCE_S = 100.0
SCRAPES = 3
"""So many before and after something happens: one may be under way, and a rate needs two."""
SETTLED_S = 5
"""After which no scrape is under way that began before: what was then does not change any more."""
NOW = SystemClock().now()
LATE = 2 * 86_400
NOT_DUE = {
    "VcycleAdminDown",
    "VcycleUnreadable",
    "VcycleDiskLow",
    "VcycleDiskFilesLow",
    "VcycleSpaceRefused",
}
"""The alerts for which nothing here is trouble enough."""
PHASES = dict.fromkeys(("look", "remember", "plan", "act", "publish"), 0.25)
BARE = re.sub("(processors_limit|heartbeat_file|heartbeat_seconds) = .*\n", "", CONF)
BROKEN = f"{CONF}\n[space broken.example.com]\napi = nosuch\n"


def today(fact: Fact, ago: int = 0) -> Fact:
    """Return a fact of the kit as one of today, as Prometheus has no clock but the host's."""
    found = {each.name: getattr(fact, each.name) for each in fields(fact)}
    instants: dict[str, Any] = {
        name: value + NOW - KIT_NOW - ago
        for name, value in found.items()
        if isinstance(value, int) and (name == "at" or name.endswith("_at"))
    }
    return replace(fact, **instants)


def cycle(site: Site, *, ago: int = 0, raised: dict[Tally, int], **changes: object) -> None:
    """Let a cycle have ended."""
    shares = (share("prod"), share("test"))
    told = today(report(shares=shares, seconds=PHASES, **changes), ago)
    with site.store() as store:
        store.save_report(SPACE, told.to_json(), told.at, raised=raised)


def memory(*, ago: int = 20, foreign: int = 0) -> SpaceMemory:
    """Return when the cloud was seen, and how many processors of others."""
    return SpaceMemory(space=SPACE, listed_at=NOW - ago, foreign_processors=foreign)


def events(*names: tuple[str, str]) -> tuple[Event, ...]:
    """Return what is told of one machine."""
    return tuple(today(event(name, machine().name, detail=detail)) for name, detail in names)


def happen(site: Site) -> None:
    """Let one of each kind of thing happen."""
    happened = (
        ("machine-created", ""),
        ("machine-delete", "finished"),
        ("machine-stopped", ""),
        ("machine-aborted", ""),
        ("creation-failed", ""),
    )
    failing = MachinetypeMemory(
        space=SPACE, machinetype="prod", creation_failures=7, creation_failed_at=NOW - LATE
    )
    site.save(
        events=events(*happened),
        memory=memory(ago=LATE, foreign=3),
        machinetypes=(failing,),
    )
    lost = Outage(
        sink="apel", manager="m1", since=NOW - LATE, failures=9, retry_at=None, error="no room"
    )
    with site.store() as store:
        store.note_outage(lost)
    counted = (Tally(SPACE, "", "cycles"), Tally(SPACE, "", "api-calls", "machines"))
    written = record_tally(SPACE, "prod", "apel")
    cycle(
        site,
        ago=LATE,
        raised=dict.fromkeys((*counted, written), 5),
        error="no answer",
        limits=Limits(processors=50, machines=9),
        holds=(
            Hold(machinetype="prod", cause=Cause.CREATION_FAILED, detail="no image"),
            Hold(machinetype="", cause=Cause.HELD, detail="the disk is full"),
            Hold(machinetype="test", cause=Cause.HELD, detail="user_data: no such file"),
        ),
        credential_ends={'application credential "c1"\\': NOW + 900, "token": NOW - 900},
        stuck_calls=2,
    )


def bare(folder: Path) -> Site:
    """Return an installation whose first cycle just ended."""
    site = new_site(folder, text=BARE)
    site.save(memory=memory())
    cycle(site, raised={})
    return site


def busy(folder: Path) -> Site:
    """Return one with machines, records, and troubles of all kinds."""
    site = new_site(folder, text=BROKEN)
    site.clock.jump(NOW - KIT_NOW - LATE)
    gone = today(ended(), LATE)
    site.save(today(machine()), gone, intervals=(run_of(gone),))
    with site.store() as store:
        store.unexported(APEL)
    Queue(site.root).put(run_of(gone))
    happen(site)
    return site


def shared(folder: Path, office: Office, url: str) -> Site:
    """Return one whose database two managers share, one of which is silent."""
    site = new_site(folder, text=CONF.replace("[vcycle]\n", f"[vcycle]\ndatabase = {url}\n", 1))
    office.desk(TWO).beat(Wishes())
    one = office.desk(ONE)
    assert one.beat(Wishes(spaces=frozenset({SPACE})))
    told = today(report(seconds=PHASES))
    one.leased.save_report(SPACE, told.to_json(), told.at)
    one.fall_silent(300)
    return site


@contextmanager
def served(site: Site) -> Iterator[str]:
    """Run the site's vcycle-admin; give its address."""
    port = free_port()
    site.configure(site.conf.read_text().replace("[vcycle]", f"[vcycle]\nadmin_port = {port}"))
    command = [sys.executable, "-c", "from vcycled.admin import main; main()"]
    with (
        (site.folder / "admin.log").open("wb") as log,
        subprocess.Popen([*command, "--config", str(site.conf)], stderr=log) as process,
    ):
        try:
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Installations that a Prometheus scrapes, by their addresses.

    All is asked of one instant: a busy host lets a scrape fail now and then, and Prometheus shows
    nothing of an installation until its next.
    """

    prometheus: Prometheus
    at: int
    bare: str
    busy: str
    shared: str

    def query(self, expression: str, instance: str) -> list[dict[str, Any]]:
        """Return what a query of the dashboard shows of an installation."""
        for name, value in (
            ("$instance", instance),
            ("$space", ".*"),
            ("$machinetype", ".*"),
            ("$__rate_interval", "5m"),
        ):
            expression = expression.replace(name, value)
        assert "$" not in expression
        return self.prometheus.query(expression, at=self.at)

    def shown(self, expression: str) -> list[dict[str, Any]]:
        """Return what a query shows where anything can be seen."""
        return [
            found
            for instance in (self.bare, self.busy, self.shared)
            for found in self.query(expression, instance)
        ]


def scraped(prometheus: Prometheus) -> int:
    """Return an instant at which all three are up, each scraped SCRAPES times from now on."""
    since = instant = SystemClock().now()

    def is_so() -> bool:
        nonlocal instant
        instant = SystemClock().now() - SETTLED_S
        if instant <= since:
            return False
        counts = prometheus.values(
            f"sum_over_time(vcycle_up[{instant - since}s]) and vcycle_up == 1", at=instant
        )
        return len(counts) == 3 and min(counts) >= SCRAPES

    assert wait_until(is_so, PATIENCE_S), prometheus.query("up", at=instant)
    return instant


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Run the three and their Prometheus, which has seen what happened in between."""
    server = postgres.running()
    url = server.url(server.new_database())
    folder = tmp_path_factory.mktemp
    with ExitStack() as stack:
        sites = (
            bare(folder("bare")),
            busy(folder("busy")),
            shared(folder("shared"), Office(url, stack), url),
        )
        targets = [stack.enter_context(served(site)) for site in sites]
        found = stack.enter_context(scraping(folder("prometheus"), targets, rules=RULES))
        scraped(found)
        happen(sites[1])
        at = scraped(found)
        for site in sites:
            site.close()
        yield Watched(
            prometheus=found, at=at, **dict(zip(("bare", "busy", "shared"), targets, strict=True))
        )


@pytest.mark.parametrize(("panel", "target"), TARGETS, ids=NAMES)
def test_every_query_has_data_where_there_is_some(
    watched: Watched, panel: dict[str, Any], target: dict[str, Any]
) -> None:
    """With the labels that its legend names."""
    found = watched.shown(target["expr"])
    assert found, panel["title"]
    for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
        assert any(label in each["metric"] for each in found), label


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_that_may_be_empty_says_when(watched: Watched, panel: dict[str, Any]) -> None:
    """All others show something of any installation."""
    expressions = [target["expr"] for target in panel["targets"]]
    found = [bool(watched.query(each, watched.bare)) for each in expressions]
    may_be_empty = "Empty " in panel["description"]
    assert found[0] is not may_be_empty
    assert not (may_be_empty and any(found))


@pytest.mark.parametrize(
    "title",
    [
        "Created, in the hour before",
        "Ended, in the hour before",
        "Deleted by reason, in the hour before",
        "Aborts, in the hour before",
        "Errors by kind, in the hour before",
        "Written, in the hour before",
        "Calls",
        "Cycles, an hour",
    ],
)
def test_what_happens_is_seen(watched: Watched, title: str) -> None:
    """A counter that grew between two scrapes."""
    (expression,) = [each["expr"] for panel, each in TARGETS if panel["title"] == title]
    values = [float(each["value"][1]) for each in watched.query(expression, watched.busy)]
    assert max(values) > 0
    quiet = [float(each["value"][1]) for each in watched.query(expression, watched.bare)]
    assert not any(quiet)


@pytest.mark.parametrize(("name", "wanted"), [("instance", 3), ("space", 1), ("machinetype", 2)])
def test_every_variable_has_its_values(watched: Watched, name: str, wanted: int) -> None:
    """As Grafana asks for them."""
    (variable,) = [each for each in BOARD["templating"]["list"] if each["name"] == name]
    match = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
    assert match is not None
    selector = match[1].replace("$instance", watched.shared).replace("$space", ".*")
    assert len(watched.prometheus.labels(match[2], selector)) == wanted


def due(rules: Sequence[dict[str, Any]]) -> set[str]:
    """Return the names of the alerts that are due, if only since now."""
    return {each["name"] for each in rules if each["alerts"]}


def test_every_alert_can_be_evaluated(watched: Watched) -> None:
    """With its words, where it is due: nearly all of them are in trouble like this."""
    rules: list[dict[str, Any]] = []

    def is_so() -> bool:
        """Return whether all are as they should be: a scrape that fails is an alert, too."""
        rules[:] = watched.prometheus.rules()
        return {each["name"] for each in rules} - due(rules) == NOT_DUE

    assert wait_until(is_so, PATIENCE_S), due(rules)
    assert [each for each in rules if each["health"] != "ok" or each.get("lastError")] == []
    texts = [alert["annotations"]["summary"] for each in rules for alert in each["alerts"]]
    assert not [text for text in texts if "error" in text.lower() and "configuration" not in text]
    assert any(SPACE in text for text in texts)
