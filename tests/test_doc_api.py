"""What pages say of the JSON API and of documents is what its description says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import cast
from urllib.parse import parse_qsl, urlsplit

import jsonschema
import pytest

from tests.doc_blocks import PAGES, TOP, blocks_of, simple_commands, typed
from vcycled.admin.openapi import document
from vcycled.admin.schemas import COMPONENTS, Schema
from vcycled.cli.printing import Json

Node = Mapping[str, Json]
DOCUMENTS = {"status": "Status", "why": "Why", "plan": "Plan", "managers": "Managers"}
"""Commands whose --json is piped on, and the schemas of what they print."""
VALUED = frozenset({"-H", "-d", "-X", "-T", "-u", "-o", "--cacert", "--capath", "--cert", "--key"})
"""Options of curl that take a value."""


def operations() -> dict[tuple[str, str], Node]:
    """Return every operation of the API by method and path."""
    paths = cast("Mapping[str, Mapping[str, Node]]", cast("Node", document())["paths"])
    return {
        (method.upper(), path): operation
        for path, methods in paths.items()
        for method, operation in methods.items()
    }


OPERATIONS = operations()


def lines() -> Iterator[tuple[str, list[str]]]:
    """Yield each program that a reader is told to run."""
    for page in PAGES:
        for block in blocks_of(page):
            if block.kind == "console":
                for line in typed(block):
                    yield from ((f"{block}", words) for words in simple_commands(line))


def wrong_call(words: Sequence[str]) -> str:
    """Return what is wrong with a call of curl, if it is one of the API."""
    options, urls = _parted(words[1:])
    url = urlsplit(urls[0]) if urls else urlsplit("")
    if not url.path.startswith("/api/"):
        return ""
    method = options.get("-X", "POST" if "-d" in options else "GET")
    found = [
        each
        for (verb, path), each in OPERATIONS.items()
        if (verb, True) == (method, _fits(path, url.path))
    ]
    if not found:
        return f"no {method} {url.path}"
    problems = [*_wrong_query(found[0], url.query), *_wrong_body(found[0], options)]
    return "; ".join(problems)


def _parted(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    options: dict[str, str] = {}
    rest: list[str] = []
    waiting = iter(words)
    for word in waiting:
        if word in VALUED:
            options[word] = next(waiting)
        elif not word.startswith("-"):
            rest.append(word)
    return options, rest


def _fits(template: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path) is not None


def _wrong_query(operation: Node, query: str) -> Iterator[str]:
    known = {
        str(each["name"]): cast("Schema", each["schema"])
        for each in cast("Sequence[Node]", operation.get("parameters", []))
        if each["in"] == "query"
    }
    for name, text in parse_qsl(query, strict_parsing=bool(query)):
        if name not in known:
            yield f"no parameter {name}"
            continue
        value: Json = int(text) if known[name]["type"] == "integer" and text.isdigit() else text
        yield from _against(known[name], value)


def _wrong_body(operation: Node, options: Mapping[str, str]) -> Iterator[str]:
    if "-d" not in options:
        return
    wanted = cast("Node", operation["requestBody"])["content"]
    schema = cast("Mapping[str, Mapping[str, Schema]]", wanted)["application/json"]["schema"]
    if "json" not in options.get("-H", ""):
        yield "curl would say that it sends a form"
    yield from _against(schema, json.loads(options["-d"]))


def _against(schema: Schema, value: Json) -> Iterator[str]:
    judge = jsonschema.Draft202012Validator(
        {**schema, "components": {"schemas": dict(COMPONENTS)}}
    )
    yield from (each.message for each in judge.iter_errors(value))


def wrong_filter(name: str, text: str) -> str:
    """Return what is wrong with the paths in a filter of jq for the document of a command."""
    for path in re.findall(r"(?<![\w)])((?:\.\w+(?:\[\d*\])?)+)", text):
        schema: Json = {"$ref": f"#/components/schemas/{DOCUMENTS[name]}"}
        for part in re.findall(r"\w+|\[\d*\]", path):
            schema = _below(schema, part)
            if schema is None:
                return f"vcycle {name} --json has no {path}: {part}"
    return ""


def _below(schema: Json, part: str) -> Json:
    node = cast("Node", schema)
    if "$ref" in node:
        node = cast("Node", COMPONENTS[str(node["$ref"]).rpartition("/")[2]])
    for each in cast("Sequence[Json]", node.get("anyOf", [])):
        if (found := _below(each, part)) is not None:
            return found
    if part.startswith("["):
        return node.get("items")
    return cast("Node", node.get("properties", {})).get(part)


def test_calls_of_the_api_are_right() -> None:
    """Path, method, parameters and body are those of the description."""
    calls = [(where, words) for where, words in lines() if words[0] == "curl"]
    assert len([words for _, words in calls if "/api/" in " ".join(words)]) > 3
    wrong = [(where, wrong_call(words)) for where, words in calls]
    assert [(where, found) for where, found in wrong if found] == []


def test_filters_of_jq_find_what_they_look_for() -> None:
    """Its keys are those of the document that is piped into it."""
    piped = [
        (before[1], words)
        for (_, before), (_, words) in pairwise(lines())
        if words[0] == "jq" and before[0] == "vcycle"
    ]
    assert piped != []
    assert "".join(wrong_filter(name, words[-1]) for name, words in piped) == ""


def test_pages_name_the_operations_that_there_are() -> None:
    """Elsewhere those that are named are there; the page of the API has all."""
    named = {
        page.name: re.findall(r"`(GET|POST) (/api/v1/[^`?\s]+)", page.read_text())
        for page in PAGES
    }
    assert {each for found in named.values() for each in found} - OPERATIONS.keys() == set()
    assert set(named["api.md"]) == OPERATIONS.keys()


def test_parameters_of_the_api_are_those_of_the_page() -> None:
    """The third cell of each row has them all, and no other."""
    page = (TOP / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `GET (/api/v1\S+)` \| .* \|([^|]*)\|$", page, re.MULTILINE)
    told = {path: set(re.findall(r"`(\w+)`", cell)) for path, cell in rows}
    there = {
        path: {
            each["name"]
            for each in cast("Sequence[Node]", operation.get("parameters", []))
            if each["in"] == "query"
        }
        for (method, path), operation in OPERATIONS.items()
        if method == "GET"
    }
    assert told == there


BASE = "http://localhost:8444/api/v1"
POST = "curl -H 'Content-Type: application/json' -d "


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (f"curl {BASE}/spaces", ""),
        (f"curl {BASE}/space", "no GET"),
        (f"curl -X POST {BASE}/spaces", "no POST"),
        (f"curl '{BASE}/machines?status=running'", "no parameter status"),
        (f"curl '{BASE}/machines?state=broken'", "is not one of"),
        (f"curl '{BASE}/machines?limit=0'", "less than the minimum"),
        (f"curl '{BASE}/machines?limit=all'", "is not of type"),
        (f"""{POST} '{{"target": ["a"]}}' {BASE}/drain""", ""),
        (f"""{POST} '{{"targets": ["a"]}}' {BASE}/drain""", "'target' is a required"),
        (f"""{POST} '{{"target": ["a"], "reason": "x"}}' {BASE}/drain""", "'reason' was"),
        (f"""{POST} '{{"target": ["a"]}}' {BASE}/spaces""", "no POST"),
        (f"""curl -d '{{"target": ["a"]}}' {BASE}/drain""", "form"),
    ],
)
def test_a_wrong_call_would_be_found(line: str, what: str) -> None:
    """The judge above can say no."""
    (words,) = simple_commands(line)
    found = wrong_call(words)
    assert bool(found) == bool(what)
    assert what in found


@pytest.mark.parametrize(
    ("text", "is_wrong"),
    [
        (".spaces[0].processors == 0", False),
        (".spaces[].last_cycle.seconds", False),
        (".spaces[0].processor", True),
        (".spaces.processors", True),
        (".space[0].processors", True),
    ],
)
def test_a_wrong_filter_would_be_found(text: str, is_wrong: bool) -> None:
    """Also behind a reference, and where null may stand instead."""
    assert bool(wrong_filter("status", text)) == is_wrong
