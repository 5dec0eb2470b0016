"""A stand-in for AUDITOR's server, strict where AUDITOR is, over real sockets on loopback.

Made from what AUDITOR's documentation and source say of version 0.11: `POST /record` and `POST
/records`, which is one transaction, `GET /record/ID` and `GET /health_check`, which asks the
database for a connection; texts of 1 to 256 characters; amounts and scores that are whole or
decimal and not negative; RFC 3339 times; a JSON body of 2 MiB at most. Its database is
PostgreSQL, which takes no NUL in texts.
"""

from __future__ import annotations

import json
import math
import re
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from tests.ports import free_port

MOST_BYTES = 2 * 1024 * 1024
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z")


class Unreadable(ValueError):
    """The body is no record."""


class Broken(Exception):
    """The database does not take it."""


@dataclass(slots=True)
class Auditor:
    """What a test holds of the server: its records, and how it behaves."""

    ignores_known: bool = False
    """As with `ignore_record_exists_error`."""
    answer: tuple[int, str, Mapping[str, str]] | None = None
    """Given to every request instead of the usual one."""
    pause: threading.Event = field(default_factory=threading.Event)
    """Answers wait until it is set."""
    loses_answers: bool = False
    """It takes what it is given, and closes the connection without an answer."""
    breaks_on: str = ""
    """The database takes no record whose id holds this text."""
    port: int = 0
    records: dict[str, Mapping[str, object]] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)
    """Path of each request."""
    names: list[str] = field(default_factory=list)
    """Common name of the client's certificate of each request."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Let nothing wait."""
        self.pause.set()

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Let every request fail for a while."""
        before, self.answer = self.answer, (503, "", {})
        try:
            yield
        finally:
            self.answer = before

    def take(self, path: str, body: bytes) -> tuple[int, str, Mapping[str, str]]:
        """Return the answer to a request."""
        with self.lock:
            self.heard.append(path)
        if self.answer is not None:
            return self.answer
        try:
            document = json.loads(body, parse_constant=_no_constant)
            records = self._records(path, document)
        except ValueError as error:
            return 400, f"Json deserialize error: {error}", {}
        with self.lock:
            return self._insert(records)

    def _records(self, path: str, document: object) -> list[Mapping[str, object]]:
        if path == "/record":
            return [_record(document)]
        if not isinstance(document, list):
            raise Unreadable("expected a sequence")
        return [_record(each) for each in document]

    def _insert(self, records: list[Mapping[str, object]]) -> tuple[int, str, Mapping[str, str]]:
        """Take all or none."""
        new: dict[str, Mapping[str, object]] = {}
        for each in records:
            name = str(each["record_id"])
            if "\\u0000" in json.dumps(each) or (self.breaks_on and self.breaks_on in name):
                return 500, "UNEXPECTED_ERROR", {}
            if name in self.records or name in new:
                if self.ignores_known:
                    return 200, json.dumps({"warning": "exists already"}), {}
                return 500, "RECORD_EXISTS", {}
            new[name] = each
        self.records |= new
        return 200, "", {}


def _no_constant(name: str) -> None:
    raise Unreadable(f"{name} is no number")


def _demand(is_right: object, what: str) -> None:
    if not is_right:
        raise Unreadable(what)


def _text(value: object, what: str) -> None:
    _demand(isinstance(value, str) and value.strip() and len(value) <= 256, f"{what}: {value!r}")


def _whole(value: object, what: str) -> None:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    _demand(is_whole and 0 <= value < 2**63, what)  # type: ignore[operator] # it is whole


def _object(value: object, required: set[str], allowed: set[str]) -> dict[str, object]:
    if not isinstance(value, dict):
        raise Unreadable("expected an object")
    _demand(required <= value.keys(), f"missing {required - value.keys()}")
    _demand(value.keys() <= allowed, f"nobody reads {value.keys() - allowed}")
    return value


def _list(value: object, what: str) -> list[object]:
    if not isinstance(value, list):
        raise Unreadable(f"{what} is no list")
    return value


def _record(document: object) -> Mapping[str, object]:
    required = {"record_id", "components", "start_time"}
    # The runtime, which AUDITOR's own client sends too, is reckoned anew.
    record = _object(document, required, {*required, "meta", "stop_time", "runtime"})
    _text(record["record_id"], "record_id")
    for name, texts in _object(record.get("meta", {}), set(), set(record.get("meta", {}))).items():  # type: ignore[call-overload] # an object, else it raises
        _text(name, "meta")
        for each in _list(texts, name):
            _text(each, name)
    for component in _list(record["components"], "components"):
        _component(component)
    instants = [_instant(record[each]) for each in ("start_time", "stop_time") if each in record]
    _demand(instants == sorted(instants), "it stops before it starts")
    return record


def _component(document: object) -> None:
    names = {"name", "amount", "scores"}
    component = _object(document, names, names)
    _text(component["name"], "component")
    _whole(component["amount"], "amount")
    for each in _list(component["scores"], "scores"):
        score = _object(each, {"name", "value"}, {"name", "value"})
        _text(score["name"], "score")
        value = score["value"]
        _demand(isinstance(value, float) and math.isfinite(value) and value >= 0, "score")


def _instant(text: object) -> datetime:
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        raise Unreadable(f"no time: {text!r}")
    return datetime.fromisoformat(text)


def _runtime(record: Mapping[str, object]) -> int | None:
    if "stop_time" not in record:
        return None
    lasted = _instant(record["stop_time"]) - _instant(record["start_time"])
    return int(lasted.total_seconds())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    auditor: Auditor

    def do_POST(self) -> None:
        """Answer, or not."""
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(length)
        auditor = self.auditor
        if isinstance(self.connection, ssl.SSLSocket):
            shown = self.connection.getpeercert() or {}
            subject: dict[str, str] = dict(each[0] for each in shown.get("subject", ()))  # type: ignore[misc] # as ssl has it
            auditor.names.append(subject.get("commonName", ""))
        if length > MOST_BYTES:
            status, text, more = 413, "payload is too large", dict[str, str]()
        elif self.path not in {"/record", "/records"}:
            status, text, more = 404, "The requested resource was not found.", {}
        else:
            status, text, more = auditor.take(self.path, body)  # type: ignore[assignment] # read only
        auditor.pause.wait(20)
        if auditor.loses_answers:
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in {**more, "Content-Length": str(len(text.encode()))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self) -> None:
        """Give a record, or tell whether the database is well."""
        if self.path == "/health_check":
            self.auditor.heard.append(self.path)
            self.send_response(self.auditor.answer[0] if self.auditor.answer else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        found = self.auditor.records.get(unquote(self.path.removeprefix("/record/")))
        told = json.dumps({**found, "runtime": _runtime(found)} if found else None)
        self.send_response(200 if found else 404)
        for name, value in (("Content-Type", "application/json"), ("Content-Length", len(told))):
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(told.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that went away."""


@contextmanager
def auditor(context: ssl.SSLContext | None = None, *, port: int = 0) -> Iterator[Auditor]:
    """Serve on loopback, by TLS if there is a context; give what the test holds."""
    held = Auditor()
    handler = type("Handler", (_Handler,), {"auditor": held})
    with _Server(("127.0.0.1", port or free_port()), handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        held.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield held
        finally:
            held.pause.set()
            server.shutdown()
            thread.join()
