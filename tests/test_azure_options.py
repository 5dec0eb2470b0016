"""Options of an Azure space: what they read, and which do not go together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest

from tests.config_support import DemoSpace, deck
from vcycled.config import problems_of
from vcycled.config.reader import read
from vcycled.options import Judging, rows
from vcycled.spaces.azure.environments import environment_of
from vcycled.spaces.azure.options import AzureOptions
from vcycled.spaces.base import Space

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
SUBNET = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/net/providers/Microsoft.Network"
    "/virtualNetworks/grid/subnets/workers"
)
PLACE = {
    "subscription": SUBSCRIPTION,
    "resource_group": "vcycle",
    "location": "West Europe",
    "subnet_id": SUBNET,
}
APPLICATION = {"tenant_id": "example.org", "client_id": SUBSCRIPTION}
SECRET = {**APPLICATION, "client_secret": "sesame"}
KINDS = {row.name: row.kind for row in rows(AzureOptions)}


class CloudLike(DemoSpace):
    """Never made: configurations look only at its options."""

    Options: ClassVar[type] = AzureOptions


REGISTRY: Mapping[str, type[Space]] = {"cloudlike": CloudLike}  # type: ignore[type-abstract]


def options(*parts: dict[str, str]) -> AzureOptions:
    """Return options read from their texts."""
    given = {name: text for part in (PLACE, *parts) for name, text in part.items()}
    values = {name: KINDS[name].parse(text) for name, text in given.items()}
    return AzureOptions(**values)  # type: ignore[arg-type] # their kinds'


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(SECRET, id="a secret"),
        pytest.param({**APPLICATION, "client_certificate": "/etc/app.pem"}, id="a certificate"),
        pytest.param(
            {
                **APPLICATION,
                "client_certificate": "/etc/app.pfx",
                "client_certificate_password": "p",
            },
            id="one with a password",
        ),
        pytest.param(
            {**APPLICATION, "federated_token_file": "/run/token"}, id="a workload identity"
        ),
        pytest.param({"managed_identity": "True"}, id="the identity of the host"),
        pytest.param(
            {"managed_identity": "yes", "client_id": SUBSCRIPTION}, id="one of several of the host"
        ),
        pytest.param(
            {**SECRET, "priority": "spot", "spot_max_price": "0.05"}, id="spot with a price"
        ),
    ],
)
def test_each_way_to_log_in_is_complete(part: dict[str, str]) -> None:
    """There is nothing to complain about."""
    assert isinstance(options(part), Judging)
    assert list(options(part).problems()) == []


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        pytest.param(
            (),
            [
                (
                    "",
                    "nothing says how to log in: set one of client_secret, client_certificate,"
                    " federated_token_file, managed_identity",
                )
            ],
            id="no way at all",
        ),
        pytest.param(
            ({"client_secret": "s"},),
            [("client_secret", "needs tenant_id too"), ("client_secret", "needs client_id too")],
            id="a secret of nobody",
        ),
        pytest.param(
            ({"federated_token_file": "/run/token", "tenant_id": "t"},),
            [("federated_token_file", "needs client_id too")],
            id="a token for nobody",
        ),
        pytest.param(
            (SECRET, {"managed_identity": "True"}),
            [("managed_identity", "is another way to log in beside client_secret")],
            id="two ways",
        ),
        pytest.param(
            ({"managed_identity": "True", "tenant_id": "t"},),
            [("tenant_id", "is not needed, since managed_identity is set; remove it")],
            id="a tenant of no use",
        ),
        pytest.param(
            (SECRET, {"client_certificate_password": "p"}),
            [("client_certificate_password", "means nothing without client_certificate")],
            id="the password of no file",
        ),
        pytest.param(
            (SECRET, {"spot_max_price": "1"}),
            [("spot_max_price", "means nothing without priority = spot")],
            id="a price of no spot machine",
        ),
    ],
)
def test_what_lacks_or_contradicts_is_named(
    parts: tuple[dict[str, str], ...], found: list[tuple[str, str]]
) -> None:
    """All at once, each at the option to change."""
    assert list(options(*parts).problems()) == found


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("location", "West Europe", "westeurope"),
        ("location", "uksouth", "uksouth"),
        ("spot_max_price", "0.00001", 0.00001),
        ("admin_username", "root", None),
        ("admin_username", "rooty", "rooty"),
        ("subscription", "my subscription", None),
        ("resource_group", "Group_1.(x)-y", "Group_1.(x)-y"),
        ("resource_group", "group.", None),
        ("location", "west/europe", None),
        ("subnet_id", "workers", None),
        ("subnet_id", SUBNET.upper(), SUBNET.upper()),
        ("url", "http://management.azure.com", None),
        ("spot_max_price", "0", None),
        ("eviction_policy", "keep", None),
        ("cloud_environment", "AzureGermanCloud", None),
    ],
)
def test_values_are_read_or_refused(name: str, text: str, value: object) -> None:
    """Whatever Azure would refuse at each creation is told before."""
    if value is None:
        with pytest.raises(ValueError, match="must be"):
            KINDS[name].parse(text)
    else:
        assert KINDS[name].parse(text) == value


@pytest.mark.parametrize(
    ("cloud", "manager", "login"),
    [
        ("AzureCloud", "management.azure.com", "login.microsoftonline.com"),
        ("AzureChinaCloud", "management.chinacloudapi.cn", "login.chinacloudapi.cn"),
        ("AzureUSGovernment", "management.usgovcloudapi.net", "login.microsoftonline.us"),
    ],
)
def test_each_of_azures_clouds_has_its_addresses(cloud: str, manager: str, login: str) -> None:
    """Those that the SDK knows, whose tables are asked here."""
    from azure.core import AzureClouds  # noqa: PLC0415 - slow to import
    from azure.identity import AzureAuthorityHosts  # noqa: PLC0415
    from azure.mgmt.core.tools import get_arm_endpoints  # noqa: PLC0415

    kinds = {
        "AzureCloud": (AzureClouds.AZURE_PUBLIC_CLOUD, AzureAuthorityHosts.AZURE_PUBLIC_CLOUD),
        "AzureChinaCloud": (AzureClouds.AZURE_CHINA_CLOUD, AzureAuthorityHosts.AZURE_CHINA),
        "AzureUSGovernment": (
            AzureClouds.AZURE_US_GOVERNMENT,
            AzureAuthorityHosts.AZURE_GOVERNMENT,
        ),
    }
    found = environment_of(options(SECRET, {"cloud_environment": cloud}))
    assert (found.url, found.authority_url) == (f"https://{manager}", f"https://{login}")
    known = get_arm_endpoints(kinds[cloud][0])
    assert [found.scope] == known["credential_scopes"]
    assert found.url == known["resource_manager"].rstrip("/")
    assert kinds[cloud][1] == login


def test_addresses_of_ones_own_win() -> None:
    """As of a private endpoint."""
    found = environment_of(
        options(SECRET, {"url": "https://arm.example.org/", "authority_url": "https://login.x"})
    )
    assert (found.url, found.authority_url) == ("https://arm.example.org", "https://login.x")


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("certificate", "client_certificate"),
        ("pfx", "client_certificate"),
        ("username", "client_secret"),
        ("password", "client_secret"),
    ],
)
def test_an_option_of_the_classic_plugin_says_what_to_use_now(name: str, instead: str) -> None:
    """Vcycle 3 spoke an API that Azure has closed; its password is not shown."""
    with pytest.raises(ValueError, match=f"closed by Azure; use .*{instead}") as caught:
        KINDS[name].parse("hush")
    assert "hush" not in str(caught.value)


def test_a_file_of_vcycle_3_gets_every_error_at_once(tmp_path: Path) -> None:
    """Its resource group goes by the old name; what is closed and what lacks is told by line."""
    lines = (
        f"api = cloudlike\nsubscription = {SUBSCRIPTION}\ntenancy_name = grid\n"
        "location = West Europe\ncertificate = /etc/c.pem\npfx = /etc/c.pfx\nusername = u\n"
        "password = hush"
    )
    path = deck(tmp_path, ("api = demo", lines))
    found = [each for each in problems_of(read([path]), registry=REGISTRY) if not each.is_warning]
    places = [str(each).replace(str(path), "F").split(": ")[:2] for each in found]
    assert [option.rpartition(" ")[2] for _, option in places] == [
        "subnet_id",
        "certificate",
        "pfx",
        "username",
        "password",
    ]
    assert "hush" not in "\n".join(map(str, found))
