"""What the documentation promises is there, and what is there is documented."""

from __future__ import annotations

import ast
import configparser
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from vcycled.config import problems_of
from vcycled.config.reader import read
from vcycled.cycle.context import _WARNINGS
from vcycled.machinedir import MachineDir
from vcycled.machinedir.layout import Layout
from vcycled.model import OrderKind
from vcycled.store.schema import metadata
from vcycled.testing.clock import FakeClock

TOP = Path(__file__).parent.parent
EVENTS = TOP / "docs" / "reference" / "events.md"
PAGES = [*sorted(TOP.glob("docs/**/*.md")), *sorted(TOP.glob("*.md"))]
SOURCES = [
    path
    for folder in ("vcycled", "spaces", "apel")
    for path in sorted((TOP / folder).rglob("*.py"))
    if "migrations" not in path.parts and path.name != "kvlog.py"
]
LEVELS = {"info": "INFO", "warning": "WARNING", "error": "ERROR", "bug": "ERROR"}
SPEAKERS = {**LEVELS, "say": "", "line": ""}
"""Functions whose first argument is an event, and its level, if they tell."""
KEEPERS = {"note", "put"}
"""Methods of a ledger whose second argument is an event of a story."""
RETOLD = "event.event"
"""An event of a story that is logged, whatever it is."""


@dataclass(frozen=True, slots=True)
class Mention:
    """An event that the code logs or records."""

    event: str
    level: str
    """Empty if the code decides at run time."""
    is_story: bool = False


def _story(event: str) -> Mention:
    return Mention(event, "WARNING" if event in _WARNINGS else "INFO", is_story=True)


@cache
def _calls(path: Path) -> tuple[tuple[str, ast.Call], ...]:
    """Return each call in a module with the last name of what is called."""
    return tuple(
        (getattr(node.func, "attr", "") or getattr(node.func, "id", ""), node)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    )


def _names(node: ast.expr) -> list[str]:
    """Return the texts in an expression that can be events."""
    texts = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
    return [
        text
        for text in texts
        if isinstance(text, str) and re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", text)
    ]


def mentions_in(path: Path) -> Iterator[Mention]:
    """Yield the events that a module logs or records."""
    for function, call in _calls(path):
        if function in SPEAKERS and call.args:
            yield from (Mention(name, SPEAKERS[function]) for name in _names(call.args[0]))
        if function in KEEPERS and len(call.args) > 1:
            yield from (_story(name) for name in _names(call.args[1]))
        for keyword in call.keywords:
            if keyword.arg == "event":
                yield from (_story(name) for name in _names(keyword.value))


@cache
def all_mentions() -> frozenset[Mention]:
    """Return every event of the code."""
    found = {mention for path in SOURCES for mention in mentions_in(path)}
    return frozenset(found | {_story(f"order-{kind}") for kind in OrderKind})


def catalogue() -> dict[str, str]:
    """Return the second cell of each row of the catalogue, by event."""
    rows = re.findall(
        r"^\| `([a-z0-9-]+)` \| ([^|]+) \| [^|]+ \|[^|]*\|$", EVENTS.read_text(), re.MULTILINE
    )
    assert len(rows) == len(dict(rows)), "an event has one row"
    return dict(rows)


def test_every_event_is_in_the_catalogue_and_no_other() -> None:
    """docs/reference/events.md has one row for each event of logs and stories."""
    assert catalogue().keys() == {mention.event for mention in all_mentions()}


@pytest.mark.parametrize("event", sorted(catalogue()))
def test_the_catalogue_tells_level_and_place_of_an_event(event: str) -> None:
    """What the code says of it, if the code decides beforehand."""
    levels, _, place = catalogue()[event].rpartition(", ")
    mentions = {mention for mention in all_mentions() if mention.event == event}
    assert (place == "story") == any(mention.is_story for mention in mentions)
    assert set(levels.split(" or ")) <= set(LEVELS.values())
    assert {mention.level for mention in mentions} <= {"", *levels.split(" or ")}


def test_every_log_line_begins_with_an_event_that_can_be_found() -> None:
    """A name made at run time would escape the catalogue, and grep."""
    hidden = [
        f"{path}:{call.lineno}"
        for path in SOURCES
        for function, call in _calls(path)
        if function in SPEAKERS and call.args and ast.unparse(call.args[0]) != RETOLD
        if not _names(call.args[0])
    ]
    assert hidden == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(TOP)))
