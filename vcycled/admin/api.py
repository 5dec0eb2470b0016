"""The JSON API: requests to questions and orders, and what they come to back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import partial

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from vcycled.admin.answers import failure
from vcycled.admin.api_input import Wrong, arguments, body
from vcycled.admin.api_routes import (
    DOS,
    LOOKS,
    USUAL,
    Arguments,
    Body,
    Do,
    Lane,
    Look,
)
from vcycled.admin.doorkeeper import CALLER
from vcycled.admin.openapi import document
from vcycled.admin.readings import Readings
from vcycled.cli.as_json import machine_json
from vcycled.cli.asking import BLOCKS, PREFIX, Question, blocks_json
from vcycled.cli.commanding import leave, ordered_json
from vcycled.cli.printing import Json
from vcycled.cli.questions import Machines
from vcycled.cli.session import Session
from vcycled.errors import Misworded, OperatorError, SpaceError, Unknown
from vcycled.store import Place, WantedMachines

_JSON = "application/json"
_LOOK_S = 20.0
_SLOW_S = 120.0
"""A cloud may take its time, and a disk with many files."""
_BODY_S = 10.0


class Api:
    """Answers below /api/v1.

    Args:
        new_session: gives what configuration and database are read with.
    """

    def __init__(self, new_session: Callable[[], Session]) -> None:
        self._lanes = {
            Lane.LOOK: Readings(new_session, patience_s=_LOOK_S, most=2),
            Lane.SLOW: Readings(new_session, patience_s=_SLOW_S),
        }
        self._orders = Readings(new_session, patience_s=_LOOK_S)

    def routes(self) -> list[web.RouteDef]:
        """Return what the API answers."""
        looks = [web.get(PREFIX + each.path, self._telling(each)) for each in LOOKS]
        dos = [web.post(PREFIX + each.path, self._doing(each)) for each in DOS]
        return [*looks, *dos, web.get(f"{PREFIX}/openapi.json", _openapi)]

    def _telling(self, look: Look) -> Handler:
        return _mapped(partial(self._tell, look))

    def _doing(self, do: Do) -> Handler:
        return _mapped(partial(self._do, do))

    async def _tell(self, look: Look, request: web.Request) -> web.Response:
        given = arguments(look, request.match_info, list(request.query.items()))
        question = look.make(given)
        lane = self._lanes[look.lane]
        if BLOCKS in request.headers.get(hdrs.ACCEPT, ""):
            return _json(await lane.read(_text_of(partial(_blocks, question))), kind=BLOCKS)
        if isinstance(question, Machines):
            return _json(await lane.read(_text_of(partial(_part, question, given))))
        return _json(await lane.read(_text_of(partial(_document, question))))

    async def _do(self, do: Do, request: web.Request) -> web.Response:
        if request.query_string:
            raise Wrong("an order has no parameters; what it says stands in its body")
        said = body(do, await _content(request))
        who = CALLER.get() or "API"
        told = await self._orders.read(_text_of(partial(_ordered, do, said, who)))
        return _json(told, status=200 if said.is_rehearsal else 202)


def _mapped(work: Handler) -> Handler:
    """Return `work` with its errors as answers."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await work(request)
        except Wrong as error:
            return failure(request, 400, str(error), kind="wrong")
        except Unknown as error:
            return failure(request, 404, str(error), kind="unknown")
        except Misworded as error:
            return failure(request, 409, str(error), kind="misworded")
        except OperatorError as error:
            return failure(request, 409, str(error), kind="impossible")
        except SpaceError as error:
            return failure(request, 502, str(error), kind="cloud")

    return handle


async def _content(request: web.Request) -> bytes:
    """Return the body of a request.

    Raises:
        Wrong: it is of another type, or does not come.
    """
    if request.content_type != _JSON or hdrs.CONTENT_ENCODING in request.headers:
        raise web.HTTPUnsupportedMediaType
    try:
        async with asyncio.timeout(_BODY_S):
            return await request.read()
    except TimeoutError as error:
        raise web.HTTPRequestTimeout from error


def _document(question: Question, session: Session) -> Json:
    return question.answer(session).document()


def _blocks(question: Question, session: Session) -> Json:
    return blocks_json(question.answer(session).blocks())


def _part(question: Machines, given: Arguments, session: Session) -> Json:
    """Return one part of the list of machines."""
    limit, cursor = int(given.get("limit", USUAL)), str(given.get("cursor", ""))
    created_at, _, uuid = cursor.partition("~")
    which = WantedMachines(
        space=question.space,
        machinetype=question.machinetype,
        condition=question.state,
        has_gone=question.has_gone,
    )
    with session.store() as store:
        question.check(session, store)
        after = Place(int(created_at), uuid) if cursor else None
        found = store.find_machines(which, after=after, limit=limit + 1)
    here = found[:limit]
    last = here[-1] if len(found) > limit else None
    return {
        "machines": [machine_json(each) for each in here],
        "next": f"{last.created_at}~{last.uuid}" if last else None,
    }


def _ordered(do: Do, said: Body, who: str, session: Session) -> Json:
    prepared = do.make(said).prepare(session, who)
    left = prepared if said.is_rehearsal else leave(session, prepared)
    return ordered_json(left, is_rehearsal=said.is_rehearsal)


def _text_of(make: Callable[[Session], Json]) -> Callable[[Session], bytes]:
    """Return what tells the same as text, which takes a while: the event loop must not do it."""
    return lambda session: _text(make(session))


def _text(told: Json) -> bytes:
    return json.dumps(told, indent=2, allow_nan=False).encode() + b"\n"


def _json(text: bytes, *, status: int = 200, kind: str = _JSON) -> web.Response:
    return web.Response(status=status, body=text, content_type=kind)


async def _openapi(_request: web.Request) -> web.Response:
    return _json(_text(document()))
