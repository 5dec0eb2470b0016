"""Options and types of arguments that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from vcycled.apel.sync import read_month
from vcycled.cli.session import Session
from vcycled.errors import OperatorError

F = TypeVar("F", bound=Callable[..., object])

pass_session = click.make_pass_decorator(Session)


def config_option(command: F) -> F:
    """Give a command the option --config, as `vcycle` itself has it."""

    def use(context: click.Context, _option: click.Parameter, paths: tuple[Path, ...]) -> None:
        session = context.find_object(Session)
        if paths and session is not None:
            session.use(paths)

    return click.option(
        "--config",
        multiple=True,
        expose_value=False,
        is_eager=True,
        type=click.Path(path_type=Path),
        callback=use,
        help="File or folder to read instead of the usual ones; may be repeated, later ones win.",
    )(command)


def json_option(command: F) -> F:
    """Give a command the option --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def yes_option(command: F) -> F:
    """Give a command the option --yes."""
    return click.option("--yes", "-y", is_flag=True, help="Do not ask.")(command)


def month_argument(*, required: bool) -> Callable[[F], F]:
    """Give a command the argument MONTH, a month up to now; it may be left out: empty then."""

    def read(context: click.Context, _argument: click.Parameter, text: str) -> str:
        session = context.find_object(Session)
        try:
            return str(read_month(text, now=session.now)) if text and session else text
        except OperatorError as error:
            raise click.BadParameter(str(error)) from error

    metavar = "YYYYMM" if required else "[YYYYMM]"
    default = None if required else ""
    return click.argument("month", default=default, metavar=metavar, callback=read)


def read_instant(context: click.Context, _option: click.Parameter, text: str | None) -> int | None:
    """Turn the time that an option states into Unix seconds; a callback of click."""
    session = context.find_object(Session)
    if text is None or session is None:
        return None
    try:
        return session.words.read(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
