"""An OpenStack, an EC2 and an Azure space under one manager, full of machines."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.auditor import audit
from tests.cloud_guests import USER_DATA, Guests
from tests.installation import Installation
from tests.three_clouds import Site, serving
from vcycled.apel.record import records_in

SPEED = 20
PATIENCE = 150
"""Real seconds, on a busy host."""
MACHINES = 100
"""That each space holds."""
FIZZLE = 60
WORK = 240
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJVr9H7TyMx1tq2bBr5sU5b8N1B1yBz6gQdLxGg3l9h root@site"

MANAGER = """\
[vcycle]
root = {root}
manager_hostname = manager.example.org
call_timeout_seconds = 1200
cycle_timeout_seconds = 6000
"""
SPACE = """
[space {space}]
{own}processors_limit = {limit}
cycle_seconds = 40
max_creations_per_cycle = 100%
gocdb_sitename = SITE
https_host = localhost
https_port = {port}

[machinetype {space} prod]
target_share = 1
fizzle_seconds = {fizzle}
backoff_seconds = 60
max_wallclock_seconds = 86400
root_image = image:worker
root_public_key = {folder}/key.pub
user_data = {folder}/guest.sh
{kind}"""


class Installed(Installation):
    """One whose machines are in other clouds than ours."""

    def configure(self, *sites: Site) -> None:
        """Write the configuration for these clouds, each with a space."""
        port = self.scene.web_conf.read_text().split("port = ")[1].split()[0]
        parts = [
            SPACE.format(
                space=site.space,
                own=site.section(),
                kind=site.kind(),
                limit=MACHINES * site.processors,
                port=port,
                fizzle=FIZZLE,
                folder=self.scene.folder,
            )
            for site in sites
        ]
        text = MANAGER.format(root=self.scene.root) + "".join(parts)
        if sites:
            (self.scene.folder / "guest.sh").write_text(USER_DATA)
            (self.scene.folder / "key.pub").write_text(KEY)
        self.scene.conf.chmod(0o600)  # it holds secrets
        self.rewrite(text)

    def sweep(self) -> None:
        """Leave it to the clouds, which end with the test."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Installed]:
    """Return an installation whose processes end with the test."""
    made = Installed(tmp_path / "site", speed=SPEED)
    yield made
    made.close()


@pytest.mark.live
@pytest.mark.timeout(600)
def test_three_clouds_are_kept_full_and_accounted(site: Installed) -> None:
    """A hundred machines each; killed in the middle; each on record once, and nothing is left."""
    with serving(site.clock, site.scene.folder) as sites:
        site.configure(*sites)
        trust = site.scene.folder / "ca.pem"
        guests = Guests(sites, site.clock, trust=trust, work_seconds=WORK)
        site.start("vcycle-web")
        with guests.at_work():
            fill_kill_and_empty(site, sites, guests)
        assert guests.refused == []
        assert guests.ended == sum(each.made() for each in sites)
        for each in sites:
            assert each.peak() == MACHINES * each.processors
            assert list(each.left()) == []
        check_accounting(site, sites)


def fill_kill_and_empty(site: Installed, sites: Sequence[Site], guests: Guests) -> None:
    """Let the spaces become full; kill the manager while it replaces machines; remove them all."""
    manager = site.start("vcycled")
    site.wait("full", lambda: all(each.held() == MACHINES for each in sites), PATIENCE)
    with_parts = 2 * MACHINES
    assert all(len(each.left()) > with_parts for each in sites)
    guests.may_end.set()
    site.wait("others", lambda: all(each.made() > MACHINES for each in sites), PATIENCE)
    assert site.end(manager, signal.SIGKILL) == -signal.SIGKILL
    manager = site.start("vcycled")
    most = MACHINES * 18 // 10
    site.wait("all others", lambda: all(each.made() >= most for each in sites), PATIENCE)
    site.configure()
    site.wait("the end", lambda: site.log.count("space-removed") == len(sites), PATIENCE)
    assert site.end(manager) == 0


def check_accounting(site: Installed, sites: Sequence[Site]) -> None:
    """Each machine that worked has its one record, with its times; no other has one."""
    lives = [(each, life) for each in sites for life in each.lives()]
    truth = [life.ran(processors=a.processors, fizzle_seconds=FIZZLE) for a, life in lives]
    with site.store() as store:
        intervals = [each.interval for each in store.intervals()]
    problems = audit(truth, intervals, site.queue, now=site.clock.now())
    # A file that a killed manager had begun stays hidden from ssmsend, which removes it in time.
    assert [each for each in problems if ".tmp:" not in each] == []
    archived = Counter(
        record.local_job_id
        for element in site.queue.archived()
        for record in records_in((site.queue.archive / element).read_text(encoding="ascii"))
    )
    worked = [life.uuid for _, life in lives if life.worked(FIZZLE)]
    assert len(worked) > MACHINES * len(sites)
    assert [uuid for uuid in worked if archived[uuid] != 1] == []
