"""Cycles under orders, that only look on, or that keep house."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests import cycle_kit
from tests.cycle_kit import causes
from tests.world import SPACE, World, kind
from vcycled.model import Cause, Order, OrderKind

world = cycle_kit.world


def order(world: World, kind_: OrderKind, **more: str | int) -> None:
    """Leave an order as the command line does."""
    usual = Order(kind=kind_, space=SPACE, at=world.clock.now(), who="ops")
    world.store.order(replace(usual, **more))  # type: ignore[arg-type] # tests name real fields


def test_a_drained_machinetype_grows_no_more_until_the_drain_is_lifted(world: World) -> None:
    """Machines end by themselves."""
    world.cycles(2)
    order(world, OrderKind.DRAIN, machinetype="prod")
    world.all_here(world.cloud.finish)
    world.cycles(3)
    assert world.here == ()
    assert causes(world) == {"prod": Cause.DRAIN}
    order(world, OrderKind.UNDRAIN, machinetype="prod")
    world.clock.advance(700)
    world.cycles(2)
    assert len(world.here) >= 1


def test_a_hold_ends_by_itself_and_tells_machines_nothing(world: World) -> None:
    """No machine learns of it; none is made until its time has come."""
    world.cycles(2)
    name = world.here[0].listed.name
    before = (world.folder(name) / "jobfeatures/shutdowntime_job").read_text()
    order(world, OrderKind.HOLD, machinetype="prod", by=world.clock.now() + 5000)
    world.cycle()
    assert (world.folder(name) / "jobfeatures/shutdowntime_job").read_text() == before
    world.all_here(world.cloud.finish)
    world.cycles(3)
    assert [*world.here] == []
    assert causes(world) == {"prod": Cause.ON_HOLD}
    world.clock.advance(5000)
    world.cycles(2)
    assert len(world.here) >= 1
    assert "hold-over" in [each.event for each in world.store.events()]


def test_a_drain_by_a_time_is_told_and_kept(world: World) -> None:
    """Machines see the new shutdown time; after it they are deleted and accounted."""
    world.cycles(3)
    by = world.clock.now() + 1000
    order(world, OrderKind.DRAIN, by=by)
    world.cycle()
    name = world.here[0].listed.name
    assert (world.folder(name) / "jobfeatures/shutdowntime_job").read_text() == str(by)
    assert (world.folder(name) / "machinefeatures/shutdowntime").read_text() == str(by)
    world.clock.advance(990)
    world.cycle()
    assert len(world.here) == 10
    world.cycles(3)
    assert world.here == ()
    assert world.audit() == []


def without(world: World, name: str) -> None:
    """Remove the section of a machinetype, as a vacuum pipe does that names it no more."""
    left = tuple(each for each in world.config.machinetypes if each.name != name)
    world.config = replace(world.config, machinetypes=left)


@pytest.mark.parametrize("is_first", [True, False])
def test_a_drain_by_a_time_outlives_the_section_of_its_machinetype(
    tmp_path: Path, *, is_first: bool
) -> None:
    """Its machines are told once and gone in time, whether it was ordered before or after."""
    world = World(tmp_path / "root", kind("prod"), kind("old"))
    world.cycles(3)
    old = [each for each in world.machines if each.machinetype == "old"]
    assert len(old) == 5
    by = world.clock.now() + 1200
    if is_first:
        order(world, OrderKind.DRAIN, machinetype="old", by=by)
        world.cycle()
    without(world, "old")
    if not is_first:
        order(world, OrderKind.DRAIN, machinetype="old", by=by)
    world.cycles(3)
    told = [each for each in world.machines if each.leave_by == by]
    assert {each.uuid for each in told} == {each.uuid for each in old}
    assert [each.event for each in world.store.events()].count("machine-told") == 5
    world.clock.advance(by + 1 - world.clock.now())
    world.cycles(2)
    assert {each.machinetype for each in world.machines} == {"prod"}
    assert world.audit() == []
    world.close()


def test_a_machine_is_told_when_the_cloud_will_end_it(world: World) -> None:
    """Its shutdown time is the cloud's, once there is one, and its story has the reason."""
    world.cycles(2)
    name = world.here[0].listed.name
    soon = world.clock.now() + 120
    world.cloud.change(name, lambda was: replace(was, warning="spot", ends_at=soon))
    world.cycle()
    assert (world.folder(name) / "jobfeatures/shutdowntime_job").read_text() == str(soon)
    assert (world.folder(name) / "machinefeatures/shutdowntime").read_text() == str(soon)
    assert world.store.machine(name)[0].ends_at == soon


