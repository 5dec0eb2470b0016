"""The wheel and the source distribution: whole, and enough to run everything."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import click
import pytest

from tests.openstack_bed.processes import wait_until
from tests.packages import MARKS, TOP, built
from vcycled.cli import main

pytestmark = [*MARKS, pytest.mark.timeout(300)]

USUAL = "/usr/sbin:/usr/bin:/sbin:/bin"
LINKED = ("spaces", "apel", "templates")
COMMANDS = ("vcycle", "vcycled", "vcycle-web", "vcycle-admin")
DEMO_SECONDS = 6
USAGE = b"Usage: vcycle config show"
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a virtual environment outside the tree that has the wheel and what it needs."""
    venv = tmp_path_factory.mktemp("clean") / "venv"
    subprocess.run(["/usr/bin/python3", "-m", "venv", venv], check=True, timeout=120)
    pip = [str(venv / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, str(built("*.whl"))], check=True, timeout=240)
    return venv


def run(venv: Path, *command: str) -> str:
    """Run a command of the environment, far from the tree; return what it says."""
    environment = {"PATH": f"{venv / 'bin'}:{USUAL}", "HOME": str(venv), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        command,
        cwd=venv,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def tracked() -> set[str]:
    """Return every file of the tree that is to be installed as part of a package."""
    listed = subprocess.run(
        ["git", "ls-files", "vcycled", *LINKED],
        cwd=TOP,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    named = {f"vcycled/{path}" if path.startswith(LINKED) else path for path in listed}
    return named - {f"vcycled/{link}" for link in LINKED}


def in_wheel() -> set[str]:
    """Return the names in the wheel."""
    with ZipFile(built("*.whl")) as wheel:
        return set(wheel.namelist())


def in_sdist() -> set[str]:
    """Return the names in the source distribution, without its own folder."""
    with tarfile.open(built("*.tar.gz")) as sdist:
        return {name.partition("/")[2] for name in sdist.getnames()}


def test_the_wheel_has_every_file_of_the_packages() -> None:
    """Those behind links, templates, migrations and py.typed among them."""
    assert tracked() - in_wheel() == set()
    assert {"vcycled/py.typed", "vcycled/templates/minimal.j2"} <= in_wheel()


def test_the_source_distribution_has_what_the_wheel_is_made_of() -> None:
    """And what packages for systems are made of; the wheel was built from it."""
    wanted = {"setup.cfg", "pyproject.toml", "LICENSE", "README.md", "CHANGELOG.md"}
    wanted |= {"packaging/debian/rules", "packaging/share/vcycled.8", "docs/index.md"}
    assert (tracked() | wanted) - in_sdist() == set()


def test_neither_has_anything_else_of_the_tree() -> None:
    """Tests and what tools leave behind stay at home."""
    foreign = ("tests/", "bench/", "docs/_build", "build/", ".")
    assert [name for name in in_wheel() | in_sdist() if name.startswith(foreign)] == []
    assert [name for name in in_wheel() | in_sdist() if "__pycache__" in name] == []


def test_the_commands_say_their_version(venv: Path) -> None:
    """Each of them, installed from the wheel."""
    for command in COMMANDS:
        assert run(venv, command, "--version") == f"{command}, version 4.0.0\n"


def test_the_example_configurations_are_right(venv: Path) -> None:
    """They came with the wheel, and the manager that came with it takes them."""
    example = str(venv / "share" / "vcycle" / "vcycle.conf.example")
    said = run(venv, "vcycle", "--config", example, "config", "check", "--strict")
    assert said == "vcycle: the configuration is right\n"


def test_a_space_without_its_library_names_the_extra(venv: Path) -> None:
    """The wheel alone needs no SDK of any cloud."""
    conf = venv / "cloud.conf"
    conf.write_text("[space a.example.org]\napi = ec2\nregion = eu-west-1\n")
    done = subprocess.run(
        [venv / "bin" / "vcycle", "--config", conf, "config", "check"],
        env={"PATH": USUAL},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "install the extra ec2 of vcycle" in done.stdout


def test_the_templates_can_be_shown(venv: Path) -> None:
    """They are data behind a link in the tree."""
    assert "dirac-pilot" in run(venv, "vcycle", "templates", "list")
    assert "template:minimal" in run(venv, "vcycle", "templates", "show", "minimal")


def test_the_demo_plays(venv: Path) -> None:
    """Manager, web site, store, machines and records, all from the wheel."""
    folder = venv.parent / "demo"
    options = ("--folder", str(folder), "--seconds", str(DEMO_SECONDS))
    said = run(venv, "python", "-m", "vcycled.demo", *options)
    assert "machines" in said
    assert (folder / "vcycle" / "vcycle.db").exists()


@pytest.fixture
def shell(venv: Path, request: pytest.FixtureRequest) -> Iterator[tuple[int, list[bytes]]]:
    """Start an interactive shell on a terminal; give the terminal and all that it shows."""
    ours, theirs = pty.openpty()
    environment = {"PATH": f"{venv / 'bin'}:{USUAL}", "HOME": str(venv), "TERM": "dumb"}
    shown: list[bytes] = []

    def read() -> None:
        try:
            while piece := os.read(ours, 4096):
                shown.append(piece)
        except OSError:  # the shell has closed its end
            return

    with subprocess.Popen(
        request.param,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield ours, shown
        finally:
            process.kill()
            reader.join()
            os.close(ours)


@pytest.mark.parametrize(
    ("shell", "setting_up"),
    [
        pytest.param(
            ["bash", "--norc", "-i"],
            ". {share}/bash-completion/completions/vcycle",
            id="bash",
        ),
        pytest.param(
            ["zsh", "-f", "-i"],
            "fpath=({share}/zsh/site-functions $fpath); autoload -U compinit; compinit -u -D",
            id="zsh",
        ),
    ],
    indirect=["shell"],
)
def test_tab_completes_commands(
    shell: tuple[int, list[bytes]], venv: Path, setting_up: str
) -> None:
    """Pressing it after `vcycle confi`, and going on from there, runs the command."""
    terminal, shown = shell
    share = venv / "share"

    def until(text: bytes) -> None:
        assert wait_until(lambda: text in b"".join(shown), PATIENCE_S), b"".join(shown)

    os.write(terminal, f"{setting_up.format(share=share)}; echo rea''dy\n".encode())
    until(b"ready")
    os.write(terminal, b"vcycle confi\t")
    until(b"config")
    os.write(terminal, b"show --help\n")
    until(USAGE)


def test_fish_completes_commands(venv: Path) -> None:
    """It can be asked without a terminal."""
    source = f"source {venv}/share/fish/vendor_completions.d/vcycle.fish"
    said = run(venv, "fish", "--no-config", "-c", f"{source}; complete -C 'vcycle config '")
    assert {line.split("\t")[0] for line in said.splitlines()} == {"check", "set", "show"}


def leaves(command: click.Command, words: str) -> Iterator[str]:
    """Yield each command of a group, of the groups in it too, as it is typed."""
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            yield from leaves(each, f"{words} {name}")
    else:
        yield words


def test_every_command_is_completed_and_in_the_manual(venv: Path) -> None:
    """By what was installed: all that there are, and no other."""
    completion = {"_VCYCLE_COMPLETE": "bash_complete", "COMP_CWORD": "1", "COMP_WORDS": "vcycle "}
    words = [f"{name}={text}" for name, text in completion.items()]
    said = run(venv, "env", *words, "vcycle")
    assert sorted(said.split()) == sorted(f"plain,{name}" for name in main.commands)
    page = (venv / "share" / "man" / "man1" / "vcycle.1").read_text(encoding="utf-8")
    headings = [
        found.replace("\\", "") for found in re.findall(r"^\.SS (vcycle .+)$", page, re.MULTILINE)
    ]
    assert sorted(headings) == sorted(leaves(main, "vcycle"))


@pytest.mark.parametrize(
    "page", ["man1/vcycle.1", "man5/vcycle.conf.5", *(f"man8/{each}.8" for each in COMMANDS[1:])]
)
def test_the_manual_pages_can_be_set(venv: Path, page: str) -> None:
    """Neither groff nor mandoc warns, but of a macro that Sphinx writes for nothing."""
    path = str(venv / "share" / "man" / page)
    show = f"man --warnings --encoding=UTF-8 --local-file {path}"
    assert run(venv, "sh", "-c", f"{show} 2>/dev/null") != ""
    assert run(venv, "sh", "-c", f"{show} 2>&1 >/dev/null") == ""
    found = run(venv, "sh", "-c", f"mandoc -T lint -W warning {path} || true").splitlines()
    assert [line for line in found if "skipping paragraph macro: sp" not in line] == []


def test_user_and_folders_can_be_made_elsewhere(venv: Path, tmp_path: Path) -> None:
    """What the wheel brings for systemd does its work under another root."""
    share = venv / "share" / "vcycle"
    (tmp_path / "etc").mkdir()
    run(venv, "systemd-sysusers", f"--root={tmp_path}", str(share / "vcycle.sysusers"))
    assert "\nvcycle:" in f"\n{(tmp_path / 'etc' / 'passwd').read_text()}"
    run(venv, "systemd-tmpfiles", f"--root={tmp_path}", "--create", str(share / "vcycle.tmpfiles"))
    web_up = tmp_path / "var" / "lib" / "vcycle" / "shared" / "web_up"
    assert web_up.stat().st_mode & 0o7777 == 0o2770
