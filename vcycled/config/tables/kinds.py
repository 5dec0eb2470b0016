"""Kinds of values that only the sections of the manager use."""

from __future__ import annotations

import re
from pathlib import Path

from vcycled.machinedir.layout import OUTPUT_NAMES, is_output_name
from vcycled.model.dn import parse_dn
from vcycled.options import CENTURY_S, PATH, SECRET, URL, Kind, Secret, matching, whole
from vcycled.templates import packaged


def _folder(text: str) -> Path:
    path = Path(text)
    if not path.is_absolute():
        raise ValueError
    return path


_MOST_POWER = 1_000_000
MOST_SHARE = 1_000_000
"""Shares are relative; sums of any number of them stay numbers."""


def _above_zero(text: str) -> float:
    value = float(text)
    if not 0 < value <= _MOST_POWER:
        raise ValueError
    return value


def _output_name(text: str) -> str:
    if not is_output_name(text):
        raise ValueError
    return text


def _dn(text: str) -> str:
    parse_dn(text)
    return text


def _dns(text: str) -> tuple[str, ...]:
    return tuple(_dn(line.strip()) for line in text.splitlines() if line.strip())


_SINK = re.compile(r"[a-z0-9]([a-z0-9_-]{0,38}[a-z0-9])?")


def _sinks(text: str) -> tuple[str, ...]:
    names = tuple(text.split())
    if not names or len({*names}) < len(names) or not all(map(_SINK.fullmatch, names)):
        raise ValueError
    return names


_DATABASE = re.compile(r"sqlite:////\S+|postgresql(\+psycopg)?://\S+")


def _database(text: str) -> Secret:
    if not _DATABASE.fullmatch(text):
        raise ValueError
    return SECRET.read(text)


def _user_data(text: str) -> str:
    name = packaged.name_of(text)
    if name is not None and name not in packaged.names():
        raise ValueError
    return text if name is not None else _path_or_url(text)


def _image(text: str) -> str:
    if text == "image:":
        raise ValueError
    return text if text.startswith("image:") else _path_or_url(text)


def _path_or_url(text: str) -> str:
    return (URL if text.startswith(("http://", "https://")) else PATH).read(text)


def or_for_ever(low: int) -> Kind[int]:
    """Return the kind of numbers of days from `low` to a century, and 0, which is for ever."""
    days = whole(low, CENTURY_S // 86_400, unit="days")

    def read(text: str) -> int:
        return 0 if text == "0" else days.read(text)

    return Kind(f"0 (for ever), or {days.accepts}", read)


ABSOLUTE = Kind("an absolute path", _folder)
ABOVE_ZERO = Kind(f"a number above 0, at most {_MOST_POWER}", _above_zero)
OUTPUT_NAME = Kind(f"a name that vcycle-web takes: {OUTPUT_NAMES}", _output_name)
DATABASE = Kind(
    "sqlite:////PATH or postgresql://USER:PASSWORD@HOST/NAME (never shown)",
    _database,
    is_secret=True,
)
API = matching(r"[a-z0-9_]+", "the name of an API (a-z 0-9 _), such as openstack")
DN = Kind("a distinguished name such as /DC=org/DC=example/CN=vm or CN=vm,DC=example,DC=org", _dn)
DNS = Kind(f"{DN.accepts}; several stand in lines of their own", _dns)
IMAGE = Kind("image:NAME-OR-ID, a path, or a URL", _image)
USER_DATA = Kind(
    f"{packaged.PREFIX}NAME ({', '.join(packaged.names())}), a path, or a URL", _user_data
)
PROXIES = matching(
    r"[a-z0-9-]+(:[0-9]{1,5})?", "the name of a machinetype, or NAME:PORT, such as squid:280"
)
SINKS = Kind("names of sinks (a-z 0-9 _ -), each once, separated by blanks", _sinks)
ASCII = matching(r"[\x20-\x7e]+", "some ASCII text")
