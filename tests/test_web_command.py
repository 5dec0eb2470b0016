"""The command vcycle-web as a process: what it says, how it ends."""

import asyncio
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from click.testing import CliRunner

from tests.ports import free_port
from tests.systemd_kit import Systemd
from tests.web_site import ONE, SPACE, TOKENS, certificate_files, prepare
from vcycled.clock import SystemClock
from vcycled.web import main

COMMAND = [sys.executable, "-c", "from vcycled.web import main; main()"]


@pytest.fixture
def port() -> int:
    """A port that is free."""
    return free_port()


@pytest.fixture
def config(tmp_path: Path, port: int) -> Path:
    """A configuration file of a site with two machines."""
    prepare(tmp_path / "vcycle")
    authority = trustme.CA()
    certificate, key = certificate_files(tmp_path, authority)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    path = tmp_path / "vcycle-web.conf"
    path.write_text(
        f"[web]\nroot = {tmp_path}/vcycle\nlisten = 127.0.0.1\nport = {port}\n"
        f"certificate = {certificate}\nkey = {key}\nhostname = web01.example.com\n"
    )
    return path


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    """What started the command."""
    made = Systemd(str(tmp_path / "notify"))
    yield made
    made.socket.close()


@pytest.fixture
def process(config: Path, systemd: Systemd) -> Iterator["subprocess.Popen[str]"]:
    """The running command."""
    with subprocess.Popen(
        [*COMMAND, "--config", str(config)],
        stderr=subprocess.PIPE,
        text=True,
        env=systemd.environment,
    ) as child:
        assert child.stderr is not None
        for line in child.stderr:
            if "web-started" in line:
                break
        yield child
        child.kill()


async def test_it_serves_until_it_is_told_to_end(
    process: "subprocess.Popen[str]", tmp_path: Path, port: int, systemd: Systemd
) -> None:
    """A real machine's PUT, a sign of life while it runs, none after, no token in the log."""
    assert systemd.next() == "READY=1"
    marker = tmp_path / "vcycle" / "shared" / "web_up" / "web01.example.com"
    url = f"https://{TOKENS[ONE]}@localhost:{port}/machines/{SPACE}/{ONE}/joboutputs/heartbeat"
    curl = await asyncio.create_subprocess_exec(
        "curl", "-sS", "--cacert", str(tmp_path / "ca.pem"), "-T", "/dev/null", url
    )
    assert await curl.wait() == 0
    assert abs(SystemClock().now() - int(marker.read_text().split()[0])) < 120
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 0
    assert not marker.exists()
    stamp = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}"
    assert re.search(f"{stamp} INFO web-request peer=127.0.0.1 method=PUT", log, re.MULTILINE)
    assert "web-stopped" in log
    assert systemd.next() == "STOPPING=1"
    assert TOKENS[ONE] not in log


def test_a_port_that_is_taken_is_told(config: Path, port: int) -> None:
    """Exit status 1 and the port."""
    with socket.create_server(("127.0.0.1", port)):
        command = [*COMMAND, "--config", str(config)]
        result = subprocess.run(
            command, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert result.returncode == 1
    assert f"cannot serve on port {port}: " in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "certificate: "),
        ("[web]\nport = http\n", ":2: [web] port: must be a whole number"),
        ("[web]\ncertificate = /nowhere/cert.pem\nkey = /nowhere/key.pem\n", "there is no file"),
    ],
)
def test_a_wrong_configuration_ends_it_with_2(tmp_path: Path, content: str, why: str) -> None:
    """Before anything is opened, with all that is wrong."""
    path = tmp_path / "vcycle-web.conf"
    path.write_text(content)
    result = CliRunner().invoke(main, ["--config", str(path)])
    assert result.exit_code == 2
    assert why in result.stderr
