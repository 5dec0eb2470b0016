"""The accounting records that Vcycle 3 wrote: no machine is to get a second one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vcycled.apel.record import JobRecord, records_in
from vcycled.vcycle3.facts import Trouble

_DAY = re.compile(r"[0-9]{8}")
_FILE = re.compile(r"[0-9]{6,14}")
"""Six digits of the time of day and up to eight of a fraction, which was not padded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OldRecord:
    """One record, and whether it was handed to APEL too."""

    record: JobRecord
    is_published: bool
    """False if the space had no gocdb_sitename then."""


def read_archive(
    root: Path, *, since: str, sites: frozenset[str]
) -> tuple[Mapping[str, OldRecord], tuple[Trouble, ...]]:
    """Return the records of apel-archive by LocalJobId, and what cannot be read.

    Args:
        root: of the tree.
        since: first day to read, YYYYMMDD; Vcycle 3 filed by local time of writing.
        sites: gocdb_sitename of each space: records of other sites were kept here only.

    Raises:
        OSError: the archive is there but cannot be listed.
    """
    found: dict[str, OldRecord] = {}
    troubles: list[Trouble] = []
    for path in _files(root / "apel-archive", since):
        try:
            records = records_in(path.read_bytes().decode("ascii"))
        except (OSError, ValueError) as error:
            troubles.append(Trouble(path=str(path.relative_to(root)), why=str(error)))
            continue
        for record in records:
            if not record.machine_name:  # Vcycle 3 stated none, we do
                old = OldRecord(record=record, is_published=record.site in sites)
                found[record.local_job_id] = old
    return found, tuple(troubles)


def _files(archive: Path, since: str) -> list[Path]:
    days: list[Path] = []
    with suppress(FileNotFoundError):
        days = sorted(each for each in archive.iterdir() if _DAY.fullmatch(each.name))
    return [
        path
        for day in days
        if day.name >= since
        for path in sorted(day.iterdir())
        if _FILE.fullmatch(path.name)
    ]
