"""Requests, replies, and the table that leads from one to the other."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]


class Rejected(Exception):
    """A service says no; it puts `status` and `message` into the form its API has for that."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(f"{status}: {message}")


class Dropped(Exception):
    """The connection is to be reset instead of answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client asks; names of headers are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    content: bytes = b""
    """The body, unless it is a file."""
    file: Iterator[bytes] = iter(())
    """The body if it is a file: pieces as they come in, that can be read once."""
    base: str
    """As `http://127.0.0.1:12345`: what links begin with."""

    def json(self) -> Json:
        """Return the body, which must be a JSON object.

        Raises:
            Rejected: it is something else.
        """
        try:
            found = json.loads(self.content or b"{}")
        except ValueError as error:
            raise Rejected(400, "Malformed request body") from error
        if not isinstance(found, dict):
            raise Rejected(400, "Malformed request body")
        return found

    def number(self, name: str, otherwise: int) -> int:
        """Return a parameter that counts something.

        Raises:
            Rejected: it is no whole number, or below zero.
        """
        text = self.query.get(name, str(otherwise))
        if not text.isdecimal():
            raise Rejected(400, f"Invalid input for query parameters {name}. Value: {text}.")
        return int(text)


@dataclass(slots=True, kw_only=True)
class Reply:
    """What is answered."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    """Only so many bytes of the body are sent, and then the connection ends."""


def as_json(value: object, status: int = 200, **headers: str) -> Reply:
    """Return a reply with a JSON body; `_` in names of headers stands for `-`."""
    given = {name.replace("_", "-"): text for name, text in headers.items()}
    given["Content-Type"] = "application/json"
    return Reply(status=status, body=json.dumps(value).encode(), headers=given)


Handler: TypeAlias = Callable[..., Reply]
"""Takes the request and the groups of the route's pattern, as text."""


class Route:
    """One operation of a service: how it is asked for, and what does it."""

    def __init__(
        self, operation: str, method: str, pattern: str, handler: Handler, *, is_open: bool = False
    ) -> None:
        self.operation = operation
        """The verb by which tests script and count it."""
        self.method = method
        self.pattern = re.compile(pattern)
        self.handler = handler
        self.is_open = is_open
        """True if it needs no token."""


class Service(ABC):
    """One of the services; its paths begin with `/name`."""

    name: str

    @abstractmethod
    def routes(self) -> Iterable[Route]:
        """Return what it can do."""

    @abstractmethod
    def explain(self, rejected: Rejected) -> Reply:
        """Return an error in the form of this service's API."""

    def operation(self, route: Route, request: Request) -> str:
        """Return the verb for a request, where it depends on more than its path."""
        return route.operation


def stamp(at: float | None, form: str = "%Y-%m-%dT%H:%M:%SZ") -> str | None:
    """Return a Unix time as the APIs write it."""
    return None if at is None else datetime.fromtimestamp(at, UTC).strftime(form)
