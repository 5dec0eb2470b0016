"""From a request to its answer: which thing is asked for, may it be had, send or take it."""

from __future__ import annotations

from http import HTTPStatus
from importlib import resources

from aiohttp.web import BaseRequest, RequestPayloadError, Response, StreamResponse

from vcycled import __version__, kvlog
from vcycled.clock import Clock
from vcycled.machinedir.layout import JOBOUTPUTS, OUTPUT_NAMES, Layout
from vcycled.web.auth import Decision, Peer, Wish, decide, decide_fetch, tokens_in
from vcycled.web.clients import Clients
from vcycled.web.doors import Door, dn_of
from vcycled.web.marker import Marker
from vcycled.web.outputs import OutputStore, Receive, Refusal
from vcycled.web.sending import OCTETS, kind_of, listing, page, send, text
from vcycled.web.target import (
    Contextualization,
    Feature,
    Folder,
    HeartbeatList,
    Index,
    Nothing,
    Output,
    Page,
    Target,
    target_of,
)
from vcycled.web.threads import in_thread
from vcycled.web.tree import OpenFile, Reader

_LOG = kvlog.get(__name__)
_READS = frozenset({"GET", "HEAD"})
_WAYS = 'Basic realm="vcycle", Bearer realm="vcycle"'


class Site:
    """What the machines see."""

    def __init__(
        self,
        layout: Layout,
        store: OutputStore,
        marker: Marker,
        *,
        clients: Clients,
        clock: Clock,
    ) -> None:
        self._layout = layout
        self._clients = clients
        self._clock = clock
        self._reader = Reader(layout)
        self._store = store
        self._marker = marker
        self._index = _index()

    async def handle(self, request: BaseRequest, door: Door) -> StreamResponse:
        """Answer one request."""
        target = target_of(request.raw_path)
        try:
            if isinstance(target, Output | Contextualization):
                return await self._private(request, target, door)
            if request.method not in _READS:
                return _refuse(405, "this can only be read", Allow="GET, HEAD")
            return await self._read(request, target)
        except ConnectionError:
            raise
        except OSError as error:
            # What was asked for may have been a heartbeat.
            self._marker.broken()
            _LOG.warning("web-tree-failed", path=_path(request), error=error.strerror)
            return _refuse(503, "the files cannot be read now", Retry_After="60")

    async def _read(self, request: BaseRequest, target: Target) -> StreamResponse:
        """Answer a request for what anybody may read."""
        match target:
            case Index():
                return page(self._index)
            case Folder(name):
                return text(301, "", Location=f"{name}/")
            case Page(parts):
                file = await in_thread(self._reader.page, parts)
                return await _sent(request, file, kind_of(parts[-1]))
            case Feature(space, machine, folder, ""):
                return await self._listing(request, space, machine, folder)
            case Feature() | HeartbeatList():
                content = await in_thread(self._small, target)
                return _missing() if content is None else text(200, content)
            case Nothing() | Output() | Contextualization():
                return _missing()

    def _small(self, target: Feature | HeartbeatList) -> bytes | None:
        match target:
            case Feature(space, machine, folder, key):
                return self._reader.feature(space, machine, folder, key)
            case HeartbeatList(space, machinetype):
                return self._reader.heartbeat_list(space, machinetype)

    async def _listing(
        self, request: BaseRequest, space: str, machine: str, folder: str
    ) -> StreamResponse:
        names = await in_thread(self._reader.names, space, machine, folder)
        return _missing() if names is None else listing(_path(request), names)

    async def _private(
        self, request: BaseRequest, target: Output | Contextualization, door: Door
    ) -> StreamResponse:
        """Answer a request for what only one machine may have."""
        if door is Door.PLAIN:
            return _refuse(403, "only by https")
        tokens = tokens_in(request.headers.get("Authorization", ""))
        peer = Peer(tokens=tokens, dn=dn_of(request, door, self._clients))
        if isinstance(target, Contextualization):
            return await self._contextualization(request, target, peer)
        return await self._output(request, target, peer)

    async def _contextualization(
        self, request: BaseRequest, target: Contextualization, peer: Peer
    ) -> StreamResponse:
        """Answer a request for the user_data of a machine, which it may fetch for a while."""
        now = self._clock.now()
        offer = await in_thread(self._reader.offer, target.space, target.machine)
        decision = decide_fetch(request.method, peer, offer, now=now)
        if decision is not Decision.ALLOWED:
            return _denied_fetch(decision)
        fetch = self._reader.user_data
        file = await in_thread(fetch, target.space, target.machine, now=now)
        return await _sent(request, file, OCTETS)

    async def _output(self, request: BaseRequest, target: Output, peer: Peer) -> StreamResponse:
        """Answer a request for a machine's outputs, which only that machine may touch."""
        owner = await in_thread(self._reader.owner, target.space, target.machine)
        wish = Wish(method=request.method, file=target.file)
        decision = decide(wish, peer, owner)
        if decision is not Decision.ALLOWED:
            return _denied(decision)
        if request.method == "PUT":
            return await self._put(request, target)
        if not target.file:
            return await self._listing(request, target.space, target.machine, JOBOUTPUTS)
        file = await in_thread(self._reader.output, target.space, target.machine, target.file)
        return await _sent(request, file, OCTETS)

    async def _put(self, request: BaseRequest, target: Output) -> Response:
        machine = self._layout.machine(target.space, target.machine)
        try:
            _check_form(request)
            is_replaced = await self._store.store(
                machine, target.file, request.content_length, _body_of(request)
            )
        except Refusal as refusal:
            if refusal.is_our_fault:
                self._marker.broken()
                _LOG.warning(
                    "web-output-failed",
                    space=target.space,
                    machine=target.machine,
                    file=target.file,
                    error=str(refusal.__cause__),
                )
            return _refuse(refusal.status, refusal.text, **_later(refusal.retry_after_s))
        return text(204) if is_replaced else text(201, "stored\n")


