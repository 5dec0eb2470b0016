"""Options of an OpenStack space: what they read, and which do not go together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest

from tests.canned_openstack import in_base64
from tests.config_support import DemoSpace, deck
from vcycled.config import problems_of
from vcycled.config.reader import read
from vcycled.options import Judging, Secret, rows
from vcycled.spaces.base import Space
from vcycled.spaces.local.options import LocalOptions
from vcycled.spaces.openstack.options import PASSWORD_BASE64, OpenStackOptions

URL = {"url": "https://cloud.example.com:5000/v3"}
GRID = {"project_name": "grid"}
USER = {"username": "vcycle", "password": "sesame"}
CREDENTIAL = {"cred_id": "c1", "cred_secret": "sesame"}
TOKEN = {"access_token_file": "/run/token", "identity_provider": "egi.eu"}
PROXY = {"user_proxy": "/run/proxy.pem", "identity_provider": "egi.eu"}


class CloudLike(DemoSpace):
    """Never made: configurations look only at its options."""

    Options: ClassVar[type] = OpenStackOptions


REGISTRY: Mapping[str, type[Space]] = {"cloudlike": CloudLike}  # type: ignore[type-abstract]


def problems(*parts: dict[str, str]) -> list[tuple[str, str]]:
    """Return what is found in options, read from their texts."""
    given = {name: text for part in parts for name, text in part.items()}
    kinds = {row.name: row.kind for row in rows(OpenStackOptions)}
    values = {name: kinds[name].parse(text) for name, text in given.items()}
    return list(OpenStackOptions(**values).problems())  # type: ignore[arg-type] # their kinds'


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param((URL, GRID, USER), id="user and password"),
        pytest.param((URL, {"project_id": "p1"}, USER), id="the project by its id"),
        pytest.param((URL, CREDENTIAL), id="an application credential, which is of a project"),
        pytest.param((URL, GRID, CREDENTIAL), id="one whose project is named all the same"),
        pytest.param(({"cloud": "mycloud"},), id="a cloud of clouds.yaml"),
        pytest.param(({"cloud": "mycloud", "clouds_file": "/etc/c.yaml"},), id="in a file"),
        pytest.param((URL, GRID, TOKEN), id="an access token from a file"),
        pytest.param((URL, GRID, PROXY, {"protocol": "voms"}), id="a VOMS proxy"),
    ],
)
def test_each_way_to_log_in_is_complete(parts: tuple[dict[str, str], ...]) -> None:
    """There is nothing to complain about."""
    assert problems(*parts) == []


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        pytest.param(
            (URL, GRID),
            [
                (
                    "",
                    "nothing says how to log in: set username and password_base64; or cred_id and"
                    " cred_secret; or cloud; or access_token_file and identity_provider; or"
                    " user_proxy and identity_provider",
                )
            ],
            id="no way at all",
        ),
        pytest.param(
            (URL, GRID, {"username": "vcycle"}),
            [("username", "needs password_base64 or password too")],
            id="no password",
        ),
        pytest.param(
            (GRID, USER), [("username", "needs url too")], id="nothing says where Keystone is"
        ),
        pytest.param(
            (URL, USER),
            [("username", "needs project_name or project_id too")],
            id="no project",
        ),
        pytest.param(
            (URL, {"cred_id": "c1"}), [("cred_id", "needs cred_secret too")], id="no secret"
        ),
        pytest.param(
            (URL, GRID, USER, {"cred_secret": "s"}),
            [("cred_secret", "means nothing without cred_id")],
            id="a secret of nothing",
        ),
        pytest.param(
            (URL, GRID, {"password": "s", "cloud": "mycloud"}),
            [
                ("project_name", "is said by clouds.yaml, since cloud is set; remove one of them"),
                ("url", "is said by clouds.yaml, since cloud is set; remove one of them"),
                ("password", "means nothing without username"),
            ],
            id="clouds.yaml and options say the same",
        ),
        pytest.param(
            (URL, GRID, USER, CREDENTIAL),
            [("cred_id", "is another way to log in beside username and password_base64")],
            id="two ways",
        ),
        pytest.param(
            (URL, GRID, USER, {"password_base64": "c2VzYW1l"}),
            [("password", "is given by password_base64 as well; keep one of them")],
            id="the password twice",
        ),
        pytest.param(
            (URL, GRID, TOKEN, {"access_token": "t"}),
            [("access_token", "is given by access_token_file as well; keep one of them")],
            id="the token twice",
        ),
        pytest.param(
            (URL, GRID, {"access_token": "t"}),
            [("access_token", "needs identity_provider too")],
            id="nobody vouches for the token",
        ),
        pytest.param(
            (URL, CREDENTIAL, {"identity_provider": "egi.eu", "protocol": "openid"}),
            [
                (
                    "identity_provider",
                    "means nothing without access_token_file or access_token or user_proxy",
                ),
                (
                    "protocol",
                    "means nothing without access_token_file or access_token or user_proxy",
                ),
            ],
            id="a provider of nothing",
        ),
        pytest.param(
            (URL, CREDENTIAL, {"clouds_file": "/etc/c.yaml"}),
            [("clouds_file", "means nothing without cloud")],
            id="a file of no cloud",
        ),
    ],
)
def test_options_that_do_not_go_together_are_found(
    parts: tuple[dict[str, str], ...], found: list[tuple[str, str]]
) -> None:
    """Each with the option that is to change."""
    assert problems(*parts) == found


def test_a_contradiction_is_told_with_its_line_and_holds_the_section(tmp_path: Path) -> None:
    """As every other error of the configuration."""
    lines = "api = cloudlike\nurl = https://cloud.example.com\nusername = vcycle\nproject_id = p"
    path = deck(tmp_path, ("api = demo", lines))
    found = problems_of(read([path]), registry=REGISTRY)
    assert [str(each).replace(str(path), "F") for each in found if not each.is_warning] == [
        "F:6: [space cloud.example.com] username: needs password_base64 or password too"
    ]


def test_a_bad_password_in_base64_is_told_by_its_option_and_not_shown(tmp_path: Path) -> None:
    """Neither is what it would be."""
    path = deck(tmp_path, ("api = demo", "api = cloudlike\npassword_base64 = hunter2!"))
    found = problems_of(read([path]), registry=REGISTRY)
    assert [str(each).replace(str(path), "F") for each in found if not each.is_warning] == [
        "F:5: [space cloud.example.com] password_base64: must be a password in base64"
        " (never shown)"
    ]


@pytest.mark.parametrize(
    ("text", "password"),
    [
        pytest.param(in_base64("sesame"), "sesame", id="as it is"),
        pytest.param(in_base64("sesame\n"), "sesame", id="with the line end of echo"),
        pytest.param(in_base64(" s ü "), " s ü ", id="blanks and letters of any language"),
        pytest.param("c2Vz\n YW1l", "sesame", id="over two lines"),
    ],
)
def test_a_password_is_read_from_base64(text: str, password: str) -> None:
    """It prints as stars."""
    read_as = PASSWORD_BASE64.parse(text)
    assert read_as.reveal() == password
    assert str(read_as) == "********"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("Cg==", id="only a line end"),
        pytest.param("c2VzYW1", id="cut"),
        pytest.param("/w==", id="no text"),
        pytest.param("ses*ame=", id="no base64"),
    ],
)
def test_what_is_no_password_in_base64_is_refused(text: str) -> None:
    """By the reader, so that its line is told."""
    with pytest.raises(ValueError, match="password in base64"):
        PASSWORD_BASE64.parse(text)


@pytest.mark.parametrize(
    "url",
    ["https://user:pw@cloud.example.com/v3", "https://cloud.example.com/?x=1", "ftp://cloud/v3"],
)
def test_an_url_that_holds_more_than_a_place_is_refused(url: str) -> None:
    """A password in it would be shown wherever the URL is."""
    kind = next(row.kind for row in rows(OpenStackOptions) if row.name == "url")
    with pytest.raises(ValueError, match="without user"):
        kind.parse(url)


def test_secrets_print_as_stars() -> None:
    """In the repr of all options, too."""
    options = OpenStackOptions(password=Secret("hunter2"), cred_secret=Secret("hunter2"))
    assert "hunter2" not in repr(options)


def test_options_that_judge_nothing_need_not_say_so() -> None:
    """A local space has no such method, and nothing is asked of it."""
    assert isinstance(OpenStackOptions(), Judging)
    assert not isinstance(LocalOptions(), Judging)
