"""The OpenAPI 3.1 document of the API, made from the table that the server registers. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

from vcycled import __version__
from vcycled.admin.answers import PROBLEM
from vcycled.admin.api_input import LONGEST, NAME_PATTERN, NAMES_MOST, REASON_PATTERN
from vcycled.admin.api_routes import (
    DOS,
    IN_PATHS,
    LAST_SECOND,
    LOOKS,
    Do,
    Lane,
    Look,
    Parameter,
)
from vcycled.admin.schemas import COMPONENTS, FLAG, Schema, maybe, named
from vcycled.cli.asking import BLOCKS, PREFIX
from vcycled.cli.printing import Json

_ANYBODY: list[Json] = [{}, {"token": []}, {"certificate": []}]
_KNOWN: list[Json] = [{"token": []}, {"certificate": []}]
_FAILURES = {
    400: "What was asked is not as it must be; `detail` says what is accepted.",
    401: "It is not known who asks.",
    403: "Who asks may not.",
    404: "There is nothing of that name.",
    408: "The body did not come.",
    409: "That cannot be done as things are.",
    413: "The body is too long.",
    415: "The body is no JSON.",
    421: "This host is called otherwise.",
    502: "The cloud does not answer.",
    503: "Database or configuration cannot be read now.",
}
_OF_LOOKS = (400, 401, 403, 404, 409, 421, 503)
_OF_DOS = (400, 401, 403, 404, 408, 409, 413, 415, 503)


@cache
def document() -> Json:
    """Return the document."""
    paths: dict[str, Json] = {PREFIX + each.path: {"get": _look(each)} for each in LOOKS}
    paths |= {PREFIX + each.path: {"post": _do(each)} for each in DOS}
    paths[f"{PREFIX}/openapi.json"] = {"get": _itself()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Vcycle",
            "version": __version__,
            "summary": "See and steer what vcycled does.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": dict(COMPONENTS),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "certificate": {"type": "mutualTLS"},
            },
        },
    }


def _look(look: Look) -> Json:
    names = re.findall(r"\{(\w+)\}", look.path)
    in_path: list[Json] = [_parameter(IN_PATHS[name], "path") for name in names]
    in_query: list[Json] = [_parameter(each, "query") for each in look.query]
    content: Schema = {
        "application/json": {"schema": named(look.document)},
        BLOCKS: {"schema": named("Blocks")},
    }
    cloud = (502,) if look.lane is Lane.SLOW else ()
    return {
        "operationId": look.name,
        "summary": look.help,
        "security": _ANYBODY,
        "parameters": [*in_path, *in_query],
        "responses": {
            "200": {"description": "What is known.", "content": content},
            **dict(_failures(*_OF_LOOKS, *cloud)),
        },
    }


def _do(do: Do) -> Json:
    content: Schema = {"application/json": {"schema": named("Ordered")}}
    return {
        "operationId": do.name,
        "summary": do.help,
        "security": _KNOWN,
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _body(do)}},
        },
        "responses": {
            "200": {"description": "What would be ordered.", "content": content},
            "202": {"description": "It is done at the next cycle.", "content": content},
            **dict(_failures(*_OF_DOS)),
        },
    }


def _itself() -> Json:
    content: Schema = {"application/json": {"schema": {"type": "object"}}}
    return {
        "operationId": "getOpenapi",
        "summary": "This document.",
        "security": _ANYBODY,
        "responses": {
            "200": {"description": "It.", "content": content},
            **dict(_failures(401, 403, 421)),
        },
    }


def _body(do: Do) -> Schema:
    name: Schema = {"type": "string", "pattern": NAME_PATTERN, "minLength": 1}
    target: Schema = {
        "type": "array",
        "description": f"{do.target}.",
        "items": {**name, "maxLength": LONGEST},
        "minItems": 1,
        "maxItems": NAMES_MOST,
        "examples": [list(do.example)],
    }
    instant: Schema = {"type": "integer", "minimum": 0, "maximum": LAST_SECOND}
    times: Schema = {
        name: {**maybe(instant), "description": f"Unix seconds. {text}"}
        for name, text in do.times.items()
    }
    texts: Schema = {
        name: {
            "type": "string",
            "maxLength": LONGEST,
            "pattern": REASON_PATTERN,
            "description": text,
        }
        for name, text in do.texts.items()
    }
    rehearsal: Schema = {**FLAG, "description": "Only tell what would be ordered."}
    properties: Mapping[str, Json] = {
        "target": target,
        **times,
        **texts,
        "is_rehearsal": rehearsal,
    }
    return {
        "type": "object",
        "properties": properties,
        "required": ["target"],
        "additionalProperties": False,
    }


def _parameter(parameter: Parameter, place: str) -> Json:
    found: dict[str, Json] = {
        "name": parameter.name,
        "in": place,
        "description": parameter.help,
        "required": place == "path",
        "schema": _schema(parameter),
    }
    if parameter.example:
        found["example"] = parameter.example
    return found


def _schema(parameter: Parameter) -> Schema:
    if parameter.is_flag:
        return dict(FLAG)
    if parameter.least is not None:
        whole: Schema = {
            "type": "integer",
            "minimum": parameter.least,
            "maximum": parameter.most,
        }
        return whole if parameter.usual is None else {**whole, "default": parameter.usual}
    if parameter.values:
        return {"type": "string", "enum": list(parameter.values)}
    pattern = parameter.pattern or NAME_PATTERN
    return {"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": pattern}


def _failures(*statuses: int) -> Iterator[tuple[str, Json]]:
    content: Schema = {PROBLEM: {"schema": named("Failure")}}
    for status in statuses:
        yield str(status), {"description": _FAILURES[status], "content": content}
