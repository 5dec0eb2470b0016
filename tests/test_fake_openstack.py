"""The OpenStack of our own is taken for one by the SDK, and answers as the API reference says."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import openstack
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from openstack.connection import Connection

from tests.fakes.openstack import (
    RESET,
    ApplicationCredential,
    Controlled,
    Fault,
    Network,
    OpenStackCloud,
    Quota,
    RemoteCloud,
    Settings,
    answer,
    serving,
)
from vcycled.testing.clock import START, FakeClock

# What the SDK says of its own future is no fault of these tests.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]

PASSWORD = {"username": "vcycle", "password": "secret", "project_name": "grid"}
DOMAINS = {"user_domain_id": "default", "project_domain_id": "default"}


@pytest.fixture
def clock() -> FakeClock:
    """Return the clock of the cloud."""
    return FakeClock()


@pytest.fixture
def cloud(clock: FakeClock) -> OpenStackCloud:
    """Return a cloud whose servers need 30 seconds to start and 10 to go."""
    return OpenStackCloud(clock, Settings(start_seconds=30, delete_seconds=10))


@pytest.fixture
def url(cloud: OpenStackCloud) -> Iterator[str]:
    """Serve it."""
    with serving(cloud.answer) as url:
        yield url


@pytest.fixture
def sdk(url: str) -> Iterator[Connection]:
    """Log in with the SDK."""
    with connected(url, **PASSWORD, **DOMAINS) as connection:
        yield connection


def connected(url: str, **login: Any) -> Connection:  # noqa: ANN401 - as connect() takes it
    """Return a connection of the SDK that knows nothing but what it is told here."""
    return openstack.connect(
        auth_url=f"{url}/identity",
        region_name="RegionOne",
        load_yaml_config=False,
        load_envvars=False,
        **login,
    )


class Plain:
    """A client that shows the answers themselves."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.version = "2.96"
        user = {"name": "vcycle", "password": "secret", "domain": {"id": "default"}}
        scope = {"project": {"name": "grid", "domain": {"id": "default"}}}
        identity = {"methods": ["password"], "password": {"user": user}}
        auth = {"auth": {"identity": identity, "scope": scope}}
        answered = requests.post(f"{url}/identity/v3/auth/tokens", json=auth, timeout=10)
        self.token = answered.headers["X-Subject-Token"]

    def ask(self, method: str, path: str, json: object = None) -> requests.Response:
        """Ask for a path such as `/compute/v2.1/servers`."""
        version = f"compute {self.version}"
        headers = {"X-Auth-Token": self.token, "OpenStack-API-Version": version}
        return requests.request(
            method, f"{self.url}{path}", json=json, headers=headers, timeout=10
        )

    def create(self, **changes: Any) -> requests.Response:  # noqa: ANN401 - whatever is wrong
        """Ask for a server; a change to None leaves a field out."""
        asked = {
            "name": "one",
            "flavorRef": "f-1",
            "imageRef": "00000001-0000-4000-8000-00000000eeee",
            "networks": "auto",
            **changes,
        }
        body = {"server": {name: value for name, value in asked.items() if value is not None}}
        return self.ask("POST", "/compute/v2.1/servers", body)

    def names(self, query: str = "") -> list[str]:
        """Return the names that a listing shows."""
        found = self.ask("GET", f"/compute/v2.1/servers/detail{query}").json()
        return [each["name"] for each in found["servers"]]


@pytest.fixture
def plain(url: str) -> Plain:
    """Log in without the SDK."""
    return Plain(url)


def test_the_sdk_sees_what_there_is_page_by_page(cloud: OpenStackCloud, sdk: Connection) -> None:
    """More than a page of each kind; Glance's is of 25 unless one asks for more."""
    cloud.settings.max_limit = 3
    for number in range(10):
        cloud.add_foreign(f"server-{number}")
    for number in range(59):
        cloud.glance.add(f"image-{number}")
    names = [each.name for each in sdk.compute.servers()]
    assert names == [f"server-{number}" for number in reversed(range(10))]
    assert cloud.calls["machines"] == 4
    assert len({each.id for each in sdk.image.images()}) == 60
    assert cloud.calls["images"] == 3
    assert [each.name for each in sdk.compute.flavors()] == ["small", "large"]
    assert [each.name for each in sdk.network.networks()] == ["private"]
    assert list(sdk.block_storage.volumes()) == []
    assert sdk.compute.get_limits().absolute.instances_used == 10


