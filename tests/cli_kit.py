"""A site for tests of the command line: a configuration, a real SQLite store, a tree, a clock.

All is seen at NOW (08:00:00 UTC). A test saves what matters (`site.save(...)`) and calls
`site.ok("status")`.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.builders import NOW
from vcycled.cli import main
from vcycled.config import SpaceConfig, SpaceOptions
from vcycled.cycle.report import SpaceReport
from vcycled.machinedir import MachineDir
from vcycled.model import (
    Cause,
    Changes,
    EndSource,
    Event,
    Hold,
    Machine,
    MachineState,
    RunInterval,
    ShutdownMessage,
    Stage,
    Terms,
)
from vcycled.spaces.memory import MemoryOptions
from vcycled.store import Store
from vcycled.testing.clock import FakeClock

SPACE = "cloud.example.com"
OTHER = "other.example.com"

CONF = f"""\
[vcycle]
root = ROOT
manager_hostname = manager.example.com

[space {SPACE}]
api = local
local_dir = ROOT/cloud
flavors = small:1:2048
processors_limit = 8
gocdb_sitename = EXAMPLE-SITE

[machinetype {SPACE} prod]
target_share = 2
backoff_seconds = 900
fizzle_seconds = 600
heartbeat_file = heartbeat
heartbeat_seconds = 300
accounting_fqan = /vo.example.com/Role=pilot
user_data = FOLDER/user_data

[machinetype {SPACE} test]
target_share = 1
backoff_seconds = 900
fizzle_seconds = 600
user_data = FOLDER/user_data
"""

SECOND_SPACE = f"""
[space {OTHER}]
api = local
local_dir = ROOT/cloud
flavors = small:1:2048

[machinetype {OTHER} prod]
target_share = 1
backoff_seconds = 900
fizzle_seconds = 600
user_data = FOLDER/user_data

[machinetype {OTHER} extra]
target_share = 1
backoff_seconds = 900
fizzle_seconds = 600
user_data = FOLDER/user_data
"""

TERMS = Terms(
    fizzle_seconds=600,
    max_wallclock_seconds=86_400,
    heartbeat_file="heartbeat",
    heartbeat_seconds=300,
    site="EXAMPLE-SITE",
    is_published=True,
    submit_host=f"{SPACE}/vcycle-manager.example.com",
    manager_host="manager.example.com",
)

MACHINE = Machine(
    uuid="",
    name="",
    space=SPACE,
    machinetype="prod",
    stage=Stage.LISTED,
    state=MachineState.RUNNING,
    processors=1,
    memory_mb=2048,
    flavor="small",
    terms=TERMS,
    created_at=NOW - 3700,
    seen_at=NOW - 3660,
    started_at=NOW - 3600,
    token_hash="5ec4e7",
)


def machine(
    name: str = "vcycle-prod-0000000001",
    /,
    **changes: Any,  # noqa: ANN401 - replace() refuses wrong names
) -> Machine:
    """Return a machine that has run for an hour, with `changes`."""
    own = {"uuid": f"uuid-{name}", "cloud_id": f"id-{name}"}
    return replace(MACHINE, name=name, **{**own, **changes})


def ended(name: str = "vcycle-prod-0000000009", /, **changes: Any) -> Machine:  # noqa: ANN401
    """Return a machine that ran for two hours, ended an hour ago, and is gone."""
    usual = {
        "stage": Stage.GONE,
        "state": MachineState.SHUTDOWN,
        "created_at": NOW - 10_900,
        "started_at": NOW - 10_800,
        "stopped_at": NOW - 3600,
        "end_source": EndSource.MESSAGE,
        "message": ShutdownMessage(code=200, text="200 Success", written_at=NOW - 3600),
        "gone_at": NOW - 3500,
        "is_closed": True,
    }
    return machine(name, **{**usual, **changes})


def run_of(gone: Machine, **changes: Any) -> RunInterval:  # noqa: ANN401 - as above
    """Return the final run of an ended machine."""
    assert gone.started_at is not None
    assert gone.stopped_at is not None
    run = RunInterval(
        uuid=gone.uuid,
        interval=gone.interval,
        space=gone.space,
        machinetype=gone.machinetype,
        name=gone.name,
        processors=gone.processors,
        memory_mb=gone.memory_mb,
        started_at=gone.started_at,
        ended_at=gone.stopped_at,
        end_source=EndSource.MESSAGE,
        is_final=True,
        terms=gone.terms,
    )
    return replace(run, **changes)


def sink_document(name: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    """Return what documents say of a sink that is well and has all, with `changes`."""
    well = {
        "name": name,
        "records": 0,
        "oldest_at": None,
        "spaces": [],
        "outages": [],
        "refused": [],
        "left_at": None,
        "credential_ends": {},
    }
    return {**well, **changes}


def event(name: str, about: str = "", **changes: Any) -> Event:  # noqa: ANN401 - as above
    """Return an event of a machine, now."""
    plain = Event(at=NOW, space=SPACE, event=name, machinetype="prod", machine=about)
    return replace(plain, **changes)


def bare_config(*, is_removed: bool) -> SpaceConfig:
    """Return the configuration of a space without machinetypes, or of one whose section went."""
    return SpaceConfig(
        name=SPACE,
        api="memory",
        options=SpaceOptions(api="memory"),
        api_options=MemoryOptions(),
        machinetypes=(),
        held="its section was removed from the configuration" if is_removed else "",
        is_removed=is_removed,
    )


def report(**changes: Any) -> SpaceReport:  # noqa: ANN401 - as above
    """Return the report of a cycle ten seconds ago that did nothing."""
    plain = SpaceReport(
        space=SPACE, at=NOW - 10, wake_at=NOW + 50, seconds={"look": 0.25, "plan": 0.5}
    )
    return replace(plain, **changes)


@dataclass(slots=True, kw_only=True)
class Site:
    """A manager's folder and configuration."""

    folder: Path
    clock: FakeClock
    _store: Store | None = None

    @property
    def conf(self) -> Path:
        """The configuration file."""
        return self.folder / "vcycle.conf"

    @property
    def root(self) -> Path:
        """The manager's folder."""
        return self.folder / "root"

    @property
    def url(self) -> str:
        """The URL of the database."""
        return f"sqlite:///{self.root}/vcycle.db"

    @property
    def tree(self) -> MachineDir:
        """The published tree."""
        return MachineDir(self.root, clock=self.clock)

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Give the store, open for writing; it stays open, as opening it is slow."""
        if self._store is None:
            self._store = Store.open(self.url, clock=self.clock)
        yield self._store

    def close(self) -> None:
        """Close the store; to be called before its file is replaced or removed."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def save(
        self,
        *machines: Machine,
        space: str = SPACE,
        **changes: Any,  # noqa: ANN401 - as above
    ) -> None:
        """Save machines and whatever else Changes takes."""
        with self.store() as store:
            store.save(Changes(space=space, machines=machines, **changes))

    def report(self, given: SpaceReport) -> None:
        """Save the report of a space's last cycle."""
        with self.store() as store:
            store.save_report(given.space, given.to_json(), at=given.at)

    def configure(self, text: str) -> None:
        """Write the configuration; ROOT and FOLDER stand for the site's own."""
        text = text.replace("ROOT", str(self.root)).replace("FOLDER", str(self.folder))
        self.conf.write_text(text)

    def vcycle(self, *words: str, answer: str | None = None) -> Result:
        """Run `vcycle` in this process."""
        runner = CliRunner()
        args = ["--config", str(self.conf), *words]
        return runner.invoke(main, args, obj=self.clock, input=answer, catch_exceptions=False)

    def ok(self, *words: str, answer: str | None = None) -> str:
        """Run `vcycle`, which must succeed without a word on standard error; return its output."""
        result = self.vcycle(*words, answer=answer)
        assert result.exit_code == 0, result.output
        assert result.stderr == ""
        return result.stdout

    def refused(self, *words: str, status: int = 1) -> str:
        """Run `vcycle`, which must fail with this status; return what it says of that."""
        result = self.vcycle(*words)
        assert result.exit_code == status, result.output
        assert "Traceback" not in result.output
        return result.stderr

    def json(self, *words: str) -> Any:  # noqa: ANN401 - any document
        """Run `vcycle … --json` and return the document."""
        return json.loads(self.ok(*words, "--json"))


