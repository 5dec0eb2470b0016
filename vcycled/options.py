"""One row for each option of vcycle.conf: its name, type, default and meaning, written once.

An options class is a frozen dataclass whose fields are made by `required`, `option` or
`optional`. From it come the reader, `vcycle config check`, the reference page and the man page:

    @dataclass(frozen=True, slots=True, kw_only=True)
    class LocalOptions:
        start_delay_seconds: int = option(SECONDS, default=0, help="…")

A `Kind` turns the text of a value into what the field holds, or raises ValueError with a message
that says what is accepted.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar, cast, runtime_checkable

T = TypeVar("T")


class Secret(str):
    """Text that must not be shown: it prints as stars; `.reveal()` gives the text."""

    __slots__ = ()

    def reveal(self) -> str:
        """Return the secret text itself."""
        return str.__str__(self)

    def __str__(self) -> str:
        """Return stars, whatever the secret is."""
        return "********"

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        """Return stars, so that an f-string cannot leak it."""
        return format("********", spec)


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """A type of value: how its text is read and what is accepted, in words."""

    accepts: str
    read: Callable[[str], T]
    is_secret: bool = False

    def parse(self, text: str) -> T:
        """Return the value that `text` states.

        Raises:
            ValueError: with a message `must be ACCEPTED, not 'TEXT'`; TEXT is left out if it is
                a secret, and only described if it is what belongs into a file.
        """
        try:
            return self.read(text)
        except (ValueError, OverflowError) as error:
            message = f"must be {self.accepts}" + (
                "" if self.is_secret else f", not {_told(text)}"
            )
            raise ValueError(message) from (None if self.is_secret else error)


_CONTENTS = (
    (re.compile("-----BEGIN "), "the text of a PEM file"),
    (re.compile(r"(ssh|ecdsa|sk-ssh|sk-ecdsa)-\S+\s+AAAA"), "the text of a public key"),
    (re.compile(r"eyJ[\w-]+\.eyJ"), "a token"),
    (re.compile(r"://[^/\s]*:[^/\s]*@"), "a URL with a password"),
)
"""What people write where the path of a file with it is wanted. It may be a secret."""
_LONGEST_TOLD = 200


def _told(text: str) -> str:
    """Return a wrong value as messages tell it."""
    for pattern, what in _CONTENTS:
        if pattern.search(text):
            return what
    return repr(text if len(text) <= _LONGEST_TOLD else f"{text[:_LONGEST_TOLD]}…")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An option as the tables and documents see it."""

    name: str
    kind: Kind[object]
    default: object
    is_required: bool
    help: str
    old_names: tuple[str, ...]
    is_secret: bool
    default_text: str


@runtime_checkable
class Judging(Protocol):
    """An options class, of a space, that finds what does not go together in its values."""

    def problems(self) -> Iterable[tuple[str, str]]:
        """Return each problem as the option to change ("" is the section) and what is wrong."""
        ...


_KEY = "vcycle.option"


def option(
    kind: Kind[T], *, default: T, help: str, old: Iterable[str] = (), default_text: str = ""
) -> T:
    """Declare an option that has a default."""
    return field(default=default, metadata=_meta(kind, help, old, default_text))


def optional(
    kind: Kind[T], *, help: str, old: Iterable[str] = (), default_text: str = "none"
) -> T | None:
    """Declare an option that may be left out and is then None."""
    return field(default=None, metadata=_meta(kind, help, old, default_text))


def required(kind: Kind[T], *, help: str, old: Iterable[str] = ()) -> T:
    """Declare an option without which its section cannot be used."""
    return cast(T, field(metadata=_meta(kind, help, old, "required")))


def _meta(kind: Kind[T], text: str, old: Iterable[str], default_text: str) -> dict[str, object]:
    return {_KEY: (kind, " ".join(text.split()), tuple(old), default_text)}


def rows(options: type) -> tuple[Row, ...]:
    """Return the rows of an options class, in the order of its fields."""
    return tuple(_row(each) for each in dataclasses.fields(options) if _KEY in each.metadata)


def _row(each: dataclasses.Field[object]) -> Row:
    kind, text, old, default_text = each.metadata[_KEY]
    is_required = each.default is dataclasses.MISSING
    return Row(
        name=each.name,
        kind=kind,
        default=None if is_required else each.default,
        is_required=is_required,
        help=text,
        old_names=old,
        is_secret=kind.is_secret,
        default_text=default_text or _show(each.default),
    )