def test_a_server_lives_as_the_sdk_expects(
    cloud: OpenStackCloud, sdk: Connection, clock: FakeClock
) -> None:
    """BUILD, ACTIVE, SHUTOFF, deleting, gone; the truth of it remains."""
    made = sdk.compute.create_server(
        name="one",
        flavor_id="f-8",
        image_id=cloud.glance.truth[0].id,
        networks="auto",
        metadata={"machinetype": "prod", "vcycle_installation": "i"},
    )
    assert sdk.compute.get_server(made.id).status == "BUILD"
    clock.advance(30)
    server = sdk.compute.get_server(made.id)
    assert (server.status, server.launched_at) == ("ACTIVE", "2027-01-15T08:00:30.000000")
    assert server.addresses["private"][0]["addr"] == "10.1.0.2"
    clock.advance(5)
    cloud.finish("one")
    assert sdk.compute.get_server(made.id).vm_state == "stopped"
    sdk.compute.delete_server(made)
    (server,) = sdk.compute.servers()
    assert server.task_state == "deleting"
    clock.advance(10)
    assert list(sdk.compute.servers()) == []
    truth = cloud.of("one")
    assert (truth.launched_at, truth.ended_at, truth.gone_at) == (
        START + 30,
        START + 35,
        START + 45,
    )
    assert cloud.peak_processors == {"*": 8, "prod": 8}


@pytest.mark.parametrize(
    ("highest", "asked", "status", "has_sizes"),
    [
        ("2.96", "2.46", 200, False),
        ("2.96", "2.47", 200, True),
        ("2.96", "2.96", 200, True),
        ("2.96", "2.97", 406, None),
        ("2.1", "2.1", 200, False),
        ("2.1", "2.2", 406, None),
    ],
)
def test_versions_decide_how_a_server_is_shown(
    cloud: OpenStackCloud, plain: Plain, highest: str, asked: str, status: int, has_sizes: bool
) -> None:
    """From 2.47 on the flavor is in the server; beyond the highest nothing is answered."""
    cloud.settings.max_microversion = highest
    cloud.add_foreign("one")
    plain.version = asked
    answered = plain.ask("GET", "/compute/v2.1/servers/detail")
    assert answered.status_code == status
    if status == 200:
        assert ("vcpus" in answered.json()["servers"][0]["flavor"]) is has_sizes


@pytest.mark.parametrize(
    ("changes", "status", "sentence"),
    [
        ({}, 202, ""),
        ({"networks": None}, 400, "'networks' is a required property"),
        ({"networks": [{"uuid": "no"}]}, 400, "Network no could not be found"),
        ({"networks": "some"}, 400, "not valid under any of the given schemas"),
        ({"flavorRef": "no"}, 400, "Flavor no could not be found"),
        ({"imageRef": "no"}, 400, "Image no could not be found"),
        ({"imageRef": None}, 400, "Invalid imageRef provided"),
        ({"key_name": "no"}, 400, "Invalid key_name provided"),
        ({"availability_zone": "no"}, 400, "availability zone is not available"),
        ({"security_groups": [{"name": "no"}]}, 400, "Security group no not found"),
        ({"metadata": {"a": "x" * 255}}, 202, ""),
        ({"metadata": {"a": "x" * 256}}, 400, "is too long"),
        ({"metadata": {"a": 1}}, 400, "is not of type 'string'"),
        ({"metadata": {"a/b": "1"}}, 400, "'a/b' was unexpected"),
        ({"metadata": {str(each): "" for each in range(128)}}, 202, ""),
        ({"metadata": {str(each): "" for each in range(129)}}, 403, "Maximum number of metadata"),
        ({"user_data": base64.b64encode(bytes(49149)).decode()}, 202, ""),
        ({"user_data": base64.b64encode(bytes(49152)).decode()}, 400, "too long"),
        ({"user_data": "#!/bin/sh"}, 400, "is not a 'base64'"),
        ({"name": "x" * 255}, 202, ""),
        ({"name": "x" * 256}, 400, "no valid length"),
        ({"unknown": "x"}, 400, "'unknown' was unexpected"),
    ],
)
def test_what_is_wrong_with_a_create_is_refused(
    cloud: OpenStackCloud, plain: Plain, changes: dict[str, Any], status: int, sentence: str
) -> None:
    """With Nova's sentence, and nothing is made."""
    answered = plain.create(**changes)
    assert answered.status_code == status
    assert sentence in answered.text
    assert len(cloud.truth) == (status == 202)


