"""The login service, and the identity service of a host."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from urllib.parse import parse_qsl

from tests.fakes.azure.messages import Rejected
from tests.fakes.azure.settings import Settings
from tests.fakes.openstack.messages import Reply, Request, Route, as_json
from vcycled.clock import Clock


class Login:
    """Gives tokens for the secret, the certificate or the token of the one application."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._numbers = itertools.count(1)
        self._tokens: set[str] = set()
        self.issued: list[str] = []
        """How each token was got: `secret`, `assertion`, `host`."""

    def routes(self) -> Iterable[Route]:
        """Return what it can do."""
        discovery = r"/([^/]+)/v2\.0/\.well-known/openid-configuration"
        yield Route("discover", "GET", discovery, self._discover, is_open=True)
        yield Route("login", "POST", r"/([^/]+)/oauth2/v2\.0/token", self._token, is_open=True)
        yield Route("host-login", "GET", r"/msi/token", self._host_token, is_open=True)

    def check(self, header: str) -> None:
        """Let a request pass that shows a token which holds.

        Raises:
            Rejected: it does not.
        """
        if header.removeprefix("Bearer ") not in self._tokens:
            text = "The access token has expired or is not valid."
            raise Rejected(401, "ExpiredAuthenticationToken", text)

    def revoke(self) -> None:
        """End every token."""
        self._tokens.clear()

    def _discover(self, request: Request, tenant: str) -> Reply:
        place = f"{request.base}/{tenant}"
        return as_json(
            {
                "token_endpoint": f"{place}/oauth2/v2.0/token",
                "authorization_endpoint": f"{place}/oauth2/v2.0/authorize",
                "issuer": f"{place}/v2.0",
                "jwks_uri": f"{place}/discovery/v2.0/keys",
                "response_types_supported": ["code"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        )

    def _token(self, request: Request, tenant: str) -> Reply:
        form = dict(parse_qsl(request.content.decode()))
        if tenant != self._settings.tenant or form.get("client_id") != self._settings.client_id:
            return _no("AADSTS700016: Application was not found in the directory.", 400)
        if "client_secret" in form:
            if form["client_secret"] != self._settings.client_secret:
                return _no("AADSTS7000215: Invalid client secret provided.", 401)
            return self._issue("secret")
        assertion = form.get("client_assertion", "")
        is_signed = assertion.count(".") == 2  # a JWT; its signature is not looked at here
        if not is_signed and assertion != self._settings.federated_token:
            return _no("AADSTS700027: The certificate is not registered.", 401)
        return self._issue("assertion")

    def _host_token(self, request: Request) -> Reply:
        if request.headers.get("x-identity-header") != self._settings.identity_header:
            raise Rejected(401, "Unauthorized", "The header is missing.")
        return self._issue("host")

    def _issue(self, how: str) -> Reply:
        token = f"token-{next(self._numbers)}"
        self._tokens.add(token)
        self.issued.append(how)
        seconds = self._settings.token_seconds
        return as_json(
            {
                "token_type": "Bearer",
                "access_token": token,
                "expires_in": seconds,
                "expires_on": str(self._clock.now() + seconds),
                "resource": "https://management.azure.com",
            }
        )


def _no(text: str, status: int) -> Reply:
    return as_json({"error": "invalid_client", "error_description": text}, status)
