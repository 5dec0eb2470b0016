"""A tree as Vcycle 3 leaves it, with the modes, old spellings and damage that real ones have.

old = Vcycle3Tree(root)
old.machine("vcycle-prod-abcdefghij", uuid=UUID, started=NOW - 3600)
old.damage("vcycle-prod-abcdefghij", "started")   # a power cut emptied the file
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from tests.builders import NOW

SPACE = "space.example.org"
HOST = "old.example.org"
UUID = "0f3c1b7e-92f1-4d6e-8a35-5b1d2c9e7a41"

Place = Literal["current", "deleted"]


class Vcycle3Tree:
    """One under `root`; every time is stated, so that none depends on the test's own."""

    def __init__(self, root: Path, space: str = SPACE) -> None:
        self.root = root
        self.space = space

    def folder(self, name: str, place: Place = "current") -> Path:
        """Return where a machine's files are."""
        return self.root / "shared" / "spaces" / self.space / place / name

    def half_made(
        self, name: str, *, kind: str = "prod", created: int = NOW - 3700, place: Place = "current"
    ) -> Path:
        """Write what there is of a machine before the cloud is asked for it."""
        folder = self.folder(name, place)
        for inner, mode in (("machinefeatures", 0o755), ("jobfeatures", 0o755), ("joboutputs", 0)):
            (folder / inner).mkdir(parents=True)
            (folder / inner).chmod(mode or 0o777)
        facts: Mapping[str, int | str] = {
            "created": created,
            "updated": created,
            "machinetype_name": kind,
            "space_name": self.space,
            "manager": HOST,
            "https_x509dn": "/DC=org/DC=example/CN=vm",
            "user_data": "#!/bin/sh\n",
            "machinefeatures/shutdowntime": created + 10_000,
        }
        self._write(folder, facts, created)
        return folder

    def machine(
        self,
        name: str,
        *,
        kind: str = "prod",
        uuid: str = UUID,
        created: int = NOW - 3700,
        started: int | None = NOW - 3600,
        seen: int = NOW - 600,
        stopped: int | None = None,
        deleted: int | None = None,
        processors: int = 1,
        hs06: float | None = None,
        place: Place = "current",
    ) -> Path:
        """Write a machine that was made, and what became of it."""
        folder = self.half_made(name, kind=kind, created=created, place=place)
        facts: dict[str, int | float | str | None] = {
            "started": started,
            "stopped": stopped,
            "deleted": deleted,
            "updated": stopped or started,
            "manager_heartbeat": seen,
            "zone": "nova",
            "machinefeatures/jobslots": 1,
            "machinefeatures/total_cpu": processors,
            "machinefeatures/phys_cores": processors,
            "machinefeatures/log_cores": processors,
            "machinefeatures/hs06": hs06,
            "jobfeatures/wall_limit_secs": 10_000,
            "jobfeatures/cpu_limit_secs": 10_000,
            "jobfeatures/max_rss_bytes": processors * 2048 * 2**20,
            "jobfeatures/allocated_cpu": processors,
            "jobfeatures/allocated_CPU": processors,
            "jobfeatures/jobstart_secs": uuid,
            "jobfeatures/hs06_job": hs06,
        }
        self._write(folder, {key: each for key, each in facts.items() if each is not None}, seen)
        return folder

    def say(self, name: str, text: str, *, at: int, place: Place = "current") -> None:
        """Let a machine leave a shutdown message, or Vcycle 3 leave one for it."""
        self._write(self.folder(name, place), {"joboutputs/shutdown_message": text}, at)

    def beat(self, name: str, *, at: int) -> None:
        """Let a machine give a sign of life."""
        self._write(self.folder(name), {"joboutputs/heartbeat": "alive"}, at)

    def damage(self, name: str, file: str, content: bytes = b"") -> None:
        """Leave something else in a file of a machine, by default nothing, as a power cut does."""
        (self.folder(name) / file).write_bytes(content)

    def abort(self, kind: str, at: int) -> None:
        """Write when a machinetype last aborted."""
        folder = self.root / "shared" / "last_abort_times" / self.space
        folder.mkdir(parents=True, exist_ok=True)
        (folder / kind).write_text(str(at))

    def heartbeat_list(self, kind: str, *, at: int) -> None:
        """Write the list of machines with heartbeats, as every cycle does."""
        folder = self.root / "shared" / "spaces" / self.space / "heartbeatlists"
        folder.mkdir(parents=True, exist_ok=True)
        self._write(folder, {kind: ""}, at)

    def record(
        self,
        name: str,
        *,
        uuid: str = UUID,
        kind: str = "prod",
        started: int,
        ended: int,
        site: str = "SITE",
        file: str | None = None,
    ) -> Path:
        """Write an accounting record as Vcycle 3 does, filed by the time of writing."""
        lines = [
            "APEL-individual-job-message: v0.3",
            f"Site: {site}",
            f"SubmitHost: {self.space}/vcycle-{HOST}",
            f"LocalJobId: {uuid}",
            f"LocalUserId: {name}",
            f"Queue: {kind}",
            "GlobalUserName: /DC=org/DC=example/DC=space",
            "FQAN: /vo.example.org/Role=pilot",
            f"WallDuration: {ended - started}",
            f"CpuDuration: {ended - started}",
            "Processors: 1",
            "NodeCount: 1",
            "InfrastructureDescription: APEL-VCYCLE",
            "InfrastructureType: grid",
            f"StartTime: {started}",
            f"EndTime: {ended}",
            "MemoryReal: 2097152",
            "MemoryVirtual: 2097152",
            "ServiceLevelType: HEPSPEC",
            "ServiceLevel: 1.0",
            "%%",
        ]
        written = time.gmtime(ended)
        folder = self.root / "apel-archive" / time.strftime("%Y%m%d", written)
        folder.mkdir(parents=True, exist_ok=True)
        number = f"{len(list(folder.iterdir())):08}"
        path = folder / (file or time.strftime("%H%M%S", written) + number)
        path.write_text("\n".join(lines) + "\n")
        return path

    def contents(self) -> dict[str, bytes]:
        """Return every file, to see later that none was touched."""
        files = (path for path in self.root.rglob("*") if path.is_file())
        return {str(path.relative_to(self.root)): path.read_bytes() for path in files}

    def _write(self, folder: Path, facts: Mapping[str, int | float | str], at: int) -> None:
        for name, value in facts.items():
            path = folder / name
            path.write_text(str(value))
            path.chmod(0o644 if "features/" in name else 0o640)
            os.utime(path, (at, at))
        os.utime(folder, (at, at))
