"""Logging in to an OpenStack: where Keystone is, and who asks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
import responses

from tests import canned_openstack
from tests.canned_openstack import (
    INNER,
    KEYSTONE,
    LOGIN,
    MARKER,
    NOVA,
    SERVERS,
    Answer,
    CannedCloud,
    JsonObject,
    new_api,
    with_password,
)
from vcycled.errors import Refused, Unavailable
from vcycled.options import Secret
from vcycled.spaces.openstack.options import OpenStackOptions

mock = canned_openstack.mock
cloud = canned_openstack.cloud
FEDERATION = f"{KEYSTONE}/v3/OS-FEDERATION/identity_providers/egi.eu/protocols"


def identity(cloud: CannedCloud) -> JsonObject:
    """Return what the last login said about who asks, and for which project."""
    auth = cloud.logins[-1]["auth"]
    assert isinstance(auth, dict)
    return auth


# Where Keystone is


@pytest.mark.parametrize(
    ("end", "has_notice"),
    [
        pytest.param("", False, id="no version"),
        pytest.param("/", False, id="a slash"),
        pytest.param("/v3", False, id="v3"),
        pytest.param("/v3/", False, id="v3 and a slash"),
        pytest.param("/v2.0", True, id="v2.0, as in old configurations"),
        pytest.param("/v2.0/", True, id="v2.0 and a slash"),
    ],
)
def test_whatever_version_the_url_names_v3_is_used(
    cloud: CannedCloud, end: str, has_notice: bool
) -> None:
    """The cloud is asked; a v2.0 in the URL is worth a notice."""
    api = new_api(with_password(url=KEYSTONE + end))
    api.connect()
    assert LOGIN in cloud.asked
    notice = f"url names Identity v2.0, but v3 is spoken: write {KEYSTONE}/v3"
    assert api.notices() == ((notice,) if has_notice else ())


def test_keystone_may_live_in_a_folder(mock: responses.RequestsMock) -> None:
    """As where all services share one port."""
    keystone = "https://cloud.example.com/identity"
    cloud = CannedCloud(mock=mock, keystone=keystone).serve()
    new_api(with_password(url=f"{keystone}/v3")).connect()
    assert f"POST {keystone}/v3/auth/tokens" in cloud.asked


@pytest.mark.parametrize(
    ("end", "has_v3_document"),
    [
        pytest.param("/v2.0", True, id="v3 tells of itself"),
        pytest.param("/v3", False, id="nothing does, so the URL is believed"),
    ],
)
def test_a_root_that_is_hidden_does_not_matter(
    mock: responses.RequestsMock, end: str, has_v3_document: bool
) -> None:
    """Some sites let only one version through."""
    cloud = CannedCloud(mock=mock)
    links = [{"rel": "self", "href": f"{INNER}v3/"}]
    document = {"version": {"id": "v3.14", "status": "stable", "links": links}}
    cloud.answer("GET", KEYSTONE, 404)
    cloud.answer("GET", f"{KEYSTONE}/v3", *((200, document) if has_v3_document else (403,)))
    cloud.serve()
    new_api(with_password(url=KEYSTONE + end)).connect()
    assert LOGIN in cloud.asked


@pytest.mark.parametrize("end", ["", "/v2.0", "/v3"])
def test_identity_v2_is_used_where_there_is_nothing_else(
    mock: responses.RequestsMock, end: str
) -> None:
    """It has no domains, and its catalogue another form."""
    cloud = CannedCloud(mock=mock, versions=("v2.0",)).serve()
    place = {"region": "one", "publicURL": NOVA, "id": "e1"}
    access = {
        "token": {
            "id": "t",
            "expires": "2999-01-01T00:00:00Z",
            "tenant": {"id": "p1", "name": "grid"},
        },
        "user": {"id": "u1", "name": "vcycle", "roles": []},
        "serviceCatalog": [{"type": "compute", "name": "nova", "endpoints": [place]}],
    }
    cloud.answer("POST", f"{KEYSTONE}/v2.0/tokens", 200, {"access": access})
    api = new_api(with_password(url=KEYSTONE + end))
    api.connect()
    (call,) = [each for each in mock.calls if each.request.method == "POST"]
    assert json.loads(call.request.body or b"")["auth"] == {
        "tenantName": "grid",
        "passwordCredentials": {"username": "vcycle", "password": MARKER},
    }
    assert api.has("compute")


def test_an_application_credential_needs_v3(mock: responses.RequestsMock) -> None:
    """The error says what would do."""
    CannedCloud(mock=mock, versions=("v2.0",)).serve()
    options = OpenStackOptions(url=KEYSTONE, cred_id="c1", cred_secret=Secret(MARKER))
    with pytest.raises(Refused, match="only Identity v2, which wants username and password"):
        new_api(options).connect()


def test_what_is_no_keystone_is_told(cloud: CannedCloud) -> None:
    """With the URL, which a person must correct."""
    for path in ("", "/v3"):
        cloud.answer("GET", f"https://www.example.com{path}", 200, b"<html>Welcome</html>")
    with pytest.raises(Refused, match=r"there is no Keystone at https://www\.example\.com"):
        new_api(with_password(url="https://www.example.com")).connect()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_keystone_that_is_ill_is_not_taken_for_none(
    mock: responses.RequestsMock, status: int
) -> None:
    """The next cycle tries again, from the beginning."""
    cloud = CannedCloud(mock=mock)
    cloud.answer("GET", KEYSTONE, status)
    cloud.serve()
    api = new_api(with_password(url=f"{KEYSTONE}/v3"))
    with pytest.raises(Unavailable):
        api.connect()
    assert cloud.asked == [f"GET {KEYSTONE}/"]


def test_a_password_goes_to_no_host_that_a_link_names(cloud: CannedCloud) -> None:
    """Services behind a proxy give links over plain HTTP; those of Nova are not followed, too."""
    api = new_api()
    api.connect()
    cloud.answer("GET", SERVERS, 200, {"servers": []})
    api.call("machines", "compute", "GET", "/servers")
    assert not [each for each in cloud.asked if INNER in each]


@pytest.mark.parametrize(
    ("location", "is_followed"),
    [
        pytest.param("/identity/", True, id="on the same host"),
        pytest.param("https://cloud.example.com:5000/identity/", True, id="in full"),
        pytest.param("https://login.example.com/", False, id="to another host"),
        pytest.param("http://cloud.example.com:5000/identity/", False, id="without TLS"),
        pytest.param("https://cloud.example.com/identity/", False, id="to another port"),
    ],
)
def test_a_redirection_is_followed_on_the_same_host_only(
    mock: responses.RequestsMock, location: str, is_followed: bool
) -> None:
    """A password would go along."""
    cloud = CannedCloud(mock=mock, keystone=f"{KEYSTONE}/identity")
    cloud.answer("GET", f"{KEYSTONE}/identity", 301, Location=location)
    cloud.serve()
    api = new_api(with_password(url=f"{KEYSTONE}/identity"))
    if is_followed:
        api.connect()
        return
    host = location.removesuffix("/").removesuffix("/identity")
    with pytest.raises(Refused) as caught:
        api.connect()
    assert str(caught.value) == (
        f"connect: {KEYSTONE} sends us on to {host}; if that is right, write it in url"
    )
    assert cloud.logins == []


def test_a_login_is_not_sent_on_to_another_host(cloud: CannedCloud) -> None:
    """Not even if only the login is."""
    cloud.refusal = (307, {"Location": "https://login.example.com/v3/auth/tokens"}, "")
    with pytest.raises(Refused, match="sends us on to https://login"):
        new_api().connect()
    assert len(cloud.logins) == 1


# Who asks


@pytest.mark.parametrize(
    ("changes", "user_domain", "project"),
    [
        pytest.param(
            {},
            {"id": "default"},
            {"name": "grid", "domain": {"id": "default"}},
            id="the domain with the id default, unless told",
        ),
        pytest.param(
            {"domain_name": "Physics"},
            {"name": "Physics"},
            {"name": "grid", "domain": {"name": "Physics"}},
            id="one domain for both",
        ),
        pytest.param(
            {"user_domain_name": "LDAP"},
            {"name": "LDAP"},
            {"name": "grid", "domain": {"id": "default"}},
            id="the user from another",
        ),
        pytest.param(
            {"domain_name": "LDAP", "project_domain_name": "default"},
            {"name": "LDAP"},
            {"name": "grid", "domain": {"id": "default"}},
            id="the project in another",
        ),
        pytest.param(
            {"project_id": "p1"}, {"id": "default"}, {"id": "p1"}, id="an id needs no domain"
        ),
    ],
)
def test_a_user_logs_in_to_a_project(
    cloud: CannedCloud, changes: dict[str, str], user_domain: object, project: object
) -> None:
    """Each in its domain."""
    new_api(with_password(**changes)).connect()
    user = {"name": "vcycle", "domain": user_domain, "password": MARKER}
    assert identity(cloud) == {
        "identity": {"methods": ["password"], "password": {"user": user}},
        "scope": {"project": project},
    }


def test_an_application_credential_logs_in_without_a_project(cloud: CannedCloud) -> None:
    """It is of one, and Keystone refuses to be told another."""
    options = OpenStackOptions(
        url=KEYSTONE, cred_id="c1", cred_secret=Secret(MARKER), project_name="grid"
    )
    new_api(options).connect()
    credential = {"id": "c1", "secret": MARKER}
    assert identity(cloud) == {
        "identity": {"methods": ["application_credential"], "application_credential": credential}
    }


def unscoped(cloud: CannedCloud, heard: list[str]) -> Callable[[requests.PreparedRequest], Answer]:
    """Return what answers a federated login, and notes the header that proves who asks."""

    def answer(request: requests.PreparedRequest) -> Answer:
        heard.append(str(request.headers.get("Authorization")))
        return 201, {"X-Subject-Token": "unscoped"}, json.dumps(cloud.body())

    return answer


def test_an_access_token_is_read_anew_at_each_login(
    mock: responses.RequestsMock, tmp_path: Path
) -> None:
    """Whatever keeps it fresh need only write the file."""
    cloud = CannedCloud(mock=mock, token_life_s=60).serve()
    heard: list[str] = []
    mock.add_callback("POST", f"{FEDERATION}/openid/auth", unscoped(cloud, heard))
    file = tmp_path / "token"
    options = OpenStackOptions(
        url=KEYSTONE, project_id="p1", identity_provider="egi.eu", access_token_file=str(file)
    )
    api = new_api(options)
    with pytest.raises(Refused, match=f"access_token_file {file} cannot be read: No such file"):
        api.connect()
    for text in ("first\n", "second"):
        file.write_text(text)
        heard.clear()
        api.connect()
        assert heard[0] == f"Bearer {text.strip()}"
    assert identity(cloud) == {
        "identity": {"methods": ["token"], "token": {"id": "unscoped"}},
        "scope": {"project": {"id": "p1"}},
    }


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(b"\n", "is empty", id="empty"),
        pytest.param(b"\xff", "is not text", id="binary"),
    ],
)
def test_an_access_token_file_without_a_token_is_told(
    cloud: CannedCloud, tmp_path: Path, content: bytes, why: str
) -> None:
    """With its name."""
    file = tmp_path / "token"
    file.write_bytes(content)
    options = OpenStackOptions(
        url=KEYSTONE, project_id="p1", identity_provider="egi.eu", access_token_file=str(file)
    )
    with pytest.raises(Refused, match=f"access_token_file {file} {why}"):
        new_api(options).connect()


def test_an_access_token_may_stand_in_the_options(
    cloud: CannedCloud,
    mock: responses.RequestsMock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And no password of a ~/.netrc takes its place."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine cloud.example.com login other password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    heard: list[str] = []
    mock.add_callback("POST", f"{FEDERATION}/oidc/auth", unscoped(cloud, heard))
    options = OpenStackOptions(
        url=KEYSTONE,
        project_id="p1",
        identity_provider="egi.eu",
        protocol="oidc",
        access_token=Secret(MARKER),
    )
    new_api(options).connect()
    assert heard == [f"Bearer {MARKER}"]
