"""Templates that come with Vcycle: what they become, and what their pages say."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from tests.config_support import REGISTRY, deck
from tests.template_kit import NEEDED, VARIANTS, options_table, rendered, shell_of
from vcycled.config import problems_of
from vcycled.config.reader import read
from vcycled.errors import UserDataError
from vcycled.spaces.local import cloudinit
from vcycled.templates import packaged
from vcycled.userdata.declared import declared

PAGES = Path(__file__).parents[1] / "docs" / "templates"
EC2 = 16384
"""Bytes that the stingiest cloud takes."""


def test_these_are_the_templates() -> None:
    """Parts of them are none."""
    assert packaged.names() == ("dirac-pilot", "htcondor-worker", "minimal", "squid")
    assert set(packaged.names()) == set(NEEDED)
    with pytest.raises(KeyError):
        packaged.text("../parts/machine.sh")


@pytest.mark.parametrize("name", packaged.names())
@pytest.mark.parametrize("variant", VARIANTS)
def test_what_it_becomes_is_proper_shell(name: str, variant: str) -> None:
    """With as few options as can be, and with all, of whatever text."""
    user_data = rendered(name, VARIANTS[variant](name))
    assert cloudinit.read(user_data.encode()).scripts
    done = subprocess.run(
        ["sh", "-n"], input=shell_of(user_data), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", packaged.names())
def test_it_fits_into_every_cloud(name: str) -> None:
    """A proxy of a usual chain too, for which there are 4 KB."""
    assert len(rendered(name)) < EC2 - 4096


@pytest.mark.parametrize("name", sorted(set(packaged.names()) - {"minimal"}))
def test_secrets_are_for_root_only(name: str) -> None:
    """What holds the token can be read by nobody else, and no unit names it."""
    files = yaml.safe_load(rendered(name))["write_files"]
    for each in files:
        assert ("token-of-machine-one" in each["content"]) == (each.get("permissions") == "0700")


@pytest.mark.parametrize("name", packaged.names())
def test_what_must_be_set_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the configuration does beforehand."""
    required = declared(packaged.text(name), packaged.parts()).required
    assert required == set(NEEDED[name])
    if required:
        monkeypatch.setitem(NEEDED, name, {})
        with pytest.raises(UserDataError, match=rf"template:{name}:\d+: nothing fills user_data_"):
            rendered(name)


def test_a_template_that_is_not_there_is_told() -> None:
    """The configuration refuses it; a pipe's copy may be older than a template."""
    with pytest.raises(UserDataError, match="there is no template 'gone' in Vcycle"):
        rendered("gone")


@pytest.mark.parametrize("page", ["index", *packaged.names()])
def test_a_page_has_the_options_of_its_template(page: str) -> None:
    """In a table, with what they are if they are not set."""
    name = "shared" if page == "index" else page
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    (table,) = re.findall(rf"^<!-- table: {name} -->\n\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert table == options_table(name)


@pytest.mark.parametrize("name", packaged.names())
def test_the_configuration_of_a_page_is_right(name: str, tmp_path: Path) -> None:
    """But for files that are not there."""
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    (sections,) = re.findall(r"^```ini\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    path = deck(tmp_path, more=sections)
    problems = problems_of(read([path]), registry=REGISTRY)
    assert [str(each) for each in problems if "there is no file" not in each.message] == []


@pytest.mark.parametrize(
    ("options", "has_certificate"),
    [
        ({"hostcert": "c", "hostkey": "k"}, True),
        ({"hostcert": "c", "hostkey": "k", "x509_proxy": "p"}, False),
        ({}, False),
    ],
)
def test_a_pilot_without_a_proxy_shows_its_certificate(
    options: Mapping[str, str], has_certificate: bool
) -> None:
    """As many sites have it; a proxy is better."""
    script = shell_of(rendered("dirac-pilot", options))
    assert ('--cert --certLocation="$area/credentials"' in script) == has_certificate
    assert ('export X509_USER_PROXY="$area' in script) == ("x509_proxy" in options)


@pytest.mark.parametrize(("text", "every"), [("30", 30), ("0", 1), ("-5", 1), ("soon", 60)])
def test_a_heartbeat_is_never_put_without_a_pause(text: str, every: int) -> None:
    """By neither of the two that put it."""
    user_data = rendered("squid", {"heartbeat_every_seconds": text})
    assert f"heartbeat_every={every}\n" in user_data
    assert f"OnUnitInactiveSec={every}\n" in user_data


TRICKY: Mapping[str, str] = {"message": '200 It\'s $HOME "quoted" `id` \\n'}


def test_any_text_survives_the_shell() -> None:
    """Quotes, dollars and backslashes are what they are."""
    script = shell_of(rendered("minimal", {**TRICKY, "work_seconds": "0"}))
    script = re.sub(
        r'^"\$\{1:-boot\}"$', 'say() { printf %s "$*"; }; work', script, flags=re.MULTILINE
    )
    done = subprocess.run(
        ["sh"], input=script, capture_output=True, text=True, check=True, env={"outputs": "/tmp"}
    )
    assert done.stdout == TRICKY["message"]
