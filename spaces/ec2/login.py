"""Who calls, and the clients of the SDK that do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Protocol

from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import Loader, create_loader
from botocore.parsers import ResponseParserError
from botocore.session import Session

from vcycled.errors import Refused
from vcycled.spaces.ec2.errors import translated
from vcycled.spaces.ec2.options import Ec2Options

CONNECT_TIMEOUT_S = 10
_CONNECTIONS = 32
"""Most connections that are kept for calls side by side."""


class Method(Protocol):
    """An operation of a client of the SDK."""

    def __call__(self, **parameters: object) -> Mapping[str, object]:
        """Make the call."""
        ...


class Client(Protocol):
    """A client of the SDK, as far as it is the same for every service."""

    def close(self) -> None:
        """Close its connections."""
        ...


class Login:
    """Credentials as the options or the SDK's own chain give them; clients are made when needed.

    Raises:
        Refused: there are no credentials.
    """

    def __init__(self, options: Ec2Options) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._clients: dict[str, Client] = {}
        self.asked_as = _asked_as(options)
        try:
            self._session = _session(options)
            found = self._session.get_credentials()
        except BotoCoreError as error:
            raise translated("connect", error, asked_as=self.asked_as) from error
        if found is None:
            raise Refused("connect", "no credentials: set access_key and secret_key, or a profile")

    def send(
        self, operation: str, service: str, method: str, parameters: Mapping[str, object]
    ) -> Mapping[str, object]:
        """Make one call, whatever comes of it.

        Raises:
            SpaceError: it failed.
        """
        try:
            call: Method = getattr(self._client(service), method)
            return call(**parameters)
        except (ClientError, BotoCoreError, ResponseParserError) as error:
            raise translated(operation, error, asked_as=self.asked_as) from error

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            clients, self._clients = self._clients, {}
        for each in clients.values():
            each.close()

    def _client(self, service: str) -> Client:
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._new_client(service)
            return self._clients[service]

    def _new_client(self, service: str) -> Client:
        options = self._options
        is_ec2 = service == "ec2"
        client = self._session.create_client(
            service,
            region_name=options.region,
            config=_config(options),
            endpoint_url=options.url if is_ec2 else None,
            verify=options.ca_file if is_ec2 else None,
        )
        if is_ec2 and options.service != "ec2":
            sign = partial(_sign_as, options.service)
            client.meta.events.register("before-call.ec2", sign)
        made: Client = client
        return made


def _config(options: Ec2Options) -> Config:
    # A call is made once: the manager decides whether and when it is made again.
    return Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=options.api_timeout_seconds,
        retries={"mode": "standard", "total_max_attempts": 1},
        max_pool_connections=_CONNECTIONS,
        user_agent_appid="vcycle",
    )


def _sign_as(name: str, *, context: dict[str, object], **_: object) -> None:
    signing = context.setdefault("signing", {})
    assert isinstance(signing, dict)
    signing["signing_name"] = name


@cache
def _descriptions() -> Loader:
    """Return the SDK's descriptions of the services, which all logins share: EC2's takes 0.5 s."""
    return create_loader()


def _new_session(profile: str | None = None) -> Session:
    session = Session(profile=profile)
    session.register_component("data_loader", _descriptions())
    return session


def _session(options: Ec2Options) -> Session:
    base = _new_session(options.profile)
    if options.access_key and options.secret_key:
        token = options.session_token.reveal() if options.session_token else None
        base.set_credentials(options.access_key, options.secret_key.reveal(), token)
    source = base.get_credentials()
    if options.role_arn is None or source is None:
        return base
    named = {"ExternalId": options.external_id} if options.external_id else {}
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=partial(
            base.create_client, region_name=options.region, config=_config(options)
        ),
        source_credentials=source,
        role_arn=options.role_arn,
        extra_args={"RoleSessionName": "vcycle", **named},
    )
    session = _new_session()
    provider = _RoleProvider(fetcher.fetch_credentials)
    session.get_component("credential_provider").insert_before("env", provider)
    return session


class _RoleProvider:
    """Gives the credentials of a role that is taken on, and taken on again before they end."""

    METHOD = "vcycle-role"
    CANONICAL_NAME = None

    def __init__(self, fetch: Callable[[], Mapping[str, object]]) -> None:
        self._fetch = fetch

    def load(self) -> object:
        """Return them; they are fetched when first needed."""
        return DeferredRefreshableCredentials(self._fetch, self.METHOD)


def _asked_as(options: Ec2Options) -> str:
    who = f"access key {options.access_key}" if options.access_key else "what the SDK found"
    if options.profile:
        who = f"profile {options.profile}"
    return f"role {options.role_arn} by {who}" if options.role_arn else who