def _body_of(request: BaseRequest) -> Receive:
    is_waiting = request.headers.get("Expect", "").lower() == "100-continue"

    async def receive() -> bytes:
        nonlocal is_waiting
        try:
            if is_waiting:
                is_waiting = False
                await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                request.writer.output_size = 0
            return await request.content.readany()
        except (ConnectionError, RequestPayloadError) as error:
            raise Refusal(400, "the body broke off") from error

    return receive


def _check_form(request: BaseRequest) -> None:
    """Check that the body is one that can be stored as it is.

    Raises:
        Refusal: it is a part, packed, of unknown length, or waits for something else.
    """
    headers = request.headers
    if "Content-Range" in headers:
        raise Refusal(400, "outputs are put whole")
    if headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refusal(415, "outputs are stored as they are sent: leave out Content-Encoding")
    if headers.get("Transfer-Encoding", "chunked").lower() != "chunked":
        raise Refusal(501, "the only transfer encoding is chunked")
    if headers.get("Expect", "100-continue").lower() != "100-continue":
        raise Refusal(417, "only 100-continue can be expected")
    if request.content_length is None and not request.body_exists:
        raise Refusal(411, "state Content-Length, or send chunks")


def _denied(decision: Decision) -> Response:
    match decision:
        case Decision.METHOD:
            return _refuse(405, "outputs are read and put", Allow="GET, HEAD, PUT")
        case Decision.GONE:
            return _refuse(404, "there is no such machine")
        case Decision.NAMELESS:
            why = "the machine's own token is needed, or a certificate with its https_x509dn"
            return _refuse(401, why, WWW_Authenticate=_WAYS)
        case Decision.BAD_NAME:
            return _refuse(403, f"names of outputs: {OUTPUT_NAMES}")
        case Decision.REFUSED | Decision.ALLOWED:
            return _refuse(403, "this is neither the machine's own token nor its https_x509dn")


def _denied_fetch(decision: Decision) -> Response:
    match decision:
        case Decision.METHOD:
            return _refuse(405, "this can only be read", Allow="GET, HEAD")
        case Decision.NAMELESS:
            return _refuse(401, "the token of this URL is needed", WWW_Authenticate=_WAYS)
        case Decision.REFUSED:
            return _refuse(403, "this is not the token of this URL")
        case Decision.GONE | Decision.BAD_NAME | Decision.ALLOWED:
            return _missing()


def _later(seconds: int | None) -> dict[str, str]:
    return {} if seconds is None else {"Retry_After": str(seconds)}


def _refuse(status: int, why: str, **headers: str) -> Response:
    """Return a refusal; a body that the client may be sending is not waited for."""
    response = text(status, f"{HTTPStatus(status).phrase}: {why}\n", **headers)
    response.force_close()
    return response


def _missing() -> Response:
    return text(404, "Not Found\n")


async def _sent(request: BaseRequest, file: OpenFile | None, kind: str) -> StreamResponse:
    return _missing() if file is None else await send(request, file, kind)


def _path(request: BaseRequest) -> str:
    return request.raw_path.partition("?")[0]


def _index() -> str:
    path = resources.files("vcycled").joinpath("templates", "web-index.html")
    return path.read_text(encoding="utf-8").replace("VERSION", __version__)
