"""How instances are read: states, reasons, times, tags, sizes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from botocore.session import Session

from tests import ec2_kit
from tests.ec2_kit import KEY, listed_names, options, request, space_on
from tests.fakes.ec2 import Ec2Cloud, Fault
from vcycled.errors import Refused, Unavailable
from vcycled.model import Flavor, ListedMachine, MachineState
from vcycled.spaces.ec2 import Ec2Space
from vcycled.spaces.ec2.answers import Doc
from vcycled.spaces.ec2.endings import KEPT_SECONDS, SHOWN_SECONDS
from vcycled.spaces.ec2.fresh import MOST_SECONDS
from vcycled.spaces.ec2.listing import listed_of
from vcycled.spaces.ec2.states import BY_STATE
from vcycled.spaces.ec2.tokens import token_of, uuid_of
from vcycled.testing.clock import FakeClock

SMALL = Flavor(name="m5.large", processors=2, memory_mb=8192)
LAUNCHED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
T0 = int(LAUNCHED.timestamp())
UUID = "00000000-0000-4000-8000-000000000001"


def shown(state: str = "running", reason: str = "", transition: str = "", **more: object) -> Doc:
    """Return an instance of ours."""
    tags = [{"Key": "Name", "Value": "vcycle-prod-1"}, {"Key": "vcycle_uuid", "Value": UUID}]
    members: dict[str, object] = {
        "InstanceId": "i-1",
        "InstanceType": "m5.large",
        "State": {"Name": state},
        "StateReason": {"Code": reason, "Message": f"{reason}: said"},
        "StateTransitionReason": transition,
        "LaunchTime": LAUNCHED,
        "Tags": [*tags, {"Key": "vcycle_installation", "Value": "ours"}],
    }
    return Doc("machines", {**members, **more})


def read(instance: Doc) -> ListedMachine:
    """Return the machine."""
    return listed_of(instance, lambda _: SMALL)


def test_every_state_of_the_api_is_mapped() -> None:
    """As the SDK's model of the API lists them."""
    model = Session().get_service_model("ec2")
    assert set(BY_STATE) == set(model.shape_for("InstanceStateName").enum)


@pytest.mark.parametrize(
    ("state", "reason", "means"),
    [
        ("pending", "pending", MachineState.STARTING),
        ("running", "", MachineState.RUNNING),
        ("shutting-down", "Client.UserInitiatedShutdown", MachineState.DELETING),
        ("stopping", "Client.UserInitiatedShutdown", MachineState.SHUTDOWN),
        ("stopped", "Client.UserInitiatedShutdown", MachineState.SHUTDOWN),
        ("stopped", "Server.ScheduledStop", MachineState.SHUTDOWN),
        ("terminated", "Client.InstanceInitiatedShutdown", MachineState.SHUTDOWN),
        ("terminated", "Client.UserInitiatedShutdown", MachineState.SHUTDOWN),
        ("terminated", "", MachineState.SHUTDOWN),
        ("terminated", "Server.InsufficientInstanceCapacity", MachineState.FAILED),
        ("terminated", "Server.InternalError", MachineState.FAILED),
        ("terminated", "Server.SpotInstanceTermination", MachineState.FAILED),
        ("terminated", "Client.InternalError", MachineState.FAILED),
        ("terminated", "Client.VolumeLimitExceeded", MachineState.FAILED),
        ("terminated", "Client.InvalidSnapshot.NotFound", MachineState.FAILED),
        ("thawing", "", MachineState.UNKNOWN),
    ],
)
def test_what_a_state_means(state: str, reason: str, means: MachineState) -> None:
    """With the reason that goes with it."""
    machine = read(shown(state, reason))
    assert machine.state is means
    assert bool(machine.fault) == (means is MachineState.FAILED)


@pytest.mark.parametrize(
    ("reason", "lacks"),
    [
        ("Server.InsufficientInstanceCapacity", (True, False)),
        ("Client.VolumeLimitExceeded", (False, True)),
        ("Server.InternalError", (False, False)),
    ],
)
def test_why_a_machine_was_never_made(reason: str, lacks: tuple[bool, bool]) -> None:
    """The planner tries another type, or stops; nothing says that it ever ran."""
    machine = read(shown("terminated", reason))
    assert (machine.lacks_capacity, machine.lacks_quota) == lacks
    assert machine.started_at is None


