"""What a cloud is asked, and what it answers: JSON objects whose members are read with types."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from vcycled.errors import Unavailable

T = TypeVar("T")


class Source(Protocol):
    """What is uploaded, such as an open file."""

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes, at most `size` if that is not negative; none at the end."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request to a service."""

    method: str
    url: str
    headers: Mapping[str, str]
    params: Mapping[str, str | int] = field(default_factory=dict)
    json: object = None
    """The body, unless `stream` is it."""
    stream: Source | None = None
    """Read as it is sent; such a request is never sent twice."""


class _Required:
    """Stands for no default."""


_REQUIRED = _Required()
_TYPES: Mapping[type, str] = {
    str: "text",
    int: "whole number",
    bool: "true or false",
    dict: "object",
    list: "list",
}


@dataclass(frozen=True, slots=True)
class Doc:
    """A JSON object of the answer to an operation.

    A member that is absent or null has the default if one is given. A member that has another
    type than asked for, or is absent without a default, raises Unavailable: such an answer is not
    the API's, so nothing may be concluded from it.
    """

    operation: str
    members: Mapping[str, object]

    def text(self, key: str, default: str | _Required = _REQUIRED) -> str:
        """Return a text."""
        value = self.members.get(key)
        if type(value) is str:  # the usual case, met a hundred thousand times in a long listing
            return value
        if value is None and isinstance(default, str):
            return default
        return self._read(key, str, default)

    def whole(self, key: str, default: int | _Required = _REQUIRED) -> int:
        """Return a whole number."""
        return self._read(key, int, default)

    def flag(self, key: str, default: bool | _Required = _REQUIRED) -> bool:
        """Return true or false."""
        return self._read(key, bool, default)

    def doc(self, key: str, default: Mapping[str, object] | _Required = _REQUIRED) -> Doc:
        """Return an object."""
        found: Mapping[str, object] = self._read(key, dict, default)
        return Doc(self.operation, found)

    def docs(self, key: str) -> list[Doc]:
        """Return a list of objects, which must be there."""
        return [Doc(self.operation, self._is(key, each, dict)) for each in self._list(key)]

    def texts(self, key: str) -> list[str]:
        """Return a list of texts; an absent one is empty."""
        return [self._is(key, each, str) for each in self._list(key, [])]

    def mapping(self, key: str) -> dict[str, str]:
        """Return an object whose members are all texts; an absent one is empty."""
        members: Mapping[str, object] = self._read(key, dict, {})
        return {
            name: each if type(each) is str else self._is(key, each, str)
            for name, each in members.items()
        }

    def __contains__(self, key: str) -> bool:
        """Return whether there is such a member that is not null."""
        return self.members.get(key) is not None

    def __iter__(self) -> Iterator[str]:
        """Return the names of the members."""
        return iter(self.members)

    def _list(self, key: str, default: list[object] | _Required = _REQUIRED) -> list[object]:
        return self._read(key, list, default)

    def _read(self, key: str, kind: type[T], default: T | _Required) -> T:
        value = self.members.get(key)
        if value is not None:
            return self._is(key, value, kind)
        if isinstance(default, _Required):
            raise self._broken(key, kind)
        return default

    def _is(self, key: str, value: object, kind: type[T]) -> T:
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self._broken(key, kind)
        return value

    def _broken(self, key: str, kind: type) -> Unavailable:
        detail = f"the cloud's answer makes no sense: {key} is not a {_TYPES[kind]}"
        return Unavailable(self.operation, detail)


def read_doc(operation: str, content: bytes) -> Doc:
    """Return the JSON object that is the body of an answer; an empty body is an empty one.

    Raises:
        Unavailable: it is something else, or was cut.
    """
    if not content:
        return Doc(operation, {})
    try:
        read: object = json.loads(content)
    except ValueError:
        raise Unavailable(operation, "the cloud's answer is not JSON, or was cut") from None
    if not isinstance(read, dict):
        raise Unavailable(operation, "the cloud's answer is not a JSON object")
    return Doc(operation, read)
