"""What the guide to user_data lets its reader write and type is right."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.template_kit import SUBJECT
from tests.web_site import ONE, SPACE, TOKENS, running
from vcycled import mjf
from vcycled.cli import main
from vcycled.config import problems_of
from vcycled.config.reader import read
from vcycled.userdata import Recipe, Subject, make

TEXT = (Path(__file__).parents[1] / "docs" / "how-to" / "writing-user-data.md").read_text()
SPACE_OF_THE_GUIDE = """\
[vcycle]
root = {root}

[space cloud.example.com]
api = local
local_dir = {root}/local
"""


def blocks(kind: str) -> list[str]:
    """Return the blocks of a kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture
def worker(tmp_path: Path) -> Path:
    """The guide's example, as its reader saves it."""
    path = tmp_path / "worker.sh"
    path.write_text(next(each for each in blocks("sh") if each.startswith("#!")))
    return path


def test_lint_finds_nothing_in_the_example(worker: Path) -> None:
    """Only its size is told."""
    result = CliRunner().invoke(
        main, ["templates", "lint", str(worker), "--set", "command=sleep 60"]
    )
    assert result.exit_code == 0
    assert re.fullmatch(r"[0-9]+ bytes, [0-9]+ packed\n", result.output)


def test_the_configuration_of_the_example_is_right(tmp_path: Path, worker: Path) -> None:
    """It names the template by the name under which it is saved, and has what that wants."""
    (section,) = blocks("ini")
    files = tmp_path / "spaces" / "cloud.example.com" / "machinetypes" / "example" / "files"
    files.mkdir(parents=True)
    worker.rename(files / worker.name)
    conf = tmp_path / "vcycle.conf"
    conf.write_text(SPACE_OF_THE_GUIDE.format(root=tmp_path) + section)
    assert list(problems_of(read([conf]))) == []
    shown = CliRunner().invoke(
        main, ["--config", str(conf), "user-data", "cloud.example.com", "example"]
    )
    assert shown.exit_code == 0
    assert "/opt/agent/run --site EXAMPLE" in shown.stdout
    assert "##" not in shown.stdout


@pytest.mark.parametrize(
    ("command", "code"), [("echo done", "200"), ("exit 3", "300"), ("exit 1", "600")]
)
async def test_the_example_says_how_its_command_ended(
    tmp_path: Path, worker: Path, command: str, code: str
) -> None:
    """On a real site: heartbeat, log and message arrive, and then it powers off."""
    off = tmp_path / "bin" / "poweroff"
    off.parent.mkdir()
    off.write_text(f"#!/bin/sh\ntouch {tmp_path}/off\n")
    off.chmod(0o755)
    async with running(tmp_path) as site:
        subject = Subject(
            name=ONE,
            uuid=SUBJECT.uuid,
            site=SUBJECT.site,
            manager_host=SUBJECT.manager_host,
            urls=mjf.urls(https_host="localhost", https_port=site.port, space=SPACE, machine=ONE),
            token=TOKENS[ONE],
            ca_certificates=site.authority.read_text(),
        )
        script = tmp_path / "rendered"
        beaten = f"until [ -e {site.outputs()}/heartbeat ]; do sleep 0.1; done"
        script.write_bytes(make(_recipe(worker, f"{beaten}; {command}"), subject).content)
        environment = {"PATH": f"{off.parent}:{os.environ['PATH']}", "TMPDIR": str(tmp_path)}
        process = await asyncio.create_subprocess_exec(
            "sh", str(script), env=environment, process_group=0
        )
        async with asyncio.timeout(60):
            await process.wait()
        os.killpg(process.pid, 9)  # what powering off does to the heartbeats
        assert site.names() == ["agent.log", "heartbeat", "shutdown_message"]
        assert (site.outputs() / "shutdown_message").read_text().startswith(code)
    assert (tmp_path / "off").exists()


def _recipe(template: Path, command: str) -> Recipe:
    return Recipe(
        space=SPACE,
        machinetype="prod",
        template=str(template),
        folder=template.parent,
        options={"command": command},
    )
