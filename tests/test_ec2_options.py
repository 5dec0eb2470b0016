"""What the options of an EC2 space accept, and what does not go together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from vcycled.options import Secret, rows
from vcycled.spaces.ec2 import Ec2Options, Ec2Space

KEYS: dict[str, Any] = {"access_key": "AKIA", "secret_key": Secret("s")}
COMPATIBLE = "https://ec2.example.org:8773/services/compute"


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        pytest.param({}, [], id="the SDK's own chain"),
        pytest.param(KEYS, [], id="a key"),
        pytest.param({"access_key": "AKIA"}, ["access_key"], id="half a key"),
        pytest.param({"secret_key": Secret("s")}, ["secret_key"], id="the other half"),
        pytest.param({"session_token": Secret("t")}, ["session_token"], id="a token alone"),
        pytest.param({**KEYS, "session_token": Secret("t")}, [], id="a temporary key"),
        pytest.param({**KEYS, "profile": "site"}, ["profile"], id="two ways to log in"),
        pytest.param({"external_id": "x"}, ["external_id"], id="an id for no role"),
        pytest.param(
            {"external_id": "x", "role_arn": "arn:aws:iam::1:role/r"}, [], id="an id for a role"
        ),
        pytest.param({"spot_max_price": "1"}, ["spot_max_price"], id="a price for no spot"),
        pytest.param({"spot_fallback": True}, ["spot_fallback"], id="a fallback of no spot"),
        pytest.param({"spot": True, "spot_max_price": "1", "spot_fallback": True}, [], id="spot"),
        pytest.param({"security_groups": ("web",)}, [], id="a group by name"),
        pytest.param(
            {"security_groups": ("sg-1", "web"), "subnets": ("subnet-1",)},
            ["security_groups"],
            id="a group by name in a subnet",
        ),
        pytest.param(
            {"security_groups": ("web",), "public_address": False},
            ["security_groups"],
            id="a group by name on a card",
        ),
        pytest.param(
            {"security_groups": ("sg-1",), "subnets": ("subnet-1",)}, [], id="a group by id"
        ),
        pytest.param(
            {"url": COMPATIBLE, "spot_events_queue": "https://sqs.eu-west-1.amazonaws.com/1/q"},
            ["spot_events_queue"],
            id="a queue of another cloud",
        ),
        pytest.param({"instance_types": ("m1:1:512",)}, ["instance_types"], id="sizes at AWS"),
        pytest.param(
            {"instance_types": ("m1:1:512",), "url": COMPATIBLE}, [], id="sizes elsewhere"
        ),
    ],
)
def test_what_goes_together(changes: dict[str, Any], problems: list[str]) -> None:
    """Each problem names the option to change."""
    found = replace(Ec2Options(), **changes).problems()
    assert [name for name, _ in found] == problems


@pytest.mark.parametrize(
    ("url", "is_aws"),
    [
        (None, True),
        ("https://ec2.eu-west-1.amazonaws.com", True),
        ("https://ec2.cn-north-1.amazonaws.com.cn/", True),
        ("https://ec2.us-east-1.api.aws", True),
        ("https://amazonaws.com.example.org", False),
        ("https://notamazonaws.com", False),
        (COMPATIBLE, False),
    ],
)
def test_endpoints_of_aws_are_known(url: str | None, is_aws: bool) -> None:
    """They have quotas, parameters and queues."""
    assert Ec2Options(url=url).is_aws is is_aws


@pytest.mark.parametrize(
    ("name", "text", "is_read"),
    [
        ("url", "https://ec2.example.org", True),
        ("url", "https://user:word@ec2.example.org", False),
        ("region", "eu-west-1", True),
        ("region", "eu west", False),
        ("role_arn", "arn:aws:iam::123456789012:role/path/vcycle", True),
        ("role_arn", "vcycle", False),
        ("spot_max_price", "0.05", True),
        ("spot_max_price", "-1", False),
        ("spot_max_price", "0,05", False),
        ("instance_types", "m6i.* c6i.large", True),
        ("instance_types", "m1.small:1:2048", True),
        ("instance_types", "m1.small:0:2048", False),
        ("instance_types", "m1.small:1", False),
        ("page_size", "4", False),
        ("page_size", "5", True),
        ("page_size", "1000", True),
        ("page_size", "1001", False),
        ("metadata_tokens", "required", True),
        ("metadata_tokens", "never", False),
        ("launch_tags", "auto", True),
        ("launch_tags", "maybe", False),
    ],
)
def test_what_a_value_may_be(name: str, text: str, is_read: bool) -> None:
    """At the edges."""
    (row,) = (each for each in rows(Ec2Options) if each.name == name)
    try:
        row.kind.parse(text)
    except ValueError:
        assert not is_read
    else:
        assert is_read


def test_instance_types_with_a_size_are_told_from_patterns() -> None:
    """The first need no call."""
    given = Ec2Options(instance_types=("m1.small:1:2048", "m6i.*"))
    assert given.instance_sizes == {"m1.small": (1, 2048)}
    assert given.instance_patterns == ("m6i.*",)


def test_secrets_do_not_print() -> None:
    """Neither the key nor the token."""
    given = Ec2Options(access_key="AKIA", secret_key=Secret("hidden"), session_token=Secret("hid"))
    assert "hid" not in repr(given)


def test_what_the_manager_is_told_of_user_data() -> None:
    """16 KiB of any bytes."""
    assert (Ec2Space.user_data_limit, Ec2Space.takes_gzip) == (16_384, True)
