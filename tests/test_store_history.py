"""What people ask of the store."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import HealthCheck, given, settings

from tests.store_kit import SPACE, OnBothDatabases, facts, machine
from vcycled.model import Changes, Event, Stage
from vcycled.store import Store
from vcycled.testing.clock import START

PROD = Event(at=START, space=SPACE, event="machine-asked", machinetype="prod", machine="m1")
TEST = Event(at=START + 1, space=SPACE, event="machine-seen", machinetype="test", machine="m2")
OTHER = Event(at=START + 2, space="other", event="listing-failed", detail="503")


class TestMachines(OnBothDatabases):
    """Machines, past and present."""

    def test_a_name_tells_all_that_bore_it(self, store: Store) -> None:
        """Also one that is gone, oldest first."""
        young = machine(1, created_at=START + 1)
        old = dataclasses.replace(young, uuid="uuid-0", created_at=START, stage=Stage.GONE)
        store.save(Changes(space=SPACE, machines=(young, old, machine(2))))
        assert store.machine(young.name) == (old, young)
        assert store.machine("vcycle-prod-neverthere") == ()

    def test_machines_come_youngest_first(self, store: Store) -> None:
        """Of one space or of all, with those that are gone or without, and at most so many."""
        old, gone = machine(1, created_at=1), machine(2, created_at=2, stage=Stage.GONE)
        other = machine(3, created_at=3, space="other")
        store.save(Changes(space=SPACE, machines=(old, gone, other)))
        assert store.machines() == (other, old)
        assert store.machines(include_gone=True) == (other, gone, old)
        assert store.machines(space=SPACE, include_gone=True) == (gone, old)
        assert store.machines(include_gone=True, limit=2) == (other, gone)


class TestEvents(OnBothDatabases):
    """The story of machines and spaces."""

    @settings(
        max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(event=facts(Event))
    def test_an_event_comes_back_in_every_field(self, store: Store, event: Event) -> None:
        """The newest is the last that was recorded, whatever its clock said."""
        store.save(Changes(space=SPACE, events=(event,)))
        assert store.events(limit=1) == (event,)

    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            ({}, (OTHER, TEST, PROD)),
            ({"oldest_first": True}, (PROD, TEST, OTHER)),
            ({"limit": 1}, (OTHER,)),
            ({"limit": 1, "oldest_first": True}, (PROD,)),
            ({"space": SPACE}, (TEST, PROD)),
            ({"machinetype": "prod"}, (PROD,)),
            ({"machine": "m2"}, (TEST,)),
            ({"machine": "m2", "space": "other"}, ()),
            ({"machine": ""}, (OTHER,)),
            ({"since": START + 1}, (OTHER, TEST)),
            ({"since": START + 2}, (OTHER,)),
            ({"since": START + 3}, ()),
        ],
    )
    def test_events_can_be_chosen(
        self, store: Store, wanted: dict[str, str | int], found: tuple[Event, ...]
    ) -> None:
        """By what they are about, and from an instant on."""
        store.save(Changes(space=SPACE, events=(PROD, TEST, OTHER)))
        assert store.events(**wanted) == found  # type: ignore[arg-type]


class TestReports(OnBothDatabases):
    """What the last cycle of each space came to."""

    def test_the_last_report_of_each_space_is_kept(self, store: Store) -> None:
        """A new one replaces it."""
        store.save_report(SPACE, '{"ok": false}', START)
        store.save_report("other", "{}", START)
        store.save_report(SPACE, '{"ok": true}', START + 60)
        assert store.reports() == {SPACE: (START + 60, '{"ok": true}'), "other": (START, "{}")}
