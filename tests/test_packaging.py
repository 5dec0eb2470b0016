"""What can be seen of packages without building them; `make packages` does the rest."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest
import yaml

from tests.packages import PROGRAMS
from vcycled import __version__
from vcycled.machinedir import Layout

TOP = Path(__file__).parents[1]
HOW_TO = (TOP / "docs" / "how-to" / "installing.md").read_text(encoding="utf-8")


def test_every_file_for_sites_is_installed() -> None:
    """Whatever is in etc/ comes with the wheel, so that a package needs no checkout."""
    setup = configparser.ConfigParser()
    setup.read(TOP / "setup.cfg")
    installed = {
        path
        for patterns in setup["options.data_files"].values()
        for pattern in patterns.split()
        for path in TOP.glob(pattern)
    }
    assert {path for path in (TOP / "etc").rglob("*") if path.is_file()} - installed == set()


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("packaging/debian/changelog", r"^vcycle \((.+?)\)"),
        ("packaging/rpm/vcycle.spec", r"^Version: +(.+)$"),
        ("README.md", r"vcycle_(.+?)_amd64\.deb"),
        ("docs/how-to/installing.md", r"vcycle_(.+?)_amd64\.deb"),
        ("docs/how-to/installing.md", r"vcycle-(.+?)-py3-none-any\.whl"),
    ],
)
def test_packages_have_the_version_of_what_is_in_them(path: str, pattern: str) -> None:
    """It stands in one place of the code; packages must state it again."""
    text = (TOP / path).read_text(encoding="utf-8")
    assert set(re.findall(pattern, text, re.MULTILINE)) == {__version__}


def test_the_how_to_copies_files_that_are_there() -> None:
    """Each that it takes from share/vcycle is one of etc/."""
    block = HOW_TO[HOW_TO.index("# cd /opt/vcycle/share/vcycle") :].partition("```")[0]
    named = re.findall(r"(?:cp|install -m \d+(?: -g vcycle)?) ((?:vcycle\S* )+)", block)
    files = " ".join(named).split()
    assert len(files) == 8
    assert [name for name in files if not (TOP / "etc" / name).is_file()] == []


def test_containers_run_commands_that_there_are() -> None:
    """The manager, its sites and the database; only machines come in from elsewhere."""
    text = (TOP / "packaging" / "container" / "compose.yaml").read_text(encoding="utf-8")
    services = yaml.safe_load(text)["services"]
    names = ("vcycled", "vcycle-web", "vcycle-admin")
    assert {"database", *names} == services.keys()
    for name in names:
        assert services[name]["command"][0] == name
    ports = {name: each["ports"] for name, each in services.items() if "ports" in each}
    assert ports == {"vcycle-web": ["8443:8443"], "vcycle-admin": ["127.0.0.1:8444:8444"]}


def test_the_container_of_the_web_site_gets_nothing_of_the_manager_but_the_tree() -> None:
    """Neither logins of clouds nor shared/vcycle.d, which is configuration."""
    text = (TOP / "packaging" / "container" / "compose.yaml").read_text(encoding="utf-8")
    volumes = yaml.safe_load(text)["services"]["vcycle-web"]["volumes"]
    places = {each.split(":")[1] for each in volumes}
    layout = Layout(Path("/var/lib/vcycle"))
    tree = {str(each) for each in (layout.spaces, layout.web_up, layout.www)}
    assert {each for each in places if each.startswith("/var")} == tree
    assert not any("vcycle.conf" in each for each in places)
    manager = yaml.safe_load(text)["services"]["vcycled"]["volumes"]
    assert tree <= {each.split(":")[1] for each in manager}


def test_ci_installs_what_the_tests_of_packages_run() -> None:
    """On a host that has none of it."""
    script = (TOP / ".ci" / "run").read_text(encoding="utf-8")
    looked_for = dict(
        re.findall(r"^command -v (\S+) >/dev/null \|\| missing\+=\((\S+)\)", script, re.MULTILINE)
    )
    assert PROGRAMS.items() - looked_for.items() == set()
