"""The same control from another process: `POST /control/NAME` with the arguments as JSON.

Operations have the names that OpenStackCloud states, `*` is any; seconds are those of the cloud's
clock, where nothing else is said. What can be ordered of calls:

    fail_next    operation, faults, count=1: the next calls meet these faults, so often over
    fail_for     operation, fault, seconds, share=1.0, seed: so many, for a while
    fail_always  operation, fault or null, share, seed: until it is set to null
    lose_replies operation, count=1: the work is done, and the connection reset
    hold         operation: calls hang until `release`
    release      operation="*"
    latency      seconds: real ones, of every call
    revoke_tokens

A fault is an object with some of: `wait_s` (real seconds that the call hangs first), `is_reset`,
`is_lost` (as lose_replies), `cut` (bytes of the answer's body), `status` (401, 403, 429, 500 …)
with `body` and `headers`, or `status` with `message` and `retry_after_s`.

What can be ordered of servers, by name: `run`, `finish`, `fail` (fault, in_cell0), `doubt`,
`vanish`, `change` (status, task_state, console …), `add_foreign`. And of those that are asked for
from now on, `count` of them, for `seconds`, or until `calm`:

    stick        operation: `create` leaves them in BUILD, `delete` in deleting
    doom         fault: they go into error when they would run

Of listings (asking for one id or name always shows the truth):

    omit         name, count of listings, seconds: leaves servers of a name out
    listing      omitted (names), cut, lag_seconds and lag_listings (a server is listed only so
                 long after it was made), places_per_page: each stays until it is set again
    settings     waits_for_host: true makes two lists, as Nova has them: of servers that wait for a
                 host and of the others. One that gets a host between two pages may be lost to
                 whoever reads them; `place` (count) and places_per_page give hosts
    settings     any other field of Settings; quota as an object: instances, cores …

`clear` forgets the faults of calls, `calm` all of this but the settings. What can be asked:
`truth`, `volumes`, `images`, `keypairs`, `figures`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import cast
from urllib.request import Request as UrlRequest
from urllib.request import urlopen

from tests.fakes.openstack.cloud import OpenStackCloud
from tests.fakes.openstack.faults import Fault, answer
from tests.fakes.openstack.messages import Json, Reply, Request, as_json
from tests.fakes.openstack.settings import Quota
from tests.fakes.openstack.truth import Server

_PLACE = "/control/"


class Controlled:
    """Answers for a cloud and, under /control/, does to it what a test in another process asks."""

    def __init__(self, cloud: OpenStackCloud) -> None:
        self._cloud = cloud
        self._verbs: Mapping[str, Callable[..., object]] = {
            "run": cloud.run,
            "finish": cloud.finish,
            "fail": cloud.fail,
            "doubt": cloud.doubt,
            "vanish": cloud.vanish,
            "change": cloud.change,
            "add_foreign": cloud.add_foreign,
            "revoke_tokens": cloud.revoke_tokens,
            "lose_replies": cloud.lose_replies,
            "fail_next": self._fail_next,
            "fail_for": self._fail_for,
            "fail_always": self._fail_always,
            "stick": cloud.stick,
            "doom": cloud.doom,
            "omit": cloud.omit,
            "place": cloud.place,
            "calm": cloud.calm,
            "clear": cloud.script.clear,
            "hold": self._hold,
            "release": cloud.script.release,
            "latency": self._latency,
            "listing": self._listing,
            "settings": self._set,
            "truth": lambda: [_view(each) for each in cloud.truth],
            "volumes": lambda: sorted(cloud.cinder.by_id),
            "images": lambda: sorted(cloud.glance.by_id),
            "keypairs": lambda: sorted(cloud.nova.keys.by_name),
            "figures": self._figures,
        }

    def __call__(self, request: Request) -> Reply:
        """Answer one request."""
        if not request.path.startswith(_PLACE):
            return self._cloud.answer(request)
        verb = self._verbs.get(request.path.removeprefix(_PLACE))
        if verb is None:
            return as_json({"error": f"no such verb; there are {sorted(self._verbs)}"}, 404)
        return as_json({"value": verb(**request.json())})

    def _hold(self, operation: str) -> None:
        self._cloud.hold(operation)

    def _fail_next(self, operation: str, faults: list[Json], count: int = 1) -> None:
        self._cloud.fail_next(operation, *map(_fault, faults * count))

    def _fail_for(
        self,
        operation: str,
        fault: Json,
        seconds: int,
        share: float = 1.0,
        seed: int | None = None,
    ) -> None:
        self._cloud.fail_for(operation, _fault(fault), seconds, share=share, seed=seed)

    def _fail_always(
        self, operation: str, fault: Json | None, share: float = 1.0, seed: int | None = None
    ) -> None:
        meant = None if fault is None else _fault(fault)
        self._cloud.script.set_always(operation, meant, share, seed=seed)

    def _latency(self, seconds: float) -> None:
        self._cloud.latency = waiting(seconds)

    def _listing(self, **changes: object) -> None:
        if "omitted" in changes:
            changes["omitted"] = set(cast(list[str], changes["omitted"]))
        _change(self._cloud.listing, changes)

    def _set(self, quota: Mapping[str, int] | None = None, **changes: object) -> None:
        if quota is not None:
            changes["quota"] = replace(Quota(), **quota)
        _change(self._cloud.settings, changes)

    def _figures(self) -> Json:
        cloud = self._cloud
        return {
            "calls": dict(cloud.calls),
            "peak_calls": cloud.peak_calls,
            "peak_processors": dict(cloud.peak_processors),
            "faults": dict(cloud.script.met),
            "tokens": cloud.keystone.issued,
        }


class RemoteCloud:
    """A cloud in another process: `RemoteCloud(url).do("finish", name="vcycle-…")`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def do(self, verb: str, **arguments: object) -> object:
        """Do it there and return what it returns."""
        body = json.dumps(arguments).encode()
        # POST, since there is a body.
        with urlopen(UrlRequest(f"{self.url}{_PLACE}{verb}", data=body), timeout=60) as reply:
            value: object = json.load(reply)["value"]
            return value

    @property
    def truth(self) -> list[Json]:
        """Every server that ever was: its fields by name, times in Unix seconds."""
        value = self.do("truth")
        assert isinstance(value, list)
        return value


def _fault(said: Json) -> Fault:
    """Return a fault of these fields; one with a `message` says it as Nova and Cinder do."""
    return answer(**said) if "message" in said else Fault(**said)


def _change(thing: object, changes: Mapping[str, object]) -> None:
    for name, value in changes.items():
        getattr(thing, name)  # an AttributeError is the caller's mistake
        setattr(thing, name, value)


def waiting(seconds: float) -> Callable[[str], None]:
    """Return a latency of so many real seconds, the same for every operation."""

    def wait(_operation: str) -> None:
        threading.Event().wait(seconds)

    return wait


def _view(server: Server) -> Json:
    return {
        "id": server.id,
        "name": server.name,
        "is_ours": server.is_ours,
        "machinetype": server.machinetype,
        "uuid": server.uuid,
        "processors": server.flavor.vcpus,
        "status": server.status,
        "task_state": server.task_state,
        "created_at": server.created_at,
        "launched_at": server.launched_at,
        "ended_at": server.ended_at,
        "gone_at": server.gone_at,
        "deletes": server.deletes,
        "killed_at": server.killed_at,
    }
