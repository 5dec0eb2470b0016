"""Several real managers on one database: killed, cut off, with clocks that differ."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import postgres
from tests.several_managers import BEAT, FIZZLE, LIMIT, SPEED, Cluster, Host, clustered
from vcycled.store.tenure import SKEW_MOST_SECONDS

A, B = "a.example.org", "b.example.org"
ROUNDS = 12
SEEDS = tuple(int(each) for each in os.environ.get("CHAOS_SEED", "6").split())
"""Of what befalls three managers, a story for each; any other number is another one."""
ENOUGH = LIMIT + 6
"""Machines that there were in each cloud, so that some were made under fire."""
TICKS_S = 10
"""A tick of the manager or two, in its seconds; a busy host makes more of them."""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Return a cluster of no host yet, and two clouds."""
    with clustered(tmp_path, postgres.running(), A, B) as made:
        yield made


@pytest.mark.live
@pytest.mark.timeout(300)
def test_another_manager_takes_over_within_two_missed_beats(cluster: Cluster) -> None:
    """What the killed one had asked for lives on, and nothing is made beyond the limit."""
    clouds = cluster.clouds.values()
    first, second = cluster.add("m1.example.org"), cluster.add("m2.example.org")
    cluster.start(first)
    cluster.wait("full", lambda: all(len(each.here) == LIMIT for each in clouds))
    cluster.start(second)
    cluster.wait("second", lambda: "m2.example.org" in cluster.roster().managers)
    assert cluster.holder(A) == cluster.holder(B) == "m1.example.org"
    cluster.signal(first, signal.SIGKILL)
    killed_at = cluster.clock.now()
    cluster.wait("taken", lambda: cluster.holder(A) == cluster.holder(B) == "m2.example.org")
    taken_at = max(each.taken_at for each in cluster.roster().leases.values())
    # It looks once in a tick, and its look and its beat each take no longer than ours.
    busy_s = 2 * SPEED * cluster.longest_look_s
    assert taken_at - killed_at <= 2 * BEAT + TICKS_S + busy_s
    for cloud in cluster.clouds.values():
        cloud.finish(cloud.here[0].name)
    cluster.wait("replaced", lambda: all(len(each.truth) == LIMIT + 1 for each in clouds))
    assert [each.peak_processors["*"] for each in clouds] == [LIMIT, LIMIT]


@pytest.mark.live
@pytest.mark.timeout(300)
def test_a_manager_that_joins_is_handed_its_part_between_two_cycles(cluster: Cluster) -> None:
    """Nothing is lost with it, and it stays so; in an orderly end all goes back at once."""
    clouds = cluster.clouds.values()
    first, second = cluster.add("m1"), cluster.add("m2")
    cluster.start(first)
    cluster.wait("full", lambda: all(len(each.here) == LIMIT for each in clouds))
    cluster.start(second)
    cluster.wait("shared out", lambda: {cluster.holder(A), cluster.holder(B)} == {"m1", "m2"})
    for cloud in clouds:
        cloud.finish(cloud.here[0].name)
    cluster.wait("replaced", lambda: all(len(each.truth) == LIMIT + 1 for each in clouds))
    assert {cluster.holder(A), cluster.holder(B)} == {"m1", "m2"}
    assert cluster.logs().count("lease-handed-over") == 1
    cluster.signal(first, signal.SIGTERM)
    cluster.wait("taken", lambda: cluster.holder(A) == cluster.holder(B) == "m2")
    assert "lease-lost" not in cluster.logs()
    assert [each.peak_processors["*"] for each in clouds] == [LIMIT, LIMIT]


