"""What vcycle-admin's pages and its API cost, and how that grows with the machines on record.

    python -m bench.admin_pages [MACHINES]

So many machines are there, and ten times as many are gone; beside it stands a tenth of all that.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp

from bench.table import Table
from tests.builders import NOW
from tests.cli_kit import SPACE, Site, ended, machine, new_site, report
from vcycled.admin.site import AdminSite, listening
from vcycled.cli.session import Session
from vcycled.model import Machine

MACHINES = 10_000
_TRIES = 5
_AT_ONCE = 5000
_PATHS = (
    "/",
    f"/spaces/{SPACE}",
    f"/spaces/{SPACE}/prod",
    "/machines",
    "/machines?gone=yes",
    "/events",
    "/accounting",
    "/metrics",
    "/api/v1/machines?limit=1000",
)


def machines(here: int) -> Iterator[Machine]:
    """Yield those that are there, then those that are gone: a tenth of them in the last day."""
    for number in range(here):
        yield machine(f"vcycle-prod-l{number:09}")
    for number in range(10 * here):
        age_s = 864_000 * number // (10 * here)
        yield ended(
            f"vcycle-prod-g{number:09}",
            started_at=NOW - age_s - 7200,
            stopped_at=NOW - age_s - 60,
            gone_at=NOW - age_s,
        )


def filled(folder: Path, here: int) -> Site:
    """Return an installation with all of these on record."""
    folder.mkdir()
    site = new_site(folder)
    every = list(machines(here))
    for at in range(0, len(every), _AT_ONCE):
        site.save(*every[at : at + _AT_ONCE])
    site.report(report())
    return site


async def looks(site: Site) -> dict[str, float]:
    """Return the least CPU time of this process for each path [ms], the client's included."""
    best = dict.fromkeys(_PATHS, float("inf"))
    admin = AdminSite(lambda: Session(site.clock, [site.conf]))
    async with listening(admin, ("127.0.0.1",), 0) as port, aiohttp.ClientSession() as client:
        for path in _PATHS * _TRIES:
            began = time.process_time()
            async with client.get(f"http://127.0.0.1:{port}{path}") as answer:
                answer.raise_for_status()
                await answer.read()
            best[path] = min(best[path], 1000 * (time.process_time() - began))
    return best


def main() -> None:
    """Print the table."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else MACHINES
    with tempfile.TemporaryDirectory() as folder:
        few, many = (
            asyncio.run(looks(filled(Path(folder, str(here)), here)))
            for here in (number // 10, number)
        )
    table = Table("page", f"CPU ms, {number // 10} machines", f"{number} machines", "ratio")
    table.head()
    for path, cost in many.items():
        table.row([path, few[path], cost, cost / few[path]])


if __name__ == "__main__":
    main()
