"""The same control from another process: `POST /control/NAME` with the arguments as JSON."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from urllib.request import Request as UrlRequest
from urllib.request import urlopen

from tests.fakes.openstack.cloud import OpenStackCloud
from tests.fakes.openstack.faults import Fault
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
            "fail_always": self._fail_always,
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

    def _fail_next(self, operation: str, faults: list[Json]) -> None:
        self._cloud.fail_next(operation, *(Fault(**each) for each in faults))

    def _fail_always(
        self, operation: str, fault: Json | None, share: float = 1.0, seed: int | None = None
    ) -> None:
        meant = None if fault is None else Fault(**fault)
        self._cloud.script.set_always(operation, meant, share, seed=seed)

    def _latency(self, seconds: float) -> None:
        self._cloud.latency = waiting(seconds)

    def _listing(self, omitted: list[str], cut: int | None = None, lag_seconds: int = 0) -> None:
        listing = self._cloud.listing
        listing.omitted, listing.cut, listing.lag_seconds = set(omitted), cut, lag_seconds

    def _set(self, quota: Mapping[str, int] | None = None, **changes: object) -> None:
        if quota is not None:
            changes["quota"] = replace(Quota(), **quota)
        for name, value in changes.items():
            getattr(self._cloud.settings, name)  # an AttributeError is the caller's mistake
            setattr(self._cloud.settings, name, value)

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
