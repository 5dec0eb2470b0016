"""What tests order of the OpenStack of our own, also from another process."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests import fake_openstack_kit
from tests.fake_openstack_kit import Plain
from tests.fakes.openstack import (
    RESET,
    Controlled,
    Fault,
    OpenStackCloud,
    RemoteCloud,
    answer,
    serving,
)
from tests.fakes.openstack.messages import Request
from tests.fakes.openstack.spans import Span
from vcycled.testing.clock import START, FakeClock

clock = fake_openstack_kit.clock
cloud = fake_openstack_kit.cloud
url = fake_openstack_kit.url
plain = fake_openstack_kit.plain


def test_listings_lag_and_are_cut(cloud: OpenStackCloud, plain: Plain, clock: FakeClock) -> None:
    """While GET goes on telling the truth."""
    made = plain.create().json()["server"]["id"]
    cloud.listing.lag_seconds = 5
    clock.advance(4)
    assert plain.names() == []
    assert plain.ask("GET", f"/compute/v2.1/servers/{made}").status_code == 200
    clock.advance(1)
    assert plain.names() == ["one"]
    cloud.listing.cut = 0
    assert plain.names() == []


def test_calls_fail_as_scripted_and_then_work_again(cloud: OpenStackCloud, plain: Plain) -> None:
    """What is answered instead of the work does none of it; each call is counted."""
    cloud.fail_next("create", answer(429, "slow down", retry_after_s=7), answer(500, "oops"))
    answered = plain.create()
    assert (answered.status_code, answered.headers["Retry-After"]) == (429, "7")
    assert answered.json() == {"overLimit": {"code": 429, "message": "slow down"}}
    assert plain.create().status_code == 500
    assert cloud.truth == []
    assert plain.create().status_code == 202
    assert cloud.calls["create"] == 3
    assert cloud.script.met == {"create": 2}


def test_connections_are_reset_before_and_after_the_work(
    cloud: OpenStackCloud, plain: Plain
) -> None:
    """Nobody can tell the one from the other, but the truth can."""
    cloud.fail_next("create", RESET)
    with pytest.raises(requests.ConnectionError):
        plain.create(name="never")
    cloud.lose_replies("create")
    with pytest.raises(requests.ConnectionError):
        plain.create(name="made")
    assert [each.name for each in cloud.here] == ["made"]


def test_a_body_can_be_cut(cloud: OpenStackCloud, plain: Plain) -> None:
    """The client sees that less came than was promised."""
    cloud.fail_next("limits", Fault(cut=10))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        plain.ask("GET", "/compute/v2.1/limits")


def test_a_share_of_all_calls_can_fail(cloud: OpenStackCloud, plain: Plain) -> None:
    """The same ones for the same seed."""

    def statuses() -> list[int]:
        cloud.script.set_always("limits", answer(503), 0.5, seed=1)
        return [plain.ask("GET", "/compute/v2.1/limits").status_code for _ in range(20)]

    first = statuses()
    assert {200, 503} == set(first)
    assert statuses() == first
    cloud.script.set_always("limits", None)
    assert plain.ask("GET", "/compute/v2.1/limits").status_code == 200


def test_a_call_hangs_until_it_is_let_go_and_delays_no_other(
    cloud: OpenStackCloud, plain: Plain
) -> None:
    """Ten at once and more are answered side by side."""
    gate = cloud.hold("machines")
    with ThreadPoolExecutor(max_workers=12) as pool:
        waiting = [pool.submit(plain.names) for _ in range(12)]
        assert plain.create().status_code == 202
        while cloud.peak_calls < 12:
            threading.Event().wait(0.01)
        assert not any(each.done() for each in waiting)
        gate.set()
        assert all(each.result(timeout=60) == ["one"] for each in waiting)


@pytest.mark.parametrize(
    ("limits", "after_s", "uses"),
    [
        pytest.param({}, 10**6, [True] * 4, id="for ever"),
        pytest.param({"count": 0}, 0, [False] * 4, id="never"),
        pytest.param({"count": 2}, 10**6, [True, True, False, False], id="twice"),
        pytest.param({"seconds": 5}, 4, [True] * 4, id="a second before its end"),
        pytest.param({"seconds": 5}, 5, [False] * 4, id="at its end"),
        pytest.param({"count": 1, "seconds": 5}, 4, [True, False, False, False], id="both"),
    ],
)
def test_what_is_switched_on_ends_after_so_many_times_or_seconds(
    clock: FakeClock, limits: dict[str, int], after_s: int, uses: list[bool]
) -> None:
    """Whichever comes first."""
    span = Span(clock, uses=limits.get("count"), seconds=limits.get("seconds"))
    clock.advance(after_s)
    assert [span.use() for _ in uses] == uses


def test_calls_fail_for_a_while(cloud: OpenStackCloud, plain: Plain, clock: FakeClock) -> None:
    """And work again by themselves."""
    cloud.fail_for("limits", answer(503), seconds=5)
    statuses = []
    for _ in range(3):
        statuses.append(plain.ask("GET", "/compute/v2.1/limits").status_code)
        clock.advance(4)
    assert statuses == [503, 503, 200]


def test_servers_stay_in_build_or_deleting(
    cloud: OpenStackCloud, plain: Plain, clock: FakeClock
) -> None:
    """Until the test ends that; those that were asked for later are as usual."""
    cloud.stick("create", count=1)
    cloud.stick("delete", seconds=100)
    for name in ("stuck", "usual"):
        plain.create(name=name)
    clock.advance(30)
    assert [each.status for each in cloud.here] == ["BUILD", "ACTIVE"]
    cloud.run("stuck")
    assert cloud.of("stuck").status == "ACTIVE"
    plain.ask("DELETE", f"/compute/v2.1/servers/{cloud.of('stuck').id}")
    clock.advance(70)
    plain.ask("DELETE", f"/compute/v2.1/servers/{cloud.of('usual').id}")
    clock.advance(1000)
    assert [(each.name, each.task_state) for each in cloud.here] == [("stuck", "deleting")]
    cloud.vanish("stuck")
    assert cloud.here == ()


def test_servers_go_into_error_when_they_would_run(
    cloud: OpenStackCloud, plain: Plain, clock: FakeClock
) -> None:
    """With a fault that listings show, for they had a host."""
    cloud.doom("Build of instance aborted: no luck", count=1)
    for name in ("doomed", "usual"):
        plain.create(name=name)
    clock.advance(29)
    assert {each.status for each in cloud.here} == {"BUILD"}
    clock.advance(2)
    (usual, doomed) = plain.ask("GET", "/compute/v2.1/servers/detail").json()["servers"]
    assert (usual["status"], doomed["status"]) == ("ACTIVE", "ERROR")
    assert doomed["fault"]["message"] == "Build of instance aborted: no luck"
    assert cloud.of("doomed").ended_at == START + 30


def test_listings_leave_servers_out_for_a_while(
    cloud: OpenStackCloud, plain: Plain, clock: FakeClock
) -> None:
    """For so many listings, however many pages one has, or for so many seconds."""
    ids = {name: cloud.add_foreign(name) for name in ("one", "two", "three")}
    cloud.omit("one", count=2)
    cloud.omit("three", seconds=5)
    clock.advance(4)
    assert plain.names("?limit=1") == ["two"]
    assert plain.names(f"?limit=1&marker={ids['two']}") == []
    assert plain.names() == ["two"]
    assert plain.names() == ["two", "one"]
    clock.advance(1)
    assert plain.names() == ["three", "two", "one"]


def test_servers_are_listed_only_after_some_listings(cloud: OpenStackCloud, plain: Plain) -> None:
    """Pages and searches by name do not count, and searches show it at once."""
    cloud.listing.lag_listings = 2
    plain.names()
    plain.create(name="late")
    marker = cloud.add_foreign("early")
    shown = []
    for _ in range(3):
        shown.append(plain.names())
        assert plain.names("?name=late") == ["late"]
        plain.names(f"?marker={marker}")
    assert shown == [["early"], ["early"], ["early", "late"]]


def test_servers_wait_for_a_host_in_a_list_of_their_own(
    cloud: OpenStackCloud, plain: Plain, clock: FakeClock
) -> None:
    """Before all others; for a page, one that got a host is in both, shown once, counted twice."""
    cloud.settings.waits_for_host = True
    plain.create(name="first")
    plain.create(name="second")
    cloud.add_foreign("placed")
    assert plain.names() == ["second", "first", "placed"]
    cloud.place(1)
    assert cloud.of("second").task_state == "scheduling"
    assert plain.names("?limit=3") == ["second", "first"]
    assert cloud.of("second").task_state == "spawning"
    assert plain.names() == ["first", "second", "placed"]
    clock.advance(30)
    cloud.add_foreign("last")
    assert plain.names() == ["last", "first", "second", "placed"]
    assert {each.status for each in cloud.here} == {"ACTIVE"}


def test_a_server_that_gets_a_host_between_two_pages_is_lost(
    cloud: OpenStackCloud, plain: Plain
) -> None:
    """Without any word of it, as on a real Nova: the mark is not where it was."""
    for number in range(4):
        cloud.add_foreign(f"server-{number}", waits=True)
    cloud.listing.places_per_page = 4
    assert plain.names("?limit=2") == ["server-3", "server-2"]
    assert plain.names("?limit=2") == ["server-3", "server-2"]
    marker = cloud.of("server-2").id
    assert plain.names(f"?limit=2&marker={marker}") == ["server-3"]


def test_all_is_calm_again_at_once(cloud: OpenStackCloud, plain: Plain, clock: FakeClock) -> None:
    """Whatever was ordered."""
    cloud.add_foreign("one")
    cloud.fail_for("*", answer(500), seconds=1000)
    cloud.hold("limits")
    cloud.stick("create")
    cloud.doom()
    cloud.omit("one")
    cloud.listing.lag_seconds = 1000
    cloud.calm()
    assert plain.ask("GET", "/compute/v2.1/limits").status_code == 200
    assert plain.create(name="two").status_code == 202
    clock.advance(30)
    assert plain.names() == ["two", "one"]
    assert cloud.of("two").status == "ACTIVE"


def test_another_process_orders_the_same(cloud: OpenStackCloud, clock: FakeClock) -> None:
    """Every verb of the control's description but those that are tested elsewhere."""
    with serving(Controlled(cloud)) as url:
        remote, plain = RemoteCloud(url), Plain(url)
        remote.do("stick", operation="create", count=1)
        remote.do("doom", fault="no luck", seconds=5)
        remote.do("omit", name="one", count=1)
        remote.do("listing", lag_listings=1)
        remote.do("fail_next", operation="limits", faults=[{"status": 500}], count=2)
        fault = {"status": 429, "message": "slow down", "retry_after_s": 7}
        remote.do("fail_for", operation="flavors", fault=fault, seconds=5)
        limits = [plain.ask("GET", "/compute/v2.1/limits").status_code for _ in range(3)]
        assert limits == [500, 500, 200]
        assert plain.ask("GET", "/compute/v2.1/flavors/detail").headers["Retry-After"] == "7"
        for name in ("one", "two"):
            plain.create(name=name)
        clock.advance(30)
        assert plain.ask("GET", "/compute/v2.1/flavors/detail").status_code == 200
        assert [each["status"] for each in remote.truth] == ["BUILD", "ERROR"]
        assert [plain.names(), plain.names()] == [[], ["two", "one"]]
        remote.do("settings", waits_for_host=True)
        plain.create(name="three")
        remote.do("listing", lag_listings=0, places_per_page=1)
        remote.do("place", count=1)
        remote.do("hold", operation="limits")
        remote.do("calm")
        assert plain.ask("GET", "/compute/v2.1/limits").status_code == 200