def test_several_networks_must_be_told_apart(cloud: OpenStackCloud, plain: Plain) -> None:
    """Automatic choice is refused; a machine on both has an address of each."""
    other = Network(id="net-2", name="other", prefixes=("10.2",))
    cloud.settings.networks = (*cloud.settings.networks, other)
    assert plain.create().status_code == 409
    both = [{"uuid": each.id} for each in cloud.settings.networks]
    assert plain.create(networks=both).status_code == 202
    assert cloud.of("one").addresses["other"] == ("10.2.0.2",)
    assert plain.create(name="none", networks="none").status_code == 202
    assert cloud.of("none").addresses == {}


def test_the_quota_speaks_as_nova_does(cloud: OpenStackCloud, plain: Plain) -> None:
    """Everything there is counts, whoever made it."""
    cloud.settings.quota = Quota(cores=9, instances=2)
    cloud.add_foreign("theirs")
    assert plain.create(flavorRef="f-8").status_code == 202
    answered = plain.create(name="two")
    assert answered.status_code == 403
    assert answered.json()["forbidden"]["message"] == (
        "Quota exceeded for cores, instances: Requested 1, 1, "
        "but already used 9, 2 of 9, 2 cores, instances"
    )
    cloud.settings.quota = replace(Quota(), ports=2)
    assert plain.create().json()["forbidden"]["message"] == "Maximum number of ports exceeded"


def test_a_server_without_a_host_shows_why_to_get_only(
    cloud: OpenStackCloud, plain: Plain
) -> None:
    """It is in cell 0, and listings leave faults of that cell out."""
    cloud.settings.no_room = frozenset({"small"})
    made = plain.create().json()["server"]["id"]
    (listed,) = plain.ask("GET", "/compute/v2.1/servers/detail").json()["servers"]
    assert (listed["status"], "fault" in listed) == ("ERROR", False)
    shown = plain.ask("GET", f"/compute/v2.1/servers/{made}").json()["server"]
    assert shown["fault"]["message"].startswith("No valid host was found")
    cloud.add_foreign("broken")
    cloud.fail("broken", "Exceeded maximum number of retries")
    (listed, _) = plain.ask("GET", "/compute/v2.1/servers/detail").json()["servers"]
    assert listed["fault"]["message"] == "Exceeded maximum number of retries"


def test_a_cloud_may_keep_what_was_deleted(
    cloud: OpenStackCloud, plain: Plain, clock: FakeClock
) -> None:
    """SOFT_DELETED, in no listing, counted, until it is deleted by force."""
    cloud.settings.keeps_deleted = True
    path = f"/compute/v2.1/servers/{cloud.add_foreign('one')}"
    assert plain.ask("DELETE", path).status_code == 204
    assert plain.ask("GET", path).json()["server"]["status"] == "SOFT_DELETED"
    assert plain.names() == []
    assert len(cloud.here) == 1
    assert plain.ask("POST", f"{path}/action", {"forceDelete": None}).status_code == 202
    clock.advance(10)
    assert plain.ask("GET", path).status_code == 404
    assert cloud.calls["delete"] == cloud.of("one").deletes == 2


def test_a_marker_that_is_gone_ends_a_listing(cloud: OpenStackCloud, plain: Plain) -> None:
    """As when the last server of a page is deleted before the next page is asked for."""
    ids = [cloud.add_foreign(f"server-{number}") for number in range(4)]
    assert plain.names("?limit=2") == ["server-3", "server-2"]
    assert plain.names(f"?limit=2&marker={ids[2]}") == ["server-1", "server-0"]
    cloud.vanish("server-2")
    answered = plain.ask("GET", f"/compute/v2.1/servers/detail?limit=2&marker={ids[2]}")
    assert (answered.status_code, "not found" in answered.text) == (400, True)


def test_a_name_is_looked_for_as_a_pattern(cloud: OpenStackCloud, plain: Plain) -> None:
    """In all of the truth, whatever listings omit; a pattern that is none is refused."""
    for name in ("a-1", "a-10", "b-1"):
        cloud.add_foreign(name)
    cloud.listing.omitted = {"a-10"}
    assert plain.names() == ["b-1", "a-1"]
    assert plain.names("?name=a-1") == ["a-10", "a-1"]
    assert plain.names("?name=^a-1$") == ["a-1"]
    assert plain.ask("GET", "/compute/v2.1/servers/detail?name=(").status_code == 400
    assert cloud.calls["find"] == 3


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


