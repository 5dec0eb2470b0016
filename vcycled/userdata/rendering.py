"""The child that renders a Jinja2 template; see note [A process of its own] in jinja.py.

Run as a script: a job as JSON on standard input, the outcome as JSON on standard output. It
imports nothing of Vcycle, so that it starts fast and holds nothing of value.
"""

from __future__ import annotations

import json
import resource
import shlex
import sys
import traceback
from collections.abc import Iterator, Mapping
from typing import TypedDict

from jinja2 import DictLoader, StrictUndefined, TemplateSyntaxError, UndefinedError, meta
from jinja2.sandbox import SandboxedEnvironment


class Limits(TypedDict):
    """What the child may take."""

    cpu_s: int
    memory_bytes: int
    most_bytes: int
    """Of the result."""


class Job(TypedDict):
    """What is asked of the child."""

    template: str
    parts: Mapping[str, str]
    """What the template may include or extend, by name; there is nothing else."""
    values: Mapping[str, str]
    limits: Limits


class Outcome(TypedDict):
    """What it answers: text, or an error at a line (0 if it has none)."""

    text: str
    error: str
    line: int


def render(
    template: str, parts: Mapping[str, str], values: Mapping[str, str], most_bytes: int
) -> Outcome:
    """Return the template filled in, or what is wrong with it.

    An error never quotes what Jinja2 says at run time: it could hold a value.
    """
    # What is made is a script or a cloud-config, not HTML: nothing to escape.
    environment = SandboxedEnvironment(
        undefined=StrictUndefined, keep_trailing_newline=True, loader=DictLoader(parts)
    )
    environment.filters["sh"] = shlex.quote
    try:
        missing = _missing(environment, template, values)
        pieces = environment.from_string(template).generate(values)
        text = _bounded(pieces, most_bytes)
    except TemplateSyntaxError as error:
        return Outcome(text="", error=error.message or "syntax error", line=error.lineno)
    except UndefinedError as error:
        named = [name for name in missing if error.message == f"{name!r} is undefined"]
        what = f"nothing fills {named[0]}" if named else "it uses something undefined"
        return Outcome(text="", error=what, line=_line(error))
    except _TooLong:
        return Outcome(text="", error=f"the result is longer than {most_bytes} bytes", line=0)
    except Exception as error:  # noqa: BLE001 - a template can raise anything
        return Outcome(text="", error=type(error).__name__, line=_line(error))
    return Outcome(text=text, error="", line=0)


class _TooLong(Exception):
    """The result is longer than it may be."""


def _missing(
    environment: SandboxedEnvironment, template: str, values: Mapping[str, str]
) -> set[str]:
    used = meta.find_undeclared_variables(environment.parse(template))
    return used - set(values)


def _bounded(pieces: Iterator[str], most_bytes: int) -> str:
    kept: list[str] = []
    size = 0
    for piece in pieces:
        size += len(piece.encode())
        if size > most_bytes:
            raise _TooLong
        kept.append(piece)
    return "".join(kept)


def _line(error: BaseException) -> int:
    lines = [
        line
        for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_filename == "<template>"
    ]
    return lines[-1] if lines else 0


def confine(limits: Limits) -> None:
    """Take no more from now on than `limits` allow: time, memory, and no file to write."""
    for what, most in (
        (resource.RLIMIT_CPU, limits["cpu_s"]),
        (resource.RLIMIT_AS, limits["memory_bytes"]),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def main() -> None:
    """Read a job, render it, write the outcome."""
    job: Job = json.load(sys.stdin)
    confine(job["limits"])
    most_bytes = job["limits"]["most_bytes"]
    outcome = render(job["template"], job["parts"], job["values"], most_bytes)
    json.dump(outcome, sys.stdout)


if __name__ == "__main__":
    main()
