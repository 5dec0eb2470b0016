"""vcycle-web and Apache with a CGI script, each with its own tree: what bench.web_puts compares.

Both speak TLS with the same certificate, ask clients for one of the same authority, heed its CRLs
and write a line for each request into a log.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.grid import DN, NOW, authority, crl, put_authority, show
from tests.proxy_kit import DAY, Paper, Wanted, issue, name, rsa_key
from vcycled import mjf
from vcycled.clock import SystemClock
from vcycled.machinedir import MachineDir, NewMachine, hash_of

SPACE = "cloud.example.org"
_MODULES = "mpm_prefork authz_core socache_shmcb ssl alias cgi"
_NOBODY = 65_534
_PATIENCE_S = 20.0
_SCRIPT = Path(__file__).with_name("web_puts_cgi.py")
_TICKS = os.sysconf("SC_CLK_TCK")
_WEB = """\
[web]
root = {folder}/vcycle
listen = 127.0.0.1
port = {port}
certificate = {folder}/host.pem
key = {folder}/host.pem
client_authorities = {folder}/certificates
joboutputs_max_per_minute = 1000000
"""
_APACHE = """\
ServerRoot {folder}
PidFile {folder}/pid
DefaultRuntimeDir {folder}
ServerName localhost
Listen 127.0.0.1:{port}
{modules}
StartServers 10
MinSpareServers 10
MaxRequestWorkers 32
MaxKeepAliveRequests 0
KeepAliveTimeout 30
LogFormat "%h %t \\"%r\\" %>s %b"
ErrorLog {folder}/error.log
TransferLog {folder}/access.log
SSLEngine on
SSLCertificateFile {folder}/host.pem
SSLCertificateKeyFile {folder}/host.pem
SSLCACertificatePath {folder}/certificates
SSLCARevocationPath {folder}/certificates
SSLCARevocationCheck chain no_crl_for_cert_ok
SSLVerifyClient optional
SSLVerifyDepth 10
SSLOptions +StdEnvVars +LegacyDNStringFormat
ScriptAliasMatch "^/machines/.*" {folder}/put.cgi
<Directory {folder}>
    Require all granted
    CGIPassAuth On
</Directory>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that listens, and what its clients need."""

    name: str
    port: int
    pid: int
    authority: Path
    papers: Path
    tree: MachineDir

    def path(self, machine: str) -> str:
        """Return where a machine puts its heartbeat."""
        return f"/machines/{SPACE}/{machine}/joboutputs/heartbeat"

    def cpu(self) -> float:
        """Return the CPU seconds of all its processes until now, also those that ended."""
        return _cpu_of(self.pid)


def machine(number: int) -> str:
    """Return the name of a machine."""
    return f"vcycle-prod-{number:010}"


def token(number: int) -> str:
    """Return its token."""
    return f"token-of-machine-{number:010}"


def has_apache() -> bool:
    """Return whether Debian's apache2-bin is here, and a Python that it may start."""
    return shutil.which("apache2") is not None and Path("/usr/bin/python3").exists()


@contextmanager
def vcycle_web(folder: Path, machines: int, processor: int) -> Iterator[Server]:
    """Run vcycle-web in `folder` on one processor."""
    tree, port = _prepare(folder, machines), _free_port()
    config = folder / "vcycle-web.conf"
    config.write_text(_WEB.format(folder=folder, port=port))
    command: list[str | Path] = [
        sys.executable,
        "-c",
        "from vcycled.web import main; main()",
        "--config",
        config,
    ]
    with _running(command, folder, port, processor) as pid:
        yield _server("vcycle-web", folder, port, pid, tree)


