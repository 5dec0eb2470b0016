"""The includes of etc/ in Debian's real Apache and nginx, in front of a real site."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.grid import DN, authority, crl, member, proxy, put_authority, show
from tests.ports import free_port
from tests.test_web_target import put_paths
from tests.web_site import ONE, OUTPUTS, SPACE, TOKENS, TWO, Site, running, snapshot

pytestmark = pytest.mark.live

ETC = Path(__file__).parent.parent / "etc"
CA = authority()
VM1 = member(CA, "vm1")
NOBODY = 65_534
"""Servers end their privileges themselves; here they begin without."""
MODULES = "mpm_event authz_core socache_shmcb ssl proxy proxy_http headers"
APACHE = """
ServerRoot {folder}
PidFile {folder}/pid
DefaultRuntimeDir {folder}
ErrorLog {folder}/error.log
ServerName localhost
Listen 127.0.0.1:{port}
{modules}
SSLEngine on
SSLCertificateFile {folder}/cert.pem
SSLCertificateKeyFile {folder}/key.pem
{include}
"""
NGINX = """
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {folder}/cert.pem;
        ssl_certificate_key {folder}/key.pem;
        {include}
    }}
}}
"""
WAYS = {
    "apache2": (APACHE, "httpd/vcycle.conf", ["-f", "{config}", "-DFOREGROUND"]),
    "nginx": (NGINX, "nginx/vcycle.conf", ["-e", "{folder}/error.log", "-c", "{config}"]),
}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that a server without privileges can read."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(params=WAYS)
async def site(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Site]:
    """A site that is reached through a server in front."""
    put_authority(folder / "certificates", CA, crl(CA, 66))
    (folder / "authorities.pem").write_bytes(CA.pem)
    path = folder / "front.sock"
    async with running(folder, https_x509dn=DN, front_socket=path) as behind:
        path.chmod(0o666)
        for each in folder.glob("*.pem"):
            each.chmod(0o644)
        port = free_port()
        process = start(str(request.param), folder, port)
        try:
            await until_open(process, port)
            yield replace(behind, port=port)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def start(server: str, folder: Path, port: int) -> subprocess.Popen[bytes]:
    """Start a server with the include of etc/, made to point at our files."""
    form, name, arguments = WAYS[server]
    include = (ETC / name).read_text()
    for usual, ours in (
        ("/etc/grid-security/certificates", folder / "certificates"),
        ("/etc/vcycle/authorities.pem", folder / "authorities.pem"),
        ("/run/vcycle-web/front.sock", folder / "front.sock"),
    ):
        assert (usual in include) or "authorities" in usual or "grid" in usual
        include = include.replace(usual, str(ours))
    modules = "".join(
        f"LoadModule {each}_module /usr/lib/apache2/modules/mod_{each}.so\n"
        for each in MODULES.split()
    )
    config = folder / "server.conf"
    config.write_text(form.format(folder=folder, port=port, include=include, modules=modules))
    if is_root():
        shutil.chown(folder, NOBODY, NOBODY)
    command = [server, *(each.format(folder=folder, config=config) for each in arguments)]
    nobody = NOBODY if is_root() else None
    return subprocess.Popen(command, user=nobody, group=nobody, cwd=folder)


def is_root() -> bool:
    """Whether we could do what no server should."""
    return os.geteuid() == 0


async def until_open(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until the server listens."""
    async with asyncio.timeout(60):
        while process.poll() is None:
            try:
                _, writer = await asyncio.open_connection("localhost", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
    pytest.fail(f"it ended with {process.returncode}")


async def put_as(site: Site, papers: Path | None, *, token: str = "", machine: str = ONE) -> int:
    """Put an output through the server and return the status; 0 without an answer."""
    path = f"/machines/{SPACE}/{machine}/joboutputs/log"
    try:
        over = await site.connect(papers)
        return (await site.ask("PUT", path, b"x" * 50_000, token=token, over=over)).status
    except (OSError, EOFError):
        return 0


async def test_machines_read_and_write_as_without_it(site: Site) -> None:
    """By token: what anybody may read, an output put, replaced, read and refused."""
    path = f"/machines/{SPACE}/{ONE}/jobfeatures/job_id"
    assert (await site.ask("GET", path)).body == f"uuid-of-{ONE}".encode()
    assert (await site.ask("GET", f"/heartbeatlists/{SPACE}/prod")).status == 200
    statuses = [await put_as(site, None, token=TOKENS[each]) for each in (ONE, ONE, TWO)]
    assert statuses == [201, 204, 403]
    assert (await site.put("big", b"x" * 100_001)).status == 413
    answer = await site.ask("GET", f"{OUTPUTS}/log", token=TOKENS[ONE])
    assert (answer.status, answer.body) == (200, b"x" * 50_000)
    assert site.names() == ["log"]


async def test_a_certificate_counts_through_it(site: Site, folder: Path) -> None:
    """Its exact name; one that the server did not verify is nobody."""
    assert await put_as(site, show(folder / "vm1.pem", VM1)) == 201
    assert await put_as(site, show(folder / "vm10.pem", member(CA, "vm10"))) == 403
    assert await put_as(site, None) == 401
    stranger = member(authority("Other CA"), "vm1")
    assert await put_as(site, show(folder / "stranger.pem", stranger)) in {0, 400}
    assert await put_as(site, show(folder / "proxy.pem", proxy(VM1), VM1)) in {0, 400}


async def test_headers_of_clients_do_not_get_through(site: Site) -> None:
    """Neither with another name nor beside the server's own."""
    pem = VM1.pem.decode().replace("\n", " ").strip()
    for dash in ("-", "_"):
        headers = ["X-Vcycle-Client-Verify: SUCCESS", f"X-Vcycle-Client-Cert: {pem}"]
        sent = [each.replace("-Client-", f"{dash}Client{dash}", 1) for each in headers]
        answer = await site.ask("PUT", f"{OUTPUTS}/log", b"x", headers=sent)
        assert answer.status in {400, 401}
    assert site.names() == []


async def test_no_path_of_the_corpus_leads_elsewhere(site: Site) -> None:
    """Apache takes `//machines/…` and `/./machines/…` for what they mean; no more."""
    before = snapshot(site.tree.layout.root)
    taken = []
    for path in put_paths():
        try:
            answer = await site.ask("PUT", path, b"x", token=TOKENS[ONE])
        except (EOFError, OSError):
            continue
        if answer.status < 300:
            taken.append(path)
    assert all(path.endswith(f"{OUTPUTS}/log") for path in taken)
    after = snapshot(site.tree.layout.root)
    assert set(after) - set(before) <= {str(site.outputs() / "log")}
    assert all(after[name] == content for name, content in before.items())
