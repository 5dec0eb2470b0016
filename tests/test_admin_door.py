"""Who may do what at the admin site: rules, tokens, and real requests with and without TLS."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import ssl
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
import trustme
from click.testing import CliRunner

from tests.admin_kit import HOLDER, TOKEN, Served, served
from tests.cli_kit import CONF, OnASite, Site
from tests.grid import authority, crl, member, proxy, put_authority, put_crl, show
from tests.web_site import Connection, certificate_files
from vcycled.admin import main
from vcycled.admin.answers import HEADERS
from vcycled.admin.door import Caller, Refusal, Rules, Visit, admit
from vcycled.admin.keys import Keys
from vcycled.admin.site import Limits
from vcycled.cli.access import token_in
from vcycled.config import ManagerOptions
from vcycled.config.admin_door import is_loopback
from vcycled.machinedir import hash_of
from vcycled.model.dn import parse_dn

DN = "/DC=org/DC=example/CN=operator"
OTHER_DN = "/DC=org/DC=example/CN=operator2"
RULES = Rules(
    holders={hash_of("other-token-that-is-long"): "Other", hash_of(TOKEN): HOLDER},
    names={parse_dn(DN): DN},
)
BEHIND = Rules(holders=RULES.holders, names=RULES.names, is_behind_proxy=True)


def outcome(
    method: str = "GET",
    path: str = "/",
    *,
    host: str = "localhost:8444",
    address: str = "127.0.0.1",
    token: str = "",
    dn: str = "",
    has_origin: bool = False,
    is_embedded: bool = False,
    rules: Rules = RULES,
) -> str | int:
    """Return the name of who asks, or the status of the refusal."""
    visit = Visit(
        method=method,
        path=path,
        host=host,
        address=address,
        tokens=(token,) if token else (),
        dn=parse_dn(dn) if dn else None,
        has_origin=has_origin,
        is_embedded=is_embedded,
    )
    match admit(visit, rules):
        case Caller(name):
            return name
        case Refusal(status, why):
            assert why
            return int(status)


FAR = "192.0.2.7"


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        pytest.param(outcome(), "", id="anybody reads on this host"),
        pytest.param(outcome("HEAD", address="::1", host="[::1]:8444"), "", id="by IPv6 too"),
        pytest.param(outcome(address="::ffff:127.0.0.1"), "", id="by a mapped address"),
        pytest.param(outcome(host="evil.example.com"), 421, id="but not by a stranger's name"),
        pytest.param(outcome(host="127.0.0.1.evil.example.com"), 421, id="that looks like ours"),
        pytest.param(outcome(host="127.0.0.1%2eevil.example.com"), 421, id="or is escaped"),
        pytest.param(outcome(host="evil.example.com:80@localhost"), 421, id="or has a user"),
        pytest.param(outcome(host="evil.example.com\\@localhost"), 421, id="or what looks so"),
        pytest.param(outcome(host=""), 421, id="nor by none"),
        pytest.param(outcome(host="[::1"), 421, id="nor by a broken one"),
        pytest.param(outcome(host="evil.example.com", token=TOKEN), HOLDER, id="with a token"),
        pytest.param(outcome(is_embedded=True), 403, id="nor for a page of a stranger's"),
        pytest.param(outcome(is_embedded=True, dn=DN), 403, id="with a name neither"),
        pytest.param(outcome(is_embedded=True, token=TOKEN), HOLDER, id="but it has a token"),
        pytest.param(outcome("POST"), 401, id="orders need a token"),
        pytest.param(outcome("POST", token=TOKEN), HOLDER, id="which is this"),
        pytest.param(outcome("POST", token=TOKEN, has_origin=True), HOLDER, id="from anywhere"),
        pytest.param(outcome("POST", token=TOKEN[:-1]), 401, id="not the beginning of it"),
        pytest.param(outcome(token="wrong"), 401, id="a wrong token is never passed over"),
        pytest.param(outcome(dn=DN, token="wrong"), 401, id="whatever is shown besides"),
        pytest.param(outcome("POST", dn=DN), DN, id="or a name that is known"),
        pytest.param(outcome("POST", dn=DN, has_origin=True), 403, id="but not of a page"),
        pytest.param(outcome("POST", dn=OTHER_DN), 403, id="not one that begins like it"),
        pytest.param(outcome(dn=OTHER_DN), "", id="who reads as anybody"),
        pytest.param(outcome(address=FAR), 401, id="nobody reads from afar"),
        pytest.param(outcome(address=FAR, host="localhost"), 401, id="whatever they call us"),
        pytest.param(outcome(address=""), 401, id="nor by an address that is not known"),
        pytest.param(outcome(address=FAR, dn=OTHER_DN), 403, id="nor as somebody"),
        pytest.param(outcome(address=FAR, dn=DN, has_origin=True), DN, id="but who is known"),
        pytest.param(outcome(address=FAR, token=TOKEN), HOLDER, id="or has a token"),
        pytest.param(outcome(path="/healthz", address=FAR), "", id="life is no secret"),
        pytest.param(outcome(path="/healthz/", address=FAR), 401, id="nothing else is"),
        pytest.param(outcome(rules=BEHIND), 401, id="behind a proxy loopback is anybody"),
        pytest.param(outcome(rules=BEHIND, token=TOKEN), HOLDER, id="but a token is a token"),
    ],
)
def test_who_may(found: str | int, wanted: str | int) -> None:
    """One on each side of every rule."""
    assert found == wanted


@pytest.mark.parametrize(
    ("host", "is_here"),
    [
        ("127.0.0.1", True),
        ("127.255.0.9", True),
        ("128.0.0.1", False),
        ("::1", True),
        ("[::1]", True),
        ("::1%lo", True),
        ("127.0.0.1%lo", False),
        ("127.0.0.1%2e.evil.example.com", False),
        ("::2", False),
        ("0.0.0.0", False),
        ("::", False),
        ("Localhost.", True),
        ("localhost.example.com", False),
        ("::ffff:127.0.0.1", True),
        ("::ffff:192.0.2.1", False),
    ],
)
def test_what_counts_as_this_host(host: str, is_here: bool) -> None:
    """No name is looked up."""
    assert is_loopback(host) is is_here


WRONG = {
    "admin_listen = 0.0.0.0": "admin_listen: 0.0.0.0 can be reached from other hosts, and there "
    "is no TLS; must be addresses of this host alone (127.0.0.1, ::1, localhost), or set "
    "admin_cert",
    "admin_listen = localhost ::1 vcycle.example.com": "admin_listen: vcycle.example.com can be",
    "admin_cert = /c": "admin_cert: without its key it cannot be used: set admin_key",
    "admin_key = /k": "admin_key: there is no certificate that it is of: set admin_cert",
    "admin_ca = /ca": "admin_ca: clients show certificates to https only: set admin_cert",
    f"admin_dns = {DN}": "admin_dns: nothing says whose certificates are believed: set admin_ca",
    "admin_cert = /c\nadmin_key = /k": "admin_cert: there is no file /c",
}


class TestStart(OnASite):
    """Of `vcycle-admin`, and what `vcycle config check` says before."""

    @pytest.mark.parametrize("options", WRONG)
    def test_an_open_door_is_refused(self, site: Site, options: str) -> None:
        """With exit status 2, before anything is opened; the manager itself does not care."""
        site.configure(CONF.replace("[vcycle]", f"[vcycle]\n{options}"))
        result = CliRunner().invoke(main, ["--config", str(site.conf)])
        assert result.exit_code == 2, result.output
        assert f"[vcycle] {WRONG[options]}" in result.stderr
        assert not (site.root / "admin-token").exists()
        assert site.vcycle("status").exit_code == 0

    def test_the_place_is_told(self, site: Site) -> None:
        """By both programs."""
        site.configure(CONF.replace("[vcycle]", "[vcycle]\nadmin_listen = 0.0.0.0"))
        result = CliRunner().invoke(main, ["--config", str(site.conf)])
        assert f"vcycle-admin: {site.conf}:2: [vcycle] admin_listen: " in result.stderr
        checked = site.vcycle("config", "check")
        assert checked.exit_code == 0
        assert f"{site.conf}:2: [vcycle] admin_listen: 0.0.0.0" in checked.output

    @pytest.mark.parametrize(
        "options",
        [
            "admin_listen = 0.0.0.0\nadmin_behind_proxy = yes",
            "admin_listen = 127.0.0.2 [::1] localhost",
            "admin_listen = 0.0.0.0\nadmin_cert = /c\nadmin_key = /k",
        ],
    )
    def test_a_door_that_is_shut_is_fine(self, site: Site, options: str) -> None:
        """No word of it."""
        site.configure(CONF.replace("[vcycle]", f"[vcycle]\n{options}"))
        assert "admin_" not in site.vcycle("config", "check").output

    def test_tokens_that_are_none_are_refused(self, site: Site) -> None:
        """With the line, and without the token."""
        (site.root / "admin-token").write_text("secret\n")
        result = CliRunner().invoke(main, ["--config", str(site.conf)])
        assert result.exit_code == 1
        assert f"vcycle-admin: {site.root}/admin-token: line 1: a token must" in result.stderr
        assert "secret" not in result.stderr


class TestKeys:
    """The file of tokens."""

    @pytest.fixture
    def keys(self, tmp_path: Path) -> Keys:
        """Return what is known of an empty folder."""
        return Keys(ManagerOptions(root=tmp_path))

    def test_a_token_is_made_once(self, keys: Keys, caplog: pytest.LogCaptureFixture) -> None:
        """For its owner alone."""
        caplog.set_level(logging.INFO)
        keys.open()
        made = keys.path.read_text()
        assert keys.path.stat().st_mode & 0o777 == 0o600
        assert keys.rules.holders == {hash_of(token_in(made)): "token"}
        keys.open()
        assert keys.path.read_text() == made
        assert caplog.text.count("admin-token-made") == 1
        assert token_in(made) not in caplog.text

    def test_tokens_change_without_a_restart(
        self, keys: Keys, caplog: pytest.LogCaptureFixture
    ) -> None:
        """What cannot be read leaves those that are known, and is told once."""
        keys.open()
        keys.follow()
        assert "admin-tokens-loaded" not in caplog.text
        keys.path.write_text(f"{TOKEN}\n# {'x' * 30}\n\n{'y' * 20}  B.  Operator\n")
        keys.follow()
        wanted = {hash_of(TOKEN): "token", hash_of("y" * 20): "B. Operator"}
        assert keys.rules.holders == wanted
        keys.path.write_text("y" * 19)
        keys.follow()
        keys.path.unlink()
        keys.follow()
        keys.follow()
        assert keys.rules.holders == wanted
        assert caplog.text.count("admin-tokens-unusable") == 2

    @pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir], ids=["pipe", "folder"])
    def test_what_is_no_plain_file_is_not_waited_for(
        self, keys: Keys, make: Callable[[Path], None]
    ) -> None:
        """A pipe would never end."""
        make(keys.path)
        with pytest.raises(ValueError, match="no plain file"):
            keys.open()

    @pytest.mark.parametrize(("more", "is_fine"), [(0, True), (1, False)])
    def test_no_token_is_read_by_half(self, keys: Keys, more: int, is_fine: bool) -> None:
        """A file that is too long is refused whole."""
        keys.path.write_text(f"{TOKEN}\n".ljust(65_536 + more, "#"))
        keys.rules = Rules()
        if is_fine:
            keys.open()
        else:
            with pytest.raises(ValueError, match="more than 65536 bytes"):
                keys.open()
        assert bool(keys.rules.holders) is is_fine

    def test_an_empty_file_opens_nothing(self, keys: Keys) -> None:
        """Neither is it an error: certificates may be enough."""
        keys.path.touch()
        keys.open()
        assert not keys.rules.holders
        with pytest.raises(ValueError, match="no token"):
            token_in("# nothing\n")


class TestRequests(OnASite):
    """Over HTTP on loopback."""

    async def test_on_this_host_reading_is_free(self, site: Site) -> None:
        """Of what is there; and every answer has its headers."""
        async with served(site) as admin:
            for path, method, status in (
                ("/healthz", "GET", 200),
                ("/healthz", "HEAD", 200),
                ("/metrics", "GET", 200),
                ("/nothing", "GET", 404),
                ("/api/v1/nothing", "GET", 404),
                ("/healthz", "POST", 405),
                ("/api/v1/nothing", "POST", 401),
            ):
                answer = await admin.ask(path, method, token=TOKEN if status == 405 else "")
                assert answer.status == status, path
                for name, value in HEADERS.items():
                    assert answer.headers.get(name) == value, (path, name)
                assert answer.headers["Server"] == "vcycle-admin"

    async def test_programs_get_documents_and_people_text(self, site: Site) -> None:
        """RFC 9457; what else can be done is told."""
        async with served(site) as admin:
            missing = await admin.ask("/api/v1/nothing")
            assert missing.headers["Content-Type"] == "application/problem+json"
            assert missing.json == {
                "type": "about:blank",
                "title": "Not Found",
                "status": 404,
                "detail": "there is no such page here",
            }
            text = await admin.ask("/nothing")
            assert text.text == "Not Found: there is no such page here\n"
            wrong = await admin.ask("/metrics", "DELETE", token=TOKEN)
            assert wrong.headers["Allow"] == "GET, HEAD"
            assert wrong.text == (
                "Method Not Allowed: DELETE cannot be done with this; GET, HEAD can\n"
            )
            order = await admin.ask("/api/v1/x", "POST")
            assert order.headers["WWW-Authenticate"] == 'Bearer realm="vcycle-admin"'

    async def test_a_strangers_name_is_not_answered(
        self, site: Site, caplog: pytest.LogCaptureFixture
    ) -> None:
        """DNS rebinding: the page of a stranger may not read ours."""
        async with served(site) as admin:
            host = {"Host": "evil.example.com"}
            answer = await admin.ask("/metrics", headers=host)
            assert answer.status == 421
            assert "admin-refused peer=127.0.0.1 method=GET status=421" in caplog.text
            assert (await admin.ask("/metrics", headers=host, token=TOKEN)).status == 200

    @pytest.mark.parametrize(
        ("site_of", "mode", "status"),
        [
            ("cross-site", "no-cors", 403),
            ("same-site", "cors", 403),
            ("cross-site", "navigate", 200),
            ("same-origin", "cors", 200),
            ("none", "navigate", 200),
        ],
    )
    async def test_a_strangers_page_loads_nothing(
        self, site: Site, site_of: str, mode: str, status: int
    ) -> None:
        """It could not read it, but let the cloud be asked again and again; links go on."""
        headers = {"Sec-Fetch-Site": site_of, "Sec-Fetch-Mode": mode}
        async with served(site) as admin:
            assert (await admin.ask("/api/v1/managers", headers=headers)).status == status
            assert (await admin.ask("/healthz", headers=headers)).status == 200

    async def test_a_bug_in_one_look_at_the_keys_is_not_the_last_look(
        self, site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A token that was taken back would open the door for ever."""
        monkeypatch.setattr("vcycled.admin.site._FOLLOW_S", 0.01)

        def broken() -> None:
            raise KeyError("a bug")

        async with served(site) as admin:
            monkeypatch.setattr(admin.doorkeeper, "follow", broken)
            async with asyncio.timeout(60):
                while caplog.text.count("admin-follow-broken") < 2:
                    await asyncio.sleep(0.01)
            assert (await admin.ask("/healthz")).status == 200

    async def test_only_bearer_is_a_token(self, site: Site) -> None:
        """What a browser keeps and sends by itself is none."""
        async with served(site, "admin_behind_proxy = yes") as admin:
            basic = base64.b64encode(f"{TOKEN}:".encode()).decode()
            kept = {"Authorization": f"Basic {basic}"}
            assert (await admin.ask("/metrics", headers=kept)).status == 401
            assert (await admin.ask("/metrics")).status == 401
            assert (await admin.ask("/metrics", token=TOKEN)).status == 200
            assert (await admin.ask("/healthz")).status == 200

    async def test_tls_with_tokens_and_names(self, site: Site, tmp_path: Path) -> None:
        """With a grid's authorities, proxies and CRLs; plain HTTP is not spoken."""
        ca = authority()
        folder = put_authority(tmp_path / "certificates", ca, crl(ca))
        server = trustme.CA()
        cert, key = certificate_files(tmp_path, server)
        options = (
            f"admin_behind_proxy = yes\nadmin_cert = {cert}\nadmin_key = {key}\n"
            f"admin_ca = {folder}\nadmin_dns =\n  /DC=org/DC=example/CN=somebody\n  {DN}"
        )
        one, two = member(ca, "operator"), member(ca, "operator2")

        def showing(name: str, *papers: object) -> ssl.SSLContext:
            context = ssl.create_default_context()
            server.configure_trust(context)
            if papers:
                context.load_cert_chain(show(tmp_path / f"{name}.pem", *papers))  # type: ignore[arg-type]
            return context

        async with served(site, options, host="localhost") as admin:
            nobody = showing("nobody")
            for context, token, status in (
                (nobody, "", 401),
                (nobody, TOKEN, 200),
                (showing("one", one), "", 200),
                (showing("proxy", proxy(one), one), "", 200),
                (showing("two", two), "", 403),
            ):
                answer = await admin.ask("/metrics", token=token, tls=context)
                assert answer.status == status
            # Revoked while we run.
            put_crl(folder, ca, crl(ca, 77))
            admin.doorkeeper.follow()
            answer = await admin.ask("/metrics", tls=showing("one", one))
            assert answer.status == 401
            plain = admin.url.replace("https", "http")
            with pytest.raises(aiohttp.ClientError):
                await admin.client.get(f"{plain}/healthz")


