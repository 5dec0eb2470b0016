"""The package that authors of spaces begin with; tests/live sees that it passes its suite."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from vcycled.testing.new_space import FILES, make
from vcycled.testing.new_space.__main__ import main


def test_every_file_is_made_and_is_what_its_name_says(tmp_path: Path) -> None:
    """Python can be parsed, and nothing is left to be filled in."""
    made = make("frost_cloud", tmp_path / "new")
    assert len(made) == len(FILES)
    for path in made:
        text = path.read_text(encoding="utf-8")
        assert "{{" not in text
        if path.suffix == ".py":
            ast.parse(text)
    setup = (tmp_path / "new" / "setup.cfg").read_text(encoding="utf-8")
    assert "frost_cloud = vcycle_space_frost_cloud:FrostCloudSpace" in setup


def test_the_page_tells_of_the_files_that_are_made(tmp_path: Path) -> None:
    """Each of its table is there, and so is each module that is to be changed."""
    page = Path(__file__).parents[1] / "docs" / "how-to" / "writing-a-space.md"
    told = set(re.findall(r"^\| `([\w/.]+\.\w+)` \|", page.read_text("utf-8"), re.MULTILINE))
    top = tmp_path / "vcycle-space-frost"
    made = {str(path.relative_to(top)) for path in make("frost", top)}
    assert told - made == set()
    assert {name for name in made if name.startswith("vcycle_space_frost/")} - told <= {
        "vcycle_space_frost/__init__.py",
        "vcycle_space_frost/py.typed",
    }


def test_it_tells_what_it_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder named after the API, unless another is given."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["frost"])
    assert result.exit_code == 0
    assert Path("vcycle-space-frost/vcycle_space_frost/space.py").is_file()
    assert "vcycle-space-frost/setup.cfg\n" in result.output
    assert CliRunner().invoke(main, ["frost", "elsewhere"]).exit_code == 0
    assert Path("elsewhere/tests/test_contract.py").is_file()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A second call may be a slip of somebody who has begun."""
    folder = tmp_path / "mine"
    folder.mkdir()
    result = CliRunner().invoke(main, ["frost", str(folder)])
    assert result.exit_code == 1
    assert [*folder.iterdir()] == []


@pytest.mark.parametrize("name", ["Frost", "1frost", "frost-cloud", "fröst", ""])
def test_a_name_that_no_module_can_have_is_refused(name: str, tmp_path: Path) -> None:
    """It becomes part of names of packages and modules."""
    result = CliRunner().invoke(main, ["--", name, str(tmp_path / "new")])
    assert result.exit_code == 2
    assert not (tmp_path / "new").exists()
