"""Follows a tutorial as its reader does: saves what is to be saved, types what is to be typed.

Commands run in one shell, in a home of their own. What the page shows is looked for in what they
say: lines of words alone as they stand, of other lines the words, not names and numbers. A command
that only looks is typed again until it shows them, as a reader does who was told to wait. One that
fails on a machine that has ended meanwhile is typed again with the name of another.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.doc_blocks import TOP, Block, blocks_of, typed
from vcycled.clock import SystemClock

LOOKS = re.compile(
    r"(cat |curl |grep |rm -r |vcycle --config \S+ (status|why|plan|machines?|events|apel list)\b)"
)
"""Commands that may be typed again; a folder can be removed once nobody writes into it."""
WORD = re.compile(r"(?<![\w/.-])[a-z][a-z_]{3,}(?![\w/-])")
ENOUGH = 0.7
"""The part of a page's words that must be seen: some states come and go."""
LINE = re.compile(r"[A-Za-z ]+[.,]?")
"""A line, or a part of one, that says the same to every reader, such as `no machines`."""
NAME = re.compile(r"vcycle-(\w+)-\w{10}\b")
PATIENCE_S = 120.0
SAVED = re.compile(r"[Ss]ave (?:this|it) as\s+`([\w.-]+)`")
END = "end-of-command"


class Reader:
    """One who follows pages in a folder.

    Args:
        home: a new folder, which `~` stands for.
        changes: what the reader writes instead of what stands on the page.
        outside: commands of others that cannot be run here, by how they begin.
    """

    def __init__(
        self, home: Path, *, changes: Sequence[tuple[str, str]], outside: Sequence[str] = ()
    ) -> None:
        self._home = home
        self._changes = changes
        self._outside = tuple(outside)
        self._clock = SystemClock()
        self._name = ""
        environment = {**os.environ, "HOME": str(home), "NO_COLOR": "1", "TZ": "UTC"}
        self._shell = subprocess.Popen(
            ["bash", "--norc", "-m"],
            cwd=checkout(home),
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.type(
            "trap 'kill $(jobs -p) 2>/dev/null' EXIT"
        )  # a page may not be followed to its end

    def follow(self, page: Path, *, before: Mapping[str, Callable[[], None]]) -> None:
        """Do all that a page says; `before` has what happens each time such words are typed."""
        text = page.read_text(encoding="utf-8")
        for block in blocks_of(page):
            if block.kind in {"ini", "sh"}:
                self._save(block, "\n".join(text.split("\n")[: block.line - 1]))
            elif block.kind == "console":
                for command, shown in steps(block):
                    happens = [happen for words, happen in before.items() if words in command]
                    self._do(command, shown, happens)

    def close(self) -> None:
        """End the shell."""
        assert self._shell.stdin is not None
        self._shell.stdin.close()
        self._shell.wait(60)
        assert self._shell.stdout is not None
        self._shell.stdout.close()

    def type(self, command: str) -> tuple[int, str]:
        """Type a command; return its exit status and what it said."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        # What it says may end without a newline.
        self._shell.stdin.write(f"{command}\nprintf '\\n{END} %s\\n' $?\n")
        self._shell.stdin.flush()
        lines: list[str] = []
        for line in self._shell.stdout:
            if line.startswith(END):
                return int(line.split()[1]), "".join(lines)
            lines.append(line)
        raise AssertionError(f"the shell ended at {command}")

    def _save(self, block: Block, above: str) -> None:
        names = SAVED.findall(above)
        text = self._changed(block.text)
        _, folder = self.type("pwd")
        Path(folder.strip(), names[-1]).write_text(text, encoding="utf-8")

    def _changed(self, text: str) -> str:
        for old, new in self._changes:
            text = text.replace(old, new)
        return text

    def _do(self, command: str, shown: str, happens: Sequence[Callable[[], None]]) -> None:
        if command.startswith(self._outside or ("\0",)):
            return
        wanted = set(WORD.findall(shown))
        lines = {line for line in lines_of(shown) if LINE.fullmatch(line)}
        until = self._clock.monotonic() + PATIENCE_S
        command = self._changed(command)
        while True:
            named = self._with_a_name(command)
            for happen in happens:
                happen()
            status, said = self.type(named)
            seen = {word for word in wanted if word in said}
            is_right = (status == 0) == (" error;" not in shown)
            unseen = lines - lines_of(said)
            if is_right and not unseen and len(seen) >= ENOUGH * len(wanted):
                return
            late = self._clock.monotonic() > until or not LOOKS.match(command)
            assert not late, (
                f"$ {named}\n{said}({status}) {wanted - seen} {unseen}\n{self._logs()}"
            )
            if status and named != command:
                self._name = ""  # it may have ended meanwhile
            self.type("sleep 0.5")

    def _until_found(self, pattern: str) -> list[str]:
        until = self._clock.monotonic() + PATIENCE_S
        while True:
            _, said = self.type("vcycle --config vcycle.conf machines")
            if found := re.findall(pattern, said):
                return found
            assert self._clock.monotonic() < until, f"{said}\n{self._logs()}"
            self.type("sleep 0.5")

    def _logs(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self._home.glob("*/*.log")))

    def _with_a_name(self, command: str) -> str:
        """Put the name of a machine that runs, the youngest, in place of the page's."""
        if not (named := NAME.search(command)):
            return command
        if not self._name:
            pattern = rf"vcycle-{named[1]}-\w{{10}}(?= +running)"
            self._name = self._until_found(pattern)[-1]
        return NAME.sub(self._name, command)


def lines_of(text: str) -> set[str]:
    """Return the lines of `text`, and their parts between `;`, however many spaces align them."""
    parts = (part for line in text.splitlines() for part in (line, *line.split(";")))
    return {" ".join(part.split()) for part in parts if part.strip()}


def checkout(home: Path) -> Path:
    """Return a copy of what is tracked here, beside `home`."""
    copy = home.parent / "checkout"
    copy.mkdir()
    with (
        subprocess.Popen(["git", "ls-files", "-z"], cwd=TOP, stdout=subprocess.PIPE) as listed,
        subprocess.Popen(
            ["tar", "--create", "--null", "--files-from=-"],
            cwd=TOP,
            stdin=listed.stdout,
            stdout=subprocess.PIPE,
        ) as packed,
    ):
        subprocess.run(["tar", "--extract"], cwd=copy, stdin=packed.stdout, check=True)
    return copy


def steps(block: Block) -> list[tuple[str, str]]:
    """Return each command of a console with what the page shows after it."""
    commands = typed(block)
    shown: list[list[str]] = []
    is_open = False
    for line in block.text.splitlines():
        if line.startswith("$ "):
            shown.append([])
        elif not is_open:
            shown[-1].append(line)
        is_open = line.endswith("\\")
    return [(command, "\n".join(lines)) for command, lines in zip(commands, shown, strict=True)]