class TestCrowds(OnASite):
    """How many may come at once."""

    async def test_one_address_cannot_take_all(
        self, site: Site, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Who says nothing counts; others do not notice; who leaves makes room."""
        async with served(site, limits=Limits(most=4, most_each=2)) as admin:
            lines = [await silent(admin) for _ in range(2)]
            for _ in range(2):
                reader, writer = await silent(admin)
                async with asyncio.timeout(60):
                    assert await reader.read() == b""  # it hung up
                writer.transport.abort()
            assert await life(admin, "127.0.0.2") == 200
            for _, writer in lines:
                writer.transport.abort()
            async with asyncio.timeout(60):
                while await life(admin, "127.0.0.1") != 200:
                    await asyncio.sleep(0.02)
        assert caplog.text.count("admin-connections-refused") == 1
        assert "admin-connections-refused peer=127.0.0.1 most=2" in caplog.text

    async def test_there_is_a_limit_in_all(
        self, site: Site, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Wherever they come from."""
        async with served(site, limits=Limits(most=2, most_each=2)) as admin:
            lines = [await silent(admin, f"127.0.0.{number}") for number in (2, 3)]
            assert await life(admin, "127.0.0.4") == 0
            for _, writer in lines:
                writer.transport.abort()
        assert "admin-connections-refused peer=127.0.0.4 most=2" in caplog.text


async def silent(admin: Served, address: str = "127.0.0.1") -> Connection:
    """Open a connection from `address` that says nothing."""
    port = urlsplit(admin.url).port
    return await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))


async def life(admin: Served, address: str) -> int:
    """Return how /healthz is answered to `address`, 0 if not at all."""
    reader, writer = await silent(admin, address)
    try:
        writer.write(b"GET /healthz HTTP/1.0\r\n\r\n")
        return int((await reader.read()).split()[1])
    except (ConnectionError, IndexError):
        return 0
    finally:
        writer.transport.abort()