def test_an_ordered_delete_is_carried_out(world: World) -> None:
    """The operator's word needs no other reason."""
    world.cycles(2)
    name = world.here[0].listed.name
    order(world, OrderKind.DELETE, machine=name)
    world.cycle()
    assert world.cloud.of(name).deletes == 1
    story = [event.event for event in world.store.events(machine=name, oldest_first=True)]
    assert story[-2:] == ["order-delete", "machine-delete"]


def test_observing_touches_nothing(world: World) -> None:
    """The whole cycle is thought through, and only its report is kept."""
    world.cycles(2)
    world.all_here(world.cloud.finish)
    world.set(mode="observe")
    before, files = world.machines, sorted(world.root.rglob("*"))
    world.cloud.calls.clear()
    outcome = world.cycle()
    assert outcome.plan is not None
    assert len(outcome.plan.deletes) == 10
    assert world.machines == before
    assert sorted(world.root.rglob("*")) == files
    assert set(world.cloud.calls) <= {"connect", "limits", "flavors", "machines", "find"}


def test_a_preview_is_what_the_next_cycle_does(world: World) -> None:
    """`vcycle plan` shows creations and deletions, and nothing happens."""
    outcome = world.manager.preview(world.config)
    assert outcome.plan is not None
    assert len(outcome.plan.creates) == 10
    assert world.store.reports() == {}
    assert world.cloud.calls["create"] == 0
    assert world.machines == ()


def test_a_cycle_that_is_told_to_end_begins_nothing(world: World) -> None:
    """Intents that were not asked for are dropped, and the cloud is not called."""
    world.manager = world.new_cycle(is_stopping=lambda: True)
    world.cycle()
    assert world.cloud.calls["create"] == 0
    assert world.machines == ()


def test_a_torn_folder_is_repaired_by_the_next_manager(world: World) -> None:
    """A power cut may leave empty files; a manager that starts writes them again."""
    world.cycles(2)
    name = world.here[0].listed.name
    torn = world.folder(name) / "jobfeatures" / "job_id"
    whole = torn.read_text()
    torn.write_text("")
    world.restart()
    world.cycles(1)
    assert torn.read_text() == whole


@pytest.mark.parametrize(
    ("option", "network", "url"),
    [
        ("squid", "192.0.2.", "http://192.0.2.0:280"),
        ("squid:3128", "192.0.2.", "http://192.0.2.0:3128"),
        ("squid", "2001:db8::", "http://[2001:db8::0]:280"),
    ],
)
def test_web_caches_that_are_alive_are_told_to_new_machines(
    tmp_path: Path, option: str, network: str, url: str
) -> None:
    """cvmfs_proxy_machinetype: addresses with a current heartbeat, then the option's own."""
    told = replace(kind(cvmfs_proxy_machinetype=option), user_data_options={"cvmfs_proxy": "own"})
    squid = kind("squid", heartbeat_file="beat", heartbeat_seconds=100, processors_limit=3)
    world = World(tmp_path, replace(told, options=replace(told.options, target_share=0)), squid)
    world.cycles(2)
    for number, truth in enumerate(world.here):
        here = replace(truth.listed, address=f"{network}{number}")
        world.cloud.change(truth.listed.name, partial(lambda shown, _was: shown, here))
    fresh, stale, _silent = (truth.listed.name for truth in world.here)
    world.beat(stale, "beat")
    world.clock.advance(101)
    world.beat(fresh, "beat")
    template = world.tree.layout.files(SPACE, "prod") / "template"
    template.write_text("#!/bin/sh\n##user_data_option_cvmfs_proxy##\n")
    world.cycle()
    world.set_kind(target_share=1.0)
    world.cycle()
    made = next(each for each in world.cloud.truth if each.machinetype == "prod")
    assert made.request is not None
    assert made.request.user_data.decode() == f"#!/bin/sh\n{url};own\n"
    world.close()


def test_unknown_patterns_are_warned_about_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """One line for each machinetype and pattern, not one for each machine."""
    template = world.tree.layout.files(SPACE, "prod") / "template"
    template.write_text("#!/bin/sh\n##user_data_typo##\n")
    with caplog.at_level("WARNING"):
        world.cycle()
    lines = [record.message for record in caplog.records if "user-data-unknown" in record.message]
    assert len(lines) == 1
    assert "##user_data_typo##" in lines[0]
