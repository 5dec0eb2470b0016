"""A session with one cloud: its token, its catalogue, and one request at a time.

What knows keystoneauth is here and in `accounts`, `identity`, `plugins` and `wire`; `api` imports
them when it first connects, since that costs more than all the rest of a command.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
from keystoneauth1 import exceptions as ks
from keystoneauth1.access import AccessInfo
from keystoneauth1.discover import EndpointData
from keystoneauth1.exceptions import from_response
from keystoneauth1.session import Session

from vcycled import __version__
from vcycled.clock import Clock
from vcycled.errors import Refused, SpaceError, Unavailable
from vcycled.spaces.openstack.accounts import Account, account
from vcycled.spaces.openstack.answers import Ask
from vcycled.spaces.openstack.errors import Reply, of_reply
from vcycled.spaces.openstack.options import OpenStackOptions
from vcycled.spaces.openstack.plugins import LoginFailed
from vcycled.spaces.openstack.wire import Wire

# What goes wrong comes up as our own errors; these would say it twice, and not in our words.
for _name in ("keystoneauth", "openstack.config"):
    logging.getLogger(_name).setLevel(logging.ERROR)

_LATEST = float("inf")
_MAJOR = {"compute": 2, "image": 2, "network": 2, "block-storage": 3}
"""The one major version of each API that is spoken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a service is."""

    url: str
    """Without a slash at the end."""
    max_microversion: tuple[int, int] | None
    region: str
    """"" if neither the catalogue nor an option tells it."""


class Login:
    """A session with one cloud; its token is kept until it ends soon or is turned away."""

    def __init__(self, space: str, options: OpenStackOptions, wire: Wire, *, clock: Clock) -> None:
        self._options = options
        self._wire = wire
        self._clock = clock
        self._lock = threading.Lock()
        self._session = _new_session(
            wire, options.ca_file or True, f"vcycle/{__version__} ({space})"
        )
        self._account: Account | None = None
        self._access: AccessInfo | None = None
        self._endpoints: dict[str, Endpoint] = {}

    @property
    def account(self) -> Account:
        """Who logs in; only after `connect`."""
        assert self._account is not None
        return self._account

    @property
    def notices(self) -> tuple[str, ...]:
        """What a person should know about how we log in."""
        return self._account.notices if self._account else ()

    @property
    def credential_path(self) -> str:
        """URL at which Keystone describes our application credential; "" if we use none."""
        credential = self.account.application_credential
        if not credential or self._access is None:
            return ""
        user = self._access.user_id
        return f"{self.account.keystone}/users/{user}/application_credentials/{credential}"

    def connect(self) -> None:
        """Log in, unless the token is good for some minutes more.

        Raises:
            Unavailable: the cloud does not answer.
            Refused: it does not let us in.
        """
        with self._translated("connect"):
            self._renewed()

    def has(self, service: str) -> bool:
        """Return whether the catalogue has a service, in our region and on our interface."""
        with self._translated("connect"):
            self._renewed()
            return bool(self._offers(service))

    def endpoint(self, operation: str, service: str) -> Endpoint:
        """Return where a service is, which is asked for its versions the first time.

        Raises:
            Refused: the catalogue does not have it, or it has it in several regions.
            Unavailable: it does not answer.
        """
        with self._translated(operation):
            self._renewed()
            if service not in self._endpoints:
                offer = self._choose(operation, service)
                self._endpoints[service] = self._discover(offer, _MAJOR[service])
            return self._endpoints[service]

    def place(self, operation: str) -> Mapping[str, str]:
        """Return the id of the project and the region that Nova is asked in, as far as known."""
        region = self.endpoint(operation, "compute").region
        assert self._access is not None
        found = {"project": self._access.project_id or "", "region": region}
        return {part: value for part, value in found.items() if value}

    def send(self, operation: str, ask: Ask) -> requests.Response:
        """Send one request with our token and return the answer if it is a success.

        A token that is turned away is renewed, once for all threads, and the request is sent
        once more: it was not looked at. A stream cannot be sent again.

        Raises:
            SpaceError: what other answers mean.
        """
        with self._translated(operation):
            response = self._request(ask)
            if response.status_code == 401:
                self._forget(response)
                if ask.stream is not None:
                    raise Unavailable(operation, "the token ended during the upload")
                response = self._request(ask)
        if response.status_code >= 300:
            raise self._error(operation, response)
        return response

    def _request(self, ask: Ask) -> requests.Response:
        self._renewed()
        return self._session.request(
            ask.url,
            ask.method,
            headers=dict(ask.headers),
            params=dict(ask.params),
            json=ask.json,
            data=ask.stream,
            raise_exc=False,
            allow_reauth=False,
            redirect=False,
            log=False,
        )

    def _forget(self, response: requests.Response) -> None:
        """Forget the token that was turned away, unless another thread already has a new one."""
        used = response.request.headers.get("X-Auth-Token")
        plugin = self.account.plugin
        with self._lock:
            kept = plugin.auth_ref
            if kept is not None and kept.auth_token == used:
                plugin.invalidate()

    def _renewed(self) -> AccessInfo:
        """Return a token, the same one as long as it is good; a new one has a new catalogue."""
        with self._lock:
            if self._account is None:
                self._account = account(self._options, self._session)
                self._session.auth = self._account.plugin
            try:
                access = self._account.plugin.get_access(self._session)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                # keystoneauth takes for granted what an answer with a token holds.
                raise ks.ClientException from error
            if access is not self._access:
                self._access = access
                self._endpoints = {}
            return access

    def _offers(self, service: str) -> list[EndpointData]:
        known = self.account
        if service in known.endpoints:
            return [EndpointData(catalog_url=known.endpoints[service], service_type=service)]
        assert self._access is not None
        return self._access.service_catalog.get_endpoint_data_list(
            service_type=service, interface=known.interface, region_name=known.region
        )

    def _choose(self, operation: str, service: str) -> EndpointData:
        offers = self._offers(service)
        if not offers:
            place = f" in region {self.account.region}" if self.account.region else ""
            detail = f"the catalogue of {self.account.asked_as} has no {service}{place}"
            raise Refused(operation, f"{detail} ({self._regions(service)})")
        regions = sorted({each.region_name or "" for each in offers})
        if len(regions) > 1:
            names = ", ".join(regions)
            raise Refused(
                operation, f"the cloud has several regions; set region to one of {names}"
            )
        return offers[0]

    def _regions(self, service: str) -> str:
        """Return in words where there is a service."""
        assert self._access is not None
        every = self._access.service_catalog.get_endpoint_data_list(
            service_type=service, interface=None
        )
        places = sorted({f"{each.region_name}, {each.interface}" for each in every})
        return f"only: {'; '.join(places)}" if places else "nor anywhere else: check the project"

    def _discover(self, offer: EndpointData, major: int) -> Endpoint:
        known = str(offer.catalog_url)
        found = offer.get_versioned_data(
            self._session,
            project_id=self._access.project_id if self._access else None,
            min_version=(major, 0),
            max_version=(major, _LATEST),
        )
        if found.status is None:
            # It found no document of versions and would go on with the catalogue's URL. That is
            # fine if there just is none, and not if the service is ill.
            response = self._session.get(known, authenticated=False, raise_exc=False, log=False)
            if response.status_code == 429 or response.status_code >= 500:
                raise from_response(response, "GET", known)
        low = found.max_microversion
        return Endpoint(
            url=_at_same_host(str(found.url), known).rstrip("/"),
            max_microversion=(int(low[0]), int(low[1])) if low else None,
            region=offer.region_name or self.account.region or "",
        )

    @contextmanager
    def _translated(self, operation: str) -> Iterator[None]:
        """Let what keystoneauth raises come out as ours; its own texts may hold secrets."""
        with self._wire.count.doing(operation):
            try:
                yield
            except ks.HttpError as error:
                assert error.response is not None  # noqa: PT017 - this is no test
                raise self._error(operation, error.response) from None
            except LoginFailed as error:
                raise Refused(operation, error.message) from error
            except (ks.AuthorizationFailure, ks.MissingAuthMethods) as error:
                detail = f"this way to log in is not enough ({type(error).__name__})"
                raise Refused(operation, detail) from None
            except ks.ClientException as error:
                detail = f"no sense in the cloud's answer ({type(error).__name__})"
                raise Unavailable(operation, detail) from None

    def _error(self, operation: str, response: requests.Response) -> SpaceError:
        """Return what an answer means, and keep the pause that it asks for."""
        known = self._account
        token = response.request.headers.get("X-Auth-Token")
        reply = Reply(
            status=response.status_code,
            headers=response.headers,
            content=response.content,
            url=str(response.url),
            asked_as=known.asked_as if known else "the user",
            secrets=(*(known.secrets if known else ()), *([str(token)] if token else [])),
            now=self._clock.now(),
        )
        error = of_reply(operation, reply)
        if isinstance(error, Unavailable) and error.retry_after_s:
            self._wire.pace.pause(error.retry_after_s)
        return error

    def close(self) -> None:
        """Close the connections."""
        self._session.session.close()


def _new_session(wire: Wire, verify: bool | str, user_agent: str) -> Session:
    plain = requests.Session()
    plain.auth = _untouched
    plain.mount("https://", wire)
    plain.mount("http://", wire)
    return Session(session=plain, verify=verify, user_agent=user_agent, redirect=3)


def _untouched(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Return the request as it is: requests would put in the password of a ~/.netrc otherwise."""
    return request


def _at_same_host(url: str, known: str) -> str:
    """Return a discovered URL with the scheme and host of the catalogue's.

    Services behind a proxy that ends TLS often give links to themselves over plain HTTP.
    """
    there, host = urlsplit(url), urlsplit(known)
    return there._replace(scheme=host.scheme, netloc=host.netloc).geturl()
