"""Templates before the real judges of what they become: Debian's own tools."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from tests.local_host import until
from tests.ports import free_port
from tests.template_kit import VARIANTS, rendered, serving_folder, shell_of
from vcycled.templates import packaged

pytestmark = pytest.mark.live
CLOUD = sorted(set(packaged.names()) - {"minimal"})


def run(*command: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program of this host."""
    return subprocess.run(
        [str(word) for word in command],
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.mark.parametrize("name", CLOUD)
@pytest.mark.parametrize("variant", VARIANTS)
def test_cloud_init_finds_them_right(name: str, variant: str, tmp_path: Path) -> None:
    """By its schema."""
    path = tmp_path / "user_data"
    path.write_text(rendered(name, VARIANTS[variant](name)))
    done = run("cloud-init", "schema", "--config-file", path)
    assert (done.returncode, done.stdout.startswith("Valid")) == (0, True), done.stdout


@pytest.mark.parametrize("name", packaged.names())
@pytest.mark.parametrize("variant", VARIANTS)
def test_shellcheck_finds_nothing(name: str, variant: str) -> None:
    """Not even matters of style."""
    script = shell_of(rendered(name, VARIANTS[variant](name)))
    done = run("shellcheck", "--shell=sh", "--severity=style", "-", text=script)
    assert (done.returncode, done.stdout) == (0, "")


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """They are the same in all."""
    files = yaml.safe_load(rendered("squid"))["write_files"]
    units = [each for each in files if each["path"].startswith("/etc/systemd/system/")]
    assert len(units) == 3
    for unit in units:
        (tmp_path / Path(unit["path"]).name).write_text(unit["content"])
    done = run("systemd-analyze", "verify", *sorted(tmp_path.iterdir()))
    assert [line for line in done.stdout.splitlines() if "vcycle" in line] == []
    assert done.returncode == 0


def squid_config(folder: Path, options: dict[str, str]) -> Path:
    """Return the file that a machine of template:squid makes, for a user of this host."""
    script = shell_of(rendered("squid", {**options, "cache_folder": str(folder / "cache")}))
    path = folder / "squid.conf"
    # The function that writes it is the template's; where it does is ours.
    done = run("sh", "-c", f"{script}\nconfig='{path}'; write_config")
    assert done.returncode == 0, done.stdout
    return path


@pytest.mark.parametrize("servers", ["", ".example.org .example.net"])
def test_squid_takes_its_configuration(servers: str, tmp_path: Path) -> None:
    """Without a word about it."""
    path = squid_config(tmp_path, {"servers": servers})
    done = run("squid", "-k", "parse", "-f", path)
    assert done.returncode == 0
    assert [word for word in done.stdout.splitlines() if "WARN" in word or "ERR" in word] == []


def fetch(port: int, url: str) -> str:
    """Return the status that a client of the cache gets."""
    command: Sequence[str] = ("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}")
    return run(*command, "--proxy", f"http://127.0.0.1:{port}", "--noproxy", "", url).stdout


def test_a_real_squid_serves_whom_it_may(tmp_path: Path) -> None:
    """Clients of its networks, to ports of its list, but never to its own host."""
    folder = tmp_path / "www"
    folder.mkdir()
    (folder / "file").write_text("cached")
    with serving_folder(folder) as url:
        port, server = free_port(), url.rpartition(":")[2]
        options = {"port": str(port), "clients": "127.0.0.0/8", "ports": f"80 {server}"}
        path = squid_config(tmp_path, options)
        # Squid's user may not reach the folder of a test.
        text = re.sub(r"^cache_dir .*\n", "", path.read_text(), flags=re.MULTILINE)
        path.write_text(f"{text}pid_filename {tmp_path}/squid.pid\n")
        strict = fetch_while_it_runs(path, port, f"{url}/file")
        path.write_text(path.read_text().replace("http_access deny to_localhost\n", ""))
        loose = fetch_while_it_runs(path, port, f"{url}/file")
    assert (strict, loose) == ("403", "200")


def fetch_while_it_runs(path: Path, port: int, url: str) -> str:
    """Run Squid in the foreground, as the template does, for one request."""
    squid = subprocess.Popen(["squid", "-N", "-f", path], stdout=sys.stderr, stderr=sys.stderr)
    try:
        until(lambda: run("curl", "-s", f"http://127.0.0.1:{port}/").returncode == 0)
        return fetch(port, url)
    finally:
        os.kill(squid.pid, signal.SIGTERM)
        squid.wait(90)