def test_links_between_pages_lead_somewhere(path: Path) -> None:
    """Every relative link names a file that exists, and in it a heading or nothing."""
    for target, _, anchor in re.findall(r"\]\(([^)#:\s]*)(#?)([^):\s]*)\)", path.read_text()):
        page = path.parent / target if target else path
        assert page.exists(), target
        assert not anchor or anchor in _anchors(page), f"{target}#{anchor}"


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    plain = (re.sub(r"[^\w -]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


def test_every_room_is_on_the_page_of_the_architecture() -> None:
    """Each package and module of vcycled has its row, and so have those beside it."""
    page = (TOP / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    rooms = {path.name for path in TOP.glob("vcycled/*/") if not path.is_symlink()}
    wanted = {f"`vcycled/{name}/`" for name in rooms - {"__pycache__"}} | {"`spaces/`", "`apel/`"}
    wanted |= {
        f"`vcycled/{path.name}`" for path in TOP.glob("vcycled/*.py") if path.name != "__init__.py"
    }
    told = "\n".join(re.findall(r"^\| (`[^|]+) \|", page, re.MULTILINE))
    assert {each for each in wanted if each not in told} == set()


@pytest.mark.parametrize(
    "page", ["CONTRIBUTING.md", "docs/dev/decisions.md", "docs/explanation/architecture.md"]
)
def test_the_code_that_a_page_names_is_there(page: str) -> None:
    """So that one finds in a minute where a change goes."""
    text = (TOP / page).read_text(encoding="utf-8")
    named = re.findall(
        r"`((?:vcycled|spaces|apel|templates|tests|bench|etc)/[a-z0-9_./-]*)`", text
    )
    assert named != []
    assert [path for path in named if not (TOP / path).exists()] == []


def test_the_configuration_of_the_readme_is_right(tmp_path: Path) -> None:
    """But for its template, which is not there."""
    (text,) = re.findall(
        r"^```ini\n(.*?)^```", (TOP / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    conf = tmp_path / "vcycle.conf"
    conf.write_text(text)
    (problem,) = problems_of(read([conf]))
    assert problem.option == "user_data"
    assert problem.is_warning


def test_the_units_start_what_is_installed() -> None:
    """The programs of the systemd units are console scripts, with options that they have."""
    setup = configparser.ConfigParser()
    setup.read(TOP / "setup.cfg")
    scripts = {
        line.partition(" = ")[0]
        for line in setup["options.entry_points"]["console_scripts"].split("\n")
    }
    for unit in ("vcycled", "vcycle-web", "vcycle-admin"):
        text = (TOP / "etc" / f"{unit}.service").read_text(encoding="utf-8")
        (command,) = re.findall(r"^ExecStart=(\S+)$", text, re.MULTILINE)
        assert Path(command).name == unit
        assert unit in scripts


def test_the_web_site_may_write_only_folders_that_the_manager_makes(tmp_path: Path) -> None:
    """Its unit fails without them; and configuration beside them (shared/vcycle.d) is not ours."""
    root = tmp_path / "vcycle"
    MachineDir(root, clock=FakeClock()).make_ready()
    text = (TOP / "etc" / "vcycle-web.service").read_text(encoding="utf-8")
    (line,) = re.findall(r"^ReadWritePaths=(.+)$", text, re.MULTILINE)
    paths = [Path(str(root) + each.removeprefix("/var/lib/vcycle")) for each in line.split()]
    assert paths == [Layout(root).spaces, Layout(root).web_up]
    assert all(path.is_dir() for path in paths)
    assert "ProtectSystem=strict" in text
    assert "StateDirectory" not in text


def test_the_web_site_sees_nothing_of_the_manager_but_what_machines_may_see() -> None:
    """Hidden file by file it saw what was renamed into place later, as lastgood.json is."""
    text = (TOP / "etc" / "vcycle-web.service").read_text(encoding="utf-8")
    layout = Layout(Path("/var/lib/vcycle"))
    assert "TemporaryFileSystem=/var/lib/vcycle:ro\n" in text
    shown = re.findall(r"^(?:Bind|Runtime|State).*?(?:Paths|Directory)=(.+)$", text, re.MULTILINE)
    paths = {each.lstrip("-") for line in shown for each in line.split()} - {"vcycle-web"}
    assert paths == {str(each) for each in (layout.spaces, layout.web_up, layout.www)}
    (hidden,) = re.findall(r"^InaccessiblePaths=(.+)$", text, re.MULTILINE)
    assert hidden == "-/etc/vcycle.conf -/etc/vcycle.d"


def test_every_table_of_the_store_is_on_its_page() -> None:
    """With what a row is, and when it goes."""
    page = (TOP / "docs" / "explanation" / "store.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| [^|]+ \| [^|]+ \|$", page, re.MULTILINE)
    told = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert told == set(metadata.tables)


def test_every_dependency_has_its_reason() -> None:
    """And what has a reason is a dependency."""
    setup = configparser.ConfigParser()
    setup.read(TOP / "setup.cfg")
    extras = setup["options.extras_require"]
    wanted = "\n".join([setup["options"]["install_requires"], *extras.values()])
    page = (TOP / "docs" / "dev" / "decisions.md").read_text(encoding="utf-8")
    (section,) = re.findall(r"^## Dependencies\n(.*?)^## ", page, re.MULTILINE | re.DOTALL)
    cells = re.findall(r"^\| (.+?)(?: \(.*?\))? \| [^-]", section, re.MULTILINE)
    told = {name for cell in cells for name in cell.lower().split(", ")} - {"package"}
    assert told == set(re.findall(r"^[\w-]+", wanted.lower(), re.MULTILINE))


def test_there_is_no_project_table() -> None:
    """Metadata stands in setup.cfg only: a [project] table beside it breaks the build."""
    settings = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))
    assert "project" not in settings


def test_nothing_imports_the_linked_folders_by_their_own_names() -> None:
    """`import spaces` would make second classes of the same name. `apel.db` is APEL's own."""
    wrong = re.compile(r"^ *(?:from|import) +(?:spaces|apel(?!\.db\b)|templates)\b", re.MULTILINE)
    files = [*SOURCES, *TOP.glob("tests/**/*.py"), *TOP.glob("bench/**/*.py")]
    assert len(files) > 300
    assert [path for path in files if wrong.search(path.read_text(encoding="utf-8"))] == []
    assert wrong.search("x = 1\n    from spaces.base import Space\n")
