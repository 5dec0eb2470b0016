"""Stop the old manager, import, start the new one: with real processes and real machines."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.installation import Installation
from tests.vcycle3_tree import Vcycle3Tree
from vcycled.apel.commands import listing
from vcycled.demo.scene import SPACE
from vcycled.model import MachineState
from vcycled.spaces.base import CreateRequest

# Real processes, which are not measured: see tests/conftest.py.
pytestmark = [pytest.mark.timeout(600), pytest.mark.no_cover]

NAMES = [f"vcycle-work-{number:010}" for number in range(3)]
COMMAND = "import sys; from vcycled.cli import main; sys.exit(main())"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Installation]:
    """Return an installation in which machines may grow old, and nothing runs yet."""
    made = Installation(tmp_path / "site")
    text = made.scene.conf.read_text()
    made.scene.conf.write_text(
        text.replace("max_wallclock_seconds = 120", "max_wallclock_seconds = 86400")
    )
    yield made
    made.close()


def boot(site: Installation, name: str, script: str) -> str:
    """Let the cloud have a machine that bears no tags of ours; return its id."""
    space = site.space
    space.connect()
    return space.create(
        CreateRequest(
            name=name,
            uuid=name,
            machinetype="work",
            flavor="small",
            zone="",
            user_data=f"#!/bin/sh\n{script}\n".encode(),
            tags={"name": name, "machinetype": "work"},
        )
    )


def vcycle(site: Installation, *words: str) -> str:
    """Run the command line; return what it says."""
    line = [sys.executable, "-c", COMMAND, "--config", str(site.scene.conf), *words]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_machine_runs_on_under_the_new_manager(site: Installation) -> None:
    """Each is found by its id, one ends and is accounted, and the tree is whole for a way back."""
    ids = [
        boot(site, name, f"exec sleep {seconds}")
        for name, seconds in zip(NAMES, (600, 600, 8), strict=True)
    ]
    old, now = Vcycle3Tree(site.scene.root, SPACE), site.clock.now()
    for name, cloud_id in zip(NAMES, ids, strict=True):
        old.machine(
            name, kind="work", uuid=cloud_id, created=now - 1000, started=now - 900, seen=now - 400
        )
    assert "3 machines taken over" in vcycle(site, "import-vcycle3", str(site.scene.root))

    manager = site.start("vcycled")
    site.wait("all found", lambda: running(site) >= set(ids[:2]))
    site.wait("more made", lambda: running(site) - set(ids) != set())
    site.wait("a record", lambda: job_ids(site).count(ids[2]) == 1)
    site.wait("another cycle", lambda: len(site.here()) == len(site.machines()))
    assert set(ids[:2]) <= running(site)
    assert site.end(manager) == 0

    here = {each.cloud_id for each in site.here()}
    assert set(ids[:2]) <= here
    current = {folder.name for folder in old.folder("x").parent.iterdir()}
    assert set(NAMES[:2]) <= current
    assert job_ids(site).count(ids[2]) == 1


def running(site: Installation) -> set[str]:
    """Return the ids of the machines that the manager sees running."""
    return {each.cloud_id for each in site.machines() if each.state is MachineState.RUNNING}


def job_ids(site: Installation) -> list[str]:
    """Return the LocalJobIds of all records that were written."""
    entries = listing(site.queue, now=site.clock.now())
    return [record.local_job_id for entry in entries for record in entry.records]
