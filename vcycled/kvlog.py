"""Log lines as `event key=value …`, one line for each action, for people and for grep.

`event` is kebab-case and stands in the catalogue (docs/reference/events.md). INFO: something was
done. WARNING: it failed and will be tried again. ERROR: a person must act.
"""

from __future__ import annotations

import logging
import re

FORMAT = "%(asctime)s %(levelname)s %(message)s"
TIME = "%Y-%m-%dT%H:%M:%S%z"
"""How every process writes a line: what reads the log of one reads that of the others."""

_PLAIN = re.compile(r"[^\s\"'=]+")

Value = str | int | float | bool | None


def line(event: str, **fields: Value) -> str:
    """Return `event key=value …`, which is one line and moves no cursor.

    Values with blanks or quotes are quoted, what cannot be printed is `?`, None is left out.
    """
    parts = [event]
    parts += [f"{key}={_show(value)}" for key, value in fields.items() if value is not None]
    return " ".join(parts)


def _show(value: Value) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    if not text.isprintable():  # clouds and machines may say what moves the cursor of who reads it
        text = "".join(each if each.isprintable() or each.isspace() else "?" for each in text)
    if _PLAIN.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + " ".join(escaped.split()) + '"'


class KVLogger:
    """A logger with fields bound once, such as the space."""

    def __init__(self, logger: logging.Logger, **bound: Value) -> None:
        self._logger = logger
        self._bound = bound

    def bind(self, **more: Value) -> KVLogger:
        """Return a logger that adds `more` to every line."""
        return KVLogger(self._logger, **{**self._bound, **more})

    def info(self, event: str, **fields: Value) -> None:
        """Log that something was done."""
        self._logger.info("%s", line(event, **{**self._bound, **fields}))

    def warning(self, event: str, **fields: Value) -> None:
        """Log that something failed and will be tried again."""
        self._logger.warning("%s", line(event, **{**self._bound, **fields}))

    def error(self, event: str, **fields: Value) -> None:
        """Log that a person must act."""
        self._logger.error("%s", line(event, **{**self._bound, **fields}))

    def bug(self, event: str, *, caught: Exception | None = None, **fields: Value) -> None:
        """Log an unexpected exception with its traceback: `caught`, or the one being handled."""
        text = line(event, **{**self._bound, **fields})
        self._logger.error("%s", text, exc_info=caught or True)


def send_to(handler: logging.Handler, level: str) -> None:
    """Write what this process logs from `level` on (`info`, …) to `handler`, and nowhere else."""
    handler.setFormatter(logging.Formatter(FORMAT, TIME))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells its plugins at each start


def get(name: str, **bound: Value) -> KVLogger:
    """Return the logger called `name`, with `bound` on each of its lines."""
    return KVLogger(logging.getLogger(name), **bound)
