"""`vcycle --url`: asking the vcycle-admin of another host instead of this one's database."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial

import requests

from vcycled.cli.access import Access
from vcycled.cli.asking import (
    BLOCKS,
    MOST,
    PREFIX,
    Ordered,
    Question,
    Told,
    blocks_from,
)
from vcycled.cli.commanding import Command
from vcycled.cli.machines import in_order
from vcycled.cli.printing import Block, Json
from vcycled.cli.questions import Machines
from vcycled.download import reason
from vcycled.errors import Misworded, OperatorError, Unknown

_PATIENCE_S = (10.0, 150.0)
"""To connect, and for an answer: a plan asks the cloud."""
_MOST_BYTES = 64 * 2**20
"""Of an answer; a hundred thousand machines take half of it."""
_PIECE = 2**16
_KINDS: Mapping[str, type[OperatorError]] = {
    "urn:vcycle:problem:unknown": Unknown,
    "urn:vcycle:problem:misworded": Misworded,
}
_SHOWN = "; here with --token-file, or a certificate with --cert"
_TRUSTED = "; --ca names the file of the authority that it is of"


class Remote:
    """The admin site of another host."""

    def __init__(self, access: Access) -> None:
        self._url = access.url
        self._http = requests.Session()
        self._http.trust_env = False  # no ~/.netrc: it would replace the token
        # What is sent packed could be far longer than what arrives.
        self._http.headers["Accept-Encoding"] = "identity"
        if access.token:
            self._http.headers["Authorization"] = f"Bearer {access.token}"
        self._http.verify = True if access.ca is None else str(access.ca)
        if access.cert is not None:
            cert = str(access.cert)
            self._http.cert = cert if access.key is None else (cert, str(access.key))

    def ask(self, question: Question) -> Told:
        """Return what it tells; each form is asked for when it is wanted.

        Raises:
            OperatorError: it does not answer, or says why not. The two forms may raise it.
        """
        if isinstance(question, Machines):
            return Told(
                document=lambda: self._all(question),
                blocks=lambda: self._blocks(question),
            )
        return Told(
            document=partial(self._get, question.path, question.query()),
            blocks=lambda: self._blocks(question),
        )

    def order(self, wish: Command, *, is_rehearsal: bool) -> Ordered:
        """Give an order, or let it tell what would be ordered.

        Raises:
            OperatorError: it does not answer, or says why not.
        """
        body = {**wish.body(), "is_rehearsal": is_rehearsal}
        told = self._asked("POST", wish.path, body=body)
        if not isinstance(told, Mapping):
            raise self._strange("an object was expected")
        lists = (told.get(name) for name in ("promise", "stakes", "waits"))
        promise, stakes, waits = (
            tuple(map(str, each)) if isinstance(each, list) else () for each in lists
        )
        return Ordered(orders=(), promise=promise, stakes=stakes, waits=waits)

    def _all(self, question: Machines) -> Json:
        try:
            return in_order(list(self._machines(question)))
        except TypeError as error:
            raise self._strange("machines have no names or times") from error

    def _machines(self, question: Machines) -> Iterator[Mapping[str, Json]]:
        """Yield every machine, part by part."""
        query = {**question.query(), "limit": str(MOST)}
        while True:
            part = self._get(question.path, query)
            machines = part.get("machines") if isinstance(part, Mapping) else None
            if not isinstance(part, Mapping) or not isinstance(machines, list):
                raise self._strange("a part of a list was expected")
            yield from (each for each in machines if isinstance(each, Mapping))
            following = part.get("next")
            if following is None:
                return
            if not machines or str(following) == query.get("cursor"):
                raise self._strange("its list does not end")
            query["cursor"] = str(following)

    def _blocks(self, question: Question) -> tuple[Block, ...]:
        told = self._get(question.path, question.query(), accept=BLOCKS)
        try:
            return blocks_from(told)
        except ValueError as error:
            raise self._strange(str(error)) from error

    def _get(self, path: str, query: Mapping[str, str], *, accept: str = "") -> Json:
        headers = {"Accept": accept or "application/json"}
        return self._asked("GET", path, params=query, headers=headers)

    def _asked(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Json = None,
    ) -> Json:
        """Send a request and return what comes back."""
        try:
            with self._http.request(
                method,
                f"{self._url}{PREFIX}{path}",
                params=params,
                headers=headers,
                json=body,
                timeout=_PATIENCE_S,
                allow_redirects=False,
                stream=True,
            ) as answer:
                content = self._content(answer)
        except (requests.RequestException, OSError) as error:
            raise OperatorError(f"{self._url} does not answer: {_why(error)}") from error
        told = self._read(content, f"{answer.status_code} {answer.reason}, and no JSON")
        if answer.status_code < requests.codes.multiple_choices:
            return told
        raise self._refusal(answer.status_code, told)

    def _content(self, answer: requests.Response) -> bytes:
        content = bytearray()
        for piece in answer.iter_content(_PIECE):
            content += piece
            if len(content) > _MOST_BYTES:
                raise self._strange(f"more than {_MOST_BYTES} bytes")
        return bytes(content)

    def _read(self, content: bytes, otherwise: str) -> Json:
        try:
            told: Json = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise self._strange(otherwise) from error
        return told

    def _refusal(self, status: int, told: Json) -> OperatorError:
        """Return what it says of a request that it does not do."""
        if not isinstance(told, Mapping) or "detail" not in told:
            return self._strange(f"status {status}")
        kind = _KINDS.get(str(told.get("type")), OperatorError)
        shown = _SHOWN if status == requests.codes.unauthorized else ""
        return kind(f"{told['detail']}{shown}")

    def _strange(self, what: str) -> OperatorError:
        return OperatorError(f"{self._url} does not answer as vcycle-admin does: {what}")


def _why(error: Exception) -> str:
    """Return why there was no answer, without the names of what noticed it."""
    why = reason(error)
    return f"{why}{_TRUSTED}" if why.startswith("its certificate") else why