@pytest.mark.parametrize(
    ("transition", "stopped_at"),
    [
        ("User initiated (2026-01-02 04:04:05 GMT)", T0 + 3600),
        ("User initiated (2026-01-02 04:04:05 UTC)", T0 + 3600),
        ("Server.SpotInstanceTermination (2026-01-02 03:04:05 GMT)", T0),
        ("User initiated (2026-01-02 03:04:04 GMT)", None),
        ("User initiated (2026-13-02 03:04:04 GMT)", None),
        ("User initiated", None),
        ("", None),
    ],
)
def test_when_a_machine_ended(transition: str, stopped_at: int | None) -> None:
    """As EC2 says in words, unless that is before it began."""
    machine = read(shown("terminated", "Client.InstanceInitiatedShutdown", transition))
    assert (machine.started_at, machine.stopped_at) == (T0, stopped_at)


@pytest.mark.parametrize(
    ("state", "attached", "created_at"),
    [
        pytest.param("running", {}, T0, id="nothing is attached"),
        pytest.param("running", {"disk": T0 + 1}, T0, id="the disk came after the launch"),
        pytest.param("running", {"disk": T0 - 9000}, T0 - 9000, id="it was started again"),
        pytest.param("stopped", {"nic": T0 - 9000}, T0 - 9000, id="it may be started again"),
        pytest.param("running", {"disk": T0 - 1, "nic": T0 - 2}, T0 - 2, id="the first counts"),
        pytest.param("terminated", {}, None, id="nothing is attached any more"),
    ],
)
def test_when_a_machine_was_made(
    state: str, attached: dict[str, int], created_at: int | None
) -> None:
    """Not when it was launched last: that changes whenever it is stopped and started."""
    at = {name: datetime.fromtimestamp(instant, UTC) for name, instant in attached.items()}
    disks = [{"Ebs": {"AttachTime": at["disk"]}}] if "disk" in at else []
    nics = [{"Attachment": {"AttachTime": at["nic"]}}] if "nic" in at else []
    machine = read(shown(state, BlockDeviceMappings=disks, NetworkInterfaces=nics))
    assert machine.created_at == created_at


def test_a_running_machine_has_not_ended() -> None:
    """Whatever is left in its entry of an earlier stop."""
    machine = read(shown("running", "", "User initiated (2026-01-02 04:04:05 GMT)"))
    assert (machine.stopped_at, machine.started_at) == (None, T0)


def test_an_instance_without_tags_is_known_by_the_token() -> None:
    """And one of somebody else by nothing."""
    bare = read(shown(Tags=[], ClientToken=token_of(UUID, "m5.large")))
    assert (bare.name, dict(bare.tags)) == ("i-1", {"vcycle_uuid": UUID})
    assert dict(read(shown(Tags=[], ClientToken="theirs")).tags) == {}
    assert dict(read(shown(Tags=[{"Key": "Name", "Value": "x"}])).tags) == {}


def test_tags_of_aws_itself_are_left_out() -> None:
    """They are not ours, and cannot be set."""
    tags = [{"Key": "machinetype", "Value": "prod"}, {"Key": "aws:ec2:fleet-id", "Value": "x"}]
    assert dict(read(shown(Tags=tags)).tags) == {"machinetype": "prod"}


def test_an_instance_without_an_id_makes_no_sense() -> None:
    """Nothing may be concluded from such an answer."""
    with pytest.raises(Unavailable, match="InstanceId"):
        read(shown(InstanceId=""))


def test_tokens_tell_attempts_apart_and_fit() -> None:
    """64 characters at most, whatever the UUID is; ours give it back."""
    tokens = {token_of(UUID, "a"), token_of(UUID, "b"), token_of("x" * 99, "a")}
    assert len(tokens) == 3
    assert max(map(len, tokens)) <= 64
    assert uuid_of(token_of(UUID, "a")) == UUID
    assert uuid_of(UUID) == ""


