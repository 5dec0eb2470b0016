"""A web site with two machines, for tests, and a client that sends exactly what it is told."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import trustme

from vcycled import mjf
from vcycled.clock import SystemClock
from vcycled.config import WebOptions
from vcycled.machinedir import HeartbeatRow, MachineDir, NewMachine, hash_of
from vcycled.web.doors import Door
from vcycled.web.outputs import OutputLimits
from vcycled.web.server import WebServer
from vcycled.web.tls import Certificate

SPACE = "cloud.example.com"
ONE = "vcycle-prod-0000000001"
TWO = "vcycle-prod-0000000002"
TOKENS = {ONE: "token-of-machine-one", TWO: "token-of-machine-two"}
OUTPUTS = f"/machines/{SPACE}/{ONE}/joboutputs"
LIMITS = OutputLimits(file_bytes=100_000, total_bytes=250_000, files=5, idle_s=20.0, upload_s=40.0)
HASTY = replace(LIMITS, idle_s=0.3, upload_s=1.0)
"""For uploads that are to be given up."""


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


class ShiftedClock(SystemClock):
    """Real time, put forward by a test."""

    def __init__(self) -> None:
        self.ahead_s = 0

    def now(self) -> int:
        """Return the wall time and `ahead_s`."""
        return super().now() + self.ahead_s


@dataclass(frozen=True, slots=True)
class Site:
    """A server that runs, and its tree."""

    port: int
    trust: ssl.SSLContext
    tree: MachineDir
    authority: Path
    """PEM file of the CA."""
    server: WebServer
    clock: ShiftedClock

    @property
    def url(self) -> str:
        """Where it is."""
        return f"https://localhost:{self.port}"

    def outputs(self, machine: str = ONE) -> Path:
        """The joboutputs of a machine."""
        return self.tree.layout.outputs(SPACE, machine)

    def names(self, machine: str = ONE) -> list[str]:
        """What is in the joboutputs of a machine, hidden files too."""
        return sorted(path.name for path in self.outputs(machine).iterdir())

    async def connect(self, papers: Path | None = None) -> Connection:
        """Open a connection; `papers` is a PEM file with a certificate, its chain and key."""
        return await asyncio.open_connection(
            "localhost", self.port, ssl=self.trusting(papers), server_hostname="localhost"
        )

    async def connect_plain(self) -> Connection:
        """Open a connection without TLS."""
        return await asyncio.open_connection("localhost", self.server.port_of(Door.PLAIN))

    def trusting(self, papers: Path | None = None) -> ssl.SSLContext:
        """Return what a client trusts, and shows."""
        if papers is None:
            return self.trust
        context = ssl.create_default_context(cafile=str(self.authority))
        context.load_cert_chain(papers)
        return context

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        token: str = "",
        headers: Iterable[str] = (),
        over: Connection | None = None,
    ) -> Answer:
        """Send one request as it is, nothing escaped or tidied, and return the answer."""
        reader, writer = over or await self.connect()
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers]
        if token:
            lines.append(f"Authorization: Bearer {token}")
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join(lines).encode("utf-8", "surrogateescape")
        try:
            writer.write(head + b"\r\n\r\n" + (body or b""))
            return await read_answer(reader)
        finally:
            writer.transport.abort()

    async def put(self, name: str, body: bytes, *, machine: str = ONE) -> Answer:
        """Put an output with the machine's own token."""
        path = f"/machines/{SPACE}/{machine}/joboutputs/{name}"
        return await self.ask("PUT", path, body, token=TOKENS[machine])


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """Read one answer; interim ones are skipped.

    Raises:
        EOFError: the connection was closed without one.
    """
    async with asyncio.timeout(60):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split()[1])
        if status < 200:
            return await read_answer(reader)
        pairs = (line.partition(": ") for line in head[1:])
        headers = {name.lower(): value for name, _, value in pairs}
        if "content-length" not in headers or status == 304:
            return Answer(status, headers, b"")
        try:
            return Answer(
                status, headers, await reader.readexactly(int(headers["content-length"]))
            )
        except asyncio.IncompleteReadError as error:
            return Answer(status, headers, error.partial)


def prepare(root: Path, https_x509dn: str = "") -> MachineDir:
    """Publish two machines, a heartbeat list and some files of the site.

    Args:
        root: of the tree.
        https_x509dn: of the machinetype.
    """
    tree = MachineDir(root, clock=SystemClock())
    tree.make_ready()
    for name, token in TOKENS.items():
        facts = mjf.MachineFacts(
            uuid=f"uuid-of-{name}",
            processors=4,
            memory_mb=0,
            max_wallclock_seconds=86_400,
            jobstart_at=1_800_000_000,
            grace_seconds=600,
        )
        tree.prepare(
            NewMachine(
                space=SPACE,
                name=name,
                machinetype="prod",
                uuid=facts.uuid,
                created_at=1_800_000_000,
                manager="vac01.example.com",
                features=mjf.features(facts),
                zone="nova",
                https_x509dn=https_x509dn,
                token_hash=hash_of(token),
                user_data=b"secret",
            )
        )
    tree.write_heartbeat_list(SPACE, "prod", [HeartbeatRow(1_800_000_100, ONE, "192.0.2.1")])
    pages = tree.layout.www / "HNSciCloud" / "pilotkek2"
    pages.mkdir(parents=True)
    (pages / "user_data").write_text("#!/bin/sh\n")
    return tree


@asynccontextmanager
async def running(
    root: Path,
    limits: OutputLimits = LIMITS,
    *,
    https_x509dn: str = "",
    **options: Any,  # noqa: ANN401 - replace() refuses wrong names
) -> AsyncIterator[Site]:
    """Run a site over TLS on a free port of loopback.

    Args:
        root: folder of the test.
        limits: of outputs.
        https_x509dn: of the machinetype.
        options: of [web].
    """
    tree = prepare(root / "vcycle", https_x509dn)
    authority = trustme.CA()
    files = certificate_files(root, authority)
    usual = WebOptions(
        root=root / "vcycle",
        listen=("127.0.0.1",),
        port=0,
        certificate=files[0],
        key=files[1],
        hostname="web01.example.com",
    )
    chosen = replace(usual, **options)
    clock = ShiftedClock()
    certificate = Certificate(*files, chosen.client_authorities)
    server = WebServer(chosen, certificate, clock=clock, limits=limits)
    await server.start()
    authority.cert_pem.write_to_path(root / "ca.pem")
    trust = ssl.create_default_context(cafile=str(root / "ca.pem"))
    try:
        yield Site(server.port, trust, tree, root / "ca.pem", server, clock)
    finally:
        await server.close()


def certificate_files(
    root: Path, authority: trustme.CA, *, ends: datetime | None = None
) -> tuple[Path, Path]:
    """Write a certificate for localhost and its key; return their paths."""
    issued = authority.issue_cert("localhost", not_after=ends)
    certificate, key = root / "cert.pem", root / "key.pem"
    certificate.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    return certificate, key


def snapshot(root: Path) -> dict[str, bytes]:
    """Every file and folder under `root`, but for the sign of life, with its content."""
    return {
        str(path): path.read_bytes() if path.is_file() else b""
        for path in root.rglob("*")
        if "web_up" not in path.parts
    }
