"""Proxies as Debian's grid tools see them: voms-clients and globus-proxy-utils."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.proxy_kit import DAY, Paper, authority, issue, key_text, robot, rsa_key
from vcycled.clock import SystemClock
from vcycled.proxy import Credentials, Mint

pytestmark = pytest.mark.live

POLICY = """\
access_id_CA X509 '/DC=org/DC=example/CN=Test CA'
pos_rights globus CA:sign
cond_subjects globus '"/DC=org/DC=example/*"'
"""


class Grid:
    """A user's proxy, and the folder of the authorities that a grid host trusts."""

    def __init__(self, folder: Path, *, is_legacy: bool = False) -> None:
        """Make an authority, a robot's certificate and a proxy of it for a day."""
        self.folder = folder
        now = SystemClock().now()
        above = authority(now)
        paper = issue(robot(now), rsa_key(1), above)
        given = Credentials.read(paper.pem, key_text(paper.key))
        proxy = Mint().proxy(
            given, machinetype="prod", now=now, until=now + DAY, is_legacy=is_legacy
        )
        (folder / "proxy.pem").write_bytes(proxy)
        (folder / "proxy.pem").chmod(0o600)
        (folder / "certificates").mkdir()
        self._trust(above)

    def _trust(self, paper: Paper) -> None:
        """Put an authority into the folder under both hashes, as IGTF's packages do."""
        folder = self.folder / "certificates"
        (folder / "ca.pem").write_bytes(paper.pem)
        for option in ("-subject_hash", "-subject_hash_old"):
            command = ["openssl", "x509", "-noout", option, "-in", str(folder / "ca.pem")]
            name = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            (folder / f"{name.strip()}.0").write_bytes(paper.pem)
            (folder / f"{name.strip()}.signing_policy").write_text(POLICY)

    def ask(self, *command: str) -> str:
        """Return what a tool prints about the proxy; it must succeed."""
        environment = {
            "PATH": "/usr/bin:/bin",
            "X509_CERT_DIR": str(self.folder / "certificates"),
            "X509_USER_PROXY": str(self.folder / "proxy.pem"),
            "X509_USER_CERT": str(self.folder / "proxy.pem"),
            "X509_USER_KEY": str(self.folder / "proxy.pem"),
        }
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout


@pytest.mark.parametrize(
    ("is_legacy", "style"),
    [(False, "RFC 3820 compliant limited proxy"), (True, "limited legacy globus proxy")],
)
def test_globus_knows_what_kind_of_proxy_it_is(
    tmp_path: Path, is_legacy: bool, style: str
) -> None:
    """Limited, of 2048 bits, for a day and for whom."""
    said = Grid(tmp_path, is_legacy=is_legacy).ask("grid-proxy-info", "-all")
    assert style in said
    assert "strength : 2048 bits" in said
    assert "identity : /DC=org/DC=example/CN=robot" in said
    assert "timeleft : 23:59" in said or "timeleft : 24:00" in said


def test_globus_accepts_its_chain(tmp_path: Path) -> None:
    """From the proxy to an authority of the folder, with its signing policy."""
    said = Grid(tmp_path).ask("grid-cert-diagnostics", "-p")
    assert "Checking that certificate contains an RSA key... ok" in said
    assert "Checking certificate trust chain... ok" in said


def test_voms_reads_it(tmp_path: Path) -> None:
    """It has no VOMS attributes, and is a proxy all the same."""
    said = Grid(tmp_path).ask("voms-proxy-info", "-all")
    assert "issuer    : /DC=org/DC=example/CN=robot" in said
    assert "identity  : /DC=org/DC=example/CN=robot" in said
    assert "type      : RFC compliant proxy" in said
    assert "strength  : 2048 bits" in said