@contextmanager
def apache(folder: Path, machines: int, processor: int) -> Iterator[Server]:
    """Run Apache in `folder` on one processor; without privileges if we have them."""
    tree, port = _prepare(folder, machines), _free_port()
    modules = "\n".join(
        f"LoadModule {each}_module /usr/lib/apache2/modules/mod_{each}.so"
        for each in _MODULES.split()
    )
    config = folder / "server.conf"
    config.write_text(_APACHE.format(folder=folder, port=port, modules=modules))
    script = folder / "put.cgi"
    script.write_text(f"#!/usr/bin/python3 -I\n{_SCRIPT.read_text()}")
    script.chmod(0o755)
    user = _give_away(folder)
    command: list[str | Path] = ["apache2", "-f", config, "-DFOREGROUND"]
    with _running(command, folder, port, processor, user) as pid:
        yield _server("Apache", folder, port, pid, tree)


def _server(name: str, folder: Path, port: int, pid: int, tree: MachineDir) -> Server:
    return Server(
        name=name,
        port=port,
        pid=pid,
        authority=folder / "authority.pem",
        papers=folder / "machine.pem",
        tree=tree,
    )


def _prepare(folder: Path, machines: int) -> MachineDir:
    """Write the papers, with keys of RSA as grids have them, and the tree."""
    folder.chmod(0o755)
    above = authority()
    put_authority(folder / "certificates", above, crl(above))
    (folder / "authority.pem").write_bytes(above.pem)
    show(folder / "host.pem", _issued(above, "localhost", host="localhost"))
    show(folder / "machine.pem", _issued(above, "vm1"))
    tree = MachineDir(folder / "vcycle", clock=SystemClock())
    tree.make_ready()
    for number in range(machines):
        tree.prepare(_machine(number))
    return tree


def _issued(above: Paper, common_name: str, host: str = "") -> Paper:
    wanted = Wanted(subject=name(common_name), begins_at=NOW - DAY, ends_at=NOW + DAY, host=host)
    return issue(wanted, rsa_key(1), above)


def _machine(number: int) -> NewMachine:
    facts = mjf.MachineFacts(
        uuid=f"uuid-{number}",
        processors=4,
        memory_mb=0,
        max_wallclock_seconds=86_400,
        jobstart_at=NOW,
        grace_seconds=600,
    )
    return NewMachine(
        space=SPACE,
        name=machine(number),
        machinetype="prod",
        uuid=facts.uuid,
        created_at=NOW,
        manager="manager.example.org",
        features=mjf.features(facts),
        https_x509dn=DN,
        token_hash=hash_of(token(number)),
    )


def _give_away(folder: Path) -> int | None:
    """Give all in `folder` to nobody, and return who that is; None if that is not ours to do."""
    if os.geteuid() != 0:
        return None
    for each in (folder, *folder.rglob("*")):
        os.chown(each, _NOBODY, _NOBODY)
    return _NOBODY


@contextmanager
def _running(
    command: Sequence[str | Path], folder: Path, port: int, processor: int, user: int | None = None
) -> Iterator[int]:
    """Run a server on one processor until it is no more needed; give its process id."""
    ours = os.sched_getaffinity(0)
    with (folder / "output.log").open("wb") as log:
        os.sched_setaffinity(0, {processor})  # which its processes inherit
        try:
            process = subprocess.Popen(command, stderr=log, cwd=folder, user=user, group=user)
        finally:
            os.sched_setaffinity(0, ours)
    try:
        _until_open(process, port)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_PATIENCE_S)


def _until_open(process: subprocess.Popen[bytes], port: int) -> None:
    pause = threading.Event()
    for _ in range(int(_PATIENCE_S / 0.05)):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if process.poll() is not None:
            raise ChildProcessError(f"the server ended with {process.returncode}")
        pause.wait(0.05)
    raise TimeoutError


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _cpu_of(root: int) -> float:
    """Return the CPU seconds of a process, all below it, and what those had waited for."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            pid = int(path.parent.name)
            parents[pid] = int(fields[1])
            ticks[pid] = sum(int(each) for each in fields[11:15])
    mine = {root}
    while more := {pid for pid, parent in parents.items() if parent in mine} - mine:
        mine |= more
    return sum(ticks.get(pid, 0) for pid in mine) / _TICKS
