"""Identity: version 3 only; passwords, application credentials, access tokens, and tokens."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tests.fakes.openstack.messages import (
    Json,
    Rejected,
    Reply,
    Request,
    Route,
    Service,
    as_json,
    stamp,
)
from tests.fakes.openstack.settings import ApplicationCredential, Settings
from vcycled.clock import Clock, SystemClock

PROJECT_ID = "0123456789abcdef0123456789abcdef"
USER_ID = "fedcba9876543210fedcba9876543210"
DOMAIN_ID = "default"
_WRONG = "The request you have made requires authentication."
_KINDS: Mapping[str, tuple[str, str, str]] = {
    "image": ("glance", "image", "/image"),
    "network": ("neutron", "network", "/network"),
    "block-storage": ("cinderv3", "volumev3", f"/volume/v3/{PROJECT_ID}"),
}
_TITLES = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    expires_at: int
    is_scoped: bool


class Keystone(Service):
    """What identity answers, and the tokens that hold."""

    name = "identity"

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.issued = 0
        """Tokens there ever were."""
        self._settings = settings
        self._clock = clock
        self._tokens: dict[str, _Token] = {}
        self._numbers = itertools.count(1)

    def routes(self) -> Iterable[Route]:
        """Return what identity can do."""
        credentials = rf"/v3/users/{USER_ID}/application_credentials"
        federated = r"/v3/OS-FEDERATION/identity_providers/egi/protocols/openid/auth"
        yield Route("discover", "GET", r"/?", self._versions, is_open=True)
        yield Route("discover", "GET", r"/v3/?", self._version, is_open=True)
        yield Route("connect", "POST", r"/v3/auth/tokens", self._log_in, is_open=True)
        yield Route("connect", "POST", federated, self._log_in_elsewhere, is_open=True)
        yield Route("connect", "GET", federated, self._log_in_elsewhere, is_open=True)
        yield Route("credentials", "GET", credentials, self._credentials)
        yield Route("credentials", "GET", credentials + "/([^/]+)", self._credential)

    def explain(self, rejected: Rejected) -> Reply:
        """Return an error as Keystone does."""
        title = _TITLES.get(rejected.status, "Error")
        said = {"code": rejected.status, "title": title, "message": rejected.message}
        return as_json({"error": said}, rejected.status)

    def check(self, token: str) -> None:
        """Let a call pass if its token holds, for the project.

        Raises:
            Rejected: it does not, or not any more.
        """
        found = self._tokens.get(token)
        if found is None or not found.is_scoped or found.expires_at <= self._clock.now():
            raise Rejected(401, _WRONG)

    def revoke(self) -> None:
        """End every token there is."""
        self._tokens.clear()

    # Discovery

    def _versions(self, request: Request) -> Reply:
        return as_json({"versions": {"values": [_about(request)]}}, 300)

    def _version(self, request: Request) -> Reply:
        return as_json({"version": _about(request)})

    # Tokens

    def _log_in(self, request: Request) -> Reply:
        auth = request.json().get("auth", {})
        identity = auth.get("identity", {})
        match identity:
            case {"methods": ["password"], "password": {"user": user}}:
                self._check_user(user)
            case {"methods": ["token"], "token": {"id": token}}:
                if token not in self._tokens:
                    raise Rejected(401, _WRONG)
            case {"methods": ["application_credential"], "application_credential": given}:
                known = self._check_credential(given)
                return self._token(request, is_scoped=True, credential=known)
            case _:
                raise Rejected(401, _WRONG)
        scope = auth.get("scope")
        if scope is not None and scope != "unscoped":
            self._check_scope(scope)
        return self._token(request, is_scoped=isinstance(scope, dict))

    def _log_in_elsewhere(self, request: Request) -> Reply:
        """Give an unscoped token for one of the identity provider."""
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        if bearer not in self._settings.access_tokens:
            raise Rejected(401, _WRONG)
        return self._token(request, is_scoped=False)

    def _check_user(self, user: Json) -> None:
        settings = self._settings
        is_known = user.get("id") == USER_ID or (
            user.get("name") == settings.username and self._is_domain(user.get("domain"))
        )
        if not is_known or user.get("password") != settings.password:
            raise Rejected(401, _WRONG)

    def _check_credential(self, given: Json) -> ApplicationCredential:
        for known in self._settings.application_credentials:
            is_meant = given.get("id") == known.id or (
                given.get("name") == known.name
                and given.get("user", {}).get("name") == self._settings.username
            )
            is_over = known.expires_at is not None and known.expires_at <= self._clock.now()
            if is_meant and given.get("secret") == known.secret and not is_over:
                return known
        raise Rejected(401, _WRONG)

    def _check_scope(self, scope: Json) -> None:
        project = scope.get("project", {})
        is_known = project.get("id") == PROJECT_ID or (
            project.get("name") == self._settings.project
            and self._is_domain(project.get("domain"))
        )
        if not is_known:
            raise Rejected(401, _WRONG)

    def _is_domain(self, domain: Json | None) -> bool:
        return domain in ({"id": DOMAIN_ID}, {"name": self._settings.domain})

    def _token(
        self,
        request: Request,
        *,
        is_scoped: bool,
        credential: ApplicationCredential | None = None,
    ) -> Reply:
        """Return a new token.

        Whether it holds is judged by the cloud's clock. What it says of that is in real time, for
        clients compare it with the clock of their machine.
        """
        seconds = self._settings.token_seconds
        name = f"token-{next(self._numbers):06}-{'x' * 170}"
        self._tokens[name] = _Token(expires_at=self._clock.now() + seconds, is_scoped=is_scoped)
        self.issued += 1
        domain = {"id": DOMAIN_ID, "name": self._settings.domain}
        now = SystemClock().now()
        body: Json = {
            "methods": ["password"],
            "user": {"id": USER_ID, "name": self._settings.username, "domain": domain},
            "issued_at": stamp(now, _FRACTION),
            "expires_at": stamp(now + seconds, _FRACTION),
        }
        if is_scoped:
            body["project"] = {"id": PROJECT_ID, "name": self._settings.project, "domain": domain}
            body["roles"] = [{"id": "r1", "name": "member"}]
            body["catalog"] = self._catalogue(request)
        if credential is not None:
            body["methods"] = ["application_credential"]
            body["application_credential"] = {
                "id": credential.id,
                "name": credential.name,
                "restricted": True,
            }
        return as_json({"token": body}, 201, X_Subject_Token=name)

    def _catalogue(self, request: Request) -> list[Json]:
        kinds = [("keystone", "identity", "/identity"), ("nova", "compute", "/compute/v2.1")]
        kinds += [_KINDS[each] for each in sorted(self._settings.services)]
        return [
            {
                "id": name,
                "name": name,
                "type": kind,
                "endpoints": [
                    {
                        "id": f"{name}-{interface}",
                        "interface": interface,
                        "region": self._settings.region,
                        "region_id": self._settings.region,
                        "url": f"{request.base}{path}",
                    }
                    for interface in ("public", "internal", "admin")
                ],
            }
            for name, kind, path in kinds
        ]

    # Application credentials

    def _credentials(self, _request: Request) -> Reply:
        known = self._settings.application_credentials
        return as_json({"application_credentials": [_credential(each) for each in known]})

    def _credential(self, _request: Request, credential_id: str) -> Reply:
        for each in self._settings.application_credentials:
            if each.id == credential_id:
                return as_json({"application_credential": _credential(each)})
        raise Rejected(404, f"Could not find Application Credential: {credential_id}.")


_FRACTION = "%Y-%m-%dT%H:%M:%S.000000Z"


def _about(request: Request) -> Json:
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": f"{request.base}/identity/v3/"}],
        "media-types": [
            {
                "base": "application/json",
                "type": "application/vnd.openstack.identity-v3+json",
            }
        ],
    }


def _credential(credential: ApplicationCredential) -> Json:
    return {
        "id": credential.id,
        "name": credential.name,
        "project_id": PROJECT_ID,
        "roles": [{"id": "r1", "name": "member"}],
        "unrestricted": False,
        "expires_at": stamp(credential.expires_at, "%Y-%m-%dT%H:%M:%S.000000"),
    }