# On the simulated cloud


clock, cloud, space = ec2_kit.clock, ec2_kit.cloud, ec2_kit.space


def test_all_pages_are_listed(cloud: Ec2Cloud, clock: FakeClock) -> None:
    """Each is one call."""
    image = cloud.register("theirs")
    for number in range(12):
        cloud.make(image, name=f"theirs-{number}")
    with space_on(cloud, clock, page_size=5) as space:
        assert len({each.cloud_id for each in space.machines()}) == 12
    assert cloud.counts()["DescribeInstances"] == 3


def test_foreign_machines_have_their_size_and_terminated_ones_are_not_counted(
    cloud: Ec2Cloud, space: Ec2Space
) -> None:
    """The size of a type that nobody asked for is looked up once."""
    first, second = cloud.make(cloud.register("theirs"), name="theirs", count=2)
    space.machines()
    cloud.end(first, "Client.UserInitiatedShutdown")
    (machine,) = space.machines()
    assert (machine.cloud_id, machine.name, machine.processors) == (second, "theirs", 2)
    assert cloud.counts()["DescribeInstanceTypes"] == 1


def test_a_type_that_nobody_knows_counts_as_one_processor_at_least(
    cloud: Ec2Cloud, space: Ec2Space
) -> None:
    """What an instance shows of its processors counts, if it does."""
    cloud.fail("DescribeInstanceTypes", Fault(code="InvalidInstanceType"))
    cloud.make(cloud.register("theirs"))
    assert [each.processors for each in space.machines()] == [1]
    shown_size = shown(CpuOptions={"CoreCount": 4, "ThreadsPerCore": 2}, InstanceType="x1")
    cloud.fail("DescribeInstanceTypes", Fault(code="InvalidAction"))
    assert space._types.of_instance(shown_size).processors == 8
    cloud.fail("DescribeInstanceTypes", Fault(code="UnauthorizedOperation", status=403))
    with pytest.raises(Refused, match="may not do this"):
        space._types.of_instance(shown(InstanceType="x2"))


def test_an_endpoint_that_tells_no_sizes_needs_them_as_options(
    cloud: Ec2Cloud, clock: FakeClock
) -> None:
    """The error says how; with sizes no call is made."""
    cloud.fail("DescribeInstanceTypes", Fault(code="InvalidAction"))
    with space_on(cloud, clock) as space, pytest.raises(Refused, match="set instance_types"):
        space.flavors()
    cloud.calls.clear()
    with space_on(cloud, clock, instance_types=("m1.small:1:2048",)) as space:
        assert list(space.flavors()) == [Flavor(name="m1.small", processors=1, memory_mb=2048)]
    assert cloud.calls == []


def test_a_machine_that_ended_is_shown_until_its_deletion_is_asked_for(
    cloud: Ec2Cloud, space: Ec2Space
) -> None:
    """So that its end is accounted; then it is gone, and no call was needed for that."""
    made = space.create(request())
    space.machines()
    cloud.power_off(made)
    (machine,) = space.machines()
    assert machine.state is MachineState.SHUTDOWN
    assert space.find(machine.name, made) is not None
    space.delete(machine.name, made)
    assert cloud.counts()["TerminateInstances"] == 0
    assert space.machines() == ()
    assert space.find(machine.name) is None
    assert space.find(machine.name, made) is None


def test_an_end_is_no_news_for_long(cloud: Ec2Cloud, space: Ec2Space, clock: FakeClock) -> None:
    """After five minutes it is not listed any more, but can still be found."""
    made = space.create(request())
    cloud.power_off(made)
    assert len(space.machines()) == 1
    clock.advance(SHOWN_SECONDS - 1)
    assert len(space.machines()) == 1
    clock.advance(1)
    assert space.machines() == ()
    assert space.find(request().name, made) is not None
    clock.advance(KEPT_SECONDS)
    assert len(space.machines()) == 1, "by now EC2 would have forgotten it"


