"""`vcycle config`: check the configuration, show it, change one value of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import click

from vcycled.cli.printing import clean
from vcycled.cli.session import Session
from vcycled.clock import Clock, SystemClock
from vcycled.config import InstalledSpaces, problems_of
from vcycled.config.deck import sort
from vcycled.config.edit import Edit, edit
from vcycled.config.pipe import pipes_of
from vcycled.config.pipe_fetch import fetch_pipe
from vcycled.config.pipe_shelf import Copies
from vcycled.config.reader import Raw, read
from vcycled.config.show import HIDDEN, Shown, ShownSection, show
from vcycled.cycle.report import report_from
from vcycled.errors import ConfigError, OperatorError, Problem, Unknown, VcycleError

F = TypeVar("F", bound=Callable[..., object])

_WIDTH = 40
"""Longest `option = value` that the places of others are lined up with."""


class Refusal(click.ClickException):
    """What was asked cannot be done; nothing was changed."""

    exit_code = 2


class _Setting(click.Command):
    """A command whose last argument may look like an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments, and tell what to do about a value such as -5."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            hint = f"{error.format_message()} If it is the value, put -- before SECTION."
            raise click.UsageError(hint, ctx) from error


def config_paths(command: F) -> F:
    """Give a command the option --config; its value is None without it."""
    return click.option(
        "--config",
        "paths",
        multiple=True,
        type=click.Path(path_type=Path),
        callback=lambda _context, _option, paths: paths or None,
        help="File or folder to read instead of the usual ones; may be repeated, later ones win.",
    )(command)


@click.group()
def config() -> None:
    """Check, show and change the configuration."""


@config.command("check")
@click.option("--strict", is_flag=True, help="Take warnings for errors.")
@click.option(
    "--fetch", is_flag=True, help="Fetch the vacuum pipes now, instead of taking the kept copies."
)
@click.option("--json", "as_json", is_flag=True, help="Print the problems as JSON.")
@config_paths
@click.pass_context
def check_command(
    context: click.Context,
    strict: bool,
    fetch: bool,
    as_json: bool,
    paths: Sequence[Path] | None,
) -> None:
    """Say everything that is wrong with the configuration.

    Then what the spaces wanted known at their last cycles, such as a credential that ends soon.

    Exit status: 0 if it can be used (there may be warnings), 2 if not, or for warnings with
    --strict.
    """
    raw = read(paths)
    copies = _fetched(raw, SystemClock()) if fetch else {}
    problems = problems_of(raw, copies=copies)
    errors = sum(not problem.is_warning for problem in problems)
    if as_json:
        click.echo(json.dumps([asdict(problem) for problem in problems], indent=2))
    else:
        _print_problems(problems)
        click.echo(_verdict(errors, len(problems) - errors))
        _print_notices(context.find_object(Session), paths)
    context.exit(2 if errors or (strict and problems) else 0)


@config.command("show")
@click.argument("space", default="")
@click.argument("machinetype", default="")
@click.option("--defaults", is_flag=True, help="Show also the options that are not set.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@config_paths
def show_command(
    space: str, machinetype: str, defaults: bool, as_json: bool, paths: Sequence[Path] | None
) -> None:
    """Show what counts, all files together, with the file and line of each value.

    SPACE and MACHINETYPE narrow it down. Secrets are shown as stars.
    """
    raw = read(paths)
    if raw.problems:
        raise Refusal(_lines(raw.problems))
    sections = show(
        raw, InstalledSpaces(), space=space, machinetype=machinetype, defaults=defaults
    )
    if space and not sections:
        raise Unknown(f"there is no section of {' '.join([space, machinetype]).strip()}")
    if as_json:
        click.echo(json.dumps([asdict(section) for section in sections], indent=2))
    else:
        click.echo("\n\n".join(_section_text(section) for section in sections))


@config.command("set", cls=_Setting)
@click.argument("section")
@click.argument("option")
@click.argument("value")
@click.option(
    "--file",
    type=click.Path(path_type=Path),
    help="File to change: by default the one that holds the value now, or the section, or else "
    "the last one that is read.",
)
@config_paths
def set_command(
    section: str, option: str, value: str, file: Path | None, paths: Sequence[Path] | None
) -> None:
    """Set OPTION of SECTION to VALUE in the file that holds it.

    SECTION is one argument, such as 'space cloud.example.com'. Comments and all other lines of
    the file stay as they are. Nothing is changed if the configuration would then have an error
    that it does not have now (exit status 2). vcycled takes the change at its next cycle.
    """
    try:
        change = edit(section, option, value, paths=paths, file=file, registry=InstalledSpaces())
        change.write()
    except (ConfigError, OperatorError) as error:
        raise Refusal(f"nothing was changed:\n{error}") from error
    except OSError as error:
        raise Refusal(f"nothing was changed: {error}") from error
    click.echo(_change_text(change))
    _print_problems(change.warnings)


def _fetched(raw: Raw, clock: Clock) -> Copies:
    """Return the documents of all pipes as they are now; nothing of them is kept."""
    return {
        (pipe.space, pipe.prefix): fetch_pipe(pipe, None, now=clock.now()).copy
        for pipe in pipes_of(sort(raw.sections))
    }


def _verdict(errors: int, warnings: int) -> str:
    if not errors and not warnings:
        return "vcycle: the configuration is right"
    counts = [_count(errors, "error"), _count(warnings, "warning")]
    said = " and ".join(count for count in counts if count)
    return f"vcycle: {said}; {'this cannot be used as it is' if errors else 'it can be used'}"


def _print_notices(session: Session | None, paths: Sequence[Path] | None) -> None:
    """Print what spaces wanted known at their last cycles, as far as this user may read it."""
    if session is None:
        return
    if paths:
        session.use(paths)
    with suppress(VcycleError), session.store() as store:
        for space, kept in sorted(store.reports().items()):
            for notice in report_from(kept.report).notices:
                click.echo(clean(f"notice: [space {space}] {notice}"))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}" if number else ""


def _print_problems(problems: Iterable[Problem]) -> None:
    if text := _lines(problems):
        click.echo(text)


def _lines(problems: Iterable[Problem]) -> str:
    return "\n".join(f"{'warning: ' * problem.is_warning}{problem}" for problem in problems)


def _section_text(section: ShownSection) -> str:
    lengths = (len(_assignment(each)) for each in section.options)
    width = max((length for length in lengths if length <= _WIDTH), default=0)
    lines = (f"{_assignment(each):{width}}  ; {_place(each)}" for each in section.options)
    return "\n".join([f"[{section.title}]", *lines])


def _assignment(shown: Shown) -> str:
    return f"{shown.option} = {' '.join(shown.value.split())}"


def _place(shown: Shown) -> str:
    place = shown.file or "default"
    if shown.line:
        place = f"{place}:{shown.line}"
    return place if shown.is_used else f"{place} (not used)"


def _change_text(change: Edit) -> str:
    now = HIDDEN if change.is_secret else change.now.value
    text = f"{change.now.place}: [{change.now.section}] {change.now.option} = {now}"
    if change.before is None:
        return f"{text} (was not set)"
    return text if change.is_secret else f"{text} (was {change.before.value})"
