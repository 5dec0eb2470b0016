"""What the answers of an OpenStack mean that are no success."""

from __future__ import annotations

import json

import pytest

from tests.canned_openstack import (
    MARKER,
    SERVERS,
)
from vcycled.errors import NoCapacity, QuotaExceeded, Refused, SpaceError, Unavailable
from vcycled.spaces.openstack.api import Conflict, Missing
from vcycled.spaces.openstack.errors import Reply, Unsupported, of_reply
from vcycled.testing.clock import START


def reply(status: int, body: object = None, **headers: str) -> Reply:
    """Return an answer about server s1, which came at START."""
    return Reply(
        status=status,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        content=body if isinstance(body, bytes) else json.dumps(body).encode(),
        url=f"{SERVERS}/s1?x=1",
        asked_as="user vcycle",
        secrets=(MARKER,),
        now=START,
    )


def nova(name: str, message: str) -> dict[str, object]:
    """Return an error as Nova and Cinder wrap it."""
    return {name: {"message": message, "code": 0}}


def neutron(kind: str, message: str) -> dict[str, object]:
    """Return an error as Neutron wraps it."""
    return {"NeutronError": {"type": kind, "message": message, "detail": ""}}


CORES = "Quota exceeded for cores: Requested 8, but already used 96 of 100 cores"
PORTS = "Maximum number of ports exceeded"
GIGABYTES = "VolumeSizeExceedsAvailableQuota: Requested volume exceeds allowed gigabytes quota."


@pytest.mark.parametrize(
    ("said", "kind", "detail"),
    [
        pytest.param(
            reply(400, nova("badRequest", "Invalid imageRef")),
            Refused,
            "Invalid imageRef (400)",
            id="400",
        ),
        pytest.param(
            reply(401, {"error": {"message": "No."}}),
            Refused,
            "user vcycle is not let in: No. (401)",
            id="401",
        ),
        pytest.param(
            reply(403, nova("forbidden", "Policy doesn't allow it")),
            Refused,
            "user vcycle may not do this: Policy doesn't allow it (403)",
            id="403",
        ),
        pytest.param(
            reply(403, nova("forbidden", "Insufficient privileges")),
            Refused,
            "user vcycle may not do this: Insufficient privileges (403)",
            id="403 for want of rights, not of room",
        ),
        pytest.param(
            reply(403, nova("forbidden", CORES)), QuotaExceeded, f"{CORES} (403)", id="cores"
        ),
        pytest.param(
            reply(403, nova("forbidden", PORTS)), QuotaExceeded, f"{PORTS} (403)", id="ports"
        ),
        pytest.param(
            reply(413, nova("overLimit", CORES), Retry_After="0"),
            QuotaExceeded,
            f"{CORES} (413)",
            id="a quota as old Novas put it",
        ),
        pytest.param(
            reply(413, nova("overLimit", GIGABYTES), Retry_After="60"),
            QuotaExceeded,
            f"{GIGABYTES} (413)",
            id="Cinder's quota, which no time fills",
        ),
        pytest.param(
            reply(409, neutron("OverQuota", "Quota exceeded for resources: ['port'].")),
            QuotaExceeded,
            "Quota exceeded for resources: ['port']. (409)",
            id="Neutron's quota",
        ),
        pytest.param(
            reply(413, b"Project p1 is over a limit for [image_size_total]"),
            QuotaExceeded,
            "Project p1 is over a limit for [image_size_total] (413)",
            id="oslo.limit's",
        ),
        pytest.param(
            reply(413, b"Request is too large."), Refused, "Request is too large. (413)", id="413"
        ),
        pytest.param(
            reply(404, nova("itemNotFound", "Instance s1 could not be found.")),
            Missing,
            "Instance s1 could not be found. (404)",
            id="Nova's 404",
        ),
        pytest.param(
            reply(404, neutron("NetworkNotFound", "Network n1 could not be found.")),
            Missing,
            "Network n1 could not be found. (404)",
            id="Neutron's 404",
        ),
        pytest.param(
            reply(404, b"<html><h1>404 Not Found</h1>No image found with ID s1<br/></html>"),
            Missing,
            "404 Not Found No image found with ID s1 (404)",
            id="Glance's 404",
        ),
        pytest.param(
            reply(404, b"<html><title>404</title><h1>Not Found</h1></html>"),
            Refused,
            f"there is nothing at {SERVERS}/s1: Not Found (404)",
            id="a 404 of a proxy is no proof of absence",
        ),
        pytest.param(
            reply(404, {"message": "The resource could not be found.<br /><br />\n\n"}),
            Refused,
            f"there is nothing at {SERVERS}/s1: The resource could not be found. (404)",
            id="nor is that of a path",
        ),
        pytest.param(
            reply(409, nova("conflictingRequest", "Cannot 'delete' while it is deleting")),
            Conflict,
            "Cannot 'delete' while it is deleting (409)",
            id="409",
        ),
        pytest.param(
            reply(400, nova("badRequest", "No valid host was found. There are not enough.")),
            NoCapacity,
            "No valid host was found. There are not enough. (400)",
            id="no host",
        ),
        pytest.param(
            reply(500, nova("computeFault", "No valid host was found.")),
            NoCapacity,
            "No valid host was found. (500)",
            id="no host, as some Novas put it",
        ),
        pytest.param(reply(408), Unavailable, "no explanation (408)", id="408"),
        pytest.param(
            reply(500, nova("computeFault", "Unexpected API Error.")),
            Unavailable,
            "Unexpected API Error. (500)",
            id="500",
        ),
        pytest.param(
            reply(502, b"<html>Bad Gateway</html>"), Unavailable, "Bad Gateway (502)", id="502"
        ),
        pytest.param(
            reply(501, nova("notImplemented", "No spice.")),
            Unsupported,
            "No spice. (501)",
            id="501",
        ),
        pytest.param(reply(599), Unavailable, "no explanation (599)", id="any above 500"),
        pytest.param(
            reply(302, Location="https://login.example.com"),
            Refused,
            f"{SERVERS}/s1 sends us elsewhere, which is not followed: no explanation (302)",
            id="a token follows no redirection",
        ),
        pytest.param(reply(418), Refused, "no explanation (418)", id="any other"),
    ],
)
def test_an_answer_means(said: Reply, kind: type[SpaceError], detail: str) -> None:
    """One kind of error, with what the cloud said in one line."""
    error = of_reply("create", said)
    assert type(error) is kind
    assert (error.operation, error.detail) == ("create", detail)


