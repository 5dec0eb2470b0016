"""AUDITOR, the accounting ecosystem of https://alu-schumacher.github.io/AUDITOR: records by REST.

# Note [What AUDITOR answers]

`POST /records` takes a list in one transaction: all of it or nothing. A `record_id` that it has is
answered with status 500 and the text RECORD_EXISTS, or, where `ignore_record_exists_error` is set
in its configuration, with 200 and a warning in JSON. Of a list both mean that *nothing* was taken.
So a list with a known record is put again one by one by `POST /record`, where both answers mean
that AUDITOR has the record. What it cannot read it answers with 400, what its database does not
take with 500 and UNEXPECTED_ERROR: then one by one too, so that one record delays no other. That
is its answer to every record, too, while its database is down: `GET /health_check` tells which of
the two it is, by 200 or 500.

# Note [What a record says]

Names of meta data and components are those of AUDITOR's own collectors and of the examples for its
APEL plugin. Texts have 1 to 256 characters, amounts and scores are not negative.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import requests
from urllib3.exceptions import HTTPError

from vcycled.accounting.base import (
    ABSOLUTE,
    RunInterval,
    Sink,
    SinkError,
    SinkRefused,
    SinkUnavailable,
    Verdict,
    demand_final,
    record_id,
)
from vcycled.apel.record import record_of, stand_in_site, submit_host_name
from vcycled.certificates import end_of
from vcycled.download import Watch, reason, session, shown
from vcycled.options import PATIENCE, matching, option, optional, required

EXISTS = "RECORD_EXISTS"
BROKEN = "UNEXPECTED_ERROR"
_BROKEN_MOST = 3
"""After so many records in a row that its database does not take AUDITOR is asked how it is."""
_LONGEST = 256
_TOLD = 200
"""Characters of an answer that are shown."""
_READ = 65_536
"""Bytes of an answer that are read."""
_SCORES = {"HEPSPEC": "HEPSPEC06"}
"""What AUDITOR's documents call a unit of power, where it is not as in APEL's records."""

Json: TypeAlias = str | int | float | Sequence["Json"] | Mapping[str, "Json"] | None

BASE_URL = matching(
    r"https?://[^\s/?#@]+(/[^\s?#@]*)?",
    "a URL that begins with http:// or https://, without user, password or query",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditorOptions:
    """Options of a sink that sends records to AUDITOR."""

    url: str = required(
        BASE_URL,
        help="Address of AUDITOR, such as https://auditor.example.org:8443.",
    )
    ca: str | None = optional(
        ABSOLUTE,
        default_text="those that the Python library requests trusts",
        help="""Authorities that AUDITOR's certificate must come from: a PEM file, or a folder of
        hashed certificates such as /etc/grid-security/certificates.""",
    )
    certificate: str | None = optional(
        ABSOLUTE,
        help="""PEM file with the certificate that we show to AUDITOR, then those of the
        authorities between it and the root. Its common name needs AUDITOR's write_access_cn.""",
    )
    key: str | None = optional(
        ABSOLUTE,
        help="PEM file with the private key of certificate, not encrypted.",
    )
    timeout_seconds: int = option(
        PATIENCE,
        default=30,
        help="A request that takes longer is given up, and put again later.",
    )

    def problems(self) -> Iterable[tuple[str, str]]:
        """Find what does not go together."""
        if (self.certificate is None) != (self.key is None):
            missing = "key" if self.key is None else "certificate"
            yield missing, "is required: certificate and key go together"
        if self.url.startswith("http:") and (self.ca or self.certificate):
            yield "url", "must begin with https:// for ca or certificate to be of any use"


class AuditorSink(Sink):
    """One AUDITOR server; see the notes above."""

    Options = AuditorOptions

    def __init__(self, name: str, options: object, *, root: Path) -> None:  # noqa: ARG002
        assert isinstance(options, AuditorOptions)
        self._options = options
        self._url = options.url.rstrip("/")

    def put(self, runs: Sequence[RunInterval]) -> Iterable[Verdict]:
        """Send the records, all at once if AUDITOR has none of them."""
        demand_final(runs)
        if len(runs) > 1 and self._take_all(runs):
            yield from (Verdict(run=run) for run in runs)
            return
        doubtful: list[Verdict] = []
        for run in runs:
            response, text = self._post("/record", record_of_auditor(run))
            doubtful.append(self._verdict(run, response, text))
            if _is_broken(response, text):
                if len(doubtful) < _BROKEN_MOST and run is not runs[-1]:
                    continue
                if not self._is_healthy():
                    raise _trouble(response, text, self._url)
            yield from doubtful
            doubtful.clear()

    def _take_all(self, runs: Iterable[RunInterval]) -> bool:
        """Send a list of records; False if they must be sent one by one."""
        response, text = self._post("/records", [record_of_auditor(run) for run in runs])
        if response.status_code == requests.codes.ok:
            return not text.strip()
        if any(see(response, text) for see in (_is_known, _is_unreadable, _is_broken)):
            return False
        raise _trouble(response, text, self._url)

    def _verdict(self, run: RunInterval, response: requests.Response, text: str) -> Verdict:
        """Return what the answer to one record means for it.

        Raises:
            SinkError: it has nothing to do with that record.
        """
        if response.status_code == requests.codes.ok or _is_known(response, text):
            return Verdict(run=run)
        if _is_unreadable(response, text) or _is_broken(response, text):
            return Verdict(run=run, refusal=_said(response, text))
        raise _trouble(response, text, self._url)

    def _is_healthy(self) -> bool:
        """Return whether AUDITOR says that its database answers."""
        response, _ = self._ask("GET", "/health_check")
        return response.ok

    def _post(self, path: str, document: Json) -> tuple[requests.Response, str]:
        return self._ask("POST", path, document)

    def _ask(self, method: str, path: str, document: Json = None) -> tuple[requests.Response, str]:
        """Return what AUDITOR answers, and the beginning of the text.

        Raises:
            SinkError: there is no answer.
        """
        watch = Watch(self._options.timeout_seconds)
        try:
            with (
                watch,
                session(watch) as talk,
                self._request(talk, method, path, document) as response,
            ):
                content = response.raw.read(_READ, decode_content=False)
                return response, content.decode(errors="replace")
        except (requests.RequestException, OSError, HTTPError) as error:
            raise self._no_answer(error, watch) from error

    def _request(
        self, talk: requests.Session, method: str, path: str, document: Json
    ) -> requests.Response:
        options = self._options
        return talk.request(
            method,
            f"{self._url}{path}",
            json=document,
            timeout=options.timeout_seconds,
            verify=options.ca or True,
            cert=(options.certificate, options.key)
            if options.certificate and options.key
            else None,
            allow_redirects=False,
            stream=True,
        )

    def _no_answer(self, error: Exception, watch: Watch) -> SinkError:
        if watch.is_over or isinstance(error, requests.Timeout):
            why = f"no answer within {self._options.timeout_seconds} s"
            return SinkUnavailable(f"{shown(self._url)}: {why}")
        if type(error) is OSError:  # a file of ours, which requests looks for
            return SinkRefused(str(error))
        detail = f"{shown(self._url)}: {reason(error)}"
        if isinstance(error, requests.exceptions.SSLError):
            return SinkRefused(detail)
        return SinkUnavailable(detail)

    def credential_ends(self) -> Mapping[str, int]:
        """Return until when the certificate that we show is valid."""
        certificate = self._options.certificate
        ends_at = certificate and end_of(Path(certificate))
        # What is wrong with one that cannot be read, put tells.
        return {certificate: ends_at} if certificate and ends_at else {}


