"""Ways to log in that keystoneauth does not have: with what is read afresh from a file."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict, Unpack

from keystoneauth1 import access
from keystoneauth1.exceptions import AuthorizationFailure, InvalidResponse
from keystoneauth1.identity import v3
from keystoneauth1.identity.v3.federation import FederationBaseAuth
from keystoneauth1.session import Session


class LoginFailed(AuthorizationFailure):
    """There is nothing to log in with; the text says why."""


class Scope(TypedDict, total=False):
    """The project that a token is for, as keystoneauth calls its parts."""

    project_id: str
    project_name: str | None
    project_domain_id: str
    project_domain_name: str


class FreshToken(v3.OidcAccessToken):
    """Logs in with an OpenID Connect access token, read again each time."""

    def __init__(
        self,
        auth_url: str,
        *,
        identity_provider: str,
        protocol: str,
        read: Callable[[], str],
        **scope: Unpack[Scope],
    ) -> None:
        super().__init__(auth_url, identity_provider, protocol, access_token="", **scope)
        self._read = read

    def get_unscoped_auth_ref(self, session: Session) -> access.AccessInfoV3:
        """Return a token of Keystone's for the access token of now."""
        self.access_token = self._read()
        return super().get_unscoped_auth_ref(session)


class ClientCertificate(FederationBaseAuth):
    """Logs in with a client certificate or VOMS proxy, which Keystone's web server maps to a user.

    Source: Keystone's federation with `REMOTE_USER` or `SSL_CLIENT_*` set by a web server that
    checks certificates.
    """

    def __init__(
        self,
        auth_url: str,
        *,
        identity_provider: str,
        protocol: str,
        file: str,
        **scope: Unpack[Scope],
    ) -> None:
        super().__init__(auth_url, identity_provider, protocol, **scope)
        self._file = file

    def get_unscoped_auth_ref(self, session: Session) -> access.AccessInfoV3:
        """Return a token of Keystone's for the certificate that is in the file now."""
        _check_certificate(self._file)
        response = session.get(
            self.federated_token_url,
            authenticated=False,
            cert=self._file,
            # The next login must not find a connection made with the certificate of today.
            headers={"Accept": "application/json", "Connection": "close"},
            redirect=False,
            log=False,
        )
        try:
            found = access.create(resp=response)
        except ValueError as error:
            raise InvalidResponse(response) from error
        if not isinstance(found, access.AccessInfoV3) or found.auth_token is None:
            raise InvalidResponse(response)
        return found


def _check_certificate(path: str) -> None:
    """Refuse a file that cannot be shown as a certificate.

    Raises:
        LoginFailed: it cannot be read, its parts do not fit, or its key has a passphrase, which
            would be asked for at the terminal later.
    """
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(path, password="")
    except ssl.SSLError:
        detail = f"user_proxy {path} holds no certificate with its key, without a passphrase"
        raise LoginFailed(detail) from None
    except OSError as error:
        raise LoginFailed(f"user_proxy {path} cannot be read: {error.strerror}") from error


def read_file(option: str, path: str) -> str:
    """Return what is in a file that an option names.

    Raises:
        LoginFailed: it cannot be read, or there is nothing in it.
    """
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise LoginFailed(f"{option} {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise LoginFailed(f"{option} {path} is not text") from None
    if not text:
        raise LoginFailed(f"{option} {path} is empty")
    return text
