"""Spaces whose SDK is not installed: what is said, and that the others go on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.installation import Installation

WITHOUT = """\
import sys


class Without:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        is_hidden = name.partition(".")[0] in {"azure", "boto3", "botocore", "msal", "openstack"}
        return None if is_hidden else self.finder.find_spec(name, path, target)


sys.meta_path[:] = [Without(each) for each in sys.meta_path]
"""
"""Makes a process one of an installation that has none of the extras."""

CLOUD = """
[space {api}.example.org]
api = {api}

[machinetype {api}.example.org prod]
target_share = 1
fizzle_seconds = 600
backoff_seconds = 600
root_image = image:worker
user_data = {folder}/worker.sh
"""
APIS = ("openstack", "ec2", "azure")

SAID = (
    "[space openstack.example.org] api: the openstack space cannot be loaded"
    " (the package openstacksdk is missing); install the extra openstack of vcycle",
    "[space ec2.example.org] api: the ec2 space cannot be loaded"
    " (the package botocore is missing); install the extra ec2 of vcycle",
    "[space azure.example.org] api: the azure space cannot be loaded (the packages"
    " azure-mgmt-compute and azure-identity are missing); install the extra azure of vcycle",
)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Installation]:
    """Return an installation with a local space, which works, and one on each of the clouds."""
    made = Installation(tmp_path / "site")
    with made.scene.conf.open("a") as conf:
        conf.writelines(CLOUD.format(api=api, folder=made.scene.folder) for api in APIS)
    yield made
    made.close()


def command(module: str, *arguments: str) -> list[str]:
    """Return the line of a command that finds no SDK."""
    return [sys.executable, "-c", f"{WITHOUT}\nimport {module} as m; m.main()", *arguments]


def test_a_check_names_the_extra_of_each_missing_sdk(site: Installation) -> None:
    """The line is that of api, and what else the section says is not judged without the SDK."""
    line = command("vcycled.cli", "config", "check", "--config", str(site.scene.conf))
    done = subprocess.run(line, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 2
    conf = site.scene.conf
    places = [conf.read_text().splitlines().index(f"api = {api}") + 1 for api in APIS]
    wanted = [f"{conf}:{place}: {said}" for place, said in zip(places, SAID, strict=True)]
    assert [each for each in done.stdout.splitlines() if ".example.org" in each] == wanted
    assert done.stdout.splitlines()[-1].startswith("vcycle: 3 errors")


def test_spaces_without_an_sdk_keep_no_other_space_from_work(site: Installation) -> None:
    """The manager starts, says the same of the three, and makes machines in the fourth."""
    with site.scene.log.open("ab") as stream:
        manager = subprocess.Popen(
            command("vcycled.daemon", "--config", str(site.scene.conf)),
            stdout=stream,
            stderr=stream,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    site.processes.append(manager)
    site.wait("machines", lambda: "machine-started" in site.log)
    assert [each for each in SAID if each not in site.log] == []
    assert site.end(manager) == 0
    assert "Traceback" not in site.log
