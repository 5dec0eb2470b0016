"""What every page of ours must keep to, seen from its HTML alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from xml.etree.ElementTree import Element

import html5lib

_FIELDS = {"input", "select", "textarea"}
_NAMED = {"nav", "section", "form"}


@lru_cache(maxsize=4)
def document(text: str) -> Element:
    """Return the root of a page.

    Raises:
        html5lib.html5parser.ParseError: it is no valid HTML.
    """
    parser = html5lib.HTMLParser(
        tree=html5lib.getTreeBuilder("etree"), strict=True, namespaceHTMLElements=False
    )
    root: Element = parser.parse(text)
    return root


def faults(text: str) -> list[str]:
    """Return what is wrong with a page."""
    root = document(text)
    return [
        *_identifiers(root),
        *_policy(root),
        *_fields(root),
        *_headings(root),
        *_tables(root),
        *_frame(root),
    ]


def words(element: Element) -> str:
    """Return the text in an element, with single blanks."""
    return " ".join("".join(_texts(element)).split())


def _texts(element: Element) -> Iterator[str]:
    """Return its texts, apart from each other unless they are of one word."""
    is_in_word = element.tag == "wbr" or element.get("class") == "long"
    gap = "" if is_in_word else " "
    yield f"{gap}{element.text or ''}"
    for each in element:
        yield from _texts(each)
        yield each.tail or ""
    yield gap


def _elements(root: Element) -> Iterator[tuple[str, Element]]:
    for each in root.iter():
        if isinstance(each.tag, str):
            yield each.tag.rpartition("}")[2], each


def _identifiers(root: Element) -> Iterator[str]:
    """Each once, and what is referred to is there."""
    found = Counter(each.attrib["id"] for _, each in _elements(root) if "id" in each.attrib)
    yield from (f"id {name} is there {count} times" for name, count in found.items() if count > 1)
    for tag, each in _elements(root):
        for attribute in ("for", "aria-labelledby", "aria-describedby"):
            for name in each.get(attribute, "").split():
                if name not in found:
                    yield f"{tag} {attribute}={name} leads nowhere"


def _policy(root: Element) -> Iterator[str]:
    """Nothing inline, nothing from elsewhere."""
    for tag, each in _elements(root):
        if tag == "style" or (tag == "script" and (each.get("src") is None or each.text)):
            yield f"inline {tag}"
        for name, value in each.attrib.items():
            if name.startswith("on") or name == "style":
                yield f"{tag} has {name}={value!r}"
            if name in {"src", "href", "action"} and not re.match(r"/(?!/)|#", value):
                yield f"{tag} {name} leads to {value!r}"


def _fields(root: Element) -> Iterator[str]:
    labels = {each.get("for") for tag, each in _elements(root) if tag == "label"}
    for tag, each in _elements(root):
        if tag in _FIELDS and each.get("id") not in labels:
            yield f"{tag} {each.get('name')} has no label"
        if tag in _NAMED and not (each.get("aria-label") or each.get("aria-labelledby")):
            yield f"{tag} has no name"


def _headings(root: Element) -> Iterator[str]:
    levels = [int(tag[1]) for tag, _ in _elements(root) if re.fullmatch("h[1-6]", tag)]
    if levels.count(1) != 1 or levels[:1] != [1]:
        yield f"headings are {levels}"
    steps = pairwise(levels)
    yield from (f"h{high} is followed by h{low}" for high, low in steps if low > high + 1)


def _tables(root: Element) -> Iterator[str]:
    for tag, each in _elements(root):
        if tag == "table" and not (each.find("caption") is not None):
            yield "a table has no caption"
        if tag == "th" and each.get("scope") not in {"row", "col"}:
            yield f"a heading has no scope: {words(each)}"
        if tag == "svg" and each.get("aria-hidden") != "true" and each.get("role") != "img":
            yield "an svg is neither told nor hidden"
        if tag == "svg" and each.get("role") == "img" and not each.get("aria-labelledby"):
            yield "an svg has no name"


def _frame(root: Element) -> Iterator[str]:
    tags = Counter(tag for tag, _ in _elements(root))
    for tag in ("header", "main", "footer", "title"):
        if tags[tag] < 1:
            yield f"there is no {tag}"
    if root.get("lang") != "en":
        yield "its language is not told"
