"""Calls to the services of one cloud: typed JSON in and out, paced, counted and translated."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from vcycled.clock import Clock
from vcycled.errors import Refused
from vcycled.pace import Pace, pace_of
from vcycled.spaces.openstack.answers import Ask, Doc, Source, read_doc
from vcycled.spaces.openstack.errors import Conflict, Missing
from vcycled.spaces.openstack.expiry import Expiry
from vcycled.spaces.openstack.options import OpenStackOptions

__all__ = ["Api", "Conflict", "Doc", "Missing"]

if TYPE_CHECKING:
    from vcycled.spaces.openstack.login import Login
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
        self._expiry = Expiry(clock=clock)

    def connect(self) -> None:
        """Log in if the token ends soon, and find Nova; cheap when there is nothing to do.

        Raises:
            Unavailable: the cloud does not answer.
            Refused: the credentials or options are wrong.
        """
        login = self._logged_in()
        try:
            login.connect()
            login.endpoint("connect", "compute")
        except Refused as error:
            # What was wrong may be put right where only a new login sees it: in a clouds.yaml,
            # or in the versions of Keystone.
            self.close()
            raise self._expiry.explain(error) from error
        self._expiry.look(login)

    def account(self) -> Mapping[str, str]:
        """Return the project's id and, if the catalogue tells it, the region."""
        return self._logged_in().place("account")

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
        login = self._logged_in()
        ask = Ask(
            method=method,
            url=login.endpoint(operation, service).url + path,
            headers={"Accept": "application/json", **self._microversion(service), **headers},
            params=params,
            json=json,
        )
        return read_doc(operation, login.send(operation, ask).content)

    def upload(self, operation: str, service: str, path: str, stream: Source) -> None:
        """Put a file to a service, read as it is sent.

        Raises:
            SpaceError: what else came of it. Unavailable if the token ended meanwhile, too.
        """
        login = self._logged_in()
        ask = Ask(
            method="PUT",
            url=login.endpoint(operation, service).url + path,
            headers={"Content-Type": "application/octet-stream"},
            stream=stream,
        )
        login.send(operation, ask)

    def _microversion(self, service: str) -> dict[str, str]:
        if service != "compute":
            return {}
        return {"OpenStack-API-Version": f"compute {self.compute_microversion}"}

    @property
    def compute_microversion(self) -> str:
        """The microversion of Nova that is spoken: 2.47 if the cloud has it, else 2.1."""
        return "2.47" if self.offers(_WANTED) else "2.1"

    def offers(self, microversion: tuple[int, int]) -> bool:
        """Return whether the cloud's Nova has a microversion."""
        known = self._logged_in().endpoint("connect", "compute").max_microversion
        return known is not None and known >= microversion

    @property
    def calls(self) -> Counter[str]:
        """How many requests were sent, logins and discovery among them."""
        return self._wire.count.made() if self._wire else Counter()

    def notices(self) -> tuple[str, ...]:
        """Return what a person should know though all works, in sentences."""
        login = self._login
        return (*(login.notices if login else ()), *self._expiry.notices())

    def credential_ends(self) -> Mapping[str, int]:
        """Return when the credential ends, if it does."""
        return self._expiry.ends()

    def close(self) -> None:
        """Close the connections and forget the token; the next call logs in anew."""
        with self._lock:
            login, self._login = self._login, None
        if login:
            login.close()

    def _logged_in(self) -> Login:
        with self._lock:
            if self._login is None:
                from vcycled.spaces.openstack.login import Login  # noqa: PLC0415 - slow to import
                from vcycled.spaces.openstack.wire import Wire  # noqa: PLC0415

                if self._wire is None:
                    timeout_s = self._options.api_timeout_seconds
                    self._wire = Wire(self._pace(), read_timeout_s=timeout_s)
                self._login = Login(self._space, self._options, self._wire, clock=self._clock)
            return self._login

    def _pace(self) -> Pace:
        options = self._options
        who = (options.username, options.cred_id, options.cloud, options.identity_provider)
        account = ("openstack", options.url, options.clouds_file, *who)
        rate, burst = options.api_calls_per_second, options.api_burst
        return pace_of(account, rate, burst, clock=self._clock)
