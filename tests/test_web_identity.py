"""Client certificates at the web site: over real TLS, with real chains, proxies and CRLs."""

import asyncio
import base64
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import trustme

from tests.grid import DN, NOW, authority, below, crl, member, proxy, put_authority, put_crl, show
from tests.proxy_kit import DAY, Paper, put
from tests.web_site import ONE, OUTPUTS, SPACE, TOKENS, TWO, Site, certificate_files, running
from vcycled.errors import ConfigError
from vcycled.proxy import Credentials, Mint
from vcycled.web import clients
from vcycled.web.tls import Certificate

CA = authority()
OTHER_CA = authority("Other CA")
VM1 = member(CA, "vm1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The grid's authorities: one, with an empty CRL."""
    return put_authority(tmp_path / "certificates", CA, crl(CA))


@pytest.fixture
async def site(tmp_path: Path, folder: Path) -> AsyncIterator[Site]:
    """A site that takes certificates, and two machines of one name."""
    async with running(tmp_path, https_x509dn=DN, client_authorities=folder) as site:
        yield site


async def put_as(site: Site, papers: Path | None, *, machine: str = ONE, token: str = "") -> int:
    """Put an output with a certificate and return the status; 0 if TLS refused it."""
    path = f"/machines/{SPACE}/{machine}/joboutputs/log"
    try:
        over = await site.connect(papers)
        return (await site.ask("PUT", path, b"x", token=token, over=over)).status
    except (ssl.SSLError, ConnectionError, EOFError):
        return 0


def chains() -> dict[str, tuple[tuple[Paper, ...], int]]:
    """What is shown, and how a PUT of it ends."""
    first = proxy(VM1)
    expired = member(CA, "vm1", ends_at=NOW - 60)
    return {
        "the name itself": ((VM1,), 201),
        "a proxy of it": ((first, VM1), 201),
        "a proxy of a proxy": ((proxy(first, "789"), first, VM1), 201),
        "a longer name": ((member(CA, "vm10"),), 403),
        "a name below": ((member(CA, "vm1", "x"),), 403),
        "a name above": ((member(CA),), 403),
        "a name that looks like two": ((member(CA, "vm1/CN=x"),), 403),
        "a proxy of a longer name": ((proxy(member(CA, "vm10")), member(CA, "vm10")), 403),
        "a certificate that only looks like a proxy": ((member(CA, "vm1", "123456"),), 403),
        "a proxy whose last name is ours": ((proxy(member(CA), "vm1"), member(CA)), 403),
        "a name in other case": ((member(CA, "VM1"),), 403),
        "our name of an unknown authority": ((member(OTHER_CA, "vm1"),), 0),
        "our name by ourselves": ((member(VM1, "vm1"), VM1), 0),
        "one that ended": ((expired,), 0),
        "a proxy of one that ended": ((proxy(expired), expired), 0),
    }


@pytest.mark.parametrize("case", chains())
async def test_only_the_exact_name_or_a_proxy_of_it_may_write(
    site: Site, tmp_path: Path, case: str
) -> None:
    """Never a prefix, a sibling, a look-alike; what TLS does not verify is no name at all."""
    papers, status = chains()[case]
    assert await put_as(site, show(tmp_path / "papers.pem", *papers)) == status
    assert site.names() == (["log"] if status == 201 else [])


async def test_a_proxy_of_the_product_is_taken(site: Site, tmp_path: Path) -> None:
    """What goes into user_data opens the machine's outputs."""
    put(tmp_path / "machinetype", VM1)
    texts = [
        (tmp_path / "machinetype" / each).read_bytes() for each in ("x509cert.pem", "x509key.pem")
    ]
    made = Mint().proxy(
        Credentials.read(*texts), machinetype="prod", now=NOW, until=NOW + 3600, is_legacy=False
    )
    (tmp_path / "proxy.pem").write_bytes(made)
    assert await put_as(site, tmp_path / "proxy.pem") == 201


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_resumed_session_keeps_its_name(
    site: Site, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """OpenSSL has no chain for it then, but it is the same client; in TLS 1.3 there are none."""
    context = site.trusting(show(tmp_path / "vm1.pem", proxy(VM1), VM1))
    context.maximum_version = version
    is_resumed = version is ssl.TLSVersion.TLSv1_2
    first, session = await asyncio.to_thread(put_blocking, site, context, None)
    assert first == "201 new"
    again, _ = await asyncio.to_thread(put_blocking, site, context, session)
    assert again == ("204 resumed" if is_resumed else "204 new")
    if is_resumed:
        site.server._certificate.generation += 1
        void, _ = await asyncio.to_thread(put_blocking, site, context, session)
        assert void == "401 resumed"


async def test_only_so_many_sessions_are_remembered(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was forgotten is nobody, and comes again with its certificate."""
    monkeypatch.setattr(clients, "_SESSIONS", 0)
    context = site.trusting(show(tmp_path / "vm1.pem", VM1))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    first, session = await asyncio.to_thread(put_blocking, site, context, None)
    again, _ = await asyncio.to_thread(put_blocking, site, context, session)
    anew, _ = await asyncio.to_thread(put_blocking, site, context, None)
    assert [first, again, anew] == ["201 new", "401 resumed", "204 new"]


def test_the_chain_is_asked_for_as_each_python_wants_it() -> None:
    """From 3.13 on there is a public way."""

    class Newer(ssl.SSLObject):
        def get_verified_chain(self) -> list[bytes]:
            return [b"certificate"]

    assert clients.verified_chain(Newer.__new__(Newer)) == [b"certificate"]


def put_blocking(
    site: Site, context: ssl.SSLContext, session: ssl.SSLSession | None
) -> tuple[str, ssl.SSLSession | None]:
    """Put an output and end TLS properly; return how it went, and the session."""
    request = f"PUT {OUTPUTS}/log HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"
    with (
        socket.create_connection(("localhost", site.port)) as raw,
        context.wrap_socket(raw, server_hostname="localhost", session=session) as tls,
    ):
        tls.sendall(request.encode())
        status = tls.recv(1000).split()[1].decode()
        kept, is_resumed = tls.session, tls.session_reused
        tls.unwrap()
    return f"{status} {'resumed' if is_resumed else 'new'}", kept


async def test_without_a_certificate_all_else_goes_on(site: Site) -> None:
    """Reading, and writing by token; neither is 401."""
    assert (await site.ask("GET", f"/machines/{SPACE}/{ONE}/jobfeatures/job_id")).status == 200
    assert await put_as(site, None) == 401
    assert await put_as(site, None, token=TOKENS[ONE]) == 201


async def test_a_token_counts_beside_a_strange_certificate(site: Site, tmp_path: Path) -> None:
    """Either is enough; a wrong token beside a right certificate does no harm."""
    stranger = show(tmp_path / "stranger.pem", member(CA, "stranger"))
    assert await put_as(site, stranger, token=TOKENS[ONE]) == 201
    assert await put_as(site, show(tmp_path / "vm1.pem", VM1), token="wrong") == 204


async def test_a_name_opens_all_machines_of_it(site: Site, tmp_path: Path) -> None:
    """As in Vcycle 3; what was put is read by the same credential."""
    papers = show(tmp_path / "vm1.pem", VM1)
    assert [await put_as(site, papers, machine=each) for each in (ONE, TWO)] == [201, 201]
    answer = await site.ask("GET", f"{OUTPUTS}/log", over=await site.connect(papers))
    assert (answer.status, answer.body) == (200, b"x")


async def test_a_machine_that_publishes_no_name_takes_tokens_only(
    tmp_path: Path, folder: Path
) -> None:
    """What joboutputs_auth = token comes to in the tree."""
    async with running(tmp_path, client_authorities=folder) as site:
        assert await put_as(site, show(tmp_path / "vm1.pem", VM1)) == 403
        assert await put_as(site, None, token=TOKENS[ONE]) == 201


async def test_a_site_without_authorities_asks_for_no_certificate(tmp_path: Path) -> None:
    """One that is shown all the same says nothing."""
    async with running(tmp_path, https_x509dn=DN) as site:
        assert await put_as(site, show(tmp_path / "vm1.pem", VM1)) == 401


async def test_headers_of_a_front_server_are_not_believed_here(site: Site) -> None:
    """Anybody can send them."""
    headers = ["X-Vcycle-Client-Verify: SUCCESS", f"X-Vcycle-Client-Cert: {told(VM1)}"]
    assert (await site.ask("PUT", f"{OUTPUTS}/log", b"x", headers=headers)).status == 401


def told(paper: Paper) -> str:
    """A certificate as Apache puts it into a header."""
    return paper.pem.decode().replace("\n", " ").strip()


# Revocation


@pytest.mark.parametrize("ends_at", [NOW + DAY, NOW - 60], ids=["current", "lapsed"])
@pytest.mark.parametrize("is_proxy", [False, True])
async def test_what_is_revoked_is_nobody(
    tmp_path: Path, ends_at: int, is_proxy: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Also by a CRL whose time is over, and behind a proxy; the others go on."""
    folder = put_authority(tmp_path / "certificates", CA, crl(CA, 77, ends_at=ends_at))
    papers = (proxy(VM1), VM1) if is_proxy else (VM1,)
    async with running(tmp_path, https_x509dn=DN, client_authorities=folder) as site:
        assert await put_as(site, show(tmp_path / "vm1.pem", *papers)) == 401
        assert "web-certificate-revoked serial=4d" in caplog.text
        renewed = member(CA, "vm1", serial=78)
        assert await put_as(site, show(tmp_path / "renewed.pem", renewed)) == 201


async def test_an_authority_above_can_be_revoked(tmp_path: Path) -> None:
    """The whole chain is looked up, but for the root, which only its folder can take back."""
    middle = below(CA, "Middle CA")
    papers = show(tmp_path / "vm1.pem", member(middle, "vm1"), middle)
    folder = put_authority(tmp_path / "certificates", CA, crl(CA, 1))
    async with running(tmp_path, https_x509dn=DN, client_authorities=folder) as site:
        assert await put_as(site, papers) == 201
        put_crl(folder, CA, crl(CA, 50))
        site.server._beat()
        assert await put_as(site, papers) == 401


async def test_without_a_crl_certificates_are_taken(tmp_path: Path) -> None:
    """A CRL that could not be fetched must not silence every machine."""
    folder = put_authority(tmp_path / "certificates", CA)
    async with running(tmp_path, https_x509dn=DN, client_authorities=folder) as site:
        assert await put_as(site, show(tmp_path / "vm1.pem", VM1)) == 201


async def test_a_new_crl_counts_without_restart(site: Site, tmp_path: Path, folder: Path) -> None:
    """From the next look at the folder on."""
    papers = show(tmp_path / "vm1.pem", VM1)
    assert await put_as(site, papers) == 201
    put_crl(folder, CA, crl(CA, 77))
    site.server._beat()
    assert await put_as(site, papers) == 401


@pytest.mark.parametrize("is_there_first", [False, True])
async def test_a_crl_with_a_broken_name_keeps_no_other_from_counting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, is_there_first: bool
) -> None:
    """One authority of hundreds; not even at a start."""
    der = base64.b64decode(b"".join(crl(OTHER_CA).splitlines()[1:-1]))
    broken = base64.encodebytes(der.replace(b"Other CA", b"Other \xff\xfe"))
    text = b"-----BEGIN X509 CRL-----\n" + broken + b"-----END X509 CRL-----\n"
    folder = put_authority(tmp_path / "certificates", CA)
    put_authority(folder, OTHER_CA, text if is_there_first else b"")
    papers = show(tmp_path / "vm1.pem", VM1)
    async with running(tmp_path, https_x509dn=DN, client_authorities=folder) as site:
        assert await put_as(site, papers) == 201
        put_crl(folder, OTHER_CA, text)
        put_crl(folder, CA, crl(CA, 77))
        site.server._beat()
        assert await put_as(site, papers) == 401
    assert "web-crl-unusable" in caplog.text


async def test_a_broken_crl_is_told_and_the_old_one_counts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A download that was cut."""
    folder = put_authority(tmp_path / "certificates", CA, crl(CA, 77))
    async with running(tmp_path, https_x509dn=DN, client_authorities=folder) as site:
        text = crl(CA)
        put_crl(folder, CA, text[:100] + b"!!" + text[100:])
        site.server._beat()
        assert "web-crl-unusable" in caplog.text
        assert await put_as(site, show(tmp_path / "vm1.pem", VM1)) == 401


async def test_a_lapsed_crl_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its time passes while we run; then it is renewed and passes again."""
    folder = put_authority(tmp_path / "certificates", CA, crl(CA))
    async with running(tmp_path, https_x509dn=DN, client_authorities=folder) as site:
        site.server._beat()
        assert "web-crl-lapsed" not in caplog.text
        site.clock.ahead_s = DAY + 60
        for _ in range(2):
            site.server._beat()
        assert caplog.text.count("web-crl-lapsed") == 1


# Authorities come and go


async def test_authorities_come_and_go_without_restart(
    site: Site, tmp_path: Path, folder: Path
) -> None:
    """The next connection knows."""
    ours, theirs = show(tmp_path / "a.pem", VM1), show(tmp_path / "b.pem", member(OTHER_CA, "vm1"))
    assert [await put_as(site, each) for each in (ours, theirs)] == [201, 0]
    put_authority(folder, OTHER_CA)
    for path in folder.iterdir():
        if path.read_bytes() == CA.pem:
            path.unlink()
    site.server._beat()
    assert [await put_as(site, each) for each in (ours, theirs)] == [0, 204]
    assert await put_as(site, None, token=TOKENS[ONE]) == 204


@pytest.mark.parametrize("is_folder", [False, True])
async def test_authorities_that_vanish_are_told_and_the_old_ones_go_on(
    tmp_path: Path, is_folder: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, until they are back."""
    folder = put_authority(tmp_path / "certificates", CA)
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(CA.pem)
    path = folder if is_folder else bundle
    papers = show(tmp_path / "vm1.pem", VM1)
    async with running(tmp_path, https_x509dn=DN, client_authorities=path) as site:
        assert await put_as(site, papers) == 201
        path.rename(tmp_path / "away")
        for _ in range(2):
            site.server._beat()
        assert caplog.text.count("web-authorities-unusable") == 1
        assert await put_as(site, papers) == 204
        (tmp_path / "away").rename(path)
        with caplog.at_level(logging.INFO):
            (path / "00000000.0" if is_folder else path).write_bytes(CA.pem + b"\n")
            site.server._beat()
        assert "web-authorities-loaded" in caplog.text


async def test_a_bundle_of_authorities_and_crls_serves_as_well(tmp_path: Path) -> None:
    """For sites without a grid's folder."""
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(OTHER_CA.pem + CA.pem)
    papers = show(tmp_path / "vm1.pem", VM1)
    async with running(tmp_path, https_x509dn=DN, client_authorities=bundle) as site:
        assert await put_as(site, papers) == 201
        bundle.write_bytes(OTHER_CA.pem + CA.pem + crl(CA, 77))
        site.server._beat()
        assert await put_as(site, papers) == 401


async def test_our_own_certificate_is_renewed_beside_them(
    site: Site, tmp_path: Path, folder: Path
) -> None:
    """After the authorities changed, too: it goes into the context that serves."""
    put_authority(folder, OTHER_CA)
    site.server._beat()
    issuer = trustme.CA()
    certificate_files(tmp_path, issuer)
    site.server._beat()
    with pytest.raises(ssl.SSLCertVerificationError):
        await site.connect()
    issuer.cert_pem.write_to_path(site.authority)
    assert await put_as(site, show(tmp_path / "vm1.pem", VM1)) == 201


async def test_authorities_wait_until_our_own_certificate_is_whole(
    site: Site, tmp_path: Path, folder: Path
) -> None:
    """A half renewed certificate must not be served with the new authorities either."""
    papers = show(tmp_path / "other.pem", member(OTHER_CA, "vm1"))
    key = (tmp_path / "key.pem").read_bytes()
    (tmp_path / "key.pem").write_bytes(b"")
    put_authority(folder, OTHER_CA)
    site.server._beat()
    assert await put_as(site, None, token=TOKENS[ONE]) == 201
    (tmp_path / "key.pem").write_bytes(key)
    site.server._beat()
    assert await put_as(site, papers) == 204


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda path: None])
def test_authorities_that_are_none_are_a_configuration_error(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    """A folder without hashed names, an empty file, nothing: told before anything is served."""
    files = certificate_files(tmp_path, trustme.CA())
    make(tmp_path / "authorities")
    with pytest.raises(ConfigError, match=r"client_authorities: .* cannot be used"):
        Certificate(*files, tmp_path / "authorities")
