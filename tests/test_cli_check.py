"""`vcycle check` on a site: what it prints, its options and its exit statuses."""

from __future__ import annotations

import os
import re

import pytest

from tests.builders import NOW
from tests.cli_kit import CONF, SPACE, OnASite, Site, ended, machine, managed, report, run_of
from tests.proxy_kit import issue, robot, rsa_key
from vcycled.apel.queue import Queue
from vcycled.cli.probe import DAY


class TestCheck(OnASite):
    """The command on a site."""

    def checked(self, site: Site, *words: str) -> tuple[int, str]:
        """Return exit status and output while the manager runs."""
        with managed(site):
            result = site.vcycle("check", "--disk", "1", "0", *words)
        assert "Traceback" not in result.output
        return result.exit_code, result.output

    def ready(self, site: Site) -> None:
        """Let the last cycle be fresh and heartbeats arrive."""
        site.tree.make_ready()
        marker = site.tree.layout.web_up / "web"
        marker.write_text(f"{NOW - 60} {NOW + 99 * DAY}")
        os.utime(marker, (NOW, NOW))
        site.save(machine())
        site.report(report())

    def test_all_is_well(self, site: Site) -> None:
        """Exit status 0, a line with figures, then the findings."""
        self.ready(site)
        status, text = self.checked(site)
        assert status == 0
        first, *rest = text.splitlines()
        told, _, figures = first.partition(" | ")
        assert told == "VCYCLE OK - 8 things are well"
        assert re.fullmatch(r"('[^'=]+'=\d+(s|B)?;[\d:]*;[\d:]*;0(;\d+)? ?)+", figures)
        assert f"'{SPACE} processors'=1;;;0;8" in figures
        assert f"'{SPACE} late'=0s;300;1800;0" in figures
        assert "'records for ssmsend'=0;;;0" in figures
        assert f"'vcycle-web on web certificate'={99 * DAY}s;1209600:;259200:;0" in figures
        assert len(rest) == 8
        assert all(line.startswith("OK: ") for line in rest)

    def test_records_that_wait_are_found_where_they_are(self, site: Site) -> None:
        """In the database, and in apel-outgoing."""
        self.ready(site)
        run = run_of(ended())
        site.save(ended(), intervals=(run,))
        site.clock.jump(-3600)
        with site.store() as store:
            assert store.unexported("apel") == (run,)
        site.clock.jump(3600)
        assert "OK: 1 record for apel, the oldest for 1 h" in self.checked(site)[1]
        path = Queue(site.root).put(run)
        message = Queue(site.root).outgoing / path.parent.name / path.name
        os.utime(message, (NOW - DAY - 1, NOW - DAY - 1))
        status, text = self.checked(site)
        assert (status, text.splitlines()[0].partition(" | ")[0]) == (
            1,
            "VCYCLE WARNING - 1 record for ssmsend, the oldest for 1 d",
        )
        assert self.checked(site, "--records", "90000", "90000")[0] == 0

    def test_bounds_are_options(self, site: Site) -> None:
        """Each has two numbers; wrong use is UNKNOWN."""
        self.ready(site)
        site.clock.advance(55)
        assert self.checked(site, "--late", "4", "100")[0] == 1
        assert self.checked(site, "--late", "0", "4")[0] == 2
        assert self.checked(site, "--late", "4")[0] == 3
        assert self.checked(site, "--nonsense")[0] == 3

    @pytest.mark.parametrize(
        ("bounds", "said"),
        [
            (["--late", "10", "10"], ""),
            (["--late", "10", "9"], "the warning (10) must not lie above the critical bound (9)"),
            (["--credentials", "9", "9"], ""),
            (["--credentials", "9", "10"], "(9) must not lie below the critical bound (10)"),
            (["--disk", "0", "0"], ""),
            (["--disk", "9", "10"], "(9) must not lie below the critical bound (10)"),
        ],
    )
    def test_a_warning_comes_no_later_than_the_alarm(
        self, site: Site, bounds: list[str], said: str
    ) -> None:
        """Bounds in the wrong order would never warn; that is wrong use."""
        self.ready(site)
        result = site.vcycle("check", *bounds)
        assert (result.exit_code == 3, said in result.output) == (bool(said), True)
        assert (f"Invalid value for '{bounds[0]}'" in result.output) == bool(said)

    def test_the_room_that_creation_wants_is_the_bound_of_disks(self, site: Site) -> None:
        """And twice that is a warning."""
        self.ready(site)
        site.configure(CONF.replace("[vcycle]", "[vcycle]\nmin_free_mb = 700"))
        assert re.search(r"'=\d+B;1468006400:;734003200:;0;\d+", site.vcycle("check").output)
        site.configure(CONF.replace("[vcycle]", "[vcycle]\nmin_free_mb = 0"))
        assert re.search(r"'=\d+B;1073741824:;536870912:;0;\d+", site.vcycle("check").output)

    def test_a_space_that_its_configuration_holds_is_a_warning(self, site: Site) -> None:
        """Its machines go on."""
        self.ready(site)
        site.configure(CONF.partition("[machinetype")[0])
        status, text = self.checked(site)
        assert status == 1
        assert f"WARNING: {SPACE}: held: there is no machinetype in this space" in text

    def test_the_certificate_of_vcycle_admin_is_read_from_its_file(self, site: Site) -> None:
        """One that is not there is told, as nobody could be served."""
        self.ready(site)
        path = site.root / "admin.pem"
        options = f"[vcycle]\nadmin_cert = {path}\nadmin_key = {path}"
        site.configure(CONF.replace("[vcycle]", options))
        status, text = self.checked(site)
        assert status == 1
        assert "\nWARNING: vcycle-admin: when its certificate ends cannot be read\n" in text
        path.write_bytes(issue(robot(NOW), rsa_key(1)).pem)
        status, text = self.checked(site)
        assert status == 0
        assert "\nOK: vcycle-admin: certificate ends in 20 d\n" in text
        assert self.checked(site, "--credentials", str(21 * DAY), "0")[0] == 1

    def test_a_manager_that_does_not_run_is_critical(self, site: Site) -> None:
        """Whatever else is well."""
        self.ready(site)
        with managed(site):
            pass
        result = site.vcycle("check")
        assert result.exit_code == 2
        assert result.output.startswith("VCYCLE CRITICAL - vcycled is NOT running; ")

    def test_a_database_that_does_not_answer_is_critical(self, site: Site) -> None:
        """Nothing can be managed then."""
        site.close()
        (site.root / "vcycle.db").write_bytes(b"not a database" * 100)
        result = site.vcycle("check")
        assert result.exit_code == 2
        assert result.output.startswith("VCYCLE CRITICAL - the database does not answer: ")

    def test_what_cannot_be_judged_is_unknown(self, site: Site) -> None:
        """No database yet; a configuration of which nothing can be used."""
        site.close()
        (site.root / "vcycle.db").unlink()
        result = site.vcycle("check")
        assert result.exit_code == 3
        assert result.output.startswith("VCYCLE UNKNOWN - there is no database yet at ")
        site.configure(CONF.replace("[vcycle]", "[vcycle]\nadmin_port = none"))
        assert site.vcycle("check").exit_code == 3
