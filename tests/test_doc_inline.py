"""What pages say between backticks, outside of blocks: names and settings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from tests.doc_blocks import PAGES, PROMPTS, TOP, Block, blocks_of, text_of
from tests.test_doc_commands import tried
from vcycled.model import Cause, OrderKind

SOURCES = ("vcycled", "spaces", "apel", "templates", "etc")
OTHERS = {
    "CHANGELOG.md": {"cpu_percentage", "max_hs06"},
    "accounting-sinks.md": {"rbac_config"},
    "decisions.md": {"systemd-python"},
    "first-azure-space.md": {"create-for-rbac"},
    "first-space.md": {"vcycle-pilot-zndpyicnut"},
    "openstack-bed.md": {"bed-image", "bed-network", "nova-compute", "vcycle-bare", "vcycle-soft"},
    "openstack.md": {"key_pairs", "max_limit", "metadata_items"},
    "pipes.md": {"vo-prod"},
    "troubleshooting.md": {"scrape_configs"},
    "user-data.md": {"option_x509_proxy"},
}
"""Names that are no names of this version: those of others, and examples."""
STEMS = re.compile(r"^user_data_(?:option|file)_|^(?:daemon|root)(?=_disk_avail_)")
"""What stands before a name that our code puts together."""


TEXTS = {page.name: text_of(page) for page in PAGES if page.name != "index.md"} | {
    f"{page.parent.name}/index.md": text_of(page) for page in PAGES if page.name == "index.md"
}


def quoted(pattern: str) -> dict[str, set[str]]:
    """Return what stands between backticks and is of this form, by page."""
    form = re.compile(rf"(?<!`)`({pattern})`(?!`)")
    return {name: set(form.findall(text)) for name, text in TEXTS.items()}


@cache
def words_of_the_code() -> frozenset[str]:
    """Return all words of what is installed, and what names are put together of."""
    files = [
        path
        for folder in SOURCES
        for path in (TOP / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    files += [TOP / "setup.cfg", TOP / "pyproject.toml", TOP / "Makefile"]
    found = {
        word
        for path in files
        for word in re.findall(r"[\w-]+", path.read_text(encoding="utf-8", errors="replace"))
    }
    made = {f"order-{kind}" for kind in OrderKind} | {str(cause) for cause in Cause}
    return frozenset(found | {part for word in found for part in word.split("-")} | made)


def test_every_name_is_one_that_the_code_has() -> None:
    """Options, keys, events, metrics, causes, features: a misspelt one is nowhere."""
    known = words_of_the_code()
    said = quoted("[a-z0-9]+(?:[_-][a-z0-9]+)+")
    unknown = [
        (page, name)
        for page, names in said.items()
        for name in sorted(names - OTHERS.get(page, set()))
        if STEMS.sub("", name) not in known
    ]
    assert sum(len(names) for names in said.values()) > 900
    assert unknown == []


def test_names_of_others_are_said_where_they_are_listed() -> None:
    """A name that a page has no more is to be taken from the list."""
    said = quoted("[a-z0-9]+(?:[_-][a-z0-9]+)+")
    assert {page: names - said[page] for page, names in OTHERS.items() if names - said[page]} == {}


NOT_OURS = {"mine = my_package.sink:MySink", "option = value", "api = frost", "kind = mine"}
"""What looks like a setting, and is no one of an installed kind."""
PLACEHOLDER = re.compile(r"\.\.\.|…|\bNAME(-OR-ID)?\b")
SETTINGS = sorted(
    {
        text
        for found in quoted(r"[a-z][a-z0-9_]+ = ?[^`\n]*").values()
        for text in found - NOT_OURS
        if not PLACEHOLDER.search(text)
    }
)


def test_a_setting_in_a_sentence_is_one_that_the_reader_takes(tmp_path: Path) -> None:
    """In some kind of section; what must stand beside it may lack."""
    assert len(SETTINGS) > 40
    assert refused(SETTINGS, tmp_path) == set()


def refused(settings: Sequence[str], folder: Path) -> set[str]:
    """Return the settings that no kind of section takes, by their names or their values.

    They are read together, but those of one name one after the other.
    """
    left = list(settings)
    found = set()
    while left:
        together = {each.partition(" ")[0]: each for each in reversed(left)}
        if "api" in together:  # nothing else may stand with it
            together = {"api": together["api"]}
        left = [each for each in left if each not in together.values()]
        text = "".join(f"{each}\n" for each in together.values())
        bad = [set(_REFUSED.findall("\n".join(each))) for each in tried(text, folder)]
        found |= {together[name] for name in set.intersection(*bad) & together.keys()}
    return found


_REFUSED = re.compile(r" (\w+): (?:unknown option|does nothing in this section|must )")


@pytest.mark.parametrize(
    ("text", "is_right"),
    [
        ("heartbeat_seconds = 600", True),
        ("heartbeat_second = 600", False),
        ("heartbeat_seconds = often", False),
        ("mode = observe", True),
        ("mode = observing", False),
        ("disk_type = Standard_LRS", True),
    ],
)
def test_a_wrong_setting_would_be_found(text: str, is_right: bool, tmp_path: Path) -> None:
    """By its name, and by its value."""
    assert (refused([text], tmp_path) == set()) == is_right


def shown(block: Block) -> str:
    """Return what a console shows after what is typed."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return "\n".join(line for line in lines if not line.startswith(PROMPTS))


def test_what_consoles_show_is_in_the_words_of_the_code() -> None:
    """Sentences and headings; tutorials are typed by tests/live, which sees whether it is so."""
    known = {word.lower() for word in words_of_the_code()}
    blocks = [
        block
        for page in PAGES
        if page.parent.name != "tutorial"
        for block in blocks_of(page)
        if block.kind == "console"
    ]
    unknown = [
        (str(block), word)
        for block in blocks
        for word in re.findall(r"(?<![\w/.-])[A-Za-z]{3,}(?![\w/.-])", shown(block))
        if word.lower() not in known
    ]
    assert unknown == []
