"""Ways to log in that a clouds.yaml tells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import responses

from tests import canned_openstack
from tests.canned_openstack import (
    CATALOG,
    CREDENTIAL,
    KEYSTONE,
    MARKER,
    NOVA,
    CannedCloud,
    ending,
    endpoint,
    new_api,
)
from vcycled.errors import Refused
from vcycled.spaces.openstack.options import OpenStackOptions
from vcycled.testing.clock import START, FakeClock

# The SDK says so whenever it reads a clouds.yaml, whatever is in it.
pytestmark = pytest.mark.filterwarnings("ignore:Support for InfluxDB requires")

mock = canned_openstack.mock
cloud = canned_openstack.cloud
DAY_S = 86_400


def clouds(folder: Path, text: str) -> OpenStackOptions:
    """Write a clouds.yaml with a cloud `mine`; return options that name it."""
    file = folder / "clouds.yaml"
    file.write_text(f"clouds:\n  mine:\n{text}", encoding="utf-8")
    return OpenStackOptions(cloud="mine", clouds_file=str(file))


PASSWORD = f"""\
    auth:
      auth_url: {KEYSTONE}/v3
      username: vcycle
      password: {MARKER}
      project_name: grid
      user_domain_name: Default
      project_domain_name: Default
"""


def test_a_cloud_of_clouds_yaml_logs_in(
    cloud: CannedCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what the caller's environment or folder say does not count."""
    monkeypatch.setenv("OS_USERNAME", "other")
    monkeypatch.setenv("OS_CLOUD", "other")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", "/nowhere/clouds.yaml")
    api = new_api(clouds(tmp_path, PASSWORD))
    api.connect()
    assert api.has("image")
    assert api.notices() == ()
    auth = cloud.logins[0]["auth"]
    domain = {"name": "Default"}
    user = {"name": "vcycle", "domain": domain, "password": MARKER}
    assert auth == {
        "identity": {"methods": ["password"], "password": {"user": user}},
        "scope": {"project": {"name": "grid", "domain": domain}},
    }


def test_clouds_yaml_is_found_in_the_home_folder(
    cloud: CannedCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the SDK looks too; one in the working folder does not count."""
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / ".config/openstack"
    folder.mkdir(parents=True)
    clouds(folder, PASSWORD)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    clouds(work, "    auth: {}\n")
    new_api(OpenStackOptions(cloud="mine")).connect()
    assert len(cloud.logins) == 1


def test_clouds_yaml_may_hold_an_application_credential_and_its_secret_elsewhere(
    cloud: CannedCloud, tmp_path: Path
) -> None:
    """In a secure.yaml beside it; its end is asked for as well."""
    cloud.answer("GET", CREDENTIAL, 200, ending(START + DAY_S))
    text = f"    auth_type: v3applicationcredential\n    auth:\n      auth_url: {KEYSTONE}/v3\n"
    options = clouds(tmp_path, f"{text}      application_credential_id: c1\n")
    secret = f"clouds:\n  mine:\n    auth:\n      application_credential_secret: {MARKER}\n"
    (tmp_path / "secure.yaml").write_text(secret)
    api = new_api(options, FakeClock())
    api.connect()
    assert MARKER in json.dumps(cloud.logins)
    assert len(api.notices()) == 1


def test_clouds_yaml_chooses_region_and_interface_and_options_win(
    mock: responses.RequestsMock, tmp_path: Path
) -> None:
    """As the SDK reads them."""
    catalog = (
        endpoint("compute", NOVA, region="north", interface="internal"),
        endpoint("compute", "https://south.example.com/v2.1", region="south"),
    )
    CannedCloud(mock=mock, catalog=catalog).serve()
    options = clouds(tmp_path, f"{PASSWORD}    region_name: north\n    interface: internal\n")
    new_api(options).connect()
    wrong = OpenStackOptions(
        cloud="mine", clouds_file=options.clouds_file, region="north", interface="public"
    )
    with pytest.raises(Refused, match="has no compute in region north"):
        new_api(wrong).connect()


def test_clouds_yaml_may_say_where_a_service_is(
    mock: responses.RequestsMock, tmp_path: Path
) -> None:
    """The catalogue is then not asked about it."""
    CannedCloud(mock=mock, catalog=CATALOG[1:]).serve()
    api = new_api(clouds(tmp_path, f"{PASSWORD}    compute_endpoint_override: {NOVA}\n"))
    api.connect()
    assert api.compute_microversion == "2.47"


def test_certificates_that_are_not_checked_are_worth_a_notice(
    cloud: CannedCloud, tmp_path: Path
) -> None:
    """It is what clouds.yaml says, but nobody should forget it."""
    options = clouds(tmp_path, f"{PASSWORD}    verify: false\n")
    api = new_api(options)
    api.connect()
    assert api.notices() == (f"{options.clouds_file} says not to check the certificates of mine",)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("    auth: {}\n", "not given: auth_url", id="nothing to log in with"),
        pytest.param("    auth_type: magic\n", "magic could not be found", id="an unknown way"),
        pytest.param("    auth_type: none\n", "has no catalogue", id="no Keystone"),
        pytest.param(
            f"    auth:\n      auth_url: {KEYSTONE}\n      username: vcycle\n",
            "mine has no password",
            id="nobody is there to type a password",
        ),
        pytest.param("    - list\n", "is not written as it must be", id="another form"),
        pytest.param("    auth: [\n", "mine was not found", id="no YAML"),
    ],
)
def test_a_clouds_yaml_that_is_wrong_is_told(tmp_path: Path, text: str, why: str) -> None:
    """With its path."""
    options = clouds(tmp_path, text)
    with pytest.raises(Refused, match=rf"connect: {options.clouds_file}: .*{why}"):
        new_api(options).connect()


def test_a_cloud_of_two_scopes_is_told(cloud: CannedCloud, tmp_path: Path) -> None:
    """A token is for one."""
    options = clouds(tmp_path, f"{PASSWORD}      trust_id: t1\n")
    with pytest.raises(Refused, match=r"is not enough \(AuthorizationFailure\)"):
        new_api(options).connect()


def test_a_cloud_that_is_not_in_the_file_is_told(tmp_path: Path) -> None:
    """By the SDK's words."""
    options = clouds(tmp_path, PASSWORD)
    other = OpenStackOptions(cloud="other", clouds_file=options.clouds_file)
    with pytest.raises(Refused, match="Cloud other was not found"):
        new_api(other).connect()


def test_a_clouds_file_that_cannot_be_read_is_told_until_it_can(
    cloud: CannedCloud, tmp_path: Path
) -> None:
    """It is read again after each refusal."""
    path = tmp_path / "clouds.yaml"
    api = new_api(OpenStackOptions(cloud="mine", clouds_file=str(path)))
    with pytest.raises(Refused, match=f"{path} cannot be read: No such file"):
        api.connect()
    clouds(tmp_path, PASSWORD)
    api.connect()
    assert len(cloud.logins) == 1
