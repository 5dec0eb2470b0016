"""A Sphinx directive that describes a command from its click object, as manual pages do.

    ```{click} vcycle vcycled.cli:main
    ```

makes the sections Synopsis, Description, Options and, of a group, Commands.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module

import click
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx


class ClickPage(Directive):
    """The directive: its arguments are the command's name and `module:object`."""

    required_arguments = 2

    def run(self) -> list[nodes.Node]:
        """Return the sections of the command."""
        name, place = self.arguments
        module, _, attribute = place.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        context = click.Context(command, info_name=name, **command.context_settings)
        sections = [
            _section("Synopsis", [_usage(context)]),
            _section("Description", _help(context)),
            _section("Options", _options(context)),
        ]
        if isinstance(context.command, click.Group):
            sections.append(_section("Commands", _commands(context)))
        return sections


def _commands(group: click.Context) -> Iterator[nodes.Node]:
    """Yield a section for each command of a group, of the groups in it too."""
    assert isinstance(group.command, click.Group)
    for name in group.command.list_commands(group):
        command = group.command.commands[name]
        context = click.Context(command, info_name=name, parent=group)
        if isinstance(command, click.Group):
            yield from _commands(context)
        else:
            parts = [_usage(context), *_help(context), *_options(context)]
            yield _section(context.command_path, parts)


def _usage(context: click.Context) -> nodes.Node:
    pieces = context.command.collect_usage_pieces(context)
    return nodes.paragraph(
        "", "", nodes.strong("", context.command_path), nodes.Text(" " + " ".join(pieces))
    )


def _help(context: click.Context) -> Iterator[nodes.Node]:
    text = inspect.cleandoc(context.command.help or "")
    for paragraph in text.replace("\b\n", "").split("\n\n"):
        yield nodes.paragraph("", paragraph.replace("\n", " "))


def _options(context: click.Context) -> list[nodes.Node]:
    """Return the list of options; --help only of the command that it stands for everywhere."""
    is_inner = context.parent is not None
    records = [
        record
        for parameter in context.command.get_params(context)
        if isinstance(parameter, click.Option)
        if not (is_inner and "--help" in parameter.opts)
        if (record := parameter.get_help_record(context))
    ]
    items = [
        nodes.definition_list_item(
            "",
            nodes.term("", "", nodes.strong("", option)),
            nodes.definition("", nodes.paragraph("", text)),
        )
        for option, text in records
    ]
    return [nodes.definition_list("", *items)] if items else []


def _section(title: str, parts: Iterator[nodes.Node] | list[nodes.Node]) -> nodes.section:
    return nodes.section("", nodes.title("", title), *parts, ids=[nodes.make_id(title)])


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the directive known to Sphinx."""
    app.add_directive("click", ClickPage)
    return {"parallel_read_safe": True}
