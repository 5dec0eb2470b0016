"""The JSON document of a vacuum pipe: what a community says its machinetypes are. Pure.

{"cache_seconds": 3600, "machinetypes": [{"suffix": "prod", "target_share": 1.0, …}, …]}

The document comes from outside, so nothing in it is believed. Of each entry only options that a
community may decide on are taken; what is wrong with one entry spoils that one only.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vcycled.config.grammar import FILE_PREFIX, OPTION_PREFIX
from vcycled.config.tables.kinds import MOST_SHARE

MOST_ENTRIES = 100
USUAL_CACHE_SECONDS = 3600
_CACHE_SECONDS = (60, 86_400)

_TAKEN = frozenset(
    {
        "accounting_fqan",
        "backoff_seconds",
        "cernvm_signing_dn",
        "fizzle_seconds",
        "heartbeat_file",
        "heartbeat_seconds",
        "image_signing_dn",
        "legacy_proxy",
        "max_processors",
        "max_wallclock_seconds",
        "min_processors",
        "min_wallclock_seconds",
        "root_image",
        "user_data",
        "user_data_proxy",
    }
)
"""What Vcycle 3 took, and the signer's name under both spellings."""
_RENAMED = {"image_signing_dn": "cernvm_signing_dn"}
_OF_OTHERS = frozenset(
    {
        "cache_seconds",
        "container_command",
        "cvmfs_repositories",
        "disk_gb_per_processor",
        "machine_model",
        "root_device",
        "scratch_device",
        "suffix",
        "target_share",
        "tmp_binds",
    }
)
"""Read apart, or meant for Vac: passed over in silence."""
_MODELS = frozenset({"cernvm3", "vm-raw"})
_EXACT = 2**53
"""Below this a float that is whole is the number that was meant."""
_SUFFIX = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


class PipeError(ValueError):
    """The document as a whole cannot be used; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Something about an entry that its owner should know."""

    option: str
    message: str
    is_warning: bool
    """False if the machinetype cannot be used as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One machinetype of a pipe."""

    suffix: str
    share: float
    """Its own target_share; 0 if it states none that can be used."""
    options: Mapping[str, str]
    """Those that are taken, as they would be written in a file; target_share only if wrong."""
    remarks: tuple[Remark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PipeDocument:
    """What a pipe says."""

    cache_seconds: int
    """How long a copy may be used before the pipe is asked again."""
    entries: tuple[Entry, ...]
    remarks: tuple[str, ...]
    """About entries that are passed over."""

    @property
    def total_share(self) -> float:
        """Sum of the shares of the entries."""
        return sum(entry.share for entry in self.entries)


def parse_pipe(text: str) -> PipeDocument:
    """Return what the document says.

    Raises:
        PipeError: it is no JSON object with a list of machinetypes.
    """
    document = _document(text)
    machinetypes = document.get("machinetypes")
    if not isinstance(machinetypes, list):
        raise PipeError("it has no list of machinetypes")
    entries: dict[str, Entry] = {}
    remarks: list[str] = []
    for number, each in enumerate(machinetypes[:MOST_ENTRIES], start=1):
        why = _why_passed_over(each, entries)
        if why:
            remarks.append(f"machinetype number {number} is passed over: {why}")
        else:
            entries[each["suffix"]] = _entry(each)
    if len(machinetypes) > MOST_ENTRIES:
        remarks.append(f"only the first {MOST_ENTRIES} machinetypes of it are taken")
    return PipeDocument(
        cache_seconds=_cache_seconds(document.get("cache_seconds")),
        entries=tuple(entries.values()),
        remarks=tuple(remarks),
    )


def _document(text: str) -> dict[str, object]:
    try:
        document: object = json.loads(text)
    except RecursionError:
        raise PipeError("it is nested too deep") from None
    except ValueError as error:
        place = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise PipeError(f"it is no JSON{place}") from error
    if not isinstance(document, dict):
        raise PipeError("it is no JSON object")
    return document


def _cache_seconds(value: object) -> int:
    """Return how long to wait, within reason."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return USUAL_CACHE_SECONDS
    low, high = _CACHE_SECONDS
    return int(min(max(value, low), high))


def _why_passed_over(each: object, entries: Mapping[str, Entry]) -> str:
    if not isinstance(each, dict):
        return "it is no JSON object"
    suffix = each.get("suffix")
    if not isinstance(suffix, str) or not _SUFFIX.fullmatch(suffix):
        return "it needs a suffix, made of at most 40 of a-z 0-9 and -"
    if suffix in entries:
        return f"there is another one with the suffix {suffix}"
    model = each.get("machine_model", "vm-raw")
    if not isinstance(model, str) or model not in _MODELS:
        return f"{suffix} has another machine_model than {' or '.join(sorted(_MODELS))}"
    return ""


def _entry(each: Mapping[str, object]) -> Entry:
    options: dict[str, str] = {}
    remarks: list[Remark] = []
    share = _share(each.get("target_share", 0))
    if share is None:
        options["target_share"] = str(each["target_share"])[:40]
    for name, value in _named(each):
        text = _text(value)
        remark = _remark(name, text)
        if remark is not None:
            remarks.append(remark)
        elif text is not None and name not in _OF_OTHERS:
            options[_RENAMED.get(name, name)] = text
    return Entry(
        suffix=str(each["suffix"]), share=share or 0.0, options=options, remarks=tuple(remarks)
    )


def _named(each: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    yield from ((name.lower(), value) for name, value in each.items())


def _share(value: object) -> float | None:
    """Return a share; None if it is none. Texts that hold a number are taken as in files."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        share = float(value)
    except (ValueError, OverflowError):
        return None
    return share if 0 <= share <= MOST_SHARE else None


def _text(value: object) -> str | None:
    """Return a value as it would be written in a file; None if it cannot be."""
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return str(int(value))  # many programs write 600 as 600.0
    if isinstance(value, bool | int | float):
        return str(value)
    if not isinstance(value, str) or "\0" in value:
        return None
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return None
    return value


def _remark(name: str, text: str | None) -> Remark | None:
    """Return what is to be said of an option; None if it is taken, or passed over in silence."""
    if name in _OF_OTHERS:
        return None
    if name not in _TAKEN and not name.startswith((OPTION_PREFIX, FILE_PREFIX)):
        message = "is not taken from a vacuum pipe; set it in [vacuum_pipe] if it is wanted"
        return Remark(option=_shown(name), message=message, is_warning=True)
    why = _why_refused(name, text)
    return Remark(option=_shown(name), message=why, is_warning=False) if why else None


def _why_refused(name: str, text: str | None) -> str:
    """Return why a value may not come from a pipe: it could name any file of this host."""
    if text is None:
        return "must be a text, a number, true or false"
    if (name.startswith(FILE_PREFIX) or name == "heartbeat_file") and "/" in text:
        return "may hold no / in a vacuum pipe: the file is in the machinetype's own folder"
    if name not in {"user_data", "root_image"}:
        return ""
    if "/../" in text:
        return "may hold no /../ in a vacuum pipe"
    if "/" in text and not text.startswith(("http://", "https://")):
        return "may hold no / in a vacuum pipe unless it begins with http:// or https://"
    return ""


def _shown(name: str) -> str:
    """Return the name of an option so that no log line is broken by it."""
    return re.sub(r"[^a-z0-9_.-]", "?", name[:80])
