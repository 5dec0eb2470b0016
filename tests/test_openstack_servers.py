"""Servers found, deleted, and their console: call by call."""

from __future__ import annotations

import pytest

from tests import openstack_tap
from tests.fakes.openstack import Fault, answer
from tests.openstack_tap import NAME, SERVERS, Asked, Json, Tap, request
from vcycled.errors import Refused, Unavailable
from vcycled.model import MachineState
from vcycled.spaces.openstack.deletion import KEPT_SECONDS

tap = openstack_tap.ready


# Finding


def test_a_name_is_not_a_pattern(tap: Tap) -> None:
    """Nova matches a regular expression, some databases without case."""
    tap.space.create(request())
    for name in (NAME[:-1], f"{NAME}0", NAME.upper(), "vcycle-prod-.*"):
        assert tap.space.find(name) is None
    found = tap.space.find(NAME)
    assert found is not None
    assert tap.last(SERVERS).query["name"] == f"^{NAME}$"


def test_of_several_of_a_name_ours_that_stays_is_found(tap: Tap) -> None:
    """Not a foreign one, and not one that is just going."""
    tap.cloud.settings.delete_seconds = None
    tap.cloud.add_foreign(NAME)
    going = tap.space.create(request())
    tap.space.delete(NAME, going)
    tap.restart()
    here = tap.space.create(request())
    found = tap.space.find(NAME)
    assert found is not None
    assert (found.cloud_id, found.state) == (here, MachineState.STARTING)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(answer(500, "cell is down"), id="a cell that does not answer"),
        pytest.param(Fault(status=404, body="<html>not found</html>"), id="a proxy that is lost"),
        pytest.param(Fault(status=404), id="nothing said"),
    ],
)
def test_only_nova_proves_that_a_machine_is_gone(tap: Tap, fault: Fault) -> None:
    """Anything else is an error: None would have the machine accounted and forgotten."""
    made = tap.space.create(request())
    tap.cloud.fail_next("find", fault)
    with pytest.raises((Unavailable, Refused)):
        tap.space.find(NAME, made)
    tap.cloud.vanish(NAME)
    assert tap.space.find(NAME, made) is None


# Deleting


def test_a_delete_is_one_call(tap: Tap) -> None:
    """By its id; one that is gone is fine."""
    made = tap.space.create(request())
    tap.since()
    tap.space.delete(NAME, made)
    assert tap.since() == [f"DELETE /servers/{made}"]
    tap.space.delete(NAME, "no-such-id")


def test_a_repeated_delete_looks_first(tap: Tap) -> None:
    """It is rare, and then something keeps the server."""
    tap.cloud.settings.delete_seconds = None
    made = tap.space.create(request())
    tap.since()
    for _ in range(2):
        tap.space.delete(NAME, made)
    assert tap.since() == [
        f"DELETE /servers/{made}",
        f"GET /servers/{made}",
        f"DELETE /servers/{made}",
    ]
    tap.cloud.vanish(NAME)
    tap.space.delete(NAME, made)
    assert tap.since() == [f"GET /servers/{made}"]


def test_a_server_that_the_cloud_keeps_is_deleted_by_force(tap: Tap) -> None:
    """A second delete would only prolong its stay."""
    tap.cloud.settings.keeps_deleted = True
    made = tap.space.create(request())
    tap.cloud.run(NAME)
    tap.space.delete(NAME, made)
    found = tap.space.find(NAME, made)
    assert found is not None
    assert found.state is MachineState.DELETING
    tap.since()
    tap.space.delete(NAME, made)
    assert tap.since() == [f"GET /servers/{made}", f"POST /servers/{made}/action"]
    assert tap.space.find(NAME, made) is None


def test_what_was_deleted_is_not_remembered_for_ever(tap: Tap) -> None:
    """A day is longer than the manager waits between two attempts."""
    tap.space.delete("one", "id-1")
    tap.clock.advance(KEPT_SECONDS + 1)
    tap.space.delete("two", "id-2")
    assert list(tap.space._deletion._asked) == ["id-2"]


def test_a_name_alone_deletes_ours_of_that_name(tap: Tap) -> None:
    """Each of them, and nobody else's."""
    tap.space.create(request())
    tap.restart()
    tap.space.create(request())
    theirs = tap.cloud.add_foreign(NAME)
    tap.space.delete(NAME)
    assert [each.cloud_id for each in tap.space.machines() if each.name == NAME] == [theirs]


def test_a_server_that_cannot_be_deleted_now_is_said(tap: Tap) -> None:
    """As one that an administrator locked; the manager asks again later."""
    made = tap.space.create(request())
    tap.cloud.fail_next("delete", answer(409, "Instance is locked"))
    with pytest.raises(Refused, match="locked"):
        tap.space.delete(NAME, made)


# Console


def test_the_console_is_its_last_lines(tap: Tap) -> None:
    """As many as Nova is asked for, also where the driver gives all."""
    made = tap.space.create(request())
    tap.cloud.change(NAME, console="".join(f"line {n}\n" for n in range(80)))
    lines = tap.space.console(NAME, made).splitlines()
    assert (lines[0], lines[-1], len(lines)) == ("line 30", "line 79", 50)
    tap.falsify = lambda _asked, _said: {"output": "\n".join(map(str, range(80)))}
    assert tap.space.console(NAME, made).splitlines() == [str(n) for n in range(30, 80)]


@pytest.mark.parametrize(
    "fault",
    [
        answer(501, "Unable to get console log, functionality not implemented"),
        answer(404, "Unable to get console"),
        answer(409, "Instance is not ready"),
    ],
)
def test_a_cloud_without_console_has_an_empty_one(tap: Tap, fault: Fault) -> None:
    """Nothing is wrong then."""
    made = tap.space.create(request())
    tap.cloud.fail_next("console", fault)
    assert tap.space.console(NAME, made) == ""


def test_a_console_that_cannot_be_read_now_is_an_error(tap: Tap) -> None:
    """The manager asks again while the machine is there."""
    made = tap.space.create(request())
    tap.cloud.fail_next("console", answer(500, "oops"))
    with pytest.raises(Unavailable):
        tap.space.console(NAME, made)


def test_every_call_is_counted(tap: Tap) -> None:
    """The manager states the number in its report."""
    before = tap.space.calls.total()
    tap.space.limits()
    tap.space.find(NAME)
    assert tap.space.calls.total() == before + 2


def falsified(_asked: Asked, _said: Json) -> Json:
    """Answer a create without an id."""
    return {"server": {}}


def test_a_create_without_id_in_the_answer_has_an_unknown_outcome(tap: Tap) -> None:
    """The machine may be there; it is looked for by name."""
    tap.falsify = falsified
    with pytest.raises(Unavailable):
        tap.space.create(request())


def test_closing_sends_nothing(tap: Tap) -> None:
    """Twice is fine, and the machines stay."""
    tap.space.close()
    tap.space.close()
    assert tap.since() == []
    assert len(tap.cloud.here) == 1
