"""The Keystone of our own: who may log in, and for how long."""

from __future__ import annotations

import openstack
import pytest
from openstack.connection import Connection

from tests import fake_openstack_kit
from tests.fake_openstack_kit import DOMAINS, PASSWORD, Plain, connected
from tests.fakes.openstack import (
    ApplicationCredential,
    OpenStackCloud,
)
from vcycled.testing.clock import START, FakeClock

pytestmark = fake_openstack_kit.SDK_TALKS

clock = fake_openstack_kit.clock
cloud = fake_openstack_kit.cloud
url = fake_openstack_kit.url
sdk = fake_openstack_kit.sdk
plain = fake_openstack_kit.plain


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
