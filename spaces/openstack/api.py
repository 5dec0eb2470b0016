"""Calls to the services of one cloud: typed JSON in and out, paced, counted and translated."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from vcycled.clock import Clock
from vcycled.pace import Pace, pace_of
from vcycled.spaces.openstack.answers import Ask, Doc, read_doc
from vcycled.spaces.openstack.errors import Conflict, Missing
from vcycled.spaces.openstack.options import OpenStackOptions

__all__ = ["Api", "Conflict", "Doc", "Missing"]

if TYPE_CHECKING:
    from vcycled.spaces.openstack.login import Endpoint, Login
    from vcycled.spaces.openstack.wire import Wire

_NONE: Mapping[str, str] = MappingProxyType({})
_WANTED = (2, 47)
"""From this microversion of Nova on a server's own flavor is in its listing."""


class Api:
    """The services of one cloud, asked as one user; may be called from many threads.

    One call is one request and one token of the account's pace. None is repeated, but for the one
    whose token was turned away.
    """

    def __init__(self, space: str, options: OpenStackOptions, *, clock: Clock) -> None:
        self._space = space
        self._options = options
        self._clock = clock
        self._lock = threading.Lock()
        self._wire: Wire | None = None
        self._login: Login | None = None
        self._endpoints: dict[str, Endpoint] = {}

    def connect(self) -> None:
        """Log in if the token ends soon, and find Nova; cheap when there is nothing to do.

        Raises:
            Unavailable: the cloud does not answer.
            Refused: the credentials or options are wrong.
        """
        self._logged_in().connect()
        self._endpoint("connect", "compute")

    def has(self, service: str) -> bool:
        """Return whether the cloud has `compute`, `image`, `network` or `block-storage` for us."""
        return self._logged_in().has(service)

    def call(  # noqa: PLR0913 - a request has these parts
        self,
        operation: str,
        service: str,
        method: str,
        path: str,
        *,
        json: object = None,
        params: Mapping[str, str | int] = _NONE,
        headers: Mapping[str, str] = _NONE,
    ) -> Doc:
        """Make one call and return the JSON object that is its answer.

        Args:
            operation: the verb of the contract that this is for.
            service: `compute`, `image`, `network` or `block-storage`.
            method: such as GET.
            path: below the service's endpoint, such as /servers/detail.
            json: the body to send.
            params: of the query.
            headers: more of them, which win over ours.

        Raises:
            SpaceError: what else came of it; `errors.Missing` and `errors.Conflict` among them.
        """
        url = self._endpoint(operation, service).url + path
        all_headers = {"Accept": "application/json", **self._microversion(service), **headers}
        ask = Ask(method=method, url=url, headers=all_headers, params=params, json=json)
        response = self._logged_in().send(operation, ask)
        return read_doc(operation, response.content)

    def _microversion(self, service: str) -> dict[str, str]:
        if service != "compute":
            return {}
        return {"OpenStack-API-Version": f"compute {self.compute_microversion}"}

    @property
    def compute_microversion(self) -> str:
        """The microversion of Nova that is spoken: 2.47 if the cloud has it, else 2.1."""
        return "2.47" if self.offers(_WANTED) else "2.1"

    def offers(self, microversion: tuple[int, int]) -> bool:
        """Return whether the cloud's Nova has a microversion; only after `connect`."""
        known = self._endpoints["compute"].max_microversion
        return known is not None and known >= microversion

    @property
    def calls(self) -> int:
        """How many requests were sent, logins and discovery among them."""
        return self._wire.calls if self._wire else 0

    def notices(self) -> tuple[str, ...]:
        """Return what a person should know though all works."""
        return ()

    def close(self) -> None:
        """Close the connections."""
        if self._login:
            self._login.close()

    def _logged_in(self) -> Login:
        with self._lock:
            if self._login is None:
                from vcycled.spaces.openstack.login import Login  # noqa: PLC0415 - slow to import
                from vcycled.spaces.openstack.wire import Wire  # noqa: PLC0415

                timeout_s = self._options.api_timeout_seconds
                self._wire = Wire(self._pace(), read_timeout_s=timeout_s)
                self._login = Login(self._options, self._wire, clock=self._clock)
            return self._login

    def _pace(self) -> Pace:
        options = self._options
        who = options.cred_id or options.username or options.cloud
        account = ("openstack", options.url, who)
        rate, burst = options.api_calls_per_second, options.api_burst
        return pace_of(account, rate, burst, clock=self._clock)

    def _endpoint(self, operation: str, service: str) -> Endpoint:
        if service not in self._endpoints:
            self._endpoints[service] = self._logged_in().endpoint(operation, service)
        return self._endpoints[service]
