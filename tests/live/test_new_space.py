"""The package that authors of spaces begin with: made, installed, and through its own suite."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from vcycled.testing.new_space import make

pytestmark = pytest.mark.live

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "writing-a-space.md"

CONF = """\
[space cloud.example.org]
api = frost
url = https://frost.example.org
token = secret
tokn = secret
[machinetype cloud.example.org work]
target_share = 1
backoff_seconds = 600
fizzle_seconds = 600
user_data = template:minimal
"""


def run(*words: str, cwd: Path, path: Path) -> subprocess.CompletedProcess[str]:
    """Run a Python module with what is installed in `path`."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Make and install a package; return its folder and where it was installed."""
    top = tmp_path_factory.mktemp("author")
    folder, installed = top / "vcycle-space-frost", top / "installed"
    make("frost", folder)
    pip = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    done = run(*pip, "--target", str(installed), str(folder), cwd=top, path=installed)
    assert done.returncode == 0, done.stderr
    return folder, installed


def test_it_passes_the_contract_suite(made: tuple[Path, Path]) -> None:
    """And its tests of errors, as its author would run them."""
    folder, installed = made
    done = run("-m", "pytest", "-q", "-p", "no:asyncio", cwd=folder, path=installed)
    assert done.returncode == 0, done.stdout
    (wanted,) = re.findall(r"^\d+ passed$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert wanted in done.stdout


def test_its_api_is_a_kind_of_space(made: tuple[Path, Path], tmp_path: Path) -> None:
    """Found by its entry point, with its options."""
    conf = tmp_path / "vcycle.conf"
    conf.write_text(CONF)
    conf.chmod(0o600)
    command = "import vcycled.cli; vcycled.cli.main()"
    words = ("-c", command, "--config", str(conf), "config", "check")
    done = run(*words, cwd=tmp_path, path=made[1])
    assert done.returncode == 2
    assert "tokn: unknown option" in done.stdout + done.stderr
    assert "1 error" in done.stdout + done.stderr
