"""`vcycle` as a whole: exit statuses, errors, options that all commands share, the manual."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tests.builders import NOW
from tests.cli_kit import (
    CONF,
    SPACE,
    OnASite,
    Site,
    ended,
    event,
    machine,
    report,
    run_of,
)
from vcycled.apel.queue import Queue
from vcycled.cli import main
from vcycled.cli.printing import Printer
from vcycled.config import ConfigSource
from vcycled.config.places import sqlite_path
from vcycled.model import Cause, Drain, Hold, MachineState
from vcycled.store import APEL

MANUAL = Path(__file__).parents[1] / "docs" / "reference" / "cli.md"
MANUAL_TEXT = MANUAL.read_text()
PROGRAM = "from vcycled.cli import main; main()"


def commands(group: click.Group = main, name: str = "vcycle") -> dict[str, click.Command]:
    """Return every command by its whole name."""
    found: dict[str, click.Command] = {}
    for each, command in group.commands.items():
        if isinstance(command, click.Group):
            found |= commands(command, f"{name} {each}")
        else:
            found[f"{name} {each}"] = command
    return found


class TestErrors(OnASite):
    """What cannot be done is told on standard error, with the right exit status."""

    @pytest.mark.parametrize(
        "words",
        [
            ["status"],
            ["machines"],
            ["machine", "x"],
            ["why", SPACE],
            ["events"],
            ["plan", SPACE],
            ["drain", SPACE],
            ["undrain", SPACE],
            ["delete", "x", "--yes"],
            ["apel", "sync", "202701"],
            ["backup", "copy.db"],
        ],
        ids=" ".join,
    )
    def test_without_a_database_it_says_so_and_makes_none(
        self, site: Site, words: list[str]
    ) -> None:
        """The manager makes it when it first runs."""
        database = site.root / "vcycle.db"
        database.unlink()
        said = site.refused(*words)
        assert said == f"vcycle: there is no database yet at {database}: has vcycled run?\n"
        assert not database.exists()

    def test_a_database_of_another_version_is_left_alone(self, site: Site) -> None:
        """Only vcycled upgrades it."""
        (site.root / "vcycle.db").write_bytes(b"")
        assert "the next start of vcycled makes it so" in site.refused("status")
        assert (site.root / "vcycle.db").read_bytes() == b""

    @pytest.mark.parametrize(
        ("closed", "words"),
        [("vcycle.db", "cannot be read by this user"), ("", "is closed to this user")],
    )
    def test_a_user_who_may_not_is_told_who_may(
        self, site: Site, monkeypatch: pytest.MonkeyPatch, closed: str, words: str
    ) -> None:
        """The database is its owner's alone."""
        path = site.root / closed
        monkeypatch.setattr("os.access", lambda asked, _mode: asked != path)
        said = site.refused("status")
        assert said == (
            f"vcycle: {path} {words}; try it as {path.owner()}"
            f" (sudo -u {path.owner()} vcycle ...)\n"
        )

    def test_an_owner_without_a_name_is_no_hindrance(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As in a container."""

        def nameless(_path: Path) -> str:
            raise KeyError

        monkeypatch.setattr("os.access", lambda asked, _mode: asked != site.root)
        monkeypatch.setattr(Path, "owner", nameless)
        assert site.refused("status").endswith("is closed to this user; try it as its owner\n")

    def test_a_configuration_that_cannot_be_read_is_wrong(self, site: Site) -> None:
        """Exit status 2, all problems at once."""
        site.configure("what is this\n[space\n")
        said = site.refused("status", status=2)
        assert said.count(f"{site.conf}:") == 2
        assert said.endswith("vcycle: 2 problems, nothing done\n")

    def test_the_last_good_configuration_goes_on(self, site: Site) -> None:
        """As it does for vcycled, which keeps it; the problems are told."""
        site.save(machine())
        ConfigSource([site.conf]).current()
        site.configure("[vcycle]\nroot = ROOT\n[space\n")
        page = site.ok("status")
        assert page.startswith(f"error: {site.conf}:3: ")
        assert f"{SPACE} (local)" in page

    def test_commands_keep_no_configuration(self, site: Site) -> None:
        """That is the manager's, and its files must stay its own."""
        site.ok("status")
        assert not (site.root / "lastgood.json").exists()

    def test_a_last_good_configuration_that_is_damaged_is_not_used(self, site: Site) -> None:
        """Then nothing is left to go on with."""
        (site.root / "lastgood.json").write_text("{")
        site.configure("[vcycle]\nroot = ROOT\n[space\n")
        assert site.refused("status", status=2).endswith("vcycle: 1 problem, nothing done\n")

    def test_a_server_that_does_not_answer_is_told(self, site: Site) -> None:
        """Without its password."""
        url = "postgresql://vcycle:secret@127.0.0.1:1/vcycle"
        site.configure(CONF.replace("root = ROOT", f"root = ROOT\ndatabase = {url}"))
        said = site.refused("status")
        assert said.startswith("vcycle: postgresql")
        assert "secret" not in said

    def test_a_reader_that_has_gone_ends_it_quietly(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Any other trouble with the output is told."""
        for number, said in ((errno.EPIPE, ""), (errno.ENOSPC, "vcycle: [Errno 28] full\n")):
            error = OSError(number, "full")

            def fail(*_: object, error: OSError = error) -> None:
                raise error

            monkeypatch.setattr(Printer, "show", fail)
            result = site.vcycle("machines")
            assert (result.exit_code, result.stderr) == (1, said)

    def test_what_the_system_refuses_is_told(self, site: Site) -> None:
        """In one line."""
        (site.root / "apel-archive").write_text("not a folder")
        said = site.refused("apel", "list")
        assert said.startswith("vcycle: [Errno 20] Not a directory")

    def test_errors_cannot_move_the_cursor_either(self, site: Site) -> None:
        """They may name machines, which a cloud has named."""
        site.save(machine("vcycle\x1b[2J\n1"))
        assert site.refused("machine", "x").endswith("; there are: vcycle [2J 1\n")

    @pytest.mark.parametrize(
        ("month", "said"),
        [
            ("2027", "a month is written YYYYMM, such as 202701, not '2027'"),
            ("202702", "202702 lies in the future; it is 202701 now (UTC)"),
        ],
    )
    def test_a_month_that_is_none_is_wrong_usage(self, site: Site, month: str, said: str) -> None:
        """Nothing was looked for."""
        assert said in site.refused("usage", month, status=2)

    def test_unknown_commands_and_options_are_wrong_usage(self, site: Site) -> None:
        """Exit status 2."""
        assert "No such command 'stxtus'" in site.refused("stxtus", status=2)
        assert "No such option" in site.refused("status", "--jsno", status=2)


class TestConfigOption(OnASite):
    """--config stands before the command or after it."""

    def run(self, *words: str) -> str:
        """Run `vcycle` without the option of the site."""
        result = CliRunner().invoke(main, words, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    def test_it_may_follow_the_command(self, site: Site) -> None:
        """It then counts instead of one before."""
        assert SPACE in self.run("status", "--config", str(site.conf))
        assert SPACE in self.run("--config", "/nowhere", "status", "--config", str(site.conf))

    def test_it_reaches_the_commands_of_config(self, site: Site) -> None:
        """Which have one of their own as well."""
        assert SPACE in self.run("--config", str(site.conf), "config", "show")
        assert SPACE in self.run("config", "show", "--config", str(site.conf))

    def test_it_may_be_repeated(self, site: Site) -> None:
        """Later files win."""
        more = site.folder / "more.conf"
        more.write_text(f"[space {SPACE}]\nprocessors_limit = 3\n")
        page = self.run("--config", str(site.conf), "--config", str(more), "status")
        assert "0 of 3" in page


class TestProcess(OnASite):
    """As a process of its own."""

    def start(self, site: Site, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run `vcycle` and wait for its end."""
        command = [sys.executable, "-c", PROGRAM, "--config", str(site.conf), *words]
        env = {**os.environ, "TZ": "UTC", **more}
        return subprocess.run(command, capture_output=True, text=True, env=env, check=False)

    def test_it_prints_a_table_and_ends(self, site: Site) -> None:
        """On the real clock, in the real zone."""
        site.save(machine(fault="ümläut"))
        ended = self.start(site, "machines", PYTHONUTF8="1")
        assert (ended.returncode, ended.stderr) == (0, "")
        lines = ended.stdout.splitlines()
        assert lines[0].split() == ["NAME", "STATE", "PROCS", "AGE", "RAN", "REMARKS"]
        assert lines[1].endswith("ümläut")

    def test_a_reader_that_has_seen_enough_is_no_error_to_speak_of(self, site: Site) -> None:
        """As with `vcycle machines | head -1`."""
        site.save(*(machine(f"vcycle-prod-{each:010}") for each in range(1000)))
        words = f"{sys.executable} -c '{PROGRAM}' --config {site.conf} machines | head -1"
        ended = subprocess.run(
            ["/bin/sh", "-c", words], capture_output=True, text=True, check=False
        )
        assert ended.stdout.startswith("NAME")
        assert ended.stderr == ""


class TestDocuments(OnASite):
    """What --json prints is what docs/reference/cli.md says it prints."""

    NOT_NAMED = frozenset({"seconds", "unusable", "terms"})
    """Keys whose values have keys that the manual does not list one by one."""

    @pytest.mark.parametrize(
        "words",
        [
            ["status"],
            ["machines", "--all"],
            ["machine", "vcycle-prod-0000000009"],
            ["why", SPACE],
            ["events"],
            ["disk"],
            ["plan", SPACE],
            ["apel", "list"],
            ["apel", "sync", "202701"],
            ["config", "check"],
        ],
        ids=" ".join,
    )
    def test_every_key_is_in_the_manual(self, site: Site, words: list[str]) -> None:
        """By its name."""
        gone = ended()
        drain = Drain(space=SPACE, machinetype="", since=NOW)
        hold = Hold(machinetype="prod", cause=Cause.BACKOFF, detail="why")
        told = event("machine-gone", gone.name)
        site.save(machine(), gone, drains=(drain,), intervals=(run_of(gone),), events=(told,))
        site.report(report(holds=(hold,)))
        Queue(site.root).put(run_of(gone))
        with site.store() as store:
            store.mark_exported(APEL, [(gone.uuid, 0)], NOW)
        unknown = {key for key in self.keys(site.json(*words)) if f"`{key}`" not in MANUAL_TEXT}
        assert unknown == set()

    def keys(self, document: object) -> Iterator[str]:
        """Return every key in a document."""
        if isinstance(document, dict):
            for key, value in document.items():
                yield key
                if key not in self.NOT_NAMED:
                    yield from self.keys(value)
        elif isinstance(document, list):
            for each in document:
                yield from self.keys(each)


class TestManual:
    """docs/reference/cli.md tells of every command."""

    @pytest.mark.parametrize("name", commands())
    def test_every_command_has_its_section(self, name: str) -> None:
        """Under its whole name, with every option."""
        pattern = rf"^##+ `{name}.*?`\n(.*?)(?=^##|\Z)"
        section = re.search(pattern, MANUAL_TEXT, re.MULTILINE | re.DOTALL)
        assert section is not None
        for param in commands()[name].params:
            if isinstance(param, click.Option) and param.name not in {"paths", "config"}:
                assert param.opts[0] in section[0], f"{param.opts[0]} of {name}"

    @pytest.mark.parametrize("name", commands())
    def test_every_command_tells_of_itself(self, name: str) -> None:
        """In a line that fits, and with help for every option."""
        command = commands()[name]
        if name.startswith("vcycle config "):
            return  # a page of its own
        assert command.help is not None
        first = command.help.partition("\n")[0]
        assert len(first) <= 58
        assert first.endswith(".")
        for param in command.params:
            assert not isinstance(param, click.Option) or param.help, param.name

    def test_every_state_is_told(self) -> None:
        """Those of the cloud, and how far the manager is."""
        for state in (*MachineState, "intended", "asked", "gone"):
            assert f"`{state}`" in MANUAL_TEXT


def test_every_cause_has_the_section_that_why_names() -> None:
    """In docs/reference/why.md."""
    text = (MANUAL.parent / "why.md").read_text()
    assert set(Cause) <= set(re.findall(r"^## (\S+)$", text, re.MULTILINE))


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:////var/lib/vcycle/vcycle.db", Path("/var/lib/vcycle/vcycle.db")),
        ("sqlite:////data/v.db?timeout=5", Path("/data/v.db")),
        ("postgresql://user@host/name", None),
    ],
)
def test_the_file_of_a_database_is_known_if_it_has_one(url: str, path: Path | None) -> None:
    """PostgreSQL has none."""
    assert sqlite_path(url) == path


def test_version_and_help_need_nothing() -> None:
    """No configuration, no database."""
    assert CliRunner().invoke(main, ["--version"]).output.startswith("vcycle, version ")
    help_page = CliRunner().invoke(main, ["-h"]).output
    assert help_page.index("status") < help_page.index("machines") < help_page.index("drain")
    assert "..." not in help_page.partition("Commands:")[2]
