"""What an account may have and who calls: quotas, credentials, signatures, spot warnings."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests import ec2_kit
from tests.ec2_kit import options, request, space_on
from tests.fakes.ec2 import Ec2Cloud, Fault, serving
from tests.fakes.openstack.messages import Reply, Request
from tests.fakes.openstack.server import serving as serving_http
from vcycled.config.registry import InstalledSpaces, NotInstalled, find_space
from vcycled.errors import Refused, Unavailable
from vcycled.model import Limits
from vcycled.options import Secret
from vcycled.spaces.ec2 import Ec2Space
from vcycled.spaces.ec2 import owner as owner_rules
from vcycled.spaces.ec2 import quotas as quota_rules
from vcycled.spaces.ec2.interruptions import KEPT_SECONDS, NOTICE_SECONDS
from vcycled.spaces.ec2.quotas import ON_DEMAND, SPOT
from vcycled.testing.clock import FakeClock

clock, cloud = ec2_kit.clock, ec2_kit.cloud


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let the SDK find nothing of this host."""
    for name in ("CONFIG_FILE", "SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(f"AWS_{name}", str(tmp_path / name))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


# Quotas


@pytest.mark.parametrize(
    ("changes", "processors"),
    [
        ({}, 256),
        ({"spot": True}, 64),
        ({"spot": True, "spot_fallback": True}, 320),
        ({"quota_codes": ("L-1", "L-2")}, 12),
        ({"quota_codes": ("none",)}, None),
    ],
)
def test_service_quotas_limit_the_processors(
    cloud: Ec2Cloud,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, object],
    processors: int | None,
) -> None:
    """On-demand and spot machines have their own, which add up where both are made."""
    cloud.quotas = {ON_DEMAND: 256.0, SPOT: 64.0, "L-1": 4.0, "L-2": 8.0}
    with space_on(cloud, clock, is_aws=monkeypatch, **changes) as space:
        assert space.limits() == Limits(processors=processors)


