"""What the tutorial lets its reader type and write is right.

That its steps lead where it says was seen by doing them; this keeps the words from going stale.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

import vcycled.cli
import vcycled.daemon
import vcycled.web
from vcycled.config import load_web

TEXT = (Path(__file__).parents[1] / "docs" / "tutorial" / "first-space.md").read_text()
COMMANDS: dict[str, click.Command] = {
    "vcycle": vcycled.cli.main,
    "vcycled": vcycled.daemon.main,
    "vcycle-web": vcycled.web.main,
}


def blocks(kind: str) -> list[str]:
    """Return the blocks of a kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def typed() -> list[str]:
    """Return the lines that begin with one of our commands, without what the shell does."""
    lines = re.findall(r"^\$ (.+)$", "".join(blocks("console")), re.MULTILINE)
    ours = [line for line in lines if line.startswith("vcycle")]
    return [re.sub(r" (\|.*|\d?>\S+|&)", "", line) for line in ours]


def parse(line: str) -> Result:
    """Let the command itself parse a line; --help keeps it from being run."""
    name, *words = shlex.split(line)
    return CliRunner().invoke(COMMANDS[name], [*words, "--help"])


@pytest.mark.parametrize("line", typed())
def test_commands_and_options_exist(line: str) -> None:
    """As the commands are today."""
    result = parse(line)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("line", ["vcycle show", "vcycle events --limt 5", "vcycled --detached"])
def test_those_that_do_not_exist_would_be_found(line: str) -> None:
    """The check above can fail."""
    assert parse(line).exit_code == 2


def test_it_shows_what_a_first_day_needs() -> None:
    """From the check of the configuration to the drain at the end."""
    words = {word for line in typed() for word in shlex.split(line)}
    assert words >= {
        *("vcycled", "vcycle-web", "check", "status", "machines", "machine", "why", "plan"),
        *("drain", "undrain", "apel", "events", "user-data"),
    }


def test_its_configuration_is_right(tmp_path: Path) -> None:
    """`vcycle config check --strict` has nothing to say, once the files are there."""
    (conf, web_conf), (worker,) = blocks("ini"), blocks("sh")
    folder = tmp_path / "first"
    folder.mkdir()
    files = {"vcycle.conf": conf, "vcycle-web.conf": web_conf, "worker.sh": worker}
    for name, text in {**files, "cert.pem": "", "key.pem": ""}.items():
        (folder / name).write_text(text.replace("/home/you", str(tmp_path)))
    words = ["--config", str(folder / "vcycle.conf"), "config", "check", "--strict"]
    result = CliRunner().invoke(vcycled.cli.main, words)
    assert result.exit_code == 0, result.output
    options, warnings = load_web(folder / "vcycle-web.conf")
    assert warnings == ()
    assert f"https_port = {options.port}\n" in conf
