"""What is counted for ever: which events raise which totals, and that none is lost or doubled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import NOW, machine
from tests.store_kit import SPACE, OnBothDatabases, run
from tests.store_kit import machine as stored
from tests.world import SPACE as WORLD_SPACE
from tests.world import World
from vcycled.errors import Refused, StoreError, Unavailable
from vcycled.model import MESSAGES, Changes, Event, Machine, Reason, Stage
from vcycled.remember import Tally, cycle_tallies, tallies
from vcycled.store import Store

BRIEF = machine("m", started_at=NOW - 599, stopped_at=NOW)
"""It ran a second less than fizzle_seconds."""
LONG = machine("m", started_at=NOW - 600, stopped_at=NOW)
NEVER = machine("m", started_at=None, stopped_at=NOW)


def event(name: str, detail: str = "") -> Event:
    """Return an event of a machine."""
    return Event(at=NOW, space="s", event=name, machinetype="k", machine="m", detail=detail)


def raised(*events: Event, machines: tuple[Machine, ...] = ()) -> dict[tuple[str, str], int]:
    """Return what is counted of the machinetype, by name and label."""
    found = tallies(Changes(space="s", machines=machines, events=events))
    assert all((each.space, each.machinetype) == ("s", "k") for each in found)
    return {(each.name, each.label): number for each, number in found.items()}


@pytest.mark.parametrize(
    ("name", "total"),
    [
        ("machine-created", ("creations", "")),
        ("machine-aborted", ("aborts", "")),
        ("machine-stopped", ("ends", "")),
        ("creation-failed", ("errors", "creation-failed")),
        ("creation-undone", ("errors", "creation-undone")),
        ("creation-unknown", ("errors", "creation-unknown")),
        ("delete-failed", ("errors", "delete-failed")),
        ("no-capacity", ("errors", "no-capacity")),
        ("quota-exceeded", ("errors", "quota-exceeded")),
    ],
)
def test_each_event_raises_its_total(name: str, total: tuple[str, str]) -> None:
    """By one each time."""
    assert raised(event(name), event(name)) == {total: 2}


@pytest.mark.parametrize("name", ["machine-seen", "machine-gone", "order-drain"])
def test_other_events_raise_nothing(name: str) -> None:
    """They are in the story only."""
    assert raised(event(name)) == {}


@pytest.mark.parametrize("reason", Reason)
def test_deletions_are_counted_by_reason(reason: Reason) -> None:
    """Those that leave the same message behind are one."""
    label = Reason.SHUTDOWN_TIME if reason is Reason.DRAINED else reason
    said = MESSAGES.get(reason, reason)
    assert raised(event("machine-delete", said)) == {("deletions", str(label)): 1}


@pytest.mark.parametrize(("ended", "fizzles"), [(BRIEF, 1), (LONG, 0), (NEVER, 0)])
def test_a_run_shorter_than_fizzle_seconds_is_a_fizzle(ended: Machine, fizzles: int) -> None:
    """One that never ran is a failed creation."""
    found = raised(event("machine-stopped"), machines=(ended,))
    assert found.get(("fizzles", ""), 0) == fizzles
    assert found["ends", ""] == 1


def test_a_cycle_counts_itself_and_its_calls() -> None:
    """By what they were made for, and whether the cloud could not be looked at."""
    found = cycle_tallies("s", calls={"machines": 2, "create": 1}, trouble="")
    assert found == {
        Tally("s", "", "cycles"): 1,
        Tally("s", "", "api-calls", "machines"): 2,
        Tally("s", "", "api-calls", "create"): 1,
    }
    blind = cycle_tallies("s", calls={}, trouble="look-failed")
    assert blind[Tally("s", "", "errors", "look-failed")] == 1


class TestTotals(OnBothDatabases):
    """In the transaction that stores what is counted."""

    def test_they_only_grow(self, store: Store) -> None:
        """Each by its own."""
        changes = Changes(space="s", events=(event("machine-created"), event("machine-created")))
        store.save(changes)
        store.save(changes)
        store.save(Changes(space="s", events=(event("machine-delete", "finished"),)))
        assert store.totals() == {
            Tally("s", "k", "creations"): 4,
            Tally("s", "k", "deletions", "finished"): 1,
        }

    def test_what_is_not_stored_is_not_counted(self, store: Store) -> None:
        """All or nothing."""
        store.save(Changes(space=SPACE, intervals=(run(1),)))
        store.mark_exported("apel", [("uuid-1", 0)], NOW)
        before = store.totals()
        changed = (run(1, ended_at=NOW + 99),)
        told = (event("machine-created"),)
        with pytest.raises(StoreError):
            store.save(Changes(space=SPACE, intervals=changed, events=told))
        assert store.totals() == before

    def test_a_record_is_counted_once_for_each_sink(self, store: Store) -> None:
        """However often it is marked."""
        store.save(Changes(space=SPACE, intervals=(run(1), run(2))))
        keys = [("uuid-1", 0), ("uuid-2", 0)]
        store.mark_exported("apel", keys[:1], NOW)
        store.mark_exported("apel", [*keys, *keys], NOW)
        store.unmark("apel", keys)
        store.mark_exported("apel", keys, NOW)
        store.mark_exported("auditor", keys[:1], NOW)
        (apel, auditor) = sorted(store.totals().items())
        assert (apel[0].name, apel[0].label, apel[1]) == ("records", "apel", 2)
        assert (auditor[0].label, auditor[1]) == ("auditor", 1)

    @pytest.mark.parametrize(
        ("stage", "told_at", "reported_at", "kept"),
        [
            pytest.param(Stage.LISTED, 1, 1, {"creations"}, id="a machine lives"),
            pytest.param(Stage.GONE, NOW, 1, {"creations"}, id="its history is kept"),
            pytest.param(Stage.GONE, NOW - 1, 1, set(), id="all is forgotten"),
            pytest.param(Stage.GONE, 1, NOW, {"cycles"}, id="the space has cycles"),
        ],
    )
    def test_they_go_with_the_last_that_is_known_of_a_name(
        self, store: Store, stage: Stage, told_at: int, reported_at: int, kept: set[str]
    ) -> None:
        """Pipes of communities may bring new names every day."""
        made = stored(1, stage=stage, gone_at=1)
        told = Event(
            at=told_at,
            space=SPACE,
            event="machine-created",
            machinetype=made.machinetype,
            machine=made.name,
        )
        store.save(Changes(space=SPACE, machines=(made,), events=(told,)))
        store.save_report(SPACE, "{}", reported_at, raised={Tally(SPACE, "", "cycles"): 1})
        other = Tally("other", "", "cycles")
        store.save_report("other", "{}", NOW, raised={other: 1})
        store.forget_before(NOW)
        assert {each.name for each in store.totals() if each != other} == kept
        assert store.totals()[other] == 1

    def test_they_survive_a_restart(self, store: Store, url: str, clock: object) -> None:
        """They are in the database."""
        store.save_report("s", "{}", NOW, raised={Tally("s", "", "cycles"): 1})
        with Store.open(url, clock=clock) as again:  # type: ignore[arg-type]
            again.save_report("s", "{}", NOW, raised={Tally("s", "", "cycles"): 1})
        assert store.totals() == {Tally("s", "", "cycles"): 2}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Return a manager on a cloud in memory."""
    made = World(tmp_path, processors_limit=3)
    yield made
    made.close()