def record_of_auditor(run: RunInterval) -> Mapping[str, Json]:
    """Return what AUDITOR is told of `run`; see note [What a record says]."""
    record = record_of(run)  # with times and numbers that every calendar and database takes
    cores: Json = {"name": "Cores", "amount": record.processors, "scores": list(_scores(run))}
    amounts = {
        "TotalCPU": record.cpu_seconds,
        "Memory": max(0, min(run.memory_mb, 2**31 - 1)),
        "NNodes": 1,
    }
    others: list[Json] = [
        {"name": name, "amount": each, "scores": []} for name, each in amounts.items()
    ]
    return {
        "record_id": record_id(run),
        "meta": {name: [text] for name, value in _meta(run) if (text := _text(value))},
        "components": [cores, *others],
        "start_time": _instant(record.started_at),
        "stop_time": _instant(record.ended_at),
    }


def _meta(run: RunInterval) -> Iterator[tuple[str, str]]:
    terms = run.terms
    yield "site_id", terms.site or stand_in_site(run.space)
    yield "voms", terms.fqan
    yield "subject", terms.global_user
    yield "headnode", terms.submit_host or submit_host_name(run.space, terms.manager_host)
    yield "space", run.space
    yield "machinetype", run.machinetype
    yield "machine", run.name
    yield "job_id", run.uuid
    yield "manager_host", terms.manager_host
    yield "end_source", run.end_source.value


def _scores(run: RunInterval) -> Iterator[Mapping[str, Json]]:
    """Yield the power of one processor, if the site states any."""
    power, unit = run.terms.power_per_processor, run.terms.power_unit
    if power is not None and math.isfinite(power) and power > 0:
        yield {"name": _text(_SCORES.get(unit, unit)) or "unknown", "value": float(power)}


def _text(value: str) -> str:
    """Return `value` as AUDITOR and its database take it; empty if nothing is left of it."""
    printable = "".join(char if char.isprintable() else "?" for char in value).strip()
    return printable if len(printable) <= _LONGEST else f"{printable[: _LONGEST - 3]}..."


def _instant(at: int) -> str:
    return datetime.fromtimestamp(at, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _is_known(response: requests.Response, text: str) -> bool:
    """Return whether a record of the request is there already."""
    return response.status_code == requests.codes.conflict or (
        response.status_code == requests.codes.internal_server_error and text.strip() == EXISTS
    )


def _is_broken(response: requests.Response, text: str) -> bool:
    """Return whether AUDITOR's database did not take it, for whatever reason."""
    is_error = response.status_code == requests.codes.internal_server_error
    return is_error and text.strip() == BROKEN


def _is_unreadable(response: requests.Response, _text: str) -> bool:
    return response.status_code in {
        requests.codes.bad_request,
        requests.codes.request_entity_too_large,
        requests.codes.unprocessable_entity,
    }


def _trouble(response: requests.Response, text: str, url: str) -> SinkError:
    """Return the error for an answer that takes no record, whatever stands in the request."""
    detail = f"{shown(url)}: {_said(response, text)}"
    status = response.status_code
    if status in {requests.codes.request_timeout, requests.codes.too_many_requests}:
        return SinkUnavailable(detail, retry_after_s=_retry_after(response))
    if status >= requests.codes.internal_server_error:
        return SinkUnavailable(detail, retry_after_s=_retry_after(response))
    return SinkRefused(detail)


def _said(response: requests.Response, text: str) -> str:
    told = " ".join(text[:_TOLD].split())
    return f"answered {response.status_code} {response.reason or ''}: {told}".rstrip(": ")


def _retry_after(response: requests.Response) -> int | None:
    stated = response.headers.get("Retry-After", "")
    # Python reads no number of any length.
    return int(stated) if re.fullmatch(r"[0-9]{1,9}", stated) else None