def test_tokens_end_and_are_revoked(
    cloud: OpenStackCloud, plain: Plain, sdk: Connection, clock: FakeClock
) -> None:
    """401 then; the SDK logs in once more and goes on."""
    clock.advance(3599)
    assert plain.ask("GET", "/compute/v2.1/limits").status_code == 200
    clock.advance(1)
    answered = plain.ask("GET", "/compute/v2.1/limits")
    assert (answered.status_code, "unauthorized" in answered.json()) == (401, True)
    assert list(sdk.compute.servers()) == []
    before = cloud.keystone.issued
    cloud.revoke_tokens()
    assert list(sdk.compute.servers()) == []
    assert cloud.keystone.issued == before + 1


@pytest.mark.parametrize(
    ("login", "is_good"),
    [
        ({**PASSWORD, **DOMAINS}, True),
        ({**PASSWORD, "user_domain_name": "Default", "project_domain_name": "Default"}, True),
        ({**PASSWORD, **DOMAINS, "password": "wrong"}, False),
        ({**PASSWORD, **DOMAINS, "project_name": "other"}, False),
        ({**PASSWORD, **DOMAINS, "user_domain_id": "other"}, False),
    ],
)
def test_who_may_log_in_with_a_password(url: str, login: dict[str, str], is_good: bool) -> None:
    """Name, domain, password and project must all be right."""
    with connected(url, **login) as sdk:
        if is_good:
            assert sdk.authorize()
        else:
            with pytest.raises(openstack.exceptions.SDKException):
                sdk.authorize()


@pytest.mark.parametrize(("ends_in_s", "is_good"), [(1, True), (0, False), (None, True)])
def test_an_application_credential_logs_in_until_it_ends(
    cloud: OpenStackCloud, url: str, ends_in_s: int | None, is_good: bool
) -> None:
    """To the second, and it says itself when that is."""
    ends = None if ends_in_s is None else START + ends_in_s
    known = ApplicationCredential(id="ac", name="n", secret="s", expires_at=ends)
    cloud.settings.application_credentials = (known,)
    login = {"application_credential_id": "ac", "application_credential_secret": "s"}
    with connected(url, auth_type="v3applicationcredential", **login) as sdk:
        if not is_good:
            with pytest.raises(openstack.exceptions.SDKException):
                sdk.authorize()
            return
        path = f"/users/{sdk.current_user_id}/application_credentials"
        (shown,) = sdk.identity.get(path).json()["application_credentials"]
    assert shown["expires_at"] == (None if ends is None else "2027-01-15T08:00:01.000000")


def test_an_access_token_logs_in(cloud: OpenStackCloud, url: str) -> None:
    """By way of an unscoped token, as federated users do."""
    cloud.settings.access_tokens = frozenset({"eyJ"})
    login = {"identity_provider": "egi", "protocol": "openid", "access_token": "eyJ"}
    with connected(
        url,
        auth_type="v3oidcaccesstoken",
        project_name="grid",
        project_domain_id="default",
        **login,
    ) as sdk:
        assert list(sdk.compute.servers()) == []
    assert cloud.keystone.issued == 2


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
        assert all(each.result(timeout=10) == ["one"] for each in waiting)


def test_a_file_is_kept_as_size_and_digest(
    cloud: OpenStackCloud, sdk: Connection, plain: Plain
) -> None:
    """Queued, then saving, then active; whatever its size it goes through piece by piece."""
    content = bytes(range(256)) * 5000
    made = sdk.image.create_image(
        "ours",
        data=content,
        disk_format="raw",
        container_format="bare",
        vcycle_installation="i",
    )
    image = cloud.glance.by_id[made.id]
    assert (image.status, image.size) == ("active", len(content))
    assert image.sha512 == hashlib.sha512(content).hexdigest()
    found = plain.ask("GET", "/image/v2/images?vcycle_installation=i").json()["images"]
    assert [each["id"] for each in found] == [made.id]
    sdk.image.delete_image(made.id)
    assert image.gone_at == START


