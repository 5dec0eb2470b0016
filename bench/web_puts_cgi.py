"""What vcycle-web is compared with: a CGI script that takes one output of a machine.

It checks what vcycle-web does (name or token, names of files, size, all outputs together) and puts
the file whole. It is a program of its own, copied beside the tree `vcycle`; what it imports
decides how long it takes to start, so that is next to nothing.
"""

from __future__ import annotations

import os
import sys

MOST_BYTES = 2**30
MOST_TOTAL_BYTES = 2**32
MOST_FILES = 1000
LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+=,@:~.-")


class Refusal(Exception):
    """Ends a request with a status."""


def main() -> None:
    """Answer the request that the environment tells."""
    try:
        status = "204 No Content" if put() else "201 Created"
    except Refusal as refusal:
        status = str(refusal)
    except FileNotFoundError:
        status = "404 Not Found"
    print(f"Status: {status}\nContent-Type: text/plain\nContent-Length: 0\n")


def put() -> bool:
    """Take the output; return whether it replaced one."""
    parts = os.environ["REQUEST_URI"].partition("?")[0].split("/")
    if os.environ["REQUEST_METHOD"] != "PUT" or len(parts) != 6 or parts[4] != "joboutputs":
        raise Refusal("405 Method Not Allowed")
    _, _, space, machine, _, name = parts
    if not all(is_name(each) for each in (space, machine, name)):
        raise Refusal("403 Forbidden")
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "vcycle")
    folder = os.path.join(root, "shared", "spaces", space, "current", machine)
    if not (is_named(folder) or has_token(folder)):
        raise Refusal("403 Forbidden")
    return store(os.path.join(folder, "joboutputs"), name, int(os.environ["CONTENT_LENGTH"]))


def is_name(text: str) -> bool:
    """Return whether a path can have it as one of its parts."""
    return 0 < len(text) < 256 and text[0] != "." and LETTERS.issuperset(text)


def is_named(folder: str) -> bool:
    """Return whether the client's certificate has the machinetype's name."""
    if os.environ.get("SSL_CLIENT_VERIFY") != "SUCCESS":
        return False
    return os.environ["SSL_CLIENT_S_DN"] == content(folder, "https_x509dn")


def has_token(folder: str) -> bool:
    """Return whether the client has the machine's own token."""
    scheme, _, token = os.environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme != "Bearer":
        return False
    from hashlib import sha256  # noqa: PLC0415 - only where there is a token
    from hmac import compare_digest  # noqa: PLC0415

    return compare_digest(sha256(token.encode()).hexdigest(), content(folder, "token_hash"))


def content(folder: str, name: str) -> str:
    """Return what a small file holds."""
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return file.read().strip()


def store(outputs: str, name: str, size: int) -> bool:
    """Put the body as file `name`; return whether there was one."""
    if size > MOST_BYTES:
        raise Refusal("413 Content Too Large")
    sizes = {each.name: each.stat().st_size for each in os.scandir(outputs)}
    is_replaced = sizes.pop(name, None) is not None
    if len(sizes) + 1 > MOST_FILES or sum(sizes.values()) + size > MOST_TOTAL_BYTES:
        raise Refusal("507 Insufficient Storage")
    hidden = os.path.join(outputs, f".put-{os.getpid()}")
    body = sys.stdin.buffer.read(size)
    if len(body) != size:
        raise Refusal("400 Bad Request")
    with open(hidden, "wb") as file:
        file.write(body)
    os.replace(hidden, os.path.join(outputs, name))
    return is_replaced


if __name__ == "__main__":
    main()