def test_the_totals_of_a_manager_at_work_are_those_of_its_stories(world: World) -> None:
    """Also where calls fail, and over a restart."""
    world.cloud.fail_next("create", Refused("create", "no"))
    world.cycles(3)
    world.all_here(lambda name: world.say(name, "300 No work"))
    world.cycles(3)
    world.restart()
    world.cloud.fail_next("machines", Unavailable("machines", "503"))
    world.cycles(29)
    world.cloud.fail_next("machines", Refused("machines", "403"))
    world.cycles(1)
    totals = world.store.totals()
    told = Counter(each.event for each in world.store.events())
    assert told["machine-created"] > 0
    for event_name, name in (("machine-created", "creations"), ("machine-aborted", "aborts")):
        key = Tally(WORLD_SPACE, "prod", name)
        assert totals.get(key, 0) == told[event_name]
    assert totals[Tally(WORLD_SPACE, "prod", "errors", "creation-failed")] == 1
    assert totals[Tally(WORLD_SPACE, "", "errors", "look-failed")] == 1
    assert totals[Tally(WORLD_SPACE, "", "errors", "look-refused")] == 1
    assert totals[Tally(WORLD_SPACE, "", "cycles")] == 36
    for operation in ("machines", "limits", "create"):
        key = Tally(WORLD_SPACE, "", "api-calls", operation)
        assert totals[key] == world.cloud.calls[operation]


def test_calls_between_cycles_are_counted_by_the_next(world: World) -> None:
    """As those of an image that goes up beside them for hours."""
    space = world.new_space()
    manager = world.new_cycle(space=space)
    manager.run(world.config)
    before = space.calls.total()
    space.find("vcycle-prod-0000000001")
    report = manager.run(world.config).report
    assert report.api_calls == space.calls.total() - before
    assert world.store.totals()[Tally(WORLD_SPACE, "", "api-calls", "find")] == 1