def test_an_upload_that_stops_leaves_an_image_queued(cloud: OpenStackCloud, plain: Plain) -> None:
    """The client goes in the middle of it; a second one brings it all."""
    made = plain.ask("POST", "/image/v2/images", {"name": "half"}).json()["id"]
    path = f"{plain.url}/image/v2/images/{made}/file"
    headers = {"X-Auth-Token": plain.token, "Content-Type": "application/octet-stream"}

    def pieces(*, breaks: bool) -> Iterator[bytes]:
        yield b"x" * 1000
        if breaks:
            raise OSError("the disk broke")
        yield b"y" * 200_000

    with pytest.raises(OSError, match="broke"):
        requests.put(path, data=pieces(breaks=True), headers=headers, timeout=10)
    image = cloud.glance.by_id[made]
    while image.size != 1000 or image.status == "saving":
        threading.Event().wait(0.01)
    assert image.status == "queued"
    assert plain.create(imageRef=made).status_code == 400
    requests.put(path, data=pieces(breaks=False), headers=headers, timeout=10)
    assert (image.status, image.size) == ("active", 201_000)
    assert plain.create(imageRef=made).status_code == 202


def test_key_pairs_are_checked_and_made_once(cloud: OpenStackCloud, plain: Plain) -> None:
    """Garbage is refused, and a second one of a name."""
    key = Ed25519PrivateKey.generate().public_key()
    text = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()

    def make(name: str, public_key: str) -> int:
        body = {"keypair": {"name": name, "public_key": public_key}}
        return plain.ask("POST", "/compute/v2.1/os-keypairs", body).status_code

    assert make("k", "ssh-rsa garbage") == 400
    assert make("a/b", text) == 400
    assert make("k", text) in {200, 201}
    assert make("k", text) == 409
    listed = plain.ask("GET", "/compute/v2.1/os-keypairs").json()["keypairs"]
    assert [each["keypair"]["name"] for each in listed] == ["k"]
    assert plain.create(key_name="k").status_code == 202
    assert plain.ask("DELETE", "/compute/v2.1/os-keypairs/k").status_code in {202, 204}
    assert plain.ask("GET", "/compute/v2.1/os-keypairs/k").status_code == 404


def test_volumes_go_with_their_server_if_that_was_asked_for(
    cloud: OpenStackCloud, plain: Plain, sdk: Connection
) -> None:
    """Those that stay can be deleted then, and not before."""
    cloud.settings.delete_seconds = 0
    image = "00000001-0000-4000-8000-00000000eeee"
    boot = {"boot_index": 0, "uuid": image, "source_type": "image", "volume_size": 20}
    for name, goes in (("goes", True), ("stays", False)):
        device = {**boot, "destination_type": "volume", "delete_on_termination": goes}
        asked = plain.create(name=name, imageRef=None, block_device_mapping_v2=[device])
        assert asked.status_code == 202
    stays = sdk.block_storage.get_volume(cloud.of("stays").volumes[0])
    assert (stays.status, stays.size) == ("in-use", 20)
    with pytest.raises(openstack.exceptions.BadRequestException):
        sdk.block_storage.delete_volume(stays.id)
    for name in ("goes", "stays"):
        plain.ask("DELETE", f"/compute/v2.1/servers/{cloud.of(name).id}")
    assert [each.id for each in sdk.block_storage.volumes()] == [stays.id]
    sdk.block_storage.delete_volume(stays.id)
    assert list(sdk.block_storage.volumes()) == []


def test_a_volume_too_many_breaks_the_server(cloud: OpenStackCloud, plain: Plain) -> None:
    """That is found out after the POST was accepted."""
    cloud.settings.quota = replace(Quota(), volume_gb=19)
    device = {
        "boot_index": 0,
        "uuid": "00000001-0000-4000-8000-00000000eeee",
        "source_type": "image",
        "destination_type": "volume",
        "volume_size": 20,
    }
    assert plain.create(imageRef=None, block_device_mapping_v2=[device]).status_code == 202
    assert cloud.of("one").fault.endswith("aborted: Volume resource quota exceeded")


def test_the_console_shows_its_last_lines(cloud: OpenStackCloud, plain: Plain) -> None:
    """As many as are asked for."""
    path = f"/compute/v2.1/servers/{cloud.add_foreign('one')}/action"
    cloud.change("one", console="first\nsecond\nthird\n")
    asked = {"os-getConsoleOutput": {"length": 2}}
    assert plain.ask("POST", path, asked).json() == {"output": "second\nthird\n"}
    assert cloud.calls["console"] == 1


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
