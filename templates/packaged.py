"""The templates that come with Vcycle, by name: `user_data = template:NAME`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

PREFIX = "template:"
"""Of a user_data option that names one of them."""
_FOLDER = Path(__file__).parent
_SUFFIX = ".j2"


@cache
def names() -> tuple[str, ...]:
    """Return the names of all templates, sorted."""
    return tuple(sorted(path.name.removesuffix(_SUFFIX) for path in _FOLDER.glob(f"*{_SUFFIX}")))


def name_of(user_data: str) -> str | None:
    """Return the name in a user_data option that is `template:NAME`; None for another one."""
    return user_data.removeprefix(PREFIX) if user_data.startswith(PREFIX) else None


def text(name: str) -> str:
    """Return the template `name`.

    Raises:
        KeyError: there is none of this name.
    """
    if name not in names():
        raise KeyError(name)
    return (_FOLDER / f"{name}{_SUFFIX}").read_text(encoding="utf-8")


@cache
def parts() -> Mapping[str, str]:
    """Return what templates may include or extend, by name; nothing else can be."""
    folder = _FOLDER / "parts"
    return {path.name: path.read_text(encoding="utf-8") for path in folder.glob(f"*{_SUFFIX}")}
