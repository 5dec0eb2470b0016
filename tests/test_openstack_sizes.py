"""How much a machine counts, and how much there may be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests import openstack_tap
from tests.fakes.openstack import Settings
from tests.fakes.openstack.settings import LARGE, SMALL
from tests.openstack_tap import SERVERS, Asked, Json, Tap, tapped

tap = openstack_tap.tap


def test_a_machine_counts_with_what_it_was_made_with(tap: Tap) -> None:
    """Also a foreign one, and of a flavor that is gone: its server shows the size itself."""
    tap.cloud.add_foreign("theirs", flavor="large")
    tap.cloud.settings.flavors = (SMALL,)
    (machine,) = tap.space.machines()
    assert (machine.processors, machine.memory_mb, machine.flavor) == (8, 16384, "large")
    assert tap.since() == [SERVERS]


@pytest.fixture
def old() -> Iterator[Tap]:
    """Return a space on a cloud whose servers show only the id of their flavor."""
    with tapped(Settings(max_microversion="2.1")) as tap:
        yield tap


def test_on_an_old_cloud_sizes_are_those_of_the_listed_flavors(old: Tap) -> None:
    """The manager lists flavors before machines; then they cost no further call."""
    old.cloud.add_foreign("theirs", flavor="large")
    assert [each.name for each in old.space.flavors()] == ["small", "large"]
    assert [each.processors for each in old.space.machines()] == [8]
    assert old.since() == ["GET /flavors/detail", SERVERS]


def test_on_an_old_cloud_an_unlisted_flavor_is_asked_for_once(old: Tap) -> None:
    """It may be somebody else's private one."""
    old.cloud.add_foreign("theirs", flavor="large")
    assert [each.processors for each in old.space.machines()] == [8]
    assert [each.processors for each in old.space.machines()] == [8]
    assert old.since() == [SERVERS, "GET /flavors/f-8", SERVERS]


def test_on_an_old_cloud_a_machine_of_a_forgotten_flavor_counts_as_one(old: Tap) -> None:
    """Nobody can say any more what it has; it has a processor at least."""
    old.cloud.add_foreign("theirs", flavor="large")
    old.cloud.settings.flavors = (SMALL,)
    assert [(each.processors, each.flavor) for each in old.space.machines()] == [(1, "")]


def test_flavors_come_in_pages_and_without_the_disabled() -> None:
    """All that can be asked for, and only that."""
    many = tuple(replace(LARGE, id=f"f-{n}", name=f"flavor-{n}") for n in range(5))
    with tapped(Settings(flavors=many, max_limit=2)) as tap:

        def disable(_: Asked, said: Json) -> Json:
            for each in said["flavors"]:
                each["OS-FLV-DISABLED:disabled"] = each["name"] == "flavor-3"
                each["vcpus"] = 0 if each["name"] == "flavor-4" else 8
            return said

        tap.falsify = disable
        assert {each.name for each in tap.space.flavors()} == {"flavor-0", "flavor-1", "flavor-2"}


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"maxTotalCores": 20, "maxTotalInstances": 10, "maxTotalRAMSize": 512}, (20, 10, 512)),
        (
            {"maxTotalCores": -1, "maxTotalInstances": -1, "maxTotalRAMSize": -1},
            (None, None, None),
        ),
        ({"maxTotalCores": 0}, (0, None, None)),
        ({}, (None, None, None)),
    ],
)
def test_a_quota_of_minus_one_is_none(
    tap: Tap, stated: dict[str, int], expected: tuple[int | None, ...]
) -> None:
    """Vcycle 3 made nothing then, since -1 was always reached."""
    tap.falsify = lambda _asked, _said: {"limits": {"rate": [], "absolute": stated}}
    limits = tap.space.limits()
    assert (limits.processors, limits.machines, limits.memory_mb) == expected
