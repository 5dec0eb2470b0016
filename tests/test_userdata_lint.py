"""What `vcycle templates lint` finds in a template."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from vcycled.errors import UserDataError
from vcycled.userdata import Room
from vcycled.userdata import lint as lint_module
from vcycled.userdata.lint import Finding, Report, Trial, Weight, lint

NONE: Mapping[str, str] = {}


@pytest.fixture(autouse=True)
def no_cloud_init(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Look for programs only in a folder of the test; return it."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    return programs


def found(
    folder: Path,
    text: str,
    *,
    name: str = "template",
    options: Mapping[str, str] = NONE,
    **rooms: Room,
) -> Report:
    """What is found in a template."""
    (folder / name).write_text(text)
    return lint(Trial(source=str(folder / name), options=options, rooms=rooms))


def said(report: Report) -> list[str]:
    """Findings as a person sees them."""
    return [f"{each.weight}: {each.text}" for each in report.findings]


SET = "must be set; 'example' stands for it here"
OURS = (
    "{#- About.\n\noption a = 1\noption b (required)\n-#}\n#!/bin/sh\n# {{ user_data_option_a }}\n"
)


@pytest.mark.parametrize(
    ("name", "text", "options", "expected"),
    [
        pytest.param("t", "#!/bin/sh\n##user_data_uuid##", NONE, [], id="right"),
        pytest.param(
            "t",
            "#!/bin/sh\n##user_data_UUID## ##user_data_uid## ##user_data_option_x##",
            NONE,
            ["error: nothing fills user_data_uid", f"note: user_data_option_x {SET}"],
            id="a pattern that nothing fills, and one that an option must",
        ),
        pytest.param(
            "t",
            "#!/bin/sh\n##user_data_file_x## ##user_data_option_x509_proxy##",
            {"x": "1", "y": "2"},
            ["warning: it does not use user_data_option_y"],
            id="an option that it does not use",
        ),
        pytest.param(
            "t.j2",
            "#!/bin/sh\n{# user_data_gone #}{{ user_data_uid }}",
            NONE,
            ["warning: nothing fills user_data_uid", "error: T:2: nothing fills user_data_uid"],
            id="a variable that nothing fills",
        ),
        pytest.param(
            "t.j2",
            "#!/bin/sh\n{% if %}",
            NONE,
            ["error: T:2: Expected an expression, got 'end of statement block'"],
            id="no proper Jinja2",
        ),
        pytest.param(
            "t.j2", OURS, NONE, [f"note: user_data_option_b {SET}"], id="declared options"
        ),
        pytest.param("t.j2", OURS, {"b": "2"}, [], id="declared options that are set"),
        pytest.param(
            "t",
            "hello",
            NONE,
            [
                "warning: cloud-init knows user_data by its first line,"
                " and this is none that it knows"
            ],
            id="of no form",
        ),
        pytest.param("t", "MIME-Version: 1.0\n", NONE, [], id="in parts"),
        pytest.param(
            "t",
            "#cloud-config\n{}",
            NONE,
            ["note: cloud-init is not installed here, so its schema was not asked"],
            id="a cloud-config where there is no cloud-init",
        ),
    ],
)
def test_what_is_found(
    tmp_path: Path, name: str, text: str, options: Mapping[str, str], expected: list[str]
) -> None:
    """In the order of names, filling, form."""
    report = found(tmp_path, text, name=name, options=options)
    texts = [each.replace(f"user_data: {tmp_path}/{name}", "T") for each in said(report)]
    assert texts == expected
    assert report.is_right == (not any(each.startswith("error") for each in expected))


ROOM = Room(most=100, takes_gzip=False)
PACKED = Room(most=100, takes_gzip=True)


@pytest.mark.parametrize(
    ("length", "room", "weight"),
    [
        (100, ROOM, None),
        (101, ROOM, Weight.WARNING),
        (101, PACKED, Weight.NOTE),
        (100_000, PACKED, Weight.WARNING),
        (100_000, Room(most=None, takes_gzip=False), None),
    ],
)
def test_clouds_take_only_so_much(
    tmp_path: Path, length: int, room: Room, weight: Weight | None
) -> None:
    """Packed if they take that; otherwise the machine fetches it."""
    text = "#!/bin/sh\n".ljust(length, "x")
    report = found(tmp_path, text, cloud=room)
    assert report.size == length
    assert [each.weight for each in report.findings] == ([] if weight is None else [weight])
    assert all(f"cloud takes 100 bytes and this has {length}: " in s for s in said(report))


@pytest.mark.parametrize(
    ("script", "finding"),
    [
        (
            'grep -q "#cloud-config" "$3" && echo "Valid $1"',
            Finding(weight=Weight.NOTE, text="cloud-init finds it right"),
        ),
        (
            'echo "Error in $3:"; echo "  no such key" >&2; exit 1',
            Finding(weight=Weight.ERROR, text="cloud-init: Error in it: no such key"),
        ),
        (
            "exec /bin/sleep 600",
            Finding(
                weight=Weight.NOTE, text="cloud-init did not answer, so its schema was not asked"
            ),
        ),
    ],
)
def test_cloud_init_is_asked_if_it_is_here(
    tmp_path: Path,
    no_cloud_init: Path,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    finding: Finding,
) -> None:
    """A cloud-config, as it would be given to a machine."""
    monkeypatch.setattr(lint_module, "_SCHEMA_S", 5 if "sleep" not in script else 0.3)
    monkeypatch.setenv("PATH", f"{no_cloud_init}:/usr/bin:/bin")
    program = no_cloud_init / "cloud-init"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    assert os.access(program, os.X_OK)
    assert found(tmp_path, "#cloud-config\n{}").findings == (finding,)


def test_a_template_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """As when a machine would need it."""
    with pytest.raises(UserDataError, match="gone cannot be read: No such file"):
        lint(Trial(source=str(tmp_path / "gone")))
