"""`vcycle templates`: what comes with Vcycle, and what is wrong with one's own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from vcycled.cli import main
from vcycled.config import InstalledSpaces
from vcycled.templates import packaged

MANUAL = (Path(__file__).parents[1] / "docs" / "reference" / "cli.md").read_text()


def run(*words: str) -> Result:
    """Run `vcycle templates WORDS`; no configuration is there, and none is needed."""
    return CliRunner().invoke(main, ["templates", *words])


def test_the_list_tells_what_to_write_and_what_it_does() -> None:
    """One line for each."""
    lines = run("list").output.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [f"template:{x}" for x in packaged.names()]
    assert lines[1].endswith("Runs a DIRAC pilot, and ends when it does.")


@pytest.mark.parametrize("name", ["minimal", "template:minimal"])
def test_a_template_is_shown_with_its_options(name: str) -> None:
    """As one writes them into the configuration."""
    lines = run("show", name).output.splitlines()
    assert "user_data = template:minimal" in lines
    at = lines.index("user_data_option_work_seconds = 60")
    assert lines[at + 1] == "    How long it works."
    assert "user_data_option_pool = (required)" in run("show", "htcondor-worker").output


def test_the_template_itself_is_printed() -> None:
    """Byte by byte, so that it can be changed and named."""
    assert run("show", "squid", "--source").output == packaged.text("squid")


def test_an_unknown_one_is_refused_with_the_nearest() -> None:
    """As every name."""
    result = run("show", "minimum")
    assert result.exit_code == 1
    assert "there is no template 'minimum'; did you mean minimal?" in result.output


def test_the_documents_are_those_of_the_manual() -> None:
    """Keys of all three."""
    (listed,) = [
        each for each in json.loads(run("list", "--json").output) if each["name"] == "minimal"
    ]
    shown = json.loads(run("show", "minimal", "--json").output)
    judged = json.loads(run("lint", "template:minimal", "--set", "x=1", "--json").output)
    assert listed == shown
    assert judged["file"] == "template:minimal"
    assert judged["findings"] == [
        {"weight": "warning", "text": "it does not use user_data_option_x"}
    ]
    assert judged["packed_size"] < judged["size"]
    section = MANUAL[MANUAL.index("### `vcycle templates list`") :]
    for each in (shown, shown["options"][0], judged, judged["findings"][0]):
        assert {key for key in each if f"`{key}`" not in section} == set()


def test_lint_tells_what_is_wrong_and_ends_with_1(tmp_path: Path) -> None:
    """And with 0 if nothing is."""
    path = tmp_path / "user_data"
    path.write_text("#!/bin/sh\n##user_data_uid## ##user_data_option_a##\n")
    wrong = run("lint", str(path), "--set", "user_data_option_a=1")
    assert (wrong.exit_code, wrong.output.splitlines()[0]) == (
        1,
        "error: nothing fills user_data_uid",
    )
    assert re.search(r"^13 bytes, \d+ packed$", wrong.output, re.MULTILINE)
    path.write_text("#!/bin/sh\n")
    assert run("lint", str(path)).exit_code == 0
    gone = run("lint", str(tmp_path / "gone"))
    assert (gone.exit_code, "cannot be read" in gone.output) == (1, True)


@pytest.mark.parametrize("setting", ["a", "=1"])
def test_a_setting_has_a_name_and_a_text(setting: str) -> None:
    """Anything else is a wrong command."""
    result = run("lint", "template:minimal", "--set", setting)
    assert result.exit_code == 2
    assert "must be written XXX=TEXT" in result.output


def test_clouds_that_are_installed_are_thought_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those whose libraries are missing are left out."""
    path = tmp_path / "user_data"
    path.write_text("#!/bin/sh\n".ljust(900_000))
    assert "openstack takes" in run("lint", str(path)).output

    def refuse(_self: InstalledSpaces, _api: str) -> None:
        raise ImportError

    monkeypatch.setattr(InstalledSpaces, "__getitem__", refuse)
    assert "takes" not in run("lint", str(path)).output
