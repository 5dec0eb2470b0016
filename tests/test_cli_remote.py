"""`vcycle --url`: what is told and ordered from afar is what is told and ordered here."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import trustme
from aiohttp import web
from aiohttp.typedefs import Handler
from click.testing import CliRunner, Result

from tests.admin_kit import HOLDER, TOKEN, served
from tests.builders import NOW
from tests.cli_kit import CONF, OTHER, PROD, SECOND_SPACE, SPACE, OnASite, Site, machine
from tests.grid import authority, member, proxy, put_authority, show
from tests.test_admin_api import GONE, busy
from tests.web_site import certificate_files
from vcycled.cli import main
from vcycled.cli.access import checked_url
from vcycled.cli.reaching import REMOTE
from vcycled.model import Changes

LOOKS = (
    ("status",),
    ("status", SPACE),
    ("status", "nowhere"),
    ("machines",),
    ("machines", "--all"),
    ("machines", SPACE, "--machinetype", "prod", "--state", "running"),
    ("machines", "nowhere"),
    ("machine", GONE),
    ("machine", "none"),
    ("why", SPACE),
    ("why", SPACE, "prod"),
    ("why", SPACE, "prd"),
    ("events",),
    ("events", "--machine", PROD, "--since", "-2h", "--limit", "1"),
    ("usage",),
    ("usage", "202701"),
    ("usage", "209901"),
    ("usage", "202613"),
    ("managers",),
    ("plan", SPACE),
    ("plan", "nowhere"),
)


@contextmanager
def afar(site: Site, options: str = "", host: str = "127.0.0.1") -> Iterator[str]:
    """Serve the admin site in a thread of its own; give its URL."""
    told: list[str] = []
    is_up, ended = threading.Event(), threading.Event()

    async def serve() -> None:
        async with served(site, options, host, text=CONF + SECOND_SPACE) as admin:
            told.append(admin.url)
            is_up.set()
            await asyncio.to_thread(ended.wait, 100)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert is_up.wait(60)
        yield told[0]
    finally:
        ended.set()
        thread.join()


def remote(site: Site, url: str, *words: str, answer: str | None = None, **env: str) -> Result:
    """Run `vcycle --url` in this process."""
    token = site.folder / "token"
    token.write_text(f"{TOKEN}\n")
    runner = CliRunner(env={"VCYCLE_URL": url, "VCYCLE_TOKEN_FILE": str(token), **env})
    return runner.invoke(main, words, obj=site.clock, input=answer, catch_exceptions=False)


class TestTheSame(OnASite):
    """As on the manager's host: output, errors and exit status."""

    def test_looking(self, site: Site) -> None:
        """In text and in JSON."""
        busy(site)
        with afar(site) as url:
            for words in LOOKS:
                is_known = "nowhere" not in words and "none" not in words
                for form in ((), ("--json",)) if is_known else ((),):
                    here = site.vcycle(*words, *form)
                    there = remote(site, url, *words, *form)
                    assert still(there.stdout) == still(here.stdout), words
                    assert there.stderr == here.stderr, words
                    assert there.exit_code == here.exit_code, words

    def test_many_machines(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        """They come in parts, and are put in order."""
        monkeypatch.setattr("vcycled.cli.remote.MOST", 3)
        kinds = ("prod", "test")
        site.save(
            *(
                machine(f"vcycle-x-{n:010d}", machinetype=kinds[n % 2], created_at=NOW - n)
                for n in range(10)
            )
        )
        with afar(site) as url:
            for form in ((), ("--json",)):
                there = remote(site, url, "machines", *form)
                assert there.stdout == site.ok("machines", *form)

    def test_ordering(self, site: Site) -> None:
        """With the same promises; the order bears the name of the token's holder."""
        busy(site)
        site.configure(CONF + SECOND_SPACE)
        wishes = (
            (("drain", SPACE, "prod", "--by", "+2h"), None),
            (("drain", PROD), None),
            (("drain", "a", "b", "c"), None),
            (("drain", "prod"), None),
            (("undrain", SPACE, "test"), None),
            (("undrain", "extra"), None),
            (("hold", SPACE, "prod", "--until", "+3h", "--reason", "the  queue moves"), None),
            (("hold", SPACE, "test"), None),
            (("hold", SPACE, "--until", "-1h"), None),
            (("release", SPACE), None),
            (("delete", PROD), "n"),
            (("delete", PROD), "y"),
            (("delete", GONE, "--yes"), None),
        )
        who = set()
        with afar(site) as url:
            for words, answer in wishes:
                there = remote(site, url, *words, answer=answer)
                who |= withdrawn(site)
                here = site.vcycle(*words, answer=answer)
                withdrawn(site)
                assert there.output == here.output, words
                assert there.exit_code == here.exit_code, words
        assert who == {HOLDER}

    def test_every_remote_command_is_tried_here(self) -> None:
        """But for disk, whose figures change by themselves."""
        tried = {words[0] for words in LOOKS} | {"drain", "undrain", "delete", "disk"}
        tried |= {"hold", "release"}
        assert tried == set(REMOTE)


def withdrawn(site: Site) -> set[str]:
    """Take all orders out of the store; return who gave them."""
    with site.store() as store:
        orders = [order for space in (SPACE, OTHER) for order in store.records(space).orders]
        store.save(Changes(space=SPACE, done_orders=tuple(order.id for order in orders)))
    return {order.who for order in orders}


def still(text: str) -> str:
    """Return a document without the room on this disk, which changes by itself."""
    return re.sub(r'"free_(bytes|files)": [0-9]+', "", text)


class TestTls(OnASite):
    """With what the grid has."""

    def test_a_proxy_is_enough(self, site: Site, tmp_path: Path) -> None:
        """And a token is, but not nobody; a stranger's server is not believed."""
        ca, server = authority(), trustme.CA()
        cert, key = certificate_files(tmp_path, server)
        folder = put_authority(tmp_path / "certificates", ca)
        options = (
            f"admin_behind_proxy = yes\nadmin_cert = {cert}\nadmin_key = {key}\n"
            f"admin_ca = {folder}\nadmin_dns = /DC=org/DC=example/CN=operator"
        )
        server.cert_pem.write_to_path(tmp_path / "server.pem")
        one = member(ca, "operator")
        papers = show(tmp_path / "proxy.pem", proxy(one), one)
        trust = {"VCYCLE_CA": str(tmp_path / "server.pem")}
        site.save(machine())
        with afar(site, options, "localhost") as url:
            assert remote(site, url, "machines", **trust).exit_code == 0
            bare = {**trust, "VCYCLE_TOKEN_FILE": ""}
            nobody = remote(site, url, "machines", **bare)
            assert (nobody.exit_code, nobody.stdout) == (1, "")
            assert "vcycle: this is for who is known: show a token" in nobody.stderr
            assert nobody.stderr.endswith(
                "; here with --token-file, or a certificate with --cert\n"
            )
            known = remote(site, url, "drain", SPACE, **bare, VCYCLE_CERT=str(papers))
            assert known.exit_code == 0, known.output
            stranger = remote(site, url, "machines", VCYCLE_CA=os.devnull)
            assert stranger.exit_code == 1
            assert f"vcycle: {url} does not answer: " in stranger.stderr
            doubted = remote(site, url, "machines", VCYCLE_CA="")
            assert f"vcycle: {url} does not answer: its certificate is not" in doubted.stderr
            assert doubted.stderr.endswith(
                "; --ca names the file of the authority that it is of\n"
            )
        with site.store() as store:
            (order,) = store.records(SPACE).orders
        assert order.who == "/DC=org/DC=example/CN=operator"


_TABLE = b'{"headings": ["A", "B"], "rows": [%b], "numbers": [], "indent": 0}'
HOSTILE = [
    pytest.param("status --json", b"[" * 200_000, id="deep"),
    pytest.param("status --json", b"9" * 5000, id="a number without end"),
    pytest.param("status --json", b"\xff\xfe\xfd", id="no text"),
    pytest.param(
        "status", b'[{"line": {"text": "", "tone": "", "indent": 9999999999}}]', id="far"
    ),
    pytest.param("status", b'[{"line": {"text": "", "tone": "", "indent": -1}}]', id="left"),
    pytest.param("status", b'[{"table": %b}]' % (_TABLE % b'["x"]'), id="a row that is short"),
    pytest.param("status", b'[{"table": {}}]', id="no table"),
    pytest.param("machines --json", b'{"machines": [], "next": "x"}', id="no end"),
    pytest.param("machines --json", b'{"machines": [{}], "next": "x"}', id="no end either"),
    pytest.param("machines --json", b'{"machines": [{}, {"space": 1}]}', id="no machines"),
    pytest.param("drain prod", b'"\\ud800"', id="no order"),
]
"""What is asked for, and what the other host says to that."""


class TestRefusals(OnASite):
    """What cannot be done from afar."""

    def test_commands_of_the_host(self, site: Site) -> None:
        """Are refused before anything is asked, whatever they would do."""
        url = "https://vcycle.example.com:8444"
        for name in set(main.commands) - set(REMOTE):
            result = remote(site, url, name, "--help")
            assert result.exit_code == 2, name
            assert f"{name} works on the manager's host only; with --url there" in result.stderr
        result = remote(site, url, "managers", "forget", "m1", "--yes")
        assert result.exit_code == 1
        assert f"this is done on the manager's host only, not by {url}" in result.stderr
        result = remote(site, url, "--config", str(site.conf), "status")
        assert "--config and --url exclude each other" in result.stderr

    @pytest.mark.parametrize(
        "url",
        [
            "vcycle.example.com",
            "http://vcycle.example.com:8444",
            "https://user@vcycle.example.com",
            "https://:password@vcycle.example.com",
            "http://127.0.0.1%2evcycle.example.com",
            "https://vcycle.example.com/api/v1",
            "ftp://localhost",
        ],
    )
    def test_urls_that_are_none(self, site: Site, url: str) -> None:
        """Or by which a token could be read on its way."""
        result = remote(site, url, "status")
        assert result.exit_code == 2
        assert f"'{url}' must be https://HOST:PORT, or http://localhost:PORT" in result.stderr

    def test_urls(self) -> None:
        """Of this host without TLS, of others with it."""
        assert checked_url("http://[::1]:8444/") == "http://[::1]:8444"
        assert checked_url("https://vcycle.example.com") == "https://vcycle.example.com"

    def test_tokens_that_cannot_be_read(self, site: Site) -> None:
        """With the file."""
        none = {"VCYCLE_TOKEN_FILE": str(site.folder / "none")}
        result = remote(site, "https://vcycle.example.com", "status", **none)
        assert result.exit_code == 1
        assert f"vcycle: --token-file {site.folder}/none: " in result.stderr

    async def test_answers_of_others(self, site: Site) -> None:
        """A page of some other web server is told as such."""

        async def page(request: web.Request) -> web.Response:
            if request.path.endswith("spaces"):
                return web.Response(text="<p>", content_type="text/html")
            return web.json_response({"next": None} if "machines" in request.path else ["x"])

        async with elsewhere(page) as url:
            for words in (("status",), ("machines", "--json"), ("events",), ("drain", "x")):
                result = await asyncio.to_thread(remote, site, url, *words)
                assert result.exit_code == 1
                assert f"vcycle: {url} does not answer as vcycle-admin does: " in result.stderr

    def test_nobody_there(self, site: Site) -> None:
        """In words, and not in those of the library that noticed it."""
        told = remote(site, "http://127.0.0.1:1", "status")
        assert (told.exit_code, told.stdout) == (1, "")
        assert told.stderr == "vcycle: http://127.0.0.1:1 does not answer: Connection refused\n"

    @pytest.mark.parametrize(("words", "content"), HOSTILE)
    async def test_hostile_answers(self, site: Site, words: str, content: bytes) -> None:
        """Are told as such, and none does anything to the terminal or fills the memory."""

        async def answer(_request: web.Request) -> web.Response:
            return web.Response(body=content, content_type="application/json")

        async with elsewhere(answer) as url:
            result = await asyncio.to_thread(remote, site, url, *words.split())
        assert result.exit_code == 1
        assert result.stderr.startswith(f"vcycle: {url} does not answer as vcycle-admin does: ")
        assert result.stderr.count("\n") == 1

    @pytest.mark.parametrize("kind", ["misworded", "unknown", "other"])
    async def test_refusals_leave_the_terminal_alone(self, site: Site, kind: str) -> None:
        """Whatever their text would do to it."""
        problem = {"type": f"urn:vcycle:problem:{kind}", "detail": "no\x1b]0;title\x07\nOK: done"}

        async def refuse(_request: web.Request) -> web.Response:
            return web.json_response(problem, status=409)

        async with elsewhere(refuse) as url:
            result = await asyncio.to_thread(remote, site, url, "drain", "prod")
        assert result.exit_code in {1, 2}
        assert "no ]0;title  OK: done" in result.stderr
        assert result.stdout == ""

    async def test_an_answer_has_an_end(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        """One byte more than may be is not read on."""
        monkeypatch.setattr("vcycled.cli.remote._MOST_BYTES", 1000)
        spaces = iter((998, 999))

        async def answer(_request: web.Request) -> web.Response:
            return web.Response(text=f"[{' ' * next(spaces)}]", content_type="application/json")

        async with elsewhere(answer) as url:
            whole = await asyncio.to_thread(remote, site, url, "events")
            long = await asyncio.to_thread(remote, site, url, "events")
        assert (whole.exit_code, whole.stdout) == (0, "")
        assert "does not answer as vcycle-admin does: more than 1000 bytes" in long.stderr

    async def test_a_redirection_is_not_followed(self, site: Site) -> None:
        """It would take the token along, or leave TLS."""
        asked = []

        async def lead(request: web.Request) -> web.Response:
            asked.append(request.path)
            return web.json_response([], status=307, headers={"Location": "/elsewhere"})

        async with elsewhere(lead) as url:
            result = await asyncio.to_thread(remote, site, url, "events")
        assert result.exit_code == 1
        assert "does not answer as vcycle-admin does: status 307" in result.stderr
        assert asked == ["/api/v1/events"]

    def test_a_token_that_cannot_be_sent(self, site: Site) -> None:
        """Is told before anything is asked."""
        path = site.folder / "euro"
        path.write_text("\u20ac" * 30)
        result = remote(site, "https://localhost:1", "status", VCYCLE_TOKEN_FILE=str(path))
        assert result.exit_code == 1
        assert "a token must be of printable ASCII characters" in result.stderr


@asynccontextmanager
async def elsewhere(answer: Handler) -> AsyncIterator[str]:
    """Let some other web server answer every request; give its URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
