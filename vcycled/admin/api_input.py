"""What a request to the API says, read as its route has it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from vcycled.admin.api_routes import IN_PATHS, LAST_SECOND, Arguments, Body, Do, Look, Parameter
from vcycled.cli.printing import Json

LONGEST = 200
"""Characters of a name."""
NAME_PATTERN = r"^[ -~]{1,200}$"
NAMES_MOST = 100
REASON_PATTERN = r"^[ -~]{0,200}$"
_TRUTH = {"true": True, "false": False}


class Wrong(Exception):
    """A request is not as it must be; the text says what is accepted."""


def arguments(look: Look, path: Mapping[str, str], query: Sequence[tuple[str, str]]) -> Arguments:
    """Return what the parameters of a request mean.

    Raises:
        Wrong: one is not known, given twice, or not what it must be.
    """
    found = {name: _read(IN_PATHS[name], text) for name, text in path.items()}
    known = {each.name: each for each in look.query}
    for name, text in query:
        if name not in known:
            raise Wrong(f"{_shown(name)} is not known here; {_listed(known)}")
        if name in found:
            raise Wrong(f"{name} is given twice; must be given once")
        found[name] = _read(known[name], text)
    return found


def _read(parameter: Parameter, text: str) -> str | int | bool:
    if parameter.is_flag:
        if text not in _TRUTH:
            raise Wrong(f"{parameter.name} must be true or false, not {_shown(text)}")
        return _TRUTH[text]
    if parameter.least is not None:
        return _number(parameter, parameter.least, text)
    if parameter.values and text not in parameter.values:
        accepted = ", ".join(parameter.values)
        raise Wrong(f"{parameter.name} must be one of {accepted}, not {_shown(text)}")
    pattern = parameter.pattern or NAME_PATTERN
    if not re.fullmatch(pattern, text) or not re.fullmatch(NAME_PATTERN, text):
        raise Wrong(f"{parameter.name} must be {_accepted(parameter)}, not {_shown(text)}")
    return text


def _accepted(parameter: Parameter) -> str:
    if not parameter.pattern:
        return "1 to 200 of printable ASCII"
    if parameter.example:
        return f"like {parameter.example}, by {parameter.pattern}"
    return f"text like {parameter.pattern}"


def _number(parameter: Parameter, least: int, text: str) -> int:
    is_number = re.fullmatch(r"[0-9]{1,12}", text) is not None
    if not is_number or not least <= int(text) <= parameter.most:
        accepted = f"a whole number, {least} to {parameter.most}"
        raise Wrong(f"{parameter.name} must be {accepted}, not {_shown(text)}")
    return int(text)


def body(do: Do, content: bytes) -> Body:
    """Return what the body of an order says.

    Raises:
        Wrong: it is no JSON, says something twice, or is not what it must be.
    """
    try:
        document: Json = json.loads(content, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise Wrong("the body must be a JSON object in UTF-8") from error
    if not isinstance(document, Mapping):
        raise Wrong("the body must be a JSON object")
    known = ("target", "is_rehearsal", *do.times, *do.texts)
    for name in document:
        if name not in known:
            raise Wrong(f"{_shown(name)} is not known here; {_listed(known)}")
    return Body(
        target=_target(document.get("target")),
        by=_instant(document, "by"),
        until=_instant(document, "until"),
        reason=_text(document, "reason"),
        is_rehearsal=_flag(document, "is_rehearsal"),
    )


def _once(pairs: list[tuple[str, Json]]) -> Mapping[str, Json]:
    """Return an object; of a name that stands there twice nobody knows which is meant."""
    document = dict(pairs)
    if len(document) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in document if names.count(name) > 1)
        raise Wrong(f"{_shown(twice)} is given twice; must be given once")
    return document


def _target(names: Json) -> tuple[str, ...]:
    accepted = f"a list of 1 to {NAMES_MOST} names, each of 1 to {LONGEST} of printable ASCII"
    if not isinstance(names, list) or not 1 <= len(names) <= NAMES_MOST:
        raise Wrong(f"target must be {accepted}")
    words = tuple(each for each in names if isinstance(each, str))
    if len(words) != len(names) or not all(re.fullmatch(NAME_PATTERN, each) for each in words):
        raise Wrong(f"target must be {accepted}")
    return words


def _instant(document: Mapping[str, Json], name: str) -> int | None:
    value = document.get(name)
    if value is None:
        return None
    # JSON knows one kind of numbers: 1.0 is a whole one.
    is_whole = not isinstance(value, bool) and (
        isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    )
    if not is_whole or not isinstance(value, int | float) or not 0 <= value <= LAST_SECOND:
        raise Wrong(f"{name} must be null or Unix seconds, a whole number, 0 to {LAST_SECOND}")
    return int(value)


def _text(document: Mapping[str, Json], name: str) -> str:
    value = document.get(name, "")
    if not isinstance(value, str) or not re.fullmatch(REASON_PATTERN, value):
        raise Wrong(f"{name} must be up to {LONGEST} characters of printable ASCII")
    return value


def _flag(document: Mapping[str, Json], name: str) -> bool:
    value = document.get(name, False)
    if not isinstance(value, bool):
        raise Wrong(f"{name} must be true or false")
    return value


def _listed(known: Iterable[str]) -> str:
    names = ", ".join(known)
    return f"there are: {names}" if names else "there are no parameters"


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 50 else f"{text[:50]}…")
