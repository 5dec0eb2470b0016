"""The web process's own file, when it is wrong."""

from pathlib import Path

import pytest

from vcycled.config import load_web
from vcycled.errors import ConfigError


def test_the_web_file_holds_only_its_section(tmp_path: Path) -> None:
    """What is wrong with the web process's file is said at once, strange sections too."""
    path = tmp_path / "web.conf"
    path.write_text("[web]\nport = 0\ncolour = red\n[space x]\n")
    with pytest.raises(ConfigError) as caught:
        load_web(path)
    assert [str(problem).replace(str(path), "F") for problem in caught.value.problems] == [
        "F:1: [web] certificate: is required: an absolute path",
        "F:1: [web] key: is required: an absolute path",
        "F:2: [web] port: must be a whole number, 1 to 65535, not '0'",
        "F:3: [web] colour: unknown option; it does nothing",
        "F:4: [space x] only a section [web] may be in this file",
    ]


def test_a_web_file_without_section_names_the_file(tmp_path: Path) -> None:
    """What is required is missed in the file itself."""
    path = tmp_path / "web.conf"
    path.write_text("")
    with pytest.raises(ConfigError, match="certificate: is required") as caught:
        load_web(path)
    assert {problem.file for problem in caught.value.problems} == {str(path)}