@pytest.mark.parametrize("verb", ["listing", "settings"])
def test_a_field_that_is_not_there_is_the_caller_s_mistake(
    cloud: OpenStackCloud, verb: str
) -> None:
    """A misspelt one would change nothing, and the test pass."""
    with pytest.raises(AttributeError, match="lag_secs"):
        Controlled(cloud)(
            Request(
                method="POST",
                path=f"/control/{verb}",
                query={},
                headers={},
                content=b'{"lag_secs": 1}',
                base="",
            )
        )


def test_another_process_controls_it_by_http(cloud: OpenStackCloud) -> None:
    """The verbs are the same, and the truth comes back."""
    with serving(Controlled(cloud)) as url:
        remote, plain = RemoteCloud(url), Plain(url)
        remote.do("fail_next", operation="create", faults=[{"status": 500}])
        assert plain.create().status_code == 500
        remote.do("settings", start_seconds=None, quota={"instances": 1})
        assert plain.create(metadata={"vcycle_installation": "i"}).status_code == 202
        assert plain.create(name="two").status_code == 403
        remote.do("run", name="one")
        (server,) = remote.truth
        assert (server["name"], server["status"], server["is_ours"]) == ("one", "ACTIVE", True)
        remote.do("listing", omitted=["one"])
        assert plain.names() == []


def test_it_runs_as_a_process_of_its_own_as_long_as_its_input_is_open() -> None:
    """So it never outlives who started it."""
    line = [sys.executable, "-m", "tests.fakes.openstack", "--servers", "3", "--max-limit", "2"]
    with subprocess.Popen(
        line,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    ) as process:
        assert process.stdout is not None
        word, url = process.stdout.readline().split()
        assert word == "ready"
        assert Plain(url).names() == ["foreign-00002", "foreign-00001"]
        assert len(RemoteCloud(url).truth) == 3
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=20) == 0
