"""What the local space refuses, how it holds its limits, and its options."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.local_host import BARE, NAME, SPACE, LocalHost, asked, until, wait_for
from vcycled.clock import SystemClock
from vcycled.errors import NoCapacity, QuotaExceeded, Refused, SpaceError, Unavailable
from vcycled.model import Flavor, Limits, MachineState
from vcycled.spaces.local import LocalOptions, LocalSpace, launch, process
from vcycled.spaces.local.options import FLAVORS, FOLDERS

IS_ROOT = os.geteuid() == 0


@pytest.fixture
def host(tmp_path: Path) -> Iterator[LocalHost]:
    """Give a host; end whatever the test left on it."""
    host = LocalHost(tmp_path)
    yield host
    host.end()


# Refusals


@pytest.mark.parametrize("name", ["../evil", "a/b", "", ".hidden", "..", "a b", "x" * 129])
def test_names_that_lead_elsewhere_touch_nothing(host: LocalHost, name: str) -> None:
    """Refused when asked for; otherwise there simply is no such machine."""
    space = host.space(options=BARE)
    (host.folder / "evil").mkdir()
    before = sorted(host.folder.rglob("*"))
    with pytest.raises(Refused, match="cannot be the name"):
        space.create(asked(name))
    assert space.find(name) is None
    assert space.find("x", f"{name}-00c0ffee") is None
    space.delete(name)
    assert sorted(host.folder.rglob("*")) == before


@pytest.mark.parametrize("name", ["../x", "a/b", ".x"])
def test_a_space_whose_name_leads_elsewhere_is_refused(host: LocalHost, name: str) -> None:
    """It is the name of a folder too."""
    space = LocalSpace(name, replace(BARE, local_dir=str(host.folder)), clock=host.clock)
    with pytest.raises(Refused, match="cannot be the name of a folder"):
        space.connect()
    assert not host.folder.exists()


def test_user_data_that_cannot_be_run_is_refused(host: LocalHost) -> None:
    """With the reason, and nothing is made."""
    space = host.space(options=BARE)
    with pytest.raises(Refused, match="user_data: nothing in the user_data can be run"):
        space.create(asked(user_data="404 not found"))
    assert space.machines() == ()


def test_without_a_sandbox_cloud_config_never_runs(host: LocalHost) -> None:
    """It writes where the host keeps its own files."""
    space = host.space(options=BARE)
    with pytest.raises(Refused, match="cloud-config runs only in a sandbox: sandbox = none"):
        space.create(asked(user_data="#cloud-config\nruncmd: [true]\n"))
    assert space.machines() == ()


@pytest.mark.skipif(not IS_ROOT, reason="only root is refused")
def test_root_runs_nothing_without_a_sandbox_unless_told(host: LocalHost) -> None:
    """And the message says what to do."""
    with pytest.raises(Refused, match=r"no machine runs as root without a sandbox .*sysctl"):
        host.space(options=LocalOptions(sandbox="none"))
    isolation = host.space(options=BARE).isolation
    assert isolation is not None
    assert not isolation.is_sandbox


@pytest.mark.skipif(not IS_ROOT, reason="others are who they are")
@pytest.mark.parametrize(
    ("user", "message"),
    [("root", "root outside the sandbox"), ("no-such-user", "there is no user no-such-user")],
)
def test_the_machine_user_must_be_somebody_without_rights(
    host: LocalHost, user: str, message: str
) -> None:
    """Root's machines are not root on the host."""
    with pytest.raises(Refused, match=message):
        host.space(options=LocalOptions(machine_user=user))


