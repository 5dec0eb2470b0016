"""Every block of the documentation is checked: as it stands, by what will read it.

Some are run besides: tutorials by tests/live, user_data by tests/test_writing_user_data.py.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from aiohttp import web

from tests.doc_blocks import (
    COMMANDS,
    PAGES,
    TOP,
    Block,
    blocks_of,
    simple_commands,
    text_of,
    typed,
    wrong_words,
)
from vcycled.admin.site import AdminSite
from vcycled.cli.session import Session
from vcycled.config import load_web, problems_of
from vcycled.config.pipe_document import parse_pipe
from vcycled.config.reader import read
from vcycled.errors import ConfigError
from vcycled.userdata.declared import declared
from vcycled.userdata.lint import Trial, lint
from vcycled.web.target import Nothing, target_of

BLOCKS = [block for page in PAGES for block in blocks_of(page)]
BY_HAND = {
    "docs/explanation/architecture.md": "a picture of a cycle",
    "docs/explanation/concepts.md": "a picture of a machine's stages",
}
"""Pages whose `text` nothing can read but people, and what it is."""
OTHER_FILES = {
    "docs/reference/accounting.md": r"\[sender\]|17 \* \* \* \* root /usr/bin/ssmsend\n",
    "docs/how-to/remote.md": r"Zm9vYmFyYmF6Zm9vYmFyYmF6Zm9vYmFyYmF6 ",  # tokens, of nobody
    "docs/how-to/monitoring.md": r"command\[check_vcycle\]|nagios ALL=",
}
"""Files that are no configuration of ours, by how they begin: nobody reads them here."""
SYSTEM = frozenset(
    {
        *(".", "apt-get", "cat", "cd", "chgrp", "chmod", "chown", "cp", "curl", "cut", "echo"),
        *("editor", "export", "grep", "head", "install", "journalctl", "jq", "kill", "ln", "ls"),
        *("man", "mkdir", "mv", "openssl", "pip", "pytest", "python", "python3", "rm"),
        *("rpmbuild", "sed", "sh", "sleep", "ssh", "systemctl", "systemd-analyze"),
        *("systemd-sysusers", "systemd-tmpfiles", "tail", "touch", "usermod"),
    }
)
"""Programs of the system that a reader is told to run."""
CLOUDS = frozenset({"az", "aws", "openstack"})
"""Programs of clouds, which no registry of ours has: nobody tries what is told of them."""
SHELL = re.compile(r"%[0-9]+|\$\w*")
"""Words of the shell itself."""
FRAGMENT = re.compile(
    r"there is no file|is a secret in a file|so there is nothing to manage"
    r"|has not been fetched yet|there is no machinetype in this space|tenancy_name: old name"
)
"""What may lack in a part of a configuration, on this host."""
LACKING = "is required"
ELISION = re.compile(r"^(…|\.\.\.)$", re.MULTILINE)


def of_kind(*kinds: str) -> list[Block]:
    """Return the blocks of these kinds."""
    return [block for block in BLOCKS if block.kind in kinds]


def commands() -> Iterator[tuple[Block, list[str]]]:
    """Yield each program that a reader is told to run, with its words."""
    for block in of_kind("console"):
        for line in typed(block):
            yield from ((block, words) for words in simple_commands(line))
    for block in of_kind("sh"):
        for line in re.findall(r"^\s*((?:vcycle|curl|make)\b.*)$", block.text, re.MULTILINE):
            yield from ((block, words) for words in simple_commands(line))


CALLS = [(f"{block} {' '.join(words)}", words) for block, words in commands()]


def test_every_block_is_of_a_kind_that_is_checked() -> None:
    """The kinds are those of the tests below; one of no kind is checked by nobody."""
    known = {"console", "sh", "ini", "yaml", "json", "jinja", "nginx", "python", "text"}
    assert [str(block) for block in BLOCKS if block.kind not in known] == []
    assert {"console", "sh", "ini", "yaml", "json", "jinja"} <= {block.kind for block in BLOCKS}


def test_every_block_is_fenced() -> None:
    """One that is only indented would be read as a block by Sphinx, and by no test."""
    indented = [
        f"{page.name}: {line}"
        for page in PAGES
        for line in re.findall(r"^(?: {4}|\t).*\S.*$", text_of(page), re.MULTILINE)
    ]
    assert indented == []


def test_what_only_people_can_read_is_on_a_closed_list() -> None:
    """A block of `text` is a picture, or a file of another program."""
    strange = [
        str(block)
        for block in of_kind("text")
        if block.page not in BY_HAND
        and not re.match(OTHER_FILES.get(block.page, r"\b\B"), block.text)
    ]
    assert strange == []
    assert BY_HAND.keys() <= {block.page for block in of_kind("text")}


def test_a_console_shows_something_that_is_typed() -> None:
    """Otherwise it would be output of nothing, which nobody checks."""
    assert [str(block) for block in of_kind("console") if not typed(block)] == []


@pytest.mark.parametrize(("where", "words"), CALLS, ids=[where for where, _ in CALLS])
def test_what_is_typed_can_be_run(where: str, words: list[str]) -> None:
    """Commands, options and choices of ours are there; so are targets, modules, files and URLs."""
    assert judged(words) == "", where


def test_every_mention_of_a_command_is_of_one_that_there_is() -> None:
    """In the text, between backticks; what follows it may be left out there."""
    said = [
        (page.name, words)
        for page in PAGES
        for text in re.findall(r"(?<!`)`(vcycle[a-z-]*(?: [^`\n]+)?)`(?!`)", page.read_text())
        if "…" not in text
        for words in simple_commands(text)
    ]
    ours = [(page, words) for page, words in said if words[0] in COMMANDS]
    assert len(ours) > 300
    wrong = [(page, wrong_words(words, whole=False)) for page, words in ours]
    assert [(page, found) for page, found in wrong if found] == []


@pytest.mark.parametrize("block", of_kind("sh"), ids=str)
def test_scripts_are_shell(block: Block) -> None:
    """`sh -n` reads them."""
    done = subprocess.run(
        ["sh", "-n"], input=block.text, text=True, capture_output=True, check=False
    )
    assert done.stderr == ""


@pytest.mark.parametrize("block", of_kind("ini"), ids=str)
def test_configurations_are_right(block: Block, tmp_path: Path) -> None:
    """The real reader takes them. One of a space and its machinetype is whole."""
    if re.match(OTHER_FILES.get(block.page, r"\b\B"), block.text):
        return
    assert problems(block, tmp_path) == []


def problems(block: Block, folder: Path) -> list[str]:
    """Return what the reader has against a block, by the kind of section that it is of."""
    text = ELISION.sub("", block.text)
    if not re.search(r"^\[", text, re.MULTILINE):
        return min(tried(text, folder), key=len)
    if "[web]" in text:
        return _web_problems(text, folder)
    is_whole = all(f"[{kind} " in text for kind in ("space", "machinetype")) and text == block.text
    found = _problems(text, folder)
    return found if is_whole else [each for each in found if LACKING not in each]


def tried(text: str, folder: Path) -> Iterator[list[str]]:
    """Yield what the reader has against options in each kind of section."""
    yield _web_problems(f"[web]\n{text}", folder)
    for title in ("vcycle", "machinetype x y"):
        yield _problems(f"[{title}]\n{text}", folder)
    yield _problems(f"[vcycle]\naccounting = auditor\n[accounting auditor]\n{text}", folder)
    apis = [f"api = {api}\n" for api in ("openstack", "ec2", "azure", "local")]
    for api in [""] if text.startswith("api =") else apis:
        yield _problems(f"[space x]\n{api}{text}", folder)


def _problems(text: str, folder: Path) -> list[str]:
    spaces = set(re.findall(r"^\[(?:machinetype|vacuum_pipe) (\S+)", text, re.MULTILINE))
    spaces -= set(re.findall(r"^\[space (\S+)\]", text, re.MULTILINE))
    path = folder / "vcycle.conf"
    path.write_text("".join(f"[space {each}]\napi = local\n" for each in sorted(spaces)) + text)
    found = [str(each) for each in problems_of(read([path]))]
    return [
        each for each in found if not FRAGMENT.search(each) and not (spaces and LACKING in each)
    ]


def _web_problems(text: str, folder: Path) -> list[str]:
    path = folder / "vcycle-web.conf"
    for option in ("certificate", "key"):
        if not re.search(rf"^{option} *=", text, re.MULTILINE):
            text += f"\n{option} = /etc/vcycle/{option}.pem\n"
    path.write_text(text)
    try:
        _, warnings = load_web(path)
    except ConfigError as error:
        return [str(each) for each in error.problems]
    return [str(each) for each in warnings if not FRAGMENT.search(str(each))]


@pytest.mark.parametrize("block", of_kind("json", "yaml", "jinja", "nginx", "python"), ids=str)
def test_documents_can_be_read(block: Block, tmp_path: Path) -> None:
    """By what reads them here; tests/live gives nginx and Prometheus theirs."""
    match block.kind:
        case "json":
            pipe = parse_pipe(block.text)
            assert pipe.entries != ()
            assert [*pipe.remarks, *(each.remarks for each in pipe.entries)] == [()]
        case "jinja" if block.text.startswith("#!"):
            path = tmp_path / "page.j2"
            path.write_text(block.text, encoding="utf-8")
            options = dict.fromkeys(re.findall(r"user_data_option_(\w+)", block.text), "x")
            assert lint(Trial(source=str(path), options=options)).findings == ()
        case "jinja":
            assert declared(block.text, {}).options != ()
        case "nginx":
            assert re.fullmatch(r"(\s*(#.*|\}|[^;{}\n]+[;{])\n)+", block.text)
        case "python":
            compile(block.text, str(block), "exec")
        case _:
            files = (yaml.safe_load(block.text) or {}).get("rule_files", [])
            assert [each for each in files if not [*TOP.glob(f"etc/*/{each}")]] == []


def judged(words: list[str]) -> str:
    """Return what is wrong with a call of a program, or nothing."""
    nowhere = [word for word in words if _is_missing(word) or _leads_nowhere(word)]
    return " ".join(filter(None, [JUDGES.get(_name(words), _outside)(words), *nowhere]))


def _name(words: list[str]) -> str:
    return words[0].rpartition("/")[2]


def _outside(words: list[str]) -> str:
    name = _name(words)
    return "" if name in SYSTEM | CLOUDS or SHELL.fullmatch(name) else f"what is {name}?"


def _made(words: list[str]) -> str:
    targets = re.findall(r"^([a-z-]+):", (TOP / "Makefile").read_text(), re.MULTILINE)
    variables = re.findall(r"^([A-Z]+) \?=", (TOP / "Makefile").read_text(), re.MULTILINE)
    wrong = [word for word in words[1:] if word.partition("=")[0] not in {*targets, *variables}]
    return f"make has no {wrong[0]}" if wrong else ""


def _python(words: list[str]) -> str:
    if "-m" not in words:
        return _outside(words)
    module = words[words.index("-m") + 1]
    if module in {"pip", "venv", "build"}:
        return ""
    path = TOP.joinpath(*module.split("."))
    there = path.with_suffix(".py").exists() or (path / "__main__.py").exists()
    return "" if there else f"there is no {module}"


JUDGES: dict[str, Callable[[list[str]], str]] = {
    **dict.fromkeys(COMMANDS, wrong_words),
    "make": _made,
    "python": _python,
    "python3": _python,
}


def _is_missing(word: str) -> bool:
    """Whether a word is a file of ours that is neither in the tree nor installed from it."""
    installed = re.fullmatch(r"/opt/vcycle/share/vcycle/(\S+)", word)
    if installed:
        return not (TOP / "etc" / installed[1]).exists()
    ours = re.fullmatch(r"(?:etc|docs|packaging|templates|spaces|apel)/\S+", word)
    return bool(ours) and not [*TOP.glob(word)]


def _leads_nowhere(word: str) -> bool:
    """Whether a word is a URL of one of our sites that has no such page."""
    url = urlsplit(word) if word.startswith("http") else None
    if url is None:
        return False
    if "8444" in url.netloc:
        return not admin_has(url.path or "/")
    return url.path.startswith("/machines") and isinstance(target_of(url.path), Nothing)


def admin_has(path: str) -> bool:
    """Return whether the admin site has a page of this path."""
    return any(
        resource.get_info().get("path") == path or _matches(resource, path)
        for resource in _admin().router.resources()
    )


def _matches(resource: web.AbstractResource, path: str) -> bool:
    pattern = resource.get_info().get("pattern")
    return pattern is not None and pattern.fullmatch(path) is not None


def _admin() -> web.Application:
    return AdminSite(_no_session).app()


def _no_session() -> Session:
    raise AssertionError("nothing is read here")


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("vcycle events --limt 5", "No such option"),
        ("vcycle show", "no command show"),
        ("sudo -u vcycle vcycle why", "lacks space"),
        ("cat x | vcycle machines --state broken", "state cannot be broken"),
        ("make tests", "make has no tests"),
        (".venv/bin/python -m tests.nothing", "there is no tests.nothing"),
        ("frobnicate --now", "what is frobnicate?"),
    ],
)
def test_a_wrong_line_would_be_found(line: str, what: str) -> None:
    """The judges above can say no."""
    found = [JUDGES.get(_name(words), _outside)(words) for words in simple_commands(line)]
    assert what in "".join(found)


@pytest.mark.parametrize(
    ("word", "is_wrong"),
    [
        ("https://localhost:8443/machines/a/b/jobfeatures/wall_limit_secs", False),
        ("https://localhost:8443/machines/a/../b", True),
        ("http://127.0.0.1:8444/metrics", False),
        ("http://127.0.0.1:8444/metric", True),
        ("https://cloud.example.com/v3", False),
    ],
)
def test_a_url_that_leads_nowhere_would_be_found(word: str, is_wrong: bool) -> None:
    """Of ours; what others serve is not known."""
    assert _leads_nowhere(word) == is_wrong


@pytest.mark.parametrize(
    ("text", "is_wrong"),
    [
        ("processors_limit = 4\n", False),
        ("processor_limit = 4\n", True),
        ("[space a]\napi = local\n", False),
        ("[space a]\napi = local\n[machinetype a b]\ntarget_share = 1\n", True),
        ("[machinetype a b]\ntarget_share = 1\n", False),
        ("[machinetype a b]\ntarget_shares = 1\n", True),
    ],
)
def test_a_wrong_configuration_would_be_found(text: str, is_wrong: bool, tmp_path: Path) -> None:
    """Fragments may lack what is required, whole ones not."""
    assert bool(problems(Block("page", 1, "ini", text), tmp_path)) == is_wrong
