"""The outer form of an APEL message: one header line, then records of `Key: value` lines.

Records are separated by lines of `%%`. A message is plain ASCII, because ssmsend stops at anything
else and leaves that message locked in the queue. What a key may hold is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable

JOBS = "APEL-individual-job-message: v0.3"
SYNC = "APEL-sync-message: v0.1"

TEXT_CHARACTERS = 255
"""Width of most text columns of APEL's database."""

Fields = tuple[tuple[str, str], ...]
"""The keys and values of one record, in the order of its lines."""

_SEPARATOR = "%%"
_NULLS = ("", "none", "null")


def is_null(value: str) -> bool:
    """Return True if APEL takes `value` for one that is absent."""
    return value.lower() in _NULLS


def plain(value: str, limit: int = TEXT_CHARACTERS) -> str:
    """Return `value` as it can stand in a record; empty if APEL would take it for absent.

    Whatever is not printable ASCII (line ends too) becomes `?`, and a separator is broken up. One
    that is longer than `limit` characters is cut and ends in `...`.
    """
    ascii_only = "".join(char if " " <= char <= "~" else "?" for char in value)
    text = ascii_only.replace(_SEPARATOR, "%?").strip()
    if len(text) > limit:
        text = text[: limit - 3] + "..."
    return "" if is_null(text) else text


def join(header: str, records: Iterable[Fields]) -> str:
    """Return the message of `records`; fields without a value are left out.

    Values must be `plain` already.
    """
    parts = [f"{header}\n"]
    for fields in records:
        parts += [f"{key}: {value}\n" for key, value in fields if value]
        parts.append(f"{_SEPARATOR}\n")
    return "".join(parts)


def split(message: str) -> tuple[str, tuple[Fields, ...]]:
    """Return the header and the records of `message`, cut the way APEL's loader does.

    Raises:
        ValueError: a line has no colon; blank lines inside a record are such lines.
    """
    header, _, body = message.strip().partition("\n")
    if ":" not in header:
        raise ValueError(f"the first line is no header: {header!r}")
    blocks = (block.strip() for block in body.split(_SEPARATOR))
    return header.strip(), tuple(_fields(block) for block in blocks if block)


def _fields(block: str) -> Fields:
    pairs = []
    for line in block.splitlines():
        key, colon, value = line.partition(":")
        if not colon:
            raise ValueError(f"a line without a colon: {line!r}")
        pairs.append((key.strip(), value.strip()))
    return tuple(pairs)
