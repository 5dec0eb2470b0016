"""What APEL's server would say of a message: its rules, written anew.

They are those of APEL 2.5.0: its message loader, the checks of its record classes, and the
columns and procedures of its database, which refuse some of what the loader lets pass. Where it
takes something that can only be a mistake of ours (a key given twice), that is a problem here too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from vcycled.apel import envelope

LARGEST_MESSAGE = 1_000_000
"""Bytes; the broker of EGI takes less than 1 MB."""
FUTURE_SECONDS = 2 * 86_400
"""How far in the future an EndTime may lie."""

_LARGEST_INT = 2**31 - 1
_LAST_INSTANT = 253_402_300_799
_LARGEST_LEVEL = 10**7
_LEVEL_TYPES = ("si2k", "hepspec", "hepscore23")

Check = Callable[[str], str]
"""Takes the value of a field and returns what is wrong with it; empty if nothing is."""


def _text(limit: int) -> Check:
    return lambda value: f"longer than {limit} characters" if len(value) > limit else ""


def _whole(value: str) -> str:
    if not re.fullmatch(r"-?[0-9]+", value):
        return f"not a whole number: {value!r}"
    return "" if 0 <= int(value) <= _LARGEST_INT else f"not between 0 and {_LARGEST_INT}: {value}"


def _instant(value: str) -> str:
    if not re.fullmatch(r"-?[0-9]+", value):
        return f"not whole Unix seconds: {value!r}"
    return "" if 0 <= int(value) <= _LAST_INSTANT else f"outside the years 1970 to 9999: {value}"


def _month(value: str) -> str:
    return _whole(value) or ("" if 1 <= int(value) <= 12 else f"not between 1 and 12: {value}")


def _level(value: str) -> str:
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", value):
        return f"not a plain number (version 0.3 takes no braces): {value!r}"
    return "" if float(value) < _LARGEST_LEVEL else f"does not fit DECIMAL(10,3): {value}"


def _level_type(value: str) -> str:
    return (
        "" if value.lower() in _LEVEL_TYPES else f"not one of {', '.join(_LEVEL_TYPES)}: {value}"
    )


def _ignored(_value: str) -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """The rules for the records of one kind of message."""

    checks: Mapping[str, Check]
    mandatory: tuple[str, ...]
    whole_record: Callable[[Mapping[str, str], int], Iterator[str]]


def _check_job(fields: Mapping[str, str], now: int) -> Iterator[str]:
    start, end = fields.get("StartTime", ""), fields.get("EndTime", "")
    if not _instant(start) and not _instant(end) and int(start) > int(end):
        yield "EndTime: before StartTime"
    if not _instant(end) and int(end) > now + FUTURE_SECONDS:
        yield "EndTime: more than two days in the future"
    for key in ("ServiceLevelType", "ServiceLevel"):
        if envelope.is_null(fields.get(key, "")):
            yield f"{key}: missing; both it and its twin must be there"


def _check_sync(_fields: Mapping[str, str], _now: int) -> Iterator[str]:
    yield from ()


_NAME = _text(envelope.TEXT_CHARACTERS)

_KINDS: Mapping[str, _Kind] = {
    envelope.JOBS: _Kind(
        checks={
            "Site": _NAME,
            "SubmitHost": _NAME,
            "MachineName": _NAME,
            "Queue": _text(100),
            "LocalJobId": _NAME,
            "LocalUserId": _NAME,
            "GlobalUserName": _NAME,
            "FQAN": _NAME,
            "VO": _NAME,
            "VOGroup": _NAME,
            "VORole": _NAME,
            "WallDuration": _whole,
            "CpuDuration": _whole,
            "Processors": _whole,
            "NodeCount": _whole,
            "StartTime": _instant,
            "EndTime": _instant,
            "InfrastructureDescription": _text(100),
            "InfrastructureType": _text(20),
            "MemoryReal": _whole,
            "MemoryVirtual": _whole,
            "ServiceLevelType": _level_type,
            "ServiceLevel": _level,
            "SubmitHostType": _ignored,
            "UpdateTime": _ignored,
        },
        mandatory=("Site", "LocalJobId", "WallDuration", "CpuDuration", "StartTime", "EndTime"),
        whole_record=_check_job,
    ),
    envelope.SYNC: _Kind(
        checks={
            "Site": _NAME,
            "SubmitHost": _NAME,
            "NumberOfJobs": _whole,
            "Month": _month,
            "Year": _whole,
        },
        mandatory=("Site", "NumberOfJobs", "Month", "Year"),
        whole_record=_check_sync,
    ),
}


def problems(message: bytes, *, now: int) -> tuple[str, ...]:
    """Return every reason why APEL would not take `message`; empty if it would."""
    if len(message) >= LARGEST_MESSAGE:
        return (f"{len(message)} bytes; a message must be shorter than {LARGEST_MESSAGE}",)
    try:
        header, records = envelope.split(message.decode("ascii"))
    except UnicodeDecodeError as error:
        return (f"byte {error.start} is not ASCII; ssmsend would stop here for ever",)
    except ValueError as error:
        return (str(error),)
    kind = _KINDS.get(header)
    if kind is None:
        return (f"header {header!r} is not one that Vcycle writes",)
    if not records:
        return ("no records",)
    return tuple(
        f"record {number}: {problem}"
        for number, fields in enumerate(records, start=1)
        for problem in _record_problems(kind, fields, now)
    )


def _record_problems(kind: _Kind, fields: envelope.Fields, now: int) -> Iterator[str]:
    for key, times in Counter(key for key, _ in fields).items():
        if key not in kind.checks:
            yield f"{key}: unknown key"
        elif times > 1:
            yield f"{key}: given {times} times"
    given = dict(fields)
    for key, check in kind.checks.items():
        value = given.get(key, "")
        if not envelope.is_null(value):
            if problem := check(value):
                yield f"{key}: {problem}"
        elif key in kind.mandatory:
            yield f"{key}: missing"
    yield from kind.whole_record(given, now)
