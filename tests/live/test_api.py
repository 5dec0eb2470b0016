"""The JSON API of a real vcycle-admin, tried by schemathesis with all its checks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.cli_kit import CONF, Site, machine, new_site
from tests.openstack_bed.processes import wait_until
from tests.ports import free_port
from tests.test_admin_api import busy
from vcycled.admin.api_routes import DOS, EXAMPLE_MACHINE, EXAMPLE_UUID, LOOKS
from vcycled.cli.access import token_in

pytestmark = pytest.mark.live

BUDGET_S = 60
SEED = 20261123


@contextmanager
def admin_of(site: Site, port: int) -> Iterator[subprocess.Popen[str]]:
    """Run `vcycle-admin` on a port of loopback."""
    site.configure(CONF.replace("[vcycle]", f"[vcycle]\nadmin_port = {port}"))
    code = "from vcycled.admin import main; main()"
    words = [sys.executable, "-c", code, "--config", str(site.conf)]
    log = site.folder / "admin.log"
    with (
        log.open("w") as file,
        subprocess.Popen(words, stderr=file, env=os.environ, text=True) as process,
    ):
        try:
            assert wait_until(lambda: is_up(port), 60), log.read_text()
            yield process
        finally:
            process.terminate()
            assert process.wait(60) == 0


def is_up(port: int) -> bool:
    """Return whether it answers."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.timeout(5 * BUDGET_S)
def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    """Every path, with what its description allows and what it forbids, with a token."""
    port = free_port()
    site = new_site(tmp_path)
    busy(site)
    site.save(machine(EXAMPLE_MACHINE, uuid=EXAMPLE_UUID))
    with site.store() as store:
        store.installation_id()
    site.close()
    with admin_of(site, port):
        token = token_in((site.root / "admin-token").read_text())
        words = [
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            f"http://127.0.0.1:{port}/api/v1/openapi.json",
            *("--header", f"Authorization: Bearer {token}"),
            *("--max-time", str(BUDGET_S)),
            *("--max-examples", "40"),
            *("--seed", str(SEED)),
            *("--request-timeout", "30"),
            "--generation-deterministic",
            "--continue-on-failure",
            "--no-color",
        ]
        done = subprocess.run(
            words, cwd=tmp_path, capture_output=True, text=True, timeout=2 * BUDGET_S, check=False
        )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    cases = re.search(r"([0-9]+) generated, ([0-9]+) passed", done.stdout)
    assert cases is not None, done.stdout[-2000:]
    assert cases[1] == cases[2]
    # How many cases there is time for is a matter of the host, but each operation has some.
    tested = re.search(r"Selected: ([0-9]+)/\1\s+Tested: \1\b", done.stdout)
    assert tested is not None, done.stdout[-2000:]
    assert int(cases[1]) >= int(tested[1]) == len(LOOKS) + len(DOS)
    log = (tmp_path / "admin.log").read_text()
    assert "Traceback" not in log
