"""The whole product on a real OpenStack: 150 machines come, work, are accounted, and are gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.auditor import Ran, Window, audit
from tests.live import ON_OPENSTACK, PATIENCE_S, PATIENT
from tests.live.guests import Guests
from tests.live.nova import Server, peak
from tests.live.site import (
    ANALYSIS_LIMIT,
    FIZZLE_SECONDS,
    FOREIGN,
    LIMITS,
    MASS,
    NETWORKED,
    PROD_LIMIT,
    Site,
)
from tests.openstack_bed.places import IMAGE
from tests.openstack_bed.project import Project

pytestmark = [*ON_OPENSTACK, PATIENT]

PRODS, ANALYSES, ON_NETWORK = PROD_LIMIT, ANALYSIS_LIMIT // 2, 3
"""How many machines there are room for."""
LOOK_SECONDS = 5.0
"""How often Nova is asked for all servers: that alone is a second's work for it."""


@pytest.fixture
def site(tmp_path: Path, project: Project, networked: Project) -> Iterator[Site]:
    """Return an installation on two projects of its own."""
    made = Site(tmp_path / "site", project, networked)
    yield made
    made.close()


def running(found: list[Server]) -> Counter[str]:
    """Return how many servers run, by machinetype; `gone wrong` those in error."""
    return Counter(
        {"ACTIVE": each.machinetype, "ERROR": "gone wrong"}.get(each.status, "other")
        for each in found
    )


def boot_foreign(project: Project) -> str:
    """Boot a server that is not ours, of four processors, and return its id."""
    flavor = project.cloud.compute.find_flavor(f"vc.{FOREIGN}", ignore_missing=False)
    image = project.cloud.image.find_image(IMAGE, ignore_missing=False)
    server = project.cloud.compute.create_server(
        name="theirs", flavor_id=flavor.id, image_id=image.id, networks="none"
    )
    return str(server.id)


def truth(made: list[Server], ended_at: Mapping[str, int], deleted_at: int) -> list[Ran]:
    """Return every run as Nova and the test know it.

    Args:
        made: by Nova.
        ended_at: by name, when the test began to end it.
        deleted_at: when the test ordered the others to be deleted.
    """
    return [
        Ran(
            uuid=each.uuid,
            processors=each.processors,
            started=Window(earliest=each.launched_at - 1, latest=each.launched_at + 1),
            ended=Window(
                earliest=ended_at.get(each.name, deleted_at) - 1,
                latest=each.terminated_at + 1,
            ),
            fizzle_seconds=FIZZLE_SECONDS,
        )
        for each in made
        if each.machinetype and each.launched_at and each.terminated_at
    ]


def test_a_hundred_and_fifty_machines_live_and_leave_nothing(
    site: Site, project: Project, networked: Project
) -> None:
    """Shares and limits hold at every instant, each run has its record, the cloud ends as it was.

    One test for all of it, since bringing up 150 machines is what takes the time.
    """
    mass = Guests(project, site.scene.folder / "ca.pem")
    few = Guests(networked, site.scene.folder / "ca.pem")
    foreign = boot_foreign(project)
    site.start("vcycle-web")
    manager = site.start("vcycled")

    full = {"prod": PRODS, "analysis": ANALYSES, "": 1}
    site.wait("150 machines", lambda: running(mass.look()) == full, 420, LOOK_SECONDS)
    site.wait(
        "machines on a network",
        lambda: running(few.look()) == {"prod": ON_NETWORK},
        PATIENCE_S,
        LOOK_SECONDS,
    )
    assert len(mass.known) == PRODS + ANALYSES
    assert {mass.feature(name, "total_cpu") for name in mass.known} == {"1", "2"}
    assert len(list(project.cloud.compute.keypairs())) == 1
    assert [each.status for each in project.cloud.image.images(owner=project.id)] == ["active"]

    by_kind = {
        kind: [each.server.name for each in mass.known.values() if each.server.machinetype == kind]
        for kind in ("prod", "analysis")
    }
    finished = [*by_kind["prod"][:8], *by_kind["analysis"][:4]]
    mass.finish(finished, "200 Work done")
    site.wait("their successors", lambda: _replaced(mass, finished, full), 180, LOOK_SECONDS)
    mass.finish(by_kind["analysis"][4:6], "300 No more work")
    site.wait("a backoff", lambda: "cause=backoff" in site.log, PATIENCE_S)

    for space in LIMITS:
        site.drain_space(space)
    site.wait("drains", lambda: site.log.count("order-drain") == len(LIMITS), PATIENCE_S)
    # A listing that is made while servers are may leave one out.
    site.wait("all seen", lambda: _are_seen(site, MASS, mass), PATIENCE_S, LOOK_SECONDS)
    site.wait("all seen", lambda: _are_seen(site, NETWORKED, few), PATIENCE_S, LOOK_SECONDS)
    mass.finish(by_kind["prod"][8:20], "100 Shut down as asked")
    few.finish(few.known, "200 Work done")
    deleted_at = site.clock.now()
    for space in LIMITS:
        site.delete_all(space)
    site.wait("the end of all", lambda: not any(map(site.living, LIMITS)), 300, 1.0)
    assert site.end(manager) == 0
    assert [line for line in site.log.splitlines() if line.split()[1] == "ERROR"] == []

    made, made_on_network = mass.history(), few.history()
    _check_limits(made, made_on_network)
    ended_at = mass.ended_at | few.ended_at
    ran = truth([*made, *made_on_network], ended_at, deleted_at)
    assert len(ran) >= PRODS + ANALYSES + ON_NETWORK + len(finished)
    assert audit(ran, site.intervals(), site.queue, now=site.clock.now()) == ()

    project.cloud.compute.delete_server(foreign)
    site.remove_spaces_on_a_faster_clock()
    site.wait(
        "an empty cloud", lambda: not project.left() and not networked.left(), 240, LOOK_SECONDS
    )
    site.wait("goodbye", lambda: site.log.count("space-removed") == len(LIMITS), PATIENCE_S)


def _are_seen(site: Site, space: str, guests: Guests) -> bool:
    return guests.have_been_seen(each.name for each in site.living(space))


def _replaced(guests: Guests, names: list[str], full: dict[str, int]) -> bool:
    found = guests.look()
    return running(found) == full and not {each.name for each in found} & set(names)


def _check_limits(mass: list[Server], few: list[Server]) -> None:
    """Compare what there was at once, by Nova's own times, with the limits."""
    assert peak(mass) == LIMITS[MASS]
    assert peak(mass, lambda each: each.machinetype == "analysis") == ANALYSIS_LIMIT
    assert peak(few) == LIMITS[NETWORKED]
    assert max(Counter(each.name for each in (*mass, *few)).values()) == 1