def test_a_quota_is_kept_for_a_while_and_through_trouble(
    cloud: Ec2Cloud, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It changes seldom; one that was never known is worth an error."""
    cloud.quotas = {ON_DEMAND: 256.0}
    busy = Fault(code="ServiceUnavailable", status=503)
    with space_on(cloud, clock, is_aws=monkeypatch) as space:
        cloud.fail("GetServiceQuota", busy)
        with pytest.raises(Unavailable):
            space.limits()
        assert space.limits() == Limits(processors=256)
        cloud.quotas = {ON_DEMAND: 512.0}
        clock.advance(quota_rules.KEPT_SECONDS - 1)
        assert space.limits() == Limits(processors=256)
        clock.advance(1)
        cloud.fail("GetServiceQuota", busy)
        assert space.limits() == Limits(processors=256)
        clock.advance(quota_rules.KEPT_SECONDS)
        assert space.limits() == Limits(processors=512)


def test_the_quota_of_every_account_holds_where_none_was_raised(
    cloud: Ec2Cloud, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Service Quotas knows it under another name."""
    cloud.default_quotas = {ON_DEMAND: 5.0}
    with space_on(cloud, clock, is_aws=monkeypatch) as space:
        assert space.limits() == Limits(processors=5)


def test_a_quota_that_may_not_be_asked_for_is_a_notice(
    cloud: Ec2Cloud, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The space works on, by its own limit."""
    with space_on(cloud, clock, is_aws=monkeypatch) as space:
        assert space.notices() == ()
        assert space.limits() == Limits()
        (notice,) = space.notices()
        assert notice.startswith("the quota is not known, processors_limit alone holds")
        cloud.quotas = {ON_DEMAND: 256.0}
        clock.advance(quota_rules.KEPT_SECONDS)
        assert space.limits() == Limits(processors=256)
        assert space.notices() == ()


# Whose it is


def test_the_account_and_the_region_are_told(
    cloud: Ec2Cloud, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For one call; a login later the credentials may be those of another account."""
    with space_on(cloud, clock, is_aws=monkeypatch) as space:
        assert space.account() == {"account": "123456789012", "region": "us-east-1"}
        space.connect()
        space.account()
        assert cloud.counts()["GetCallerIdentity"] == 1
        space.close()
        assert space.account()["account"] == "123456789012"
        space.connect()
        space.account()
        assert cloud.counts()["GetCallerIdentity"] == 2
        assert space.notices() == ()


def test_an_account_that_is_not_told_is_a_notice(
    cloud: Ec2Cloud, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some networks have no way to that service: it is asked once an hour, and nothing is held."""
    with space_on(cloud, clock, is_aws=monkeypatch) as space:
        cloud.fail("GetCallerIdentity", Fault(code="ServiceUnavailable", status=503))
        assert space.account() == {"region": "us-east-1"}
        (notice,) = space.notices()
        assert notice.startswith("a change of the account would not be noticed: ")
        clock.advance(owner_rules.AGAIN_SECONDS - 1)
        assert space.account() == {"region": "us-east-1"}
        clock.advance(1)
        assert space.account() == {"account": "123456789012", "region": "us-east-1"}
        assert space.notices() == ()


def test_other_endpoints_do_not_tell_where_they_are(cloud: Ec2Cloud, clock: FakeClock) -> None:
    """Not each has that service, and their regions say little."""
    with space_on(cloud, clock) as space:
        assert space.account() == {}
        assert cloud.counts() == {}


# Quotas of others


def test_other_endpoints_tell_how_many_machines(cloud: Ec2Cloud, clock: FakeClock) -> None:
    """As EC2 itself did once; one that cannot is asked all the same, and sets no limit."""
    with space_on(cloud, clock) as space:
        assert space.limits() == Limits(machines=20)
    with space_on(cloud, clock) as space:
        cloud.fail("DescribeAccountAttributes", Fault(code="InvalidAction"))
        assert space.limits() == Limits()
        assert space.notices() == ()


# Who calls


def key_of(cloud: Ec2Cloud) -> str:
    """Return the id of the key that signed the last call."""
    return cloud.calls[-1].key


def test_a_key_of_the_options_signs(cloud: Ec2Cloud, clock: FakeClock) -> None:
    """Whatever the environment holds."""
    with space_on(cloud, clock) as space:
        space.machines()
    assert key_of(cloud) == "AKIAEXAMPLE"
    assert cloud.calls[-1].service == "ec2"


def test_a_temporary_key_sends_its_token(cloud: Ec2Cloud, clock: FakeClock) -> None:
    """EC2 wants both."""
    with space_on(cloud, clock, session_token=Secret("temporary")) as space:
        space.machines()
    assert cloud.calls[-1].session_token == "temporary"


def test_the_sdk_finds_keys_by_itself(
    cloud: Ec2Cloud, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In its files, by profile or without; and in the environment."""
    (tmp_path / "SHARED_CREDENTIALS_FILE").write_text(
        "[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = s\n"
        "[site]\naws_access_key_id = AKIASITE\naws_secret_access_key = s\n"
    )
    without = {"access_key": None, "secret_key": None}
    with space_on(cloud, clock, **without) as space:
        space.machines()
    assert key_of(cloud) == "AKIADEFAULT"
    with space_on(cloud, clock, profile="site", **without) as space:
        space.machines()
    assert key_of(cloud) == "AKIASITE"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    with space_on(cloud, clock, **without) as space:
        space.machines()
    assert key_of(cloud) == "AKIAENV"


def test_the_role_of_the_host_signs(
    cloud: Ec2Cloud, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No secret is in any file: the metadata service gives a temporary key, for a token only."""
    key = {
        "AccessKeyId": "ASIAHOST",
        "SecretAccessKey": "s",
        "Token": "of-the-role",
        "Expiration": "2999-01-01T00:00:00Z",
    }
    known = {"": b"manager", "manager": json.dumps(key).encode()}

    def host(request: Request) -> Reply:
        if (request.method, request.path) == ("PUT", "/latest/api/token"):
            return Reply(body=b"token")
        if request.headers.get("x-aws-ec2-metadata-token") != "token":
            return Reply(status=401)
        return Reply(body=known[request.path.partition("/security-credentials/")[2]])

    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    without = {"access_key": None, "secret_key": None}
    with serving_http(host) as url:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)
        with space_on(cloud, clock, **without) as space:
            space.machines()
    assert key_of(cloud) == "ASIAHOST"
    assert cloud.calls[-1].session_token == "of-the-role"


@pytest.mark.parametrize(
    ("changes", "message"),
    [({}, "no credentials: set access_key"), ({"profile": "none"}, "profile none cannot log in")],
)
def test_no_credentials_are_an_error_of_connect(
    clock: FakeClock, changes: dict[str, object], message: str
) -> None:
    """A person must give some; nothing is sent."""
    without = {"access_key": None, "secret_key": None, **changes}
    space = Ec2Space("space", options("http://127.0.0.1:9", **without), clock=clock)
    with pytest.raises(Refused, match=message):
        space.connect()


def test_a_role_is_taken_on(
    cloud: Ec2Cloud, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, for all calls until it ends; its owner is told the external id."""
    role = {"role_arn": "arn:aws:iam::123456789012:role/vcycle", "external_id": "site"}
    with space_on(cloud, clock, is_aws=monkeypatch, **role) as space:
        space.machines()
        space.machines()
    assert cloud.counts()["AssumeRole"] == 1
    assert cloud.last("AssumeRole")["ExternalId"] == "site"
    assert key_of(cloud).startswith("ASIA")


def test_a_role_that_may_not_be_taken_on_is_refused(
    cloud: Ec2Cloud, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names role and key."""
    role = "arn:aws:iam::123456789012:role/vcycle"
    with space_on(cloud, clock, is_aws=monkeypatch, role_arn=role) as space:
        cloud.fail("AssumeRole", Fault(code="AccessDenied", status=403))
        with pytest.raises(
            Refused, match=r"role arn:.* by access key AKIAEXAMPLE may not do this"
        ):
            space.machines()


def test_an_endpoint_may_want_another_service_in_signatures(
    cloud: Ec2Cloud, clock: FakeClock
) -> None:
    """As some clouds with an interface like that of EC2 do."""
    cloud.services = {"compute": "ec2"}
    with space_on(cloud, clock, service="compute") as space:
        assert space.machines() == ()
    assert cloud.calls[-1].service == "compute"


def test_spaces_of_one_account_share_their_pace(clock: FakeClock) -> None:
    """Launches apart from the rest, since EC2 counts them apart."""
    same = [Ec2Space("a", options("http://127.0.0.1:9"), clock=clock)._api for _ in range(2)]
    other = Ec2Space("b", options("http://127.0.0.1:9", region="eu-west-1"), clock=clock)._api
    assert same[0]._pace("run_instances") is same[1]._pace("run_instances")
    assert same[0]._pace("create_tags") is same[1]._pace("create_tags")
    assert same[0]._pace("create_tags") is not same[0]._pace("run_instances")
    assert other._pace("create_tags") is not same[0]._pace("create_tags")


def test_calls_are_counted(cloud: Ec2Cloud, clock: FakeClock) -> None:
    """Each request, by what it was made for."""
    with space_on(cloud, clock) as space:
        space.machines()
        space.limits()
        assert space.calls == {"machines": 1, "limits": 1}
        assert space.calls.total() == len(cloud.calls)


# Warnings


@pytest.fixture
def watched(
    cloud: Ec2Cloud, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Ec2Space]:
    """Return a space with spot machines that reads a queue."""
    with serving(cloud) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        queue = cloud.make_queue("spot")
        given = replace(options(url, spot=True, spot_events_queue=f"{url}{queue}"), url=None)
        space = Ec2Space("space", given, clock=clock)
        space.connect()
        yield space
        space.close()


def instant(at: int) -> str:
    """Return a time as EC2 writes it."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


def test_an_interruption_is_told_with_its_time(cloud: Ec2Cloud, clock: FakeClock) -> None:
    """Two minutes after the request was marked."""
    with space_on(cloud, clock, spot=True) as space:
        made, other = space.create(request(1)), space.create(request(2))
        cloud.spot_marks[made] = instant(clock.now() - 10)
        found = {each.cloud_id: each for each in space.machines()}
    assert found[made].warning == "EC2 interrupts the spot machine"
    assert found[made].ends_at == clock.now() - 10 + NOTICE_SECONDS
    assert (found[other].warning, found[other].ends_at) == ("", None)


def test_without_spot_machines_nobody_asks(cloud: Ec2Cloud, clock: FakeClock) -> None:
    """A listing is one call."""
    with space_on(cloud, clock) as space:
        space.flavors()
        space.create(request())
        cloud.calls.clear()
        space.machines()
    assert cloud.counts() == {"DescribeInstances": 1}


def test_a_queue_tells_of_what_may_come(
    cloud: Ec2Cloud, clock: FakeClock, watched: Ec2Space
) -> None:
    """Each event once; what was said holds, and an interruption comes after a recommendation."""
    made = watched.create(request())

    def tell(kind: str, **more: object) -> None:
        detail = {"instance-id": made}
        event = {"detail-type": kind, "time": instant(clock.now()), "detail": detail, **more}
        cloud.send(json.dumps(event))

    tell("EC2 Instance Rebalance Recommendation")
    cloud.send("{}")
    cloud.send("[]")
    cloud.send("nonsense")
    for _ in range(2):
        (machine,) = watched.machines()
        assert machine.warning == "EC2 may interrupt the spot machine soon"
        assert machine.ends_at is None
    tell("EC2 Spot Instance Interruption Warning")
    tell("EC2 Instance Rebalance Recommendation")
    told_at = clock.now()
    clock.advance(30)
    (machine,) = watched.machines()
    assert machine.warning == "EC2 interrupts the spot machine"
    assert machine.ends_at == told_at + NOTICE_SECONDS
    clock.advance(KEPT_SECONDS)
    (machine,) = watched.machines()
    assert machine.warning == ""


def test_a_listing_is_complete_without_warnings(cloud: Ec2Cloud, clock: FakeClock) -> None:
    """A permission that lacks is a notice until it is given; trouble that passes is none."""
    with space_on(cloud, clock, spot=True) as space:
        space.create(request())
        action = "DescribeSpotInstanceRequests"
        cloud.fail(action, Fault(code="UnauthorizedOperation", status=403))
        assert len(space.machines()) == 1
        (notice,) = space.notices()
        assert notice.startswith("interruptions of spot machines are not heard of")
        cloud.fail(action, Fault(code="InternalError", status=500))
        assert len(space.machines()) == 1
        assert space.notices() == ()


@pytest.mark.parametrize("quota", ["", "many"])
def test_a_number_of_machines_that_is_none_is_no_limit(
    cloud: Ec2Cloud, clock: FakeClock, quota: str
) -> None:
    """As some endpoints leave it out, or have none."""
    cloud.max_instances = quota
    with space_on(cloud, clock) as space:
        assert space.limits() == Limits()


def test_a_quota_without_a_value_is_not_known(
    cloud: Ec2Cloud, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said, and nothing is made up."""
    cloud.quotas = {ON_DEMAND: None}
    with space_on(cloud, clock, is_aws=monkeypatch) as space:
        assert space.limits() == Limits()
        assert "has no value" in space.notices()[0]


def test_without_the_sdk_the_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The manager adds which extra has it, and the other spaces go on."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.delitem(sys.modules, "vcycled.spaces.ec2")
    with pytest.raises(
        NotInstalled, match=r"botocore is missing.*install the extra ec2 of vcycle"
    ):
        find_space("ec2", InstalledSpaces())


def test_the_sdk_is_not_imported_before_it_is_needed() -> None:
    """A command that only reads the configuration need not wait for it."""
    code = "import sys, vcycled.spaces.ec2; print('botocore' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
