"""The pages over HTTP. They only read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.typedefs import Handler

from vcycled.admin.answers import Unreadable
from vcycled.admin.pages.accounting import accounting, accounts_of, iso
from vcycled.admin.pages.configuration import configuration
from vcycled.admin.pages.events import events
from vcycled.admin.pages.machine import machine
from vcycled.admin.pages.machines import machines
from vcycled.admin.pages.machinetype import machinetype
from vcycled.admin.pages.managers import managers
from vcycled.admin.pages.outputs import folder_of, open_output
from vcycled.admin.pages.overview import overview
from vcycled.admin.pages.parts import Page
from vcycled.admin.pages.render import Renderer
from vcycled.admin.pages.sheet import sheet_of
from vcycled.admin.pages.space import space
from vcycled.admin.pages.visit import BadQuery, NotHere, Visit
from vcycled.admin.readings import Readings
from vcycled.cli.session import Session
from vcycled.errors import OperatorError
from vcycled.web.sending import send
from vcycled.web.threads import in_thread

A = TypeVar("A")

Make = Callable[[Session, Visit], Page]

# The names of a plain {space} could have no braces.
_PAGES: dict[str, Make] = {
    "/": overview,
    "/spaces/{space:[^/]+}": space,
    "/spaces/{space:[^/]+}/{machinetype:[^/]+}": machinetype,
    "/machines": machines,
    "/machines/{uuid:[^/]+}": machine,
    "/events": events,
    "/accounting": accounting,
    "/managers": managers,
    "/configuration": configuration,
}
_YEAR = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why there is no page."""

    why: tuple[str, ...]
    """Line by line."""
    is_passing: bool
    """Whether it is worth another try."""


def routes(readings: Readings) -> list[web.RouteDef]:
    """Return the routes of all pages, whose facts are read by `readings`."""
    renderer = Renderer()
    return [
        *(web.get(path, _page(make, readings, renderer)) for path, make in _PAGES.items()),
        web.get("/accounting.csv", _sheet(readings, renderer)),
        web.get("/machines/{uuid:[^/]+}/outputs/{name:[^/]+}", _output(readings, renderer)),
        web.get("/static/{name}", _static(renderer)),
    ]


def _page(make: Make, readings: Readings, renderer: Renderer) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        def shown(session: Session) -> str:
            page = make(session, _visit(request))
            as_of = session.words.instant(session.now)
            return renderer.html(page, path=request.path, as_of=as_of)

        async def made() -> web.Response:
            return _html(await readings.read(shown))

        return await _answered(request, renderer, made())

    return answer


async def _answered(
    request: web.Request, renderer: Renderer, answer: Awaitable[A]
) -> A | web.Response:
    """Return the answer, or the page that says why there is none."""
    try:
        return await answer
    except BadQuery as error:
        status, why = HTTPStatus.BAD_REQUEST, str(error)
    except (NotHere, OperatorError) as error:
        status, why = HTTPStatus.NOT_FOUND, str(error)
    except Unreadable as error:
        status, why = HTTPStatus.SERVICE_UNAVAILABLE, str(error)
    trouble = Page(
        template="trouble.html",
        title=status.phrase,
        facts=Trouble(
            why=tuple(why.splitlines()),
            is_passing=status is HTTPStatus.SERVICE_UNAVAILABLE,
        ),
    )
    return _html(renderer.html(trouble, path=request.path, as_of=""), status=status)


def _html(text: str, *, status: int = HTTPStatus.OK) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")


def _sheet(readings: Readings, renderer: Renderer) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        async def made() -> web.Response:
            visit = _visit(request)
            accounts, _ = await readings.read(lambda session: accounts_of(session, visit))
            name = f"vcycle-{iso(accounts.month)}-{accounts.by}.csv"
            return web.Response(
                text=sheet_of(accounts),
                content_type="text/csv",
                charset="utf-8",
                headers={"Content-Disposition": f'attachment; filename="{name}"'},
            )

        return await _answered(request, renderer, made())

    return answer


def _output(readings: Readings, renderer: Renderer) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        async def made() -> web.StreamResponse:
            visit = _visit(request)
            folder = await readings.read(lambda session: folder_of(session, visit))
            found = await in_thread(open_output, folder, visit.names["name"])
            return await send(request, found.file, found.kind, found.headers)

        return await _answered(request, renderer, made())

    return answer


def _static(renderer: Renderer) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        asset = renderer.assets.get(request.match_info["name"])
        if asset is None:
            raise web.HTTPNotFound
        return web.Response(
            body=asset.body,
            content_type=asset.content_type,
            charset="utf-8",
            headers={"Cache-Control": _YEAR},
        )

    return answer


def _visit(request: web.Request) -> Visit:
    # The last of several values, as a form that was filled in again has it.
    query = dict(parse_qsl(request.rel_url.raw_query_string, keep_blank_values=True))
    return Visit(names=dict(request.match_info), query=query)
