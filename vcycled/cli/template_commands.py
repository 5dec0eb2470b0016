"""`vcycle templates`: the templates that come with Vcycle, and what is wrong with one's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import click

from vcycled.cli.names import demand
from vcycled.cli.params import json_option, pass_session
from vcycled.cli.printing import BLANK, Block, Json, Line, Table, Tone
from vcycled.cli.session import Session
from vcycled.cli.words import several
from vcycled.config import InstalledSpaces
from vcycled.config.grammar import OPTION_PREFIX
from vcycled.templates import packaged
from vcycled.userdata import Room
from vcycled.userdata.declared import Declared, declared
from vcycled.userdata.lint import Report, Trial, Weight, lint

_TONES = {Weight.ERROR: Tone.BAD, Weight.WARNING: Tone.WARN, Weight.NOTE: Tone.FAINT}


@click.group()
def templates() -> None:
    """Show ready templates, and check others."""


@templates.command("list")
@json_option
@pass_session
def list_command(session: Session, *, as_json: bool) -> None:
    """List the templates that come with Vcycle."""
    found = {name: _declared(name) for name in packaged.names()}
    if as_json:
        session.printer.json([_json(name, each) for name, each in found.items()])
        return
    rows = tuple((f"{packaged.PREFIX}{name}", each.summary) for name, each in found.items())
    session.printer.show([Table(headings=("USER_DATA", "WHAT IT DOES"), rows=rows)])


@templates.command()
@click.argument("name")
@click.option("--source", is_flag=True, help="Print the template itself, to start one's own.")
@json_option
@pass_session
def show(session: Session, name: str, *, source: bool, as_json: bool) -> None:
    """Show what a template does, and its options.

    NAME is one of `vcycle templates list`.
    """
    name = demand("template", name.removeprefix(packaged.PREFIX), packaged.names())
    if source:
        click.echo(packaged.text(name), nl=False)
    elif as_json:
        session.printer.json(_json(name, _declared(name)))
    else:
        session.printer.show(_blocks(name, _declared(name)))


@templates.command("lint")
@click.argument("file")
@click.option(
    "--set",
    "settings",
    metavar="XXX=TEXT",
    multiple=True,
    callback=lambda _context, _option, texts: _settings(texts),
    help="What user_data_option_XXX would be; repeatable.",
)
@json_option
@pass_session
@click.pass_context
def lint_command(
    context: click.Context,
    session: Session,
    file: str,
    *,
    settings: Mapping[str, str],
    as_json: bool,
) -> None:
    """Say what is wrong with a template of one's own.

    FILE is a path, a URL or template:NAME. Looked for are names that nothing fills, errors of
    Jinja2, a form or a length that clouds do not take and, for a cloud-config if cloud-init is
    installed here, what its schema says. Nothing is asked for and no configuration is read.

    Exit status: 0 if there is no error, 1 if there is.
    """
    report = lint(Trial(source=file, options=settings, rooms=_rooms()))
    if as_json:
        session.printer.json(_report_json(file, report))
    else:
        session.printer.show(_report_blocks(report))
    context.exit(0 if report.is_right else 1)


def _settings(texts: tuple[str, ...]) -> Mapping[str, str]:
    pairs = [text.partition("=") for text in texts]
    for name, equals, _ in pairs:
        if not name or not equals:
            raise click.BadParameter("must be written XXX=TEXT")
    return {name.removeprefix(OPTION_PREFIX): text for name, _, text in pairs}


def _rooms() -> Mapping[str, Room]:
    """Return what the clouds take whose libraries are installed."""
    rooms = {}
    registry = InstalledSpaces()
    for api in registry:
        try:
            space = registry[api]
        except ImportError:
            continue
        rooms[api] = Room(most=space.user_data_limit, takes_gzip=space.takes_gzip)
    return rooms


def _declared(name: str) -> Declared:
    return declared(packaged.text(name), packaged.parts())


def _json(name: str, said: Declared) -> Json:
    return {
        "name": name,
        "user_data": f"{packaged.PREFIX}{name}",
        "summary": said.summary,
        "options": [
            {
                "name": f"{OPTION_PREFIX}{each.name}",
                "is_required": each.default is None,
                "default": each.default,
                "help": each.help,
            }
            for each in said.options
        ],
    }


def _blocks(name: str, said: Declared) -> Iterator[Block]:
    yield Line(said.summary)
    yield BLANK
    yield Line(f"user_data = {packaged.PREFIX}{name}", Tone.HEAD)
    for each in said.options:
        default = "(required)" if each.default is None else each.default
        yield Line(f"{OPTION_PREFIX}{each.name} = {default}".rstrip(), Tone.HEAD)
        yield Line(each.help, indent=2)


def _report_blocks(report: Report) -> Iterator[Block]:
    for each in report.findings:
        yield Line(f"{each.weight}: {each.text}", _TONES[each.weight])
    if report.size is not None:
        yield Line(f"{several(report.size, 'byte')}, {report.packed_size} packed")


def _report_json(file: str, report: Report) -> Json:
    return {
        "file": file,
        "size": report.size,
        "packed_size": report.packed_size,
        "findings": [{"weight": each.weight, "text": each.text} for each in report.findings],
    }
