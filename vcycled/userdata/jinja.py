"""Templates named *.j2: rendered by Jinja2's sandbox, in a process that may not take much.

# Note [A process of its own]

A template may come from a VO by way of a vacuum pipe. The sandbox keeps it from our objects, but
not from nesting loops or doubling texts until the manager is gone. A child with limits on time
and memory (rendering.py) keeps that to itself. It costs about a tenth of a second for a machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from vcycled.errors import UserDataError
from vcycled.templates import packaged
from vcycled.userdata.declared import declared
from vcycled.userdata.fetch import MOST_BYTES

if TYPE_CHECKING:  # the child has Jinja2, the manager needs only the types
    from vcycled.userdata.rendering import Job, Outcome

_CHILD = Path(__file__).with_name("rendering.py")
_CPU_S = 5
_WALL_S = 30.0
_MEMORY_BYTES = 2**29


def render(label: str, template: bytes, values: Mapping[str, bytes]) -> bytes:
    """Return `template` filled in; each value is the variable `user_data_NAME`.

    Options that it declares and that have no value are what it says they are.

    Args:
        label: path or URL of the template, for messages.
        template: UTF-8 text.
        values: by name without `user_data_`; each must be UTF-8 text.

    Raises:
        UserDataError: it uses what is not defined, is no proper template, or takes too much.
    """
    text, parts = _text("the template", label, template), packaged.parts()
    defaults = {
        f"user_data_option_{name}": default
        for name, default in declared(text, parts).defaults.items()
    }
    given = {
        f"user_data_{name}": _text(f"the value of user_data_{name}", label, value)
        for name, value in values.items()
    }
    job: Job = {
        "template": text,
        "parts": parts,
        "values": {**defaults, **given},
        "limits": {"cpu_s": _CPU_S, "memory_bytes": _MEMORY_BYTES, "most_bytes": MOST_BYTES},
    }
    outcome = _run(job)
    if outcome is None:
        raise UserDataError(
            f"user_data: {label}: rendering takes too long or too much memory "
            f"(at most {_CPU_S} s and {_MEMORY_BYTES // 2**20} MB)"
        )
    if outcome["error"]:
        place = f"{label}:{outcome['line']}" if outcome["line"] else label
        raise UserDataError(f"user_data: {place}: {outcome['error']}")
    return outcome["text"].encode()


def _run(job: Job) -> Outcome | None:
    """Return what the child answers; None if it was stopped before it could."""
    # Nothing of the job is an argument, where every user of the host could read it.
    command = [sys.executable, "-P", str(_CHILD)]
    try:
        child = subprocess.run(  # noqa: S603 - our own file, no argument from outside
            command,
            input=json.dumps(job).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_WALL_S,
            check=True,
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        return None
    answer: Outcome = json.loads(child.stdout)
    return answer


def _text(what: str, label: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise UserDataError(
            f"user_data: {label}: {what} is not UTF-8 text (byte {error.start}), "
            "as a *.j2 template needs"
        ) from None