@pytest.mark.parametrize(
    ("status", "header", "wait_s", "is_undone"),
    [
        pytest.param(429, {"Retry-After": "7"}, 7, True, id="429"),
        pytest.param(429, {"retry-after": "7"}, 7, True, id="in small letters"),
        pytest.param(429, {"Retry-After": "0"}, 0, True, id="at once"),
        pytest.param(429, {}, 10, True, id="429 that does not say how long"),
        pytest.param(429, {"Retry-After": "soon"}, 10, True, id="429 that says nothing clear"),
        pytest.param(429, {"Retry-After": "3601"}, 3600, True, id="an hour at most"),
        pytest.param(503, {"Retry-After": "30"}, 30, False, id="503: it may have begun"),
        pytest.param(413, {"Retry-After": "30"}, 30, False, id="413: rates, in old Novas"),
        pytest.param(503, {}, None, False, id="503 without a time"),
        pytest.param(503, {"Retry-After": "soon"}, None, False, id="503 with nonsense"),
        pytest.param(
            429,
            {"Retry-After": "Fri, 15 Jan 2027 08:01:00 GMT"},
            60,
            True,
            id="as a date",
        ),
        pytest.param(
            429, {"Retry-After": "Fri, 15 Jan 2027 07:59:00 -0000"}, 0, True, id="a past date"
        ),
    ],
)
def test_a_cloud_says_when_to_come_back(
    status: int, header: dict[str, str], wait_s: int | None, is_undone: bool
) -> None:
    """RFC 9110, 10.2.3: seconds, or a date."""
    said = reply(status, nova("overLimit", "This request was rate-limited."))
    said = Reply(
        status=status,
        headers=header,
        content=said.content,
        url=SERVERS,
        asked_as="user vcycle",
        now=START,
    )
    error = of_reply("create", said)
    assert isinstance(error, Unavailable)
    assert (error.retry_after_s, error.is_undone) == (wait_s, is_undone)


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        pytest.param(
            nova("badRequest", f"Value: {'QUJD' * 15}. is too long"),
            "Value: …. is too long",
            id="60 letters of base64: user_data",
        ),
        pytest.param(nova("badRequest", f"Value: {'A' * 59}."), f"Value: {'A' * 59}.", id="59"),
        pytest.param(nova("badRequest", f"no {MARKER}!"), "no ********!", id="a password"),
        pytest.param(
            nova("badRequest", "many words " * 40), ("many words " * 40)[:299] + "…", id="a novel"
        ),
        pytest.param({"errors": [{"title": "T", "detail": "D"}]}, "D", id="a list of errors"),
        pytest.param({"badRequest": {"code": 400}}, "no explanation", id="only a number"),
        pytest.param(b"\xff\xfe", "��", id="no text"),
    ],
)
def test_what_a_cloud_says_is_shown_without_what_must_not_be(body: object, shown: str) -> None:
    """A refusal may repeat what was sent."""
    assert of_reply("create", reply(400, body)).detail == f"{shown} (400)"
