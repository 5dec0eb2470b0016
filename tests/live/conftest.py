"""What tests on the real OpenStack share: the bed, projects of their own, spaces on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Protocol

import pytest

from tests.live import PATIENCE_S
from tests.openstack_bed.lifecycle import status
from tests.openstack_bed.places import Bed, usual_bed
from tests.openstack_bed.processes import wait_until
from tests.openstack_bed.project import Project, new_project
from vcycled.clock import SystemClock
from vcycled.spaces.openstack import OpenStackSpace


class MakeSpace(Protocol):
    """Make a connected space in a project; it is closed at the end of the test."""

    def __call__(self, project: Project, **options: Any) -> OpenStackSpace:  # noqa: ANN401
        """Return it."""
        ...


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the test that takes as long as all others, so that they run beside it."""
    items.sort(key=lambda item: "test_openstack_e2e" not in item.nodeid)


@pytest.fixture(scope="session")
def bed() -> Bed:
    """Return the bed, which must be up."""
    found = usual_bed()
    running = status(found)
    ended = [name for name, is_running in running.items() if not is_running]
    if ended or not running:
        what = f"{', '.join(ended)} ended" if ended else "it is not up"
        pytest.fail(f"no OpenStack bed in {found.folder}: {what}; see make test-live-openstack")
    return found


@pytest.fixture(scope="module")
def project(bed: Bed) -> Iterator[Project]:
    """Return a project without a network, where machines are made fast; one for each module."""
    with new_project(bed) as made:
        yield made


@pytest.fixture(scope="module")
def networked(bed: Bed) -> Iterator[Project]:
    """Return a project with a network; one for each module."""
    with new_project(bed, has_network=True) as made:
        yield made


@pytest.fixture
def make_space() -> Iterator[MakeSpace]:
    """Return a function that makes spaces."""
    with ExitStack() as stack:

        def make(project: Project, **options: Any) -> OpenStackSpace:  # noqa: ANN401
            space = OpenStackSpace(
                "live.example.org", project.options(**options), clock=SystemClock()
            )
            stack.callback(space.close)
            space.connect()
            return space

        yield make


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Return a function that waits until something is so, and fails if it never is."""

    def wait(is_so: Callable[[], bool]) -> None:
        assert wait_until(is_so, PATIENCE_S)

    return wait
