"""The Debian package on a host with systemd: installed, used, upgraded, removed, purged.

One story on one copy of this host, so the tests stand in its order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.packages import MARKS, TOP, built
from tests.packages.guest import PACKAGES, Guest, booted

pytestmark = [*MARKS, pytest.mark.timeout(300)]

UNITS = ("vcycled", "vcycle-web", "vcycle-admin")
COMMANDS = ("vcycle", *UNITS)
CLOUDS_ONLY = "vcycled` with `vcycled-clouds-only.conf"
EXPOSURE = {"vcycled": 3.6, "vcycle-web": 1.7, "vcycle-admin": 1.7, CLOUDS_ONLY: 1.9}
"""What `systemd-analyze security` says of each, of 10; docs/how-to/installing.md tells it."""

CONF = """\
[vcycle]
log_file = /var/log/vcycle/vcycled.log

[space here.example.org]
api = local
processors_limit = 1
cycle_seconds = 2
https_host = localhost
https_port = 8443
https_ca_certificates = /etc/vcycle/cert.pem

[machinetype here.example.org worker]
target_share = 1
user_data = /etc/vcycle.d/worker.sh
backoff_seconds = 60
fizzle_seconds = 60
"""
WEB_CONF = """\
[web]
certificate = /etc/vcycle/cert.pem
key = /etc/vcycle/key.pem
listen = 127.0.0.1
"""
WORKER = """\
#!/bin/sh
cd "$(mktemp -d)" || exit 1
cat >ca.pem <<'END'
##user_data_ca_certificates##
END
touch /usr/can-write && echo /usr >seen
{ id -u; hostname; ls /proc | grep -c '^[0-9]'; } >>seen 2>&1
curl -sS --retry 9 --retry-connrefused --cacert ca.pem -T seen \\
    -H 'Authorization: Bearer ##user_data_machine_token##' '##user_data_joboutputs_url##/seen'
exec sleep 3600
"""


@pytest.fixture(scope="module")
def guest() -> Iterator[Guest]:
    """Boot a copy of this host that has the package installed."""
    deb = built("*.deb")
    with TemporaryDirectory() as folder, booted(Path(folder), deb.parent) as guest:
        guest.do("dpkg", "--install", str(PACKAGES / deb.name))
        yield guest


@pytest.fixture(scope="module")
def running(guest: Guest) -> Guest:
    """Configure it as docs/how-to/installing.md says, with a local space, and start it."""
    guest.do("install", "-d", "-m", "750", "-g", "vcycle", "/etc/vcycle")
    key = ("-keyout", "/etc/vcycle/key.pem", "-out", "/etc/vcycle/cert.pem")
    name = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    guest.do("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *name, *key)
    guest.do("sh", "-c", "chgrp vcycle /etc/vcycle/*.pem; chmod 640 /etc/vcycle/key.pem")
    guest.write("/etc/vcycle.d/worker.sh", WORKER)
    guest.write("/etc/vcycle.conf", CONF)
    guest.write("/etc/vcycle-web.conf", WEB_CONF)
    guest.do("vcycle", "config", "check", "--strict")
    guest.do("systemctl", "enable", "--now", *UNITS)
    return guest


def machines(guest: Guest) -> list[dict[str, object]]:
    """Return what `vcycle machines` says."""
    found: list[dict[str, object]] = json.loads(guest.do("vcycle", "machines", "--json"))
    return found


def main_pids(guest: Guest) -> list[str]:
    """Return the main processes of the units; 0 is none."""
    return guest.do("systemctl", "show", "--property=MainPID", "--value", *UNITS).split()


def worker_pid(guest: Guest) -> str:
    """Return the process that the machine's script became."""
    return guest.do("pgrep", "--full", "--exact", "sleep 3600").strip()


def test_nothing_runs_after_the_installation(guest: Guest) -> None:
    """An example is no configuration, so the units wait to be enabled."""
    for unit in UNITS:
        assert guest.run("systemctl", "is-enabled", unit).stdout == "disabled\n"
        assert guest.run("systemctl", "is-active", unit).stdout == "inactive\n"


def test_the_commands_are_in_the_path(guest: Guest) -> None:
    """Each tells its version, with nothing of Python in the environment."""
    for command in COMMANDS:
        assert guest.do(command, "--version") == f"{command}, version 4.0.0\n"


