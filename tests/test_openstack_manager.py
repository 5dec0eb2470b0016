"""The whole manager on the simulated OpenStack: what the cloud does to it, and what it leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.openstack import LOST, RESET, Fault, Quota, Settings, answer
from tests.openstack_world import OpenStackWorld, image_kind
from tests.served_world import building, wind_up, wind_up_unseen
from tests.world import SPACE
from vcycled.machinedir.layout import USER_DATA_HASH
from vcycled.model import Cause

pytestmark = pytest.mark.no_cover  # hours of a whole manager: see tests/conftest.py

Build = Callable[..., OpenStackWorld]


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    """Return a function that builds worlds."""
    with building(OpenStackWorld, tmp_path / "root") as build:
        yield build


def test_a_space_fills_works_and_leaves_nothing(build: Build) -> None:
    """Two machinetypes by their shares within the limit, a record for each machine, none left."""
    world = build(
        image_kind("prod", target_share=3.0),
        image_kind("test", target_share=1.0),
        processors_limit=40,
    )
    world.cycles(3)
    assert Counter(each.machinetype for each in world.here) == {"prod": 30, "test": 10}
    assert all(each.status == "ACTIVE" for each in world.here)
    world.clock.advance(600)
    world.finish_all()
    world.cycles(4)
    assert Counter(each.machinetype for each in world.here) == {"prod": 30, "test": 10}
    assert world.cloud.peak_processors["*"] == 40
    world.clock.advance(600)
    wind_up(world)
    ran = [each for each in world.cloud.truth if each.launched_at is not None]
    assert len(list(world.queue.archived())) == len(ran) == 80


def test_user_data_that_is_too_long_goes_packed(build: Build) -> None:
    """Nova passes on any bytes, so no machine need fetch its own."""
    world = build()
    template = world.tree.layout.files(SPACE, "prod") / "template"
    template.write_text("#!/bin/sh\n" + "# as long as that\n" * 6000)
    world.cycle()
    assert world.here
    current = world.root / "shared" / "spaces" / SPACE / "current"
    assert not list(current.glob(f"*/{USER_DATA_HASH}"))


def test_a_steady_cycle_asks_for_limits_and_pages_only(build: Build) -> None:
    """The token, the services' versions, the flavors and the images are known."""
    world = build(page_size=4)
    world.cycles(2)
    world.cycle()
    world.cloud.calls.clear()
    world.clock.advance(60)
    assert world.cycle().report.api_calls == 4
    assert world.cloud.calls == {"limits": 1, "machines": 3}


def test_more_servers_than_a_page_are_all_counted(build: Build) -> None:
    """The server's own page limit holds, though larger pages are asked for."""
    world = build(settings=Settings(start_seconds=30, max_limit=100), processors_limit=1250)
    for number in range(1200):
        world.cloud.add_foreign(f"foreign-{number}")
    report = world.cycles(3).report
    assert (len(world.here), report.foreign_processors) == (50, 1200)
    assert world.cloud.calls["machines"] == 3 * 13
    assert world.cloud.peak_processors["*"] == 1250


def test_foreign_servers_count_with_their_size_and_are_left_alone(build: Build) -> None:
    """Whatever their names; what grows makes room scarce."""
    world = build()
    world.cloud.add_foreign(
        "vcycle-prod-0000000000", flavor="large", metadata={"machinetype": "prod"}
    )
    world.cycles(2)
    assert len(world.here) == 2
    world.cloud.add_foreign("theirs", flavor="large")
    report = world.cycles(2).report
    assert (report.foreign_processors, report.creates) == (16, 0)
    wind_up(world)
    assert [each.gone_at for each in world.cloud.here] == [None, None]
    assert all(each.deletes == 0 for each in world.cloud.here)


def test_the_project_s_quota_is_a_limit(build: Build) -> None:
    """The tighter of both holds, and no create is tried that must fail."""
    world = build(settings=Settings(start_seconds=30, quota=Quota(cores=7, instances=100)))
    world.cloud.add_foreign("theirs")
    world.cycles(3)
    assert len(world.here) == 6
    assert world.cloud.calls["create"] == 6


def test_a_quota_that_limits_do_not_tell_stops_creation_and_is_said(build: Build) -> None:
    """As of ports: 403 at the first create too many, and `why` names it."""
    world = build(settings=Settings(start_seconds=30, quota=Quota(ports=4)))
    world.cycle()
    assert len(world.here) == 4
    world.clock.advance(60)
    holds = world.cycle().report.holds
    assert {hold.cause for hold in holds} == {Cause.QUOTA}
    assert any("ports" in hold.detail for hold in holds)
    wind_up(world)


def test_a_token_that_is_revoked_amid_a_cycle_is_renewed(build: Build) -> None:
    """Between listing and creating: one login more, nothing lost."""
    world = build()
    world.cloud.latency = lambda operation: (
        world.cloud.revoke_tokens()
        if operation == "create" and world.cloud.calls["create"] == 3
        else None
    )
    world.cycle()
    assert len(world.here) == 10
    assert world.cloud.keystone.issued >= 2
    world.cycles(2)
    wind_up(world)