def _show(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(str(each) for each in value) or "none"
    if isinstance(value, bool):
        return "True" if value else "False"
    return str(value)


# Kinds that every section may use. A space module may make its own.

CENTURY_S = 100 * 365 * 86_400
"""The longest duration. Added to any Unix time of ours it is still a date that calendars know."""


def whole(low: int = 0, high: int | None = None, *, unit: str = "") -> Kind[int]:
    """Return the kind of whole numbers from `low` to `high`, both included."""

    def read(text: str) -> int:
        value = int(text)
        if value < low or (high is not None and value > high):
            raise ValueError
        return value

    bounds = f"{low} or more" if high is None else f"{low} to {high}"
    return Kind(f"a whole number{f' of {unit}' if unit else ''}, {bounds}", read)


def seconds(low: int = 0) -> Kind[int]:
    """Return the kind of durations from `low` to a century, with which dates can be reckoned."""
    kind = whole(low, CENTURY_S, unit="seconds")
    return Kind(f"{kind.accepts} (100 years)", kind.read)


def number(low: float = 0.0, high: float | None = None, *, unit: str = "") -> Kind[float]:
    """Return the kind of finite decimal numbers from `low` to `high`, both included."""

    def read(text: str) -> float:
        value = float(text)
        if not math.isfinite(value) or value < low or (high is not None and value > high):
            raise ValueError
        return value

    bounds = f"{low:g} or more" if high is None else f"{low:g} to {high:g}"
    return Kind(f"a number{f' of {unit}' if unit else ''}, {bounds}", read)


def matching(pattern: str, accepts: str) -> Kind[str]:
    """Return the kind of texts that match `pattern` from end to end."""
    compiled = re.compile(pattern)

    def read(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError
        return text

    return Kind(accepts, read)


def choice(*names: str) -> Kind[str]:
    """Return the kind that is one of `names`."""
    return matching("|".join(map(re.escape, names)), " or ".join(names))


def words(each: Kind[str]) -> Kind[tuple[str, ...]]:
    """Return the kind of lists of `each`, separated by blanks."""

    def read(text: str) -> tuple[str, ...]:
        return tuple(each.read(word) for word in text.split())

    return Kind(f"{each.accepts}; several are separated by blanks", read)


def _flag(text: str) -> bool:
    states = {"1": True, "yes": True, "true": True, "on": True}
    states |= {"0": False, "no": False, "false": False, "off": False}
    try:
        return states[text.lower()]
    except KeyError:
        raise ValueError from None


@dataclass(frozen=True, slots=True)
class Amount:
    """So many, or such a share of a whole that is known only later."""

    count: int | None = None
    percent: float | None = None

    def of(self, total: int) -> int:
        """Return the count, or the share of `total` rounded up."""
        if self.count is not None:
            return self.count
        return math.ceil(total * (self.percent or 0.0) / 100)

    def __str__(self) -> str:
        """Return the amount as it is written in the configuration."""
        return str(self.count) if self.count is not None else f"{self.percent:g}%"


def _amount(text: str) -> Amount:
    if text.endswith("%"):
        percent = float(text[:-1])
        if not 0 < percent <= 100:
            raise ValueError
        return Amount(percent=percent)
    count = int(text)
    if count < 1:
        raise ValueError
    return Amount(count=count)


def _hostport(text: str) -> str:
    if not re.fullmatch(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5}", text):
        raise ValueError
    if not 1 <= int(text.rpartition(":")[2]) <= 65535:
        raise ValueError
    return text


def _text(text: str) -> str:
    if not text:
        raise ValueError
    return text


def path(text: str) -> str:
    """Return `text`, which is the path of a file.

    Raises:
        ValueError: it is rather what the file should hold, or a URL.
    """
    is_content = "\n" in text or any(pattern.search(text) for pattern, _ in _CONTENTS)
    if is_content or "://" in text or text.startswith(_BEGINNINGS):
        raise ValueError
    return _text(text)


_BEGINNINGS = ("#!", "#cloud-config", "#include")


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError from error
    return text


TEXT = Kind("some text", _text)
SECRET: Kind[Secret] = Kind(
    "a secret (never shown)", lambda text: Secret(_text(text)), is_secret=True
)
FLAG = Kind("True or False (yes/no, on/off, 1/0 too)", _flag)
COUNT = whole(0)
SECONDS = seconds()
PATIENCE = whole(1, 86_400, unit="seconds")
"""For one call or one cycle; sockets can wait for some weeks at most."""
UNIX_TIME = whole(0, 253_402_300_799, unit="Unix seconds")
"""Up to the end of the year 9999, after which calendars know no date."""
PORT = whole(1, 65535)
PATH = Kind("the path of a file on this host, not its text or a URL", path)
AMOUNT = Kind("a whole number, 1 or more, or a percentage such as 10%", _amount)
NAME = matching(r"[^\s]+", "a name without blanks")
NAMES = words(NAME)
HOST = matching(
    r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[?[0-9A-Fa-f:]+\]?", "a host name or address"
)
HOSTPORT = Kind("host:port", _hostport)
URL = matching(r"https?://[^\s/]+.*", "a URL that begins with http:// or https://")
PATTERN = Kind("a regular expression", _pattern)