@pytest.mark.parametrize(
    ("sandbox", "is_connected"), [("auto", True), ("require", False)], ids=["auto", "require"]
)
def test_a_host_without_namespaces_is_told_apart(
    host: LocalHost, monkeypatch: pytest.MonkeyPatch, sandbox: str, is_connected: bool
) -> None:
    """An error where a sandbox is required, and else the reason why cloud-config is refused."""
    monkeypatch.setattr(launch, "_proven", set())
    monkeypatch.setattr(launch, "_PYTHON", ("/bin/false",))
    options = replace(BARE, sandbox=sandbox)
    if is_connected:
        isolation = host.space(options=options).isolation
        assert isolation is not None
        assert isolation.no_sandbox == "its shim ended with status 1"
    else:
        with pytest.raises(Refused, match="no sandbox here: its shim ended with status 1; let"):
            host.space(options=options)


def test_a_probe_that_hangs_is_given_up(host: LocalHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call has its timeout."""
    monkeypatch.setattr(launch, "_proven", set())
    monkeypatch.setattr(launch, "_PYTHON", ("/bin/sh", "-c", "exec sleep 600", "sh"))
    monkeypatch.setattr(launch, "TIMEOUT_S", 0.05)
    isolation = host.space(options=replace(BARE, sandbox="auto")).isolation
    assert isolation is not None
    assert isolation.no_sandbox.startswith("the shim was not done within 0.05 s")
    with pytest.raises(Unavailable, match=r"the shim was not done within 0\.05 s"):
        host.space(options=BARE).create(asked())
    assert host.space(options=BARE).machines() == ()


def test_a_space_that_nobody_connected_has_no_machines_and_can_make_one(host: LocalHost) -> None:
    """The manager connects first; a command may not have."""
    space = LocalSpace(SPACE, replace(BARE, local_dir=str(host.folder)), clock=host.clock)
    assert space.isolation is None
    assert space.machines() == ()
    assert space.find(NAME) is None
    space.create(asked())
    assert [each.name for each in space.machines()] == [NAME]


class Calling(SystemClock):
    """A clock that is asked for the time once, and then somebody else is quicker."""

    def __init__(self) -> None:
        self.then: list[Callable[[], object]] = []

    def now(self) -> int:
        """Let what waits happen, and return the time."""
        if self.then:
            self.then.pop()()
        return super().now()


def test_a_machine_is_removed_by_one_of_two_managers(host: LocalHost) -> None:
    """The one that comes second leaves alone what is there by then."""
    other = host.space(options=BARE)
    space = host.space(options=replace(BARE, delete_delay_seconds=600))
    space.create(asked(user_data="#!/bin/sh\n"))
    wait_for(space, NAME, MachineState.SHUTDOWN)
    until(lambda: host.is_over(NAME))
    space.delete(NAME)
    host.clock = clock = Calling()
    late = host.space(options=BARE)
    clock.then.append(lambda: (other.machines(), other.create(asked())))
    assert late.machines() == ()
    assert [each.name for each in other.machines()] == [NAME]


def test_a_folder_that_cannot_be_made_is_an_error_of_the_family(host: LocalHost) -> None:
    """Nothing else leaves a space."""
    host.folder.write_text("in the way", encoding="utf-8")
    with pytest.raises(SpaceError, match="connect: "):
        host.space(options=BARE)


def test_a_damaged_folder_is_refused_by_name(host: LocalHost) -> None:
    """A listing that leaves it out would be a lie."""
    space = host.space(options=BARE)
    host.of("odd").mkdir()
    (host.of("odd") / "request.json").write_text("{", encoding="utf-8")
    with pytest.raises(Refused, match=r"odd/request\.json is damaged.*remove that folder"):
        space.machines()


# Limits


@pytest.mark.parametrize(
    ("options", "error", "made"),
    [
        (replace(BARE, quota_processors=5), QuotaExceeded, 5),
        (replace(BARE, quota_machines=3), QuotaExceeded, 3),
        (replace(BARE, capacity_processors=4), NoCapacity, 4),
    ],
)
def test_limits_are_held_when_many_ask_at_once(
    host: LocalHost, options: LocalOptions, error: type[SpaceError], made: int
) -> None:
    """To the processor, by threads and by managers side by side."""
    spaces = [host.space(options=options) for _ in range(2)]

    def create(number: int) -> bool:
        try:
            spaces[number % 2].create(asked(f"m{number}"))
        except error:
            return False
        return True

    with ThreadPoolExecutor(max_workers=8) as pool:
        assert sum(pool.map(create, range(8))) == made
    assert len(spaces[0].machines()) == made
    assert spaces[0].limits() == Limits(
        processors=options.quota_processors, machines=options.quota_machines
    )


def test_many_that_ask_for_one_name_get_one_machine(host: LocalHost) -> None:
    """Its user_data is run once."""
    space = host.space(options=BARE)
    user_data = "#!/bin/sh\necho once\n"
    with ThreadPoolExecutor(max_workers=8) as pool:
        ids = set(pool.map(lambda _: space.create(asked(user_data=user_data)), range(8)))
    machine = wait_for(space, NAME, MachineState.SHUTDOWN)
    assert ids == {machine.cloud_id}
    until(lambda: not (host.of(NAME) / "fs").exists())
    assert host.console(NAME) == "once\n"


def test_what_has_ended_takes_quota_but_no_capacity(host: LocalHost) -> None:
    """As in a cloud, until it is deleted."""
    space = host.space(options=replace(BARE, capacity_processors=1, quota_processors=2))
    space.create(asked("m0", user_data="#!/bin/sh\n"))
    wait_for(space, "m0", MachineState.SHUTDOWN)
    space.create(asked("m1", user_data="#!/bin/sh\n"))
    wait_for(space, "m1", MachineState.SHUTDOWN)
    with pytest.raises(QuotaExceeded, match="quota_processors = 2, 3 with this machine"):
        space.create(asked("m2"))
    space.delete("m0")
    until(lambda: space.find("m0") is None)
    assert space.create(asked("m2", user_data="#!/bin/sh\n"))


# Many


def test_two_hundred_machines_are_listed_in_no_time(host: LocalHost) -> None:
    """A few small reads each: 20 ms of CPU on two old cores; the rest is for a busy host."""
    space = host.space(options=BARE)
    space.create(asked(user_data="#!/bin/sh\n"))
    wait_for(space, NAME, MachineState.SHUTDOWN)
    request = (host.of(NAME) / "request.json").read_text(encoding="utf-8")
    for number in range(199):
        name = f"m{number:03}"
        host.of(name).mkdir()
        text = request.replace(NAME, name)
        (host.of(name) / "request.json").write_text(text, encoding="utf-8")
        (host.of(name) / "shim").write_text(process.own(), encoding="utf-8")
        (host.of(name) / "started").touch()
    costs = []
    for _ in range(5):
        start = os.times()
        assert len(space.machines()) == 200
        end = os.times()
        costs.append(end.user + end.system - start.user - start.system)
    assert min(costs) < 0.15


# Options


def test_flavors_are_read_and_offered(host: LocalHost) -> None:
    """As name:processors:MB."""
    flavors = FLAVORS.parse("tiny:1:512  x-large.2:16:65536")
    assert flavors == (
        Flavor(name="tiny", processors=1, memory_mb=512),
        Flavor(name="x-large.2", processors=16, memory_mb=65536),
    )
    assert host.space(options=replace(BARE, flavors=flavors)).flavors() == flavors


@pytest.mark.parametrize(
    "text", ["", "a", "a:1", "a:0:1", "a:1:0", "a:1:1:1", "a:1:1 a:2:2", "a:-1:1", ":1:1", "a:1:x"]
)
def test_flavors_that_make_no_sense_are_refused(text: str) -> None:
    """With what is accepted."""
    with pytest.raises(ValueError, match="must be NAME:PROCESSORS:MB"):
        FLAVORS.parse(text)


@pytest.mark.parametrize("text", ["opt", "/", "/a:b", "../x", "/a /b/"])
def test_host_folders_are_absolute(text: str) -> None:
    """And neither the whole host nor two in one."""
    with pytest.raises(ValueError, match="must be an absolute path"):
        FOLDERS.parse(text)
