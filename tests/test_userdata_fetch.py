"""Templates by http(s): taken from servers that answer well, and from no other."""

import ssl
from pathlib import Path

import pytest
import trustme

from tests.http_servers import Script, answer, serving
from tests.test_userdata import SUBJECT
from vcycled import __version__
from vcycled.clock import SystemClock
from vcycled.download import shown
from vcycled.errors import UserDataError
from vcycled.userdata import PATIENCE, Patience, Recipe, make
from vcycled.userdata.fetch import fetch

SHORT = Patience(connect_s=20.0, read_s=0.25, total_s=0.3)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A CA that only the tests know."""
    return trustme.CA()


@pytest.fixture(scope="module")
def secure(authority: trustme.CA) -> ssl.SSLContext:
    """A server's certificate from it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this host trust the CA."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))


@pytest.mark.usefixtures("trusted")
def test_a_template_is_fetched_for_every_machine(secure: ssl.SSLContext, tmp_path: Path) -> None:
    """By https, with our name; its URL is a substitution, without any secret in messages."""
    script = Script((answer("200 OK", b"<##user_data_url##>##user_data_space##"),))
    with serving(script, secure) as port:
        url = f"https://localhost:{port}/HNSciCloud/user_data?version=2"
        wanted = Recipe(space="s", machinetype="m", template=url, folder=tmp_path)
        made = [make(wanted, SUBJECT, patience=PATIENCE).content for _ in range(2)]
    assert made == [f"<{url}>s".encode()] * 2
    assert len(script.heard) == 2
    assert f"User-Agent: Vcycle {__version__}\r\n" in script.heard[0]


@pytest.mark.usefixtures("trusted")
def test_a_jinja_template_is_known_by_its_path(secure: ssl.SSLContext, tmp_path: Path) -> None:
    """The query does not count."""
    script = Script((answer("200 OK", b"{{ user_data_space }} ##user_data_space##"),))
    with serving(script, secure) as port:
        url = f"https://localhost:{port}/user_data.j2?x=y"
        wanted = Recipe(space="s", machinetype="m", template=url, folder=tmp_path)
        assert make(wanted, SUBJECT).content == b"s ##user_data_space##"


REDIRECT = answer("302 Found", Location="/again")