@pytest.mark.live
@pytest.mark.timeout(300)
def test_a_manager_that_is_cut_off_from_the_database_changes_nothing(cluster: Cluster) -> None:
    """Nor does one whose clock is off take its spaces; where people look, both are told."""
    clouds = cluster.clouds.values()
    first, wrong = cluster.add("m1"), cluster.add("m2", shift_s=-90)
    cluster.start(first)
    cluster.start(wrong)
    cluster.wait("full", lambda: all(len(each.here) == LIMIT for each in clouds))
    cluster.wait("told", lambda: cluster.reported() == {A, B})
    first.relay.cut()
    cluster.wait("cut off", lambda: "cut-off" in first.log.read_text())
    before = cluster.changes()
    for cloud in clouds:
        cloud.finish(cloud.here[0].name)
    threading.Event().wait(3 * BEAT / SPEED)
    assert cluster.changes() == before
    told = cluster.asked(wrong, "managers")
    assert [each["is_live"] for each in told["managers"]] == [False, True]
    assert -91 <= told["managers"][1]["clock_ahead_seconds"] < -SKEW_MOST_SECONDS
    assert {each["manager"] for each in told["spaces"]} == {None}
    (doubt, *_) = cluster.asked(wrong, "why", A)["doubts"]
    assert "No manager holds this space" in doubt
    assert "the clock of m2 is 1 min" in doubt
    assert "clock-off" in wrong.log.read_text()
    first.relay.mend()
    cluster.wait("replaced", lambda: all(len(each.truth) == LIMIT + 1 for each in clouds))
    assert [each.peak_processors["*"] for each in clouds] == [LIMIT, LIMIT]
    cluster.wait("held", lambda: cluster.asked(wrong, "status")["spaces"][0]["manager"] == "m1")


class Chaos:
    """What befalls managers, one thing after the other."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self._cluster = cluster
        self._rng = random.Random(seed)
        self.done: Counter[str] = Counter()

    def round(self) -> None:
        """Let something befall one of them, for some seconds, and machines end."""
        host = self._rng.choice(tuple(self._cluster.hosts.values()))
        befall = self._rng.choice((self._kill, self._kill, self._cut, self._stop, self._end))
        befall(host)
        self.done[befall.__name__.strip("_")] += 1
        self._cluster.end_old(age_s=2 * FIZZLE, share=0.5, rng=self._rng)
        self._pause(1.0)

    def _pause(self, most_s: float) -> None:
        threading.Event().wait(self._rng.uniform(0.1, most_s))

    def _kill(self, host: Host) -> None:
        self._cluster.signal(host, signal.SIGKILL)
        self._pause(6.0)
        self._cluster.start(host)

    def _end(self, host: Host) -> None:
        self._cluster.signal(host, signal.SIGTERM)
        self._cluster.start(host)

    def _cut(self, host: Host) -> None:
        host.relay.cut()
        self._pause(6.0)
        host.relay.mend()

    def _stop(self, host: Host) -> None:
        self._cluster.signal(host, signal.SIGSTOP)
        self._pause(6.0)
        self._cluster.signal(host, signal.SIGCONT)


@pytest.mark.live
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", SEEDS)
def test_three_managers_pass_no_limit_and_lose_and_kill_nothing(
    cluster: Cluster, seed: int
) -> None:
    """Killed, stopped, cut off from the database, one with a clock that is off by 40 seconds."""
    hosts = [cluster.add("m1"), cluster.add("m2", shift_s=40), cluster.add("m3", shift_s=-15)]
    for host in hosts:
        cluster.start(host)
    chaos = Chaos(cluster, seed)
    clouds = cluster.clouds.values()
    while sum(chaos.done.values()) < ROUNDS or any(len(each.truth) < ENOUGH for each in clouds):
        chaos.round()
    kills = cluster.kills()
    assert list(kills) == [], cluster.logs()
    empty(cluster)
    assert [each.peak_processors["*"] for each in clouds] == [LIMIT, LIMIT]
    assert list(cluster.accounting()) == []
    assert "-broken" not in cluster.logs(), cluster.logs()


def empty(cluster: Cluster) -> None:
    """Let every machine end, make no other, and wait until nothing is left."""
    for host in cluster.hosts.values():
        cluster.configure(host, A, B, limit=0)
    rng = random.Random(0)

    def is_empty() -> bool:
        cluster.end_old(age_s=2 * FIZZLE, share=1.0, rng=rng)
        with cluster.store() as store:
            is_known = bool(store.machines()) or bool(store.unexported("apel"))
        return not is_known and not any(each.here for each in cluster.clouds.values())

    cluster.wait("empty", is_empty, 240)
    for host in cluster.hosts.values():
        cluster.signal(host, signal.SIGTERM)