def test_lost_answers_to_create_make_no_doubles(build: Build) -> None:
    """What was made is found by its name; what was not is made in a later cycle."""
    world = build()
    world.cloud.fail_next("create", LOST, RESET, LOST, LOST)
    world.cycle()
    assert len(world.here) == 9
    world.cycles(20)
    names = Counter(each.name for each in world.cloud.truth)
    assert max(names.values()) == 1
    assert len(world.here) == 10
    assert world.cloud.peak_processors["*"] == 10
    wind_up(world)


def test_lost_answers_to_delete_harm_nothing(build: Build) -> None:
    """It is gone, or it is asked for again."""
    world = build()
    world.cycles(3)
    world.clock.advance(600)
    world.finish_all()
    world.cloud.fail_next("delete", LOST, RESET, answer(500), answer(409, "conflict"))
    world.cycles(2)
    world.cycles(4, seconds=600)
    wind_up(world)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(answer(500, "oops"), id="error"),
        pytest.param(answer(503, "busy", retry_after_s=30), id="told to wait"),
        pytest.param(answer(401, "no"), id="turned away"),
        pytest.param(answer(403, "policy"), id="forbidden"),
        pytest.param(answer(404, "where"), id="not found"),
        pytest.param(RESET, id="reset"),
        pytest.param(Fault(cut=100), id="cut"),
        pytest.param(Fault(status=200, body="<html>"), id="not JSON"),
        pytest.param(Fault(status=200, body='{"servers": null}'), id="JSON of another form"),
    ],
)
def test_a_listing_that_fails_on_its_second_page_kills_nothing(build: Build, fault: Fault) -> None:
    """The cycle says so; the next one goes on as if nothing had been."""
    world = build(page_size=4)
    world.cycles(3)
    world.cloud.fail_next("machines", Fault(), fault, fault)
    world.clock.advance(60)
    assert world.cycle().report.error
    world.cloud.script.clear()
    world.cycles(3)
    assert all(each.deletes == 0 for each in world.cloud.truth)
    assert len(world.cloud.truth) == 10
    assert len(world.machines) == 10


def test_servers_that_a_listing_leaves_out_are_kept(build: Build) -> None:
    """However long, as long as asking for them finds them; none is made in their place."""
    world = build()
    world.cycles(3)
    world.cloud.listing.omitted = {each.name for each in world.here[:3]}
    world.cycles(15)
    assert len(world.cloud.truth) == 10
    assert all(each.deletes == 0 for each in world.cloud.truth)
    world.cloud.listing.omitted = set()
    world.cycles(2)
    assert len(world.machines) == 10
    wind_up(world)


def test_a_listing_that_lags_makes_no_more_than_the_limit(build: Build) -> None:
    """New servers are seen a minute late."""
    world = build()
    world.cloud.listing.lag_seconds = 90
    world.cycles(6)
    assert len(world.cloud.truth) == 10
    wind_up(world)


def test_of_two_servers_of_one_name_the_one_we_know_stays(build: Build) -> None:
    """The other one, with our tags too, is counted and deleted; the folder is not its own."""
    world = build(processors_limit=4)
    world.cycles(3)
    known = world.here[0]
    other = world.cloud.add_foreign(known.name, metadata=known.metadata)
    assert world.cycle().report.processors == 5
    world.cycles(5)
    deletes = {each.id: each.deletes for each in world.cloud.truth}
    assert deletes.pop(other) == 1
    assert set(deletes.values()) == {0}
    assert {each.id for each in world.here} == {each.cloud_id for each in world.machines}
    assert (world.folder(known.name) / "joboutputs").is_dir()
    wind_up_unseen(world)


def test_a_server_for_which_there_is_no_host_is_deleted_and_its_flavor_left_alone(
    build: Build,
) -> None:
    """The reason is asked for singly, since listings do not show it; the next flavor is taken."""
    world = build(image_kind(flavor_names=("large", "small")), processors_limit=8)
    world.cloud.settings.no_room = frozenset({"large"})
    world.cycles(5)
    assert {each.flavor.name for each in world.here} == {"small"}
    assert len(world.here) == 8
    failed = [each for each in world.cloud.truth if each.flavor.name == "large"]
    assert all(each.gone_at is not None for each in failed)
    wind_up(world)


def test_a_cloud_that_keeps_what_was_deleted_gives_it_up(build: Build) -> None:
    """Soft-deleted servers hold quota until they are deleted by force."""
    world = build(settings=Settings(start_seconds=30, keeps_deleted=True))
    world.cycles(3)
    world.clock.advance(600)
    world.finish_all()
    wind_up(world)


def test_a_new_manager_finds_all_again(build: Build) -> None:
    """After a kill -9 it logs in, lists, and goes on."""
    world = build()
    world.cycles(3)
    world.restart()
    world.cycles(2)
    assert len(world.cloud.truth) == 10
    wind_up(world)