@pytest.mark.parametrize(
    ("script", "why"),
    [
        pytest.param(Script((answer("404 Not Found", b"x"),)), "answered 404 Not Found", id="404"),
        pytest.param(Script((answer("500 Oops", b"x"),)), "answered 500 Oops", id="500"),
        pytest.param(Script((answer("204 No Content"),)), "answered 204", id="another 2xx"),
        pytest.param(
            Script((answer("200 OK", b"x" * (2**20 + 1)),)), "longer than 1048576", id="too long"
        ),
        pytest.param(
            Script((b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65_536), is_endless=True),
            "longer than 1048576",
            id="endless",
        ),
        pytest.param(
            Script((answer("200 OK", b"abc", Content_Length="9"),)),
            "before the answer did",
            id="cut",
        ),
        pytest.param(
            Script((answer("200 OK", b"x", Content_Encoding="gzip"),)), "packed", id="packed"
        ),
        pytest.param(Script((REDIRECT,)), "redirects more than 5 times", id="a loop"),
        pytest.param(Script((b"SSH-2.0-hello\r\n",)), "Error", id="another protocol"),
        pytest.param(Script((b"",)), "Error|closed|reset", id="hangs up"),
    ],
)
def test_an_answer_that_is_no_template_is_refused(script: Script, why: str) -> None:
    """The message has the URL, without what may be secret, and the reason."""
    with serving(script) as port:
        url = f"http://user:secret@127.0.0.1:{port}/user_data?token=secret"
        with pytest.raises(UserDataError, match=why) as caught:
            fetch(url, PATIENCE)
    assert str(caught.value).startswith(f"user_data: http://127.0.0.1:{port}/user_data: ")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(Script((b"",), is_endless=True, pause_s=0.05), id="says nothing"),
        pytest.param(
            Script((b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"), is_endless=True, pause_s=0.05),
            id="endless slow headers",
        ),
        pytest.param(
            Script((b"HTTP/1.1 200 OK\r\n\r\n", b"x"), is_endless=True, pause_s=0.05),
            id="endless slow body",
        ),
        pytest.param(
            Script(
                (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
                is_endless=True,
                pause_s=0.05,
            ),
            id="endless slow chunks",
        ),
    ],
)
@pytest.mark.parametrize("is_secure", [False, True])
@pytest.mark.usefixtures("trusted")
def test_a_slow_server_is_given_up(
    script: Script, is_secure: bool, secure: ssl.SSLContext
) -> None:
    """However it dawdles, the whole takes no longer than it may."""
    clock = SystemClock()
    began = clock.monotonic()
    with serving(script, secure if is_secure else None) as port:
        url = f"http{'s' if is_secure else ''}://localhost:{port}/"
        with pytest.raises(UserDataError, match=r"took longer than 0.3 s|no answer within 0.25 s"):
            fetch(url, SHORT)
        assert clock.monotonic() - began < 30


def test_an_unknown_certificate_is_not_accepted(secure: ssl.SSLContext) -> None:
    """The message says that it is the certificate."""
    why = "its certificate is not accepted: "
    script = Script((answer("200 OK"),))
    with serving(script, secure) as port, pytest.raises(UserDataError, match=why):
        fetch(f"https://localhost:{port}/", PATIENCE)


@pytest.mark.usefixtures("trusted")
def test_a_way_from_https_to_http_is_not_taken(secure: ssl.SSLContext) -> None:
    """Whoever sits on the line could put anything into the template."""
    with serving(Script((answer("200 OK", b"evil"),))) as plain:
        redirect = answer("302 Found", Location=f"http://127.0.0.1:{plain}/")
        why = "redirects from https to http"
        with serving(Script((redirect,)), secure) as port, pytest.raises(UserDataError, match=why):
            fetch(f"https://localhost:{port}/", PATIENCE)


def test_a_redirect_is_followed() -> None:
    """From http to http is no worse than it was."""
    with (
        serving(Script((answer("200 OK", b"here"),))) as there,
        serving(Script((answer("302 Found", Location=f"http://127.0.0.1:{there}/"),))) as port,
    ):
        assert fetch(f"http://127.0.0.1:{port}/", PATIENCE) == b"here"


def test_a_server_that_is_not_there_is_named() -> None:
    """With the reason of the operating system."""
    with serving(Script(())) as port:
        pass
    with pytest.raises(UserDataError, match=f"http://127.0.0.1:{port}/: Connection refused"):
        fetch(f"http://127.0.0.1:{port}/", PATIENCE)


@pytest.mark.parametrize("url", ["http://[::1", "http://" + "a" * 300 + ".example/", "http://%/"])
def test_a_url_that_is_none_is_no_crash(url: str) -> None:
    """Whatever the libraries raise for it, it is this machinetype's trouble alone."""
    with pytest.raises(UserDataError, match=r"^user_data: "):
        fetch(url, PATIENCE)


def test_a_proxy_of_the_site_is_used_and_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sites behind a proxy say so in the environment."""
    dawdling = Script((b"HTTP/1.1 200 OK\r\n\r\n", b"x"), is_endless=True, pause_s=0.05)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with serving(dawdling) as port:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        patient = Patience(connect_s=20.0, read_s=20.0, total_s=0.7)
        with pytest.raises(UserDataError, match=r"took longer than 0.7 s"):
            fetch("http://repo.example.com/user_data", patient)
    assert dawdling.heard[0].startswith("GET http://repo.example.com/user_data ")


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords of the manager's user for every host."""
    file = tmp_path / "netrc"
    file.write_text("machine 127.0.0.1 login me password mine\ndefault login me password mine\n")
    file.chmod(0o600)
    monkeypatch.setenv("NETRC", str(file))


@pytest.mark.usefixtures("netrc")
def test_no_password_of_the_managers_user_is_sent() -> None:
    """A community names the URL: what ~/.netrc has for that host is not meant for it."""
    there = Script((answer("200 OK", b"here"),))
    with serving(there) as port:
        here = Script((answer("302 Found", Location=f"http://localhost:{port}/"),))
        with serving(here) as first:
            assert fetch(f"http://127.0.0.1:{first}/", PATIENCE) == b"here"
    assert "authorization" not in "".join(here.heard + there.heard).lower()


@pytest.mark.usefixtures("netrc")
def test_the_password_in_a_url_is_for_its_host_alone() -> None:
    """It is sent to the host that the URL names, and to no other that one redirects to."""
    there = Script((answer("200 OK", b"here"),))
    with serving(there) as port:
        here = Script((answer("302 Found", Location=f"http://localhost:{port}/"),))
        with serving(here) as first:
            fetch(f"http://vo:secret@127.0.0.1:{first}/", PATIENCE)
    assert "Authorization: Basic dm86c2VjcmV0\r\n" in here.heard[0]
    assert "authorization" not in there.heard[0].lower()


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("https://host/a/b", "https://host/a/b"),
        ("https://user:pass@host:8443/a?token=x#y", "https://host:8443/a"),
        ("http://token@[::1]:80/", "http://[::1]:80/"),
    ],
)
def test_urls_are_shown_without_secrets(url: str, text: str) -> None:
    """User, password, query and fragment go."""
    assert shown(url) == text