@pytest.mark.parametrize("api", ["azure", "ec2", "local", "openstack"])
def test_every_kind_of_space_is_there(guest: Guest, api: str) -> None:
    """With the library that it needs."""
    where = f"from vcycled.config import *; print(find_space({api!r}, InstalledSpaces()))"
    assert "Space" in guest.do("/opt/vcycle/bin/python3", "-c", where)


def test_nothing_names_the_folder_where_it_was_built(guest: Guest) -> None:
    """The virtual environment was made elsewhere and works in its place."""
    first = guest.do("head", "-qn1", "/opt/vcycle/bin/vcycle", "/opt/vcycle/bin/vcycled")
    assert first == "#!/opt/vcycle/bin/python3\n" * 2
    found = guest.run("grep", "-rlI", "debian/vcycle/opt", "/opt/vcycle", "/etc/vcycle.conf")
    assert found.stdout == ""


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/etc/vcycle.conf", "640 root vcycle"),
        ("/etc/vcycle-web.conf", "644 root root"),
        ("/etc/vcycle.d", "750 root vcycle"),
        ("/var/lib/vcycle", "755 vcycle vcycle"),
        ("/var/lib/vcycle/shared/spaces", "755 vcycle vcycle"),
        ("/var/lib/vcycle/shared/web_up", "2770 vcycle vcycle"),
        ("/var/log/vcycle", "755 vcycle vcycle"),
    ],
)
def test_who_may_read_what(guest: Guest, path: str, wanted: str) -> None:
    """The configuration may hold passwords; the tree is for all, as in Vcycle 3."""
    assert guest.do("stat", "--format=%a %U %G", path).strip() == wanted


def test_the_units_have_nothing_that_systemd_does_not_know(guest: Guest) -> None:
    """`systemd-analyze verify` is silent."""
    names = [f"{unit}.service" for unit in UNITS]
    assert guest.do("systemd-analyze", "verify", *names) == ""


@pytest.mark.parametrize("unit", EXPOSURE)
def test_how_exposed_the_units_are(guest: Guest, unit: str) -> None:
    """As `systemd-analyze security` counts; the documentation tells the figure."""
    drop_in = "/opt/vcycle/share/vcycle/vcycled-clouds-only.conf"
    unit_with_it = "/lib/systemd/system/clouds-only.service"
    guest.do("sh", "-c", f"cat /lib/systemd/system/vcycled.service {drop_in} >{unit_with_it}")
    name = "clouds-only" if unit == CLOUDS_ONLY else unit
    assert exposure(guest, f"/lib/systemd/system/{name}.service") == EXPOSURE[unit]
    told = (TOP / "docs" / "how-to" / "installing.md").read_text(encoding="utf-8")
    assert f"| `{unit}` | {EXPOSURE[unit]} of 10 |" in told


def exposure(guest: Guest, unit: str) -> float:
    """Return what `systemd-analyze security` says of a unit."""
    said = guest.do("systemd-analyze", "security", "--offline=true", "--no-pager", unit)
    (figure,) = re.findall(r"Overall exposure level for \S+: ([0-9.]+) ", said)
    return float(figure)


def test_the_manual_pages_are_found(guest: Guest) -> None:
    """By their names and sections."""
    for page in (("1", "vcycle"), ("5", "vcycle.conf"), *(("8", unit) for unit in UNITS)):
        assert guest.do("man", "--where", *page).startswith("/usr/share/man/man")


def test_a_machine_runs_and_its_output_arrives(running: Guest) -> None:
    """All that the units forbid leaves the sandbox of a local machine and the web site working."""
    running.until("sh", "-c", "test -e /var/lib/vcycle/shared/spaces/*/current/*/joboutputs/seen")
    seen = running.do("sh", "-c", "cat /var/lib/vcycle/shared/spaces/*/current/*/joboutputs/seen")
    uid, name, processes = seen.split()
    assert (uid, int(processes) < 9) == ("0", True)
    assert name == machines(running)[0]["name"]
    assert running.do("systemctl", "show", "--property=NRestarts", *UNITS).count("=0") == 3