def test_an_end_long_ago_is_not_listed_but_found(
    cloud: Ec2Cloud, space: Ec2Space, clock: FakeClock
) -> None:
    """As for a manager that was away; it learns the time of the end."""
    made = space.create(request())
    ended = datetime.fromtimestamp(clock.now() + 100, UTC)
    cloud.power_off(made, at=f"{ended:%Y-%m-%d %H:%M:%S}")
    clock.advance(100 + SHOWN_SECONDS)
    assert space.machines() == ()
    found = space.find(request().name, made)
    assert found is not None
    assert found.stopped_at == clock.now() - SHOWN_SECONDS


def test_a_machine_that_ec2_does_not_show_yet_is_not_held_for_gone(
    cloud: Ec2Cloud, space: Ec2Space, clock: FakeClock
) -> None:
    """Neither by find nor by delete, until it is shown or ten minutes have passed."""
    made = space.create(request())
    unknown = Fault(code="InvalidInstanceID.NotFound")
    cloud.shown[made].is_hidden = True
    assert space.machines() == ()
    cloud.fail("DescribeInstances", unknown)
    with pytest.raises(Unavailable, match="does not show"):
        space.find(request().name, made)
    cloud.fail("TerminateInstances", unknown)
    with pytest.raises(Unavailable, match="does not show"):
        space.delete(request().name, made)
    clock.advance(MOST_SECONDS)
    cloud.fail("DescribeInstances", unknown)
    assert space.find(request().name, made) is None


def test_a_machine_that_was_shown_once_can_be_gone(cloud: Ec2Cloud, space: Ec2Space) -> None:
    """Then "no such instance" is the truth."""
    made = space.create(request())
    space.machines()
    cloud.fail("DescribeInstances", Fault(code="InvalidInstanceID.NotFound"))
    assert space.find(request().name, made) is None
    cloud.fail("TerminateInstances", Fault(code="InvalidInstanceID.NotFound"))
    space.delete(request().name, made)
    assert cloud.counts()["TerminateInstances"] == 1


def test_the_console_is_the_machine_s_or_empty(cloud: Ec2Cloud, space: Ec2Space) -> None:
    """An endpoint may have none."""
    made = space.create(request())
    assert isinstance(space.console(request().name, made), str)
    cloud.fail("GetConsoleOutput", Fault(code="InvalidInstanceID.NotFound"))
    assert space.console(request().name, made) == ""


def test_a_slow_start_is_shown(cloud: Ec2Cloud, space: Ec2Space) -> None:
    """It counts, and has not begun."""
    cloud.starts_slowly = True
    made = space.create(request())
    (machine,) = space.machines()
    assert (machine.state, machine.started_at) == (MachineState.STARTING, None)
    cloud.run(made)
    (machine,) = space.machines()
    assert (machine.state, machine.started_at) == (MachineState.RUNNING, machine.created_at)


def test_leftovers_are_key_pairs_and_volumes_of_ours_that_nothing_uses(
    cloud: Ec2Cloud, space: Ec2Space
) -> None:
    """None before a listing; a key that is in use or wanted stays."""
    made = space.create(request(public_key=KEY))
    assert space.leftovers(()) == ()
    space.machines()
    assert space.leftovers(()) == ()
    space.delete(request().name, made)
    space.machines()
    assert space.leftovers((KEY, "no key")) == ()
    (left,) = space.leftovers(())
    assert (left.kind, len(left.owner_mark)) == ("keypair", 12)
    space.remove(left)
    space.remove(left)
    assert space.leftovers(()) == ()
    volume = cloud.add_volume("vcycle-prod-1")
    (left,) = space.leftovers(())
    assert (left.kind, left.id, left.tags["vcycle_installation"]) == ("volume", volume, "ours")
    space.remove(left)
    space.remove(left)
    assert space.leftovers(()) == ()


def test_names_are_looked_for_to_the_letter(space: Ec2Space) -> None:
    """A filter of EC2 takes * and ? for more than they are."""
    space.create(request())
    assert listed_names(space) == [request().name]
    assert space.find("vcycle-prod-*") is None
    assert space.find("vcycle-prod-000000000?") is None


def test_constructing_a_space_asks_nothing() -> None:
    """Not even for credentials."""
    assert Ec2Space("space", options("http://127.0.0.1:9"), clock=FakeClock()).calls.total() == 0
