"""What the tutorial lets its reader type and write is right.

Its commands are looked at by tests/test_doc_commands.py, and run by tests/live/test_tutorials.py.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from click.testing import CliRunner

import vcycled.cli
from vcycled.config import load_web

TEXT = (Path(__file__).parents[1] / "docs" / "tutorial" / "first-space.md").read_text()


def blocks(kind: str) -> list[str]:
    """Return the blocks of a kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def typed() -> list[str]:
    """Return the lines that begin with one of our commands, without what the shell does."""
    lines = re.findall(r"^\$ (.+)$", "".join(blocks("console")), re.MULTILINE)
    ours = [line for line in lines if line.startswith("vcycle")]
    return [re.sub(r" (\|.*|\d?>\S+|&)", "", line) for line in ours]


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