def new_site(folder: Path, prepared: Path | None = None, *, text: str = CONF) -> Site:
    """Make a site in `folder`.

    Args:
        folder: an empty one.
        prepared: a database to start with; None is a site where vcycled has never run.
        text: the configuration.
    """
    site = Site(folder=folder, clock=FakeClock(NOW))
    site.root.mkdir(mode=0o755)
    (folder / "user_data").write_text("#!/bin/sh\nexit 0\n")
    site.configure(text)
    if prepared is not None:
        shutil.copy(prepared, site.root / "vcycle.db")
    return site


@contextmanager
def managed(site: Site) -> Iterator[None]:
    """Let it look as if vcycled ran."""
    handle = os.open(site.root / "vcycled.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@cache
def _prepared(folder: Path) -> Path:
    """Return a database with an installation id and nothing else, made once."""
    path = folder / "prepared-for-cli.db"
    with Store.open(f"sqlite:///{path}", clock=FakeClock(NOW)) as store:
        store.installation_id()
    return path


class OnASite:
    """A class of tests that run commands on a site where vcycled has run but does not now."""

    @pytest.fixture
    def site(
        self,
        tmp_path: Path,
        tmp_path_factory: pytest.TempPathFactory,
        monkeypatch: pytest.MonkeyPatch,
    ) -> Iterator[Site]:
        """Return a site with one space and an empty store; times are told in UTC."""
        monkeypatch.setenv("TZ", "UTC")
        monkeypatch.delenv("SUDO_USER", raising=False)
        time.tzset()
        site = new_site(tmp_path, _prepared(tmp_path_factory.getbasetemp()))
        yield site
        site.close()
        monkeypatch.undo()
        time.tzset()


PROD = "vcycle-prod-0000000001"
"""The machine that `machine()` makes."""
STARTING = machine(
    "vcycle-prod-0000000002",
    state=MachineState.STARTING,
    stage=Stage.ASKED,
    started_at=None,
    created_at=NOW - 5,
)
BACKOFF = Hold(
    machinetype="prod",
    cause=Cause.BACKOFF,
    detail="a machine aborted 650 s ago and backoff_seconds is 900",
    until=NOW + 250,
)
