"""What the documentation shows in fenced blocks, and what is wrong with it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

import vcycled.admin
import vcycled.cli
import vcycled.daemon
import vcycled.web
from vcycled.cli.session import Session
from vcycled.testing.clock import FakeClock

TOP = Path(__file__).parents[1]
PAGES = [
    path
    for path in [*sorted(TOP.glob("*.md")), *sorted(TOP.glob("docs/**/*.md"))]
    if "_build" not in path.parts
]
COMMANDS: dict[str, click.Command] = {
    "vcycle": vcycled.cli.main,
    "vcycled": vcycled.daemon.main,
    "vcycle-web": vcycled.web.main,
    "vcycle-admin": vcycled.admin.main,
}
_FENCE = re.compile(r"^( *)(`{3,})([^\n]*)\n(.*?)^ *\2 *$", re.MULTILINE | re.DOTALL)
PROMPTS = ("$ ", "# ")
"""Of a user and of root; a block has one of them."""
_KEYWORDS = frozenset({"until", "while", "if", "then", "else", "do", "!", "sudo", "nice", "exec"})
"""What stands before a command that is run all the same."""
STANDS_FOR = re.compile(r"\$|…|\b[A-Z][A-Z_]+\b")
"""A word in a value for which the reader writes one of their own."""
_ENDS = frozenset({"done", "fi", "for", "[", "test"})
"""Parts of a line that run nothing of interest."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page."""

    page: str
    """Path below the top."""
    line: int
    kind: str
    """What stands after the fence: `console`, `ini`, …; empty if nothing does."""
    text: str

    def __str__(self) -> str:
        """Return where it is."""
        return f"{self.page}:{self.line}"


def blocks_of(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page, but for directives of Sphinx."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        indent, _, kind, inside = found.groups()
        if kind.startswith("{"):
            continue
        line = text[: found.start()].count("\n") + 1
        plain = re.sub(f"^{indent}", "", inside, flags=re.MULTILINE)
        yield Block(str(page.relative_to(TOP)), line, kind, plain)


def text_of(page: Path) -> str:
    """Return what stands between the blocks of a page."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def typed(block: Block) -> list[str]:
    """Return what a reader types: lines after the prompt of a `console` block, whole."""
    prompt = block.text[:2]
    if prompt not in PROMPTS:
        return []
    lines: list[str] = []
    is_open = False
    for line in block.text.splitlines():
        if is_open:
            lines[-1] = lines[-1][:-1] + line.removeprefix("> ")
        elif line.startswith(prompt):
            lines.append(line[2:])
        else:
            continue
        is_open = line.endswith("\\")
    return lines


def simple_commands(line: str) -> Iterator[list[str]]:
    """Yield each program that a line of shell runs, with its words and without redirections."""
    lexer = shlex.shlex(
        line.replace("$(", ";").replace("2>", ">"), posix=True, punctuation_chars=True
    )
    lexer.wordchars += "%$:@,[]{}#^!+°…"
    lexer.commenters = ""
    words: list[str] = []
    to_file = False
    for word in lexer:
        if word.startswith("#"):
            break
        if to_file:
            to_file = False
        elif set(word) <= set(">&<") and ("<" in word or ">" in word):
            to_file = True
        elif set(word) <= set(";|&()"):
            yield from _without_prefix(words)
            words = []
        else:
            words.append(word)
    yield from _without_prefix(words)


def _without_prefix(words: list[str]) -> Iterator[list[str]]:
    while words and (words[0] in _KEYWORDS or re.match(r"[A-Za-z_]+=", words[0])):
        words = words[1:]
    if words and words[0] == "env":
        yield from _without_prefix(words[1:])
    elif words and words[0] == "-u":
        yield from _without_prefix(words[2:])
    elif words and words[0] not in _ENDS:
        yield words


def wrong_words(words: Sequence[str], *, whole: bool = True) -> str:
    """Return what is wrong with a call of one of our commands, or nothing.

    Args:
        words: the command and what follows it.
        whole: also tell what lacks.
    """
    name = words[0].rpartition("/")[2]
    return _wrong(COMMANDS[name], name, words[1:], whole=whole)


def _wrong(command: click.Command, name: str, words: Sequence[str], *, whole: bool) -> str:
    context = click.Context(command, info_name=name, **command.context_settings)
    try:
        values, rest, _ = command.make_parser(context).parse_args(list(words))
    except click.UsageError as error:
        said = f"{name}: {error.format_message()}"
        return said if whole or not _is_somewhere(error, command) else ""
    if isinstance(command, click.Group):
        if not rest:
            return ""
        inner = command.get_command(context, rest[0])
        if inner is None:
            return f"{name}: no command {rest[0]}"
        return _wrong(inner, f"{name} {rest[0]}", rest[1:], whole=whole)
    if rest:
        return f"{name}: unexpected {rest}"
    return _lacking(command, name, values) if whole and not values.get("help") else ""


def _is_somewhere(error: click.UsageError, command: click.Command) -> bool:
    """Return whether text may say so: `vcycle --url`, or `vcycle --json` of what has it below."""
    if isinstance(error, click.NoSuchOption):
        below = command.commands.values() if isinstance(command, click.Group) else ()
        return any(
            error.option_name in parameter.opts for each in below for parameter in each.params
        )
    return isinstance(error, click.BadOptionUsage)


def _lacking(command: click.Command, name: str, values: dict[str, object]) -> str:
    context = click.Context(command, obj=Session(FakeClock(), []))
    for parameter in command.params:
        given = values.get(parameter.name or "")
        is_given = isinstance(given, (str, tuple, list, int)) and given not in ("", (), [])
        if parameter.required and not is_given:
            return f"{name}: lacks {parameter.name}"
        if is_given and (wrong := _misread(parameter, given, context)):
            return f"{name}: {parameter.name} cannot be {given}: {wrong}"
    return ""


def _misread(parameter: click.Parameter, given: object, context: click.Context) -> str:
    """Return what the parameter has against a value; files need not be there."""
    if isinstance(parameter.type, click.Path) or STANDS_FOR.search(str(given)):
        return ""
    try:
        read = parameter.type_cast_value(context, given)
        if parameter.callback is not None:
            parameter.callback(context, parameter, read)
    except click.UsageError as error:
        return error.format_message()
    return ""
