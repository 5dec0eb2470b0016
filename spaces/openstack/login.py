"""From options to a session: who logs in, where, how often, and what the cloud's catalogue offers.

Everything that knows keystoneauth or the SDK is here, in `plugins` and in `wire`; `api` imports
it when it first connects, since importing them costs more than all the rest of a command.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
from keystoneauth1 import exceptions as ks
from keystoneauth1.access import AccessInfo
from keystoneauth1.discover import EndpointData
from keystoneauth1.identity.base import BaseIdentityPlugin
from keystoneauth1.session import Session

from vcycled.clock import Clock
from vcycled.errors import Refused, Unavailable
from vcycled.spaces.openstack.answers import Ask
from vcycled.spaces.openstack.errors import Reply, of_reply
from vcycled.spaces.openstack.options import OpenStackOptions
from vcycled.spaces.openstack.plugins import Credentials, credentials
from vcycled.spaces.openstack.wire import Wire

# What goes wrong comes up as our own errors; the library's own warnings would say it twice.
logging.getLogger("keystoneauth").setLevel(logging.ERROR)

LATEST = float("inf")
_VERSIONS = {"compute": 2, "image": 2, "network": 2, "block-storage": 3}
"""The one major version of each API that is spoken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a service is."""

    url: str
    """Without a slash at the end."""
    max_microversion: tuple[int, int] | None


class Login:
    """A session with one cloud; its token is kept until it ends soon or is turned away."""

    def __init__(self, options: OpenStackOptions, wire: Wire, *, clock: Clock) -> None:
        self._options = options
        self._wire = wire
        self._clock = clock
        self._lock = threading.Lock()
        self._session = self._new_session()
        self._credentials: Credentials | None = None
        self._region = options.region

    def _new_session(self) -> Session:
        plain = requests.Session()
        plain.auth = _untouched
        plain.mount("https://", self._wire)
        plain.mount("http://", self._wire)
        verify = self._options.ca_file or True
        return Session(session=plain, verify=verify, app_name="vcycle", redirect=3)

    def connect(self) -> None:
        """Log in, unless the token is good for some minutes more."""
        with self.translated("connect"):
            self._access()

    def has(self, service: str) -> bool:
        """Return whether the catalogue has a service, in our region and on our interface."""
        return bool(self._offers(service))

    def endpoint(self, operation: str, service: str) -> Endpoint:
        """Ask a service of the catalogue for its versions, and return where it is.

        Raises:
            Refused: the catalogue does not have it, or it has it in several regions.
            Unavailable: it does not answer.
        """
        with self.translated(operation):
            return self._discover(self._choose(operation, service), service)

    def send(self, operation: str, ask: Ask) -> requests.Response:
        """Send one request with our token and return the answer if it is a success.

        A token that is turned away is renewed, once for all threads, and the request is sent
        once more: it was not looked at.

        Raises:
            SpaceError: what other answers mean.
        """
        with self.translated(operation):
            response = self._request(ask)
            if response.status_code == 401 and ask.stream is None:
                self._renew(response)
                response = self._request(ask)
        if response.status_code >= 300:
            raise self._error(operation, response)
        return response

    def _request(self, ask: Ask) -> requests.Response:
        return self._session.request(
            ask.url,
            ask.method,
            auth=self._auth,
            headers=dict(ask.headers),
            params=dict(ask.params),
            json=ask.json,
            data=ask.stream,
            raise_exc=False,
            allow_reauth=False,
            redirect=False,
            log=False,
        )

    def _renew(self, response: requests.Response) -> None:
        """Forget the token that was turned away, unless another thread already did."""
        used = response.request.headers.get("X-Auth-Token")
        with self._lock:
            kept = self._auth.auth_ref
            if kept is not None and kept.auth_token == used:
                self._auth.invalidate()

    @property
    def _auth(self) -> BaseIdentityPlugin:
        if self._credentials is None:
            self._credentials = credentials(self._options, self._session)
        return self._credentials.plugin

    def _access(self) -> AccessInfo:
        return self._auth.get_access(self._session)

    def _offers(self, service: str) -> list[EndpointData]:
        return self._access().service_catalog.get_endpoint_data_list(
            service_type=service, interface=self._options.interface, region_name=self._region
        )

    def _choose(self, operation: str, service: str) -> EndpointData:
        offers = self._offers(service)
        regions = sorted({each.region_name or "" for each in offers})
        if not offers:
            raise Refused(operation, f"the catalogue has no {service} for this project")
        if len(regions) > 1:
            names = ", ".join(regions)
            raise Refused(operation, f"the cloud has several regions, set region to one: {names}")
        return offers[0]

    def _discover(self, offer: EndpointData, service: str) -> Endpoint:
        major = _VERSIONS[service]
        found = offer.get_versioned_data(
            self._session,
            project_id=self._access().project_id,
            min_version=(major, 0),
            max_version=(major, LATEST),
        )
        low = found.max_microversion
        return Endpoint(
            url=_at_same_host(str(found.url), str(offer.catalog_url)).rstrip("/"),
            max_microversion=(int(low[0]), int(low[1])) if low else None,
        )

    @contextmanager
    def translated(self, operation: str) -> Iterator[None]:
        """Let what keystoneauth raises come out as ours."""
        with self._wire.doing(operation):
            try:
                yield
            except ks.HttpError as error:
                if error.response is None:
                    raise Unavailable(operation, f"status {error.http_status}") from None
                raise self._error(operation, error.response) from None
            except ks.CatalogException:
                raise Refused(operation, "the cloud's catalogue is empty for us") from None
            except ks.ClientException as error:
                raise Unavailable(operation, f"no login ({type(error).__name__})") from None

    def _error(self, operation: str, response: requests.Response) -> Exception:
        reply = Reply(
            status=response.status_code,
            headers=response.headers,
            content=response.content,
            url=str(response.url),
            asked_as=self._credentials.asked_as if self._credentials else "the user",
            now=self._clock.now(),
        )
        return of_reply(operation, reply)

    def close(self) -> None:
        """Close the connections."""
        self._session.session.close()


def _untouched(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Return the request as it is: requests would put in the password of a ~/.netrc otherwise."""
    return request


def _at_same_host(url: str, catalog_url: str) -> str:
    """Return a discovered URL with the scheme and host of the catalogue.

    Services behind a proxy that ends TLS often give links to themselves over plain HTTP.
    """
    there, known = urlsplit(url), urlsplit(catalog_url)
    return there._replace(scheme=known.scheme, netloc=known.netloc).geturl()
