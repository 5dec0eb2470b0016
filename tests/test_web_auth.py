"""Who may do what with outputs: every case of the table."""

import base64

import pytest

from vcycled.machinedir import hash_of
from vcycled.web.auth import Decision, Owner, Peer, Wish, decide, tokens_in

OWNER = Owner(token_hash=hash_of("its token"))
OWN = Peer(tokens=("its token",))
OTHER = Peer(tokens=("token of another",))
NOBODY = Peer()


def basic(text: str) -> str:
    """An Authorization header for `user:password`."""
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("method", "file", "peer", "owner", "decision"),
    [
        ("PUT", "log", OWN, OWNER, Decision.ALLOWED),
        ("GET", "log", OWN, OWNER, Decision.ALLOWED),
        ("HEAD", "log", OWN, OWNER, Decision.ALLOWED),
        ("GET", "", OWN, OWNER, Decision.ALLOWED),
        ("PUT", "", OWN, OWNER, Decision.METHOD),
        ("DELETE", "log", OWN, OWNER, Decision.METHOD),
        ("POST", "log", OWN, OWNER, Decision.METHOD),
        ("put", "log", OWN, OWNER, Decision.METHOD),
        ("PUT", "log", NOBODY, OWNER, Decision.NAMELESS),
        ("GET", "log", NOBODY, OWNER, Decision.NAMELESS),
        ("PUT", "log", OTHER, OWNER, Decision.REFUSED),
        ("GET", "log", OTHER, OWNER, Decision.REFUSED),
        ("PUT", "log", Peer(tokens=(OWNER.token_hash,)), OWNER, Decision.REFUSED),
        ("PUT", "log", Peer(tokens=("x", "its token")), OWNER, Decision.ALLOWED),
        ("PUT", "log", OWN, None, Decision.GONE),
        ("PUT", "log", NOBODY, None, Decision.GONE),
        ("PUT", "log", OWN, Owner(token_hash=""), Decision.REFUSED),
        ("PUT", "log", Peer(tokens=("",)), Owner(token_hash=""), Decision.REFUSED),
        ("PUT", "a/b", OWN, OWNER, Decision.BAD_NAME),
        ("PUT", "..", OWN, OWNER, Decision.BAD_NAME),
        ("GET", "../zone", OWN, OWNER, Decision.BAD_NAME),
        ("PUT", "a/b", OTHER, OWNER, Decision.REFUSED),
        ("PUT", "a/b", NOBODY, OWNER, Decision.NAMELESS),
    ],
)
def test_who_may_do_what(
    method: str, file: str, peer: Peer, owner: Owner | None, decision: Decision
) -> None:
    """Only a machine itself, only under proper names, only by GET, HEAD and PUT."""
    assert decide(Wish(method=method, file=file), peer, owner) is decision


@pytest.mark.parametrize(
    ("header", "tokens"),
    [
        ("Bearer abc", ("abc",)),
        ("bearer  abc ", ("abc",)),
        ("Bearer", ()),
        ("Bearer ", ()),
        (basic("abc:"), ("abc",)),
        (basic("abc"), ("abc",)),
        (basic(":abc"), ("abc",)),
        (basic("user:abc"), ("user", "abc")),
        (basic("user:a:b"), ("user", "a:b")),
        (basic(":"), ()),
        ("Basic !!!", ()),
        ("Basic /w==", ()),
        ("Basic", ()),
        ("Digest abc", ()),
        ("", ()),
        ("Bearer " + "x" * 5000, ("x" * 1017,)),
    ],
)
def test_what_a_header_claims(header: str, tokens: tuple[str, ...]) -> None:
    """Bearer, or Basic with the token on either side; anything else claims nothing."""
    assert tokens_in(header) == tokens
