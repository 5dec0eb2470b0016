"""What pages tell readers to run of others: services, calls of AWS, and programs in sentences."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import botocore
import botocore.session
import pytest

from tests.doc_blocks import PAGES, TOP, blocks_of, simple_commands, text_of
from tests.test_doc_commands import commands, judged

UNITS = {path.stem for path in (TOP / "etc").glob("*.service")}
NO_UNIT = {"daemon-reload", "poweroff"}
"""What systemctl does without one."""
PROGRAMS = (
    "apt-get aws az curl journalctl jq ls make man openssl openstack pip python rm systemctl"
)


def sentences() -> Iterator[tuple[str, list[str]]]:
    """Yield each program of others that stands in a sentence, with its words."""
    names = PROGRAMS.replace(" ", "|")
    for page in PAGES:
        for text in re.findall(rf"(?<!`)`((?:{names}) [^`\n]+)`(?!`)", text_of(page)):
            yield from ((page.name, words) for words in simple_commands(text))


SAID = [*sentences(), *((str(block), words) for block, words in commands())]


def wrong_units(words: Sequence[str]) -> list[str]:
    """Return the services that a call of systemd's programs names, and that we have not."""
    if words[0] not in {"systemctl", "journalctl"}:
        return []
    rest = [word for word in words[1:] if not word.startswith("-")]
    named = rest if words[0] == "journalctl" else rest[1:]
    return [name for name in named if name not in UNITS and rest[0] not in NO_UNIT]


def wrong_call(words: Sequence[str]) -> str:
    """Return what is wrong with a call of `aws`, by the models that the client has."""
    if words[0] != "aws" or len(words) < 3:
        return ""
    service, operation = words[1], words[2]
    options = operations(service).get(operation)
    if options is None:
        return f"{service} has no {operation}"
    given = {word.removeprefix("--") for word in words[3:] if word.startswith("--")}
    return " ".join(sorted(given - options))


@cache
def operations(service: str) -> dict[str, set[str]]:
    """Return the options of each operation, as `aws` writes them."""
    model = botocore.session.Session().get_service_model(service)
    return {
        botocore.xform_name(name, "-"): {
            botocore.xform_name(member, "-") for member in (shape.members if shape else ())
        }
        for name in model.operation_names
        for shape in [model.operation_model(name).input_shape]
    }


HELP = {
    "curl": ["--help", "all"],
    "install": ["--help"],
    "journalctl": ["--help"],
    "jq": ["--help"],
    "ls": ["--help"],
    "systemctl": ["--help"],
    "systemd-analyze": ["--help"],
}
"""How programs of the system tell their options; openssl does for each of its commands."""


def wrong_options(words: Sequence[str]) -> list[str]:
    """Return the options that a program of the system has not, as far as it is here to tell."""
    name = words[0]
    asked = [words[1], "-help"] if name == "openssl" else HELP.get(name, [])
    if not asked or shutil.which(name) is None:
        return []
    known = options_of(name, *asked)
    given = [word.partition("=")[0] for word in words[1:] if re.match(r"--?[a-zA-Z]", word)]
    return [
        option
        for option in given
        if option not in known and not {f"-{letter}" for letter in option[1:]} <= known
    ]


@cache
def options_of(*words: str) -> frozenset[str]:
    """Return every option in what a program says of itself."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=100)
    return frozenset(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", done.stdout + done.stderr))


def test_options_of_programs_are_those_that_they_have() -> None:
    """By their own help, on this host."""
    wrong = [(where, wrong_options(words)) for where, words in SAID]
    assert [(where, options) for where, options in wrong if options] == []


@pytest.mark.live
def test_every_program_is_here_to_tell() -> None:
    """Where live tests run: elsewhere what is not installed is believed."""
    assert [name for name in (*HELP, "openssl") if shutil.which(name) is None] == []


@pytest.mark.live
@pytest.mark.live_openstack
@pytest.mark.timeout(400)
def test_openstack_has_the_commands_and_options_that_are_told() -> None:
    """Those that a reader types, and those of the tables."""
    calls = {tuple(words) for _, words in SAID if words[0] == "openstack" and len(words) > 1}
    assert len(calls) > 9
    assert [words for words in sorted(calls) if wrong_for_openstack(words)] == []


def wrong_for_openstack(words: Sequence[str]) -> bool:
    """Return whether it has no such command, or that has no such option."""
    options = [word for word in words[1:] if word.startswith("--")]
    command = words[1 : words.index(options[0])] if options else words[1:]
    done = subprocess.run(
        ["openstack", *command, "--help"],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode != 0 or any(f"{option} " not in done.stdout for option in options)


@pytest.mark.live
def test_nginx_takes_what_a_page_says_of_it(tmp_path: Path) -> None:
    """Within a server, as the page puts it."""
    (block,) = [each for page in PAGES for each in blocks_of(page) if each.kind == "nginx"]
    conf = tmp_path / "nginx.conf"
    server = f"server {{ listen 127.0.0.1:8080; {block.text} }}"
    folders = "".join(
        f"{each}_temp_path {tmp_path}; "
        for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    conf.write_text(
        f"pid {tmp_path}/pid; events {{}} http {{ access_log off; {folders} {server} }}"
    )
    words = ["nginx", "-t", "-e", f"{tmp_path}/errors", "-c", str(conf)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr


def test_services_are_those_that_come_with_us() -> None:
    """By the names of their units."""
    assert len([words for _, words in SAID if words[0] == "systemctl"]) > 5
    wrong = [(where, wrong_units(words)) for where, words in SAID]
    assert [(where, names) for where, names in wrong if names] == []


def test_calls_of_aws_are_operations_of_it() -> None:
    """With options that they have."""
    assert len([words for _, words in SAID if words[0] == "aws"]) > 4
    wrong = [(where, wrong_call(words)) for where, words in SAID]
    assert [(where, found) for where, found in wrong if found] == []


def test_programs_in_sentences_are_judged_like_those_in_blocks() -> None:
    """Targets of make, modules of ours, URLs."""
    wrong = [(where, judged(words)) for where, words in sentences()]
    assert [(where, found) for where, found in wrong if found] == []


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("systemctl restart vcycled vcycle-adm", "vcycle-adm"),
        ("journalctl -u vcycles", "vcycles"),
        ("systemctl daemon-reload", ""),
        ("aws iam create-user --user-name vcycle", ""),
        ("aws iam make-user --user-name vcycle", "iam has no make-user"),
        ("aws iam create-user --name vcycle", "name"),
        ("systemctl enable --nov vcycled", "--nov"),
        ("openssl x509 -in a.pem -nout", "-nout"),
        ("curl -sS --cacrt ca.pem https://HOST/", "--cacrt"),
        ("make tests", "make has no tests"),
        ("python -m bench.nothing", "there is no bench.nothing"),
        ("curl http://localhost:8444/metric", "http://localhost:8444/metric"),
    ],
)
def test_a_wrong_line_would_be_found(line: str, what: str) -> None:
    """Each judge above can say no."""
    (words,) = simple_commands(line)
    found = [*wrong_units(words), *wrong_options(words), wrong_call(words), judged(words)]
    assert " ".join(filter(None, found)) == what