def test_the_admin_site_tells_of_what_runs(running: Guest) -> None:
    """Under all that its unit forbids it reads the database and the tree."""
    site = "http://127.0.0.1:8444"
    assert running.do("curl", "-sS", f"{site}/healthz") == "ok\n"
    running.until("curl", "-sSf", f"{site}/readyz")
    running.until("sh", "-c", f"curl -sSf {site}/metrics | grep 'vcycle_machines.*running.* 1'")


def test_the_web_site_sees_no_secret(running: Guest) -> None:
    """Nor later, when the manager has renamed other files into their places."""
    pid = running.do("systemctl", "show", "--property=MainPID", "--value", "vcycle-web").strip()
    secrets = "/var/lib/vcycle/lastgood.json /var/lib/vcycle/admin-token"
    running.do("sh", "-c", f"for each in {secrets}; do cp -a $each n && mv n $each; done")
    seen = running.do(
        "nsenter", "--target", pid, "--mount", "find", "/var/lib/vcycle", "-maxdepth", "2"
    )
    tree = ("", "/shared", "/shared/spaces", "/shared/web_up", "/www")
    assert sorted(seen.split()) == [f"/var/lib/vcycle{each}" for each in tree]


def test_the_log_is_rotated(running: Guest) -> None:
    """The file is known to logrotate, and the manager goes on in a new one."""
    running.do("logrotate", "--debug", "/etc/logrotate.d/vcycle")
    running.do("logrotate", "--force", "/etc/logrotate.d/vcycle")
    running.do("sh", "-c", "test -s /var/log/vcycle/vcycled.log.1")
    running.do("touch", "/etc/vcycle.conf")
    running.until("test", "-s", "/var/log/vcycle/vcycled.log")
    assert running.do("stat", "--format=%a %U", "/var/log/vcycle/vcycled.log") == "640 vcycle\n"


def test_an_upgrade_starts_the_manager_anew_and_leaves_machines_alone(running: Guest) -> None:
    """The configuration stays as it was edited, and there is one manager."""
    before, worker = main_pids(running), worker_pid(running)
    running.do("dpkg", "--install", str(PACKAGES / built("*.deb").name))
    after = main_pids(running)
    assert all(old != new != "0" for old, new in zip(before, after, strict=True))
    assert running.do("pgrep", "--full", "bin/vcycled").split() == [after[0]]
    assert worker_pid(running) == worker
    assert running.do("cat", "/etc/vcycle.conf") == CONF
    assert [each["state"] for each in machines(running)] == ["running"]


def test_without_local_spaces_more_can_be_forbidden(running: Guest) -> None:
    """The drop-in leaves a manager of clouds working; this cloud does not answer."""
    folder = "/etc/systemd/system/vcycled.service.d"
    running.do("install", "-d", folder)
    running.do("cp", "/opt/vcycle/share/vcycle/vcycled-clouds-only.conf", folder)
    cloud = "api = openstack\nurl = https://127.0.0.1:9/v3\nproject_name = p\nusername = u\n"
    running.write("/etc/vcycle.conf", CONF.replace("api = local", cloud + "password = p"))
    running.do("systemctl", "daemon-reload")
    running.do("systemctl", "restart", "vcycled")
    running.until("grep", "-q", "look-failed", "/var/log/vcycle/vcycled.log")
    assert running.do("systemctl", "is-active", "vcycled") == "active\n"


def test_what_is_kept_when_the_package_goes(running: Guest) -> None:
    """Removing ends both and keeps the rest; purging keeps data, unless it is told not to."""
    running.do("dpkg", "--remove", "vcycle")
    assert running.run("pgrep", "--full", "bin/vcycle").stdout == ""
    running.do("test", "-e", "/etc/vcycle.conf", "-a", "-e", "/var/lib/vcycle/vcycle.db")
    assert "was kept" in running.do("dpkg", "--purge", "vcycle")
    running.do("test", "!", "-e", "/etc/vcycle.conf", "-a", "-e", "/var/lib/vcycle/vcycle.db")
    running.do("dpkg", "--install", str(PACKAGES / built("*.deb").name))
    running.do("env", "VCYCLE_PURGE_DATA=yes", "dpkg", "--purge", "vcycle")
    running.do("test", "!", "-e", "/var/lib/vcycle")
    assert running.run("ls", "/opt/vcycle").stdout.count("No such file") == 1
