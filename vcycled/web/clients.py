"""Who is at the other end of a TLS connection, by its certificate.

# Note [Verified chain]

Whose proxy a client holds is told by its chain, and only the chain that OpenSSL verified counts:
what a client sends may hold anything besides. Python shows it from 3.13 on
(`SSLObject.get_verified_chain`); before, the same function is there under the object it wraps.

# Note [Resumption]

A resumed session comes without the chain. We issue no tickets, so in TLS 1.3 there is none. TLS
1.2 has sessions by number besides, which Python cannot turn off, so for those we remember who it
was, until the authorities change.
"""

from __future__ import annotations

import ssl
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol, runtime_checkable
from weakref import WeakKeyDictionary

from vcycled import kvlog
from vcycled.clock import Clock
from vcycled.model.dn import Dn
from vcycled.web.credential import Credential, credential_of
from vcycled.web.tls import Certificate

_LOG = kvlog.get(__name__)
_SESSIONS = 20_000
"""As many as OpenSSL keeps."""
_DER = 2
"""Of `public_bytes` of a certificate of OpenSSL's."""


class _Shown(Protocol):
    """A certificate as the private function returns it."""

    def public_bytes(self, form: int) -> bytes: ...


class _Wrapped(Protocol):
    def get_verified_chain(self) -> Sequence[_Shown] | None: ...


@runtime_checkable
class _Public(Protocol):
    """A connection from Python 3.13 on."""

    def get_verified_chain(self) -> Sequence[bytes]: ...


@runtime_checkable
class _Private(Protocol):
    """A connection of Python 3.11 and 3.12."""

    @property
    def _sslobj(self) -> _Wrapped: ...


def verified_chain(connection: ssl.SSLObject) -> Sequence[bytes]:
    """Return the verified chain of a client in DER, its own certificate first; empty if none."""
    if isinstance(connection, _Public):
        return connection.get_verified_chain()
    assert isinstance(connection, _Private)
    wrapped = connection._sslobj  # noqa: SLF001 - see note [Verified chain]
    return [each.public_bytes(_DER) for each in wrapped.get_verified_chain() or ()]


class Clients:
    """Names of clients with certificates."""

    def __init__(self, certificate: Certificate, clock: Clock) -> None:
        self._certificate = certificate
        self._clock = clock
        self._generation = certificate.generation
        self._known: WeakKeyDictionary[ssl.SSLObject, Credential | None] = WeakKeyDictionary()
        self._sessions: OrderedDict[bytes, Credential] = OrderedDict()

    def dn_of(self, connection: ssl.SSLObject) -> Dn | None:
        """Return the name of a client; None if it has no certificate that is good now."""
        authorities = self._certificate.authorities
        if authorities is None:
            return None
        credential = self._credential(connection)
        if credential is None or credential.ends_at < self._clock.now():
            return None
        if authorities.is_revoked(credential):
            _LOG.warning("web-certificate-revoked", serial=f"{credential.signed[0].serial:x}")
            return None
        return credential.dn

    def _credential(self, connection: ssl.SSLObject) -> Credential | None:
        if self._generation != self._certificate.generation:
            self._generation = self._certificate.generation
            self._sessions.clear()
        if connection not in self._known:
            self._known[connection] = self._read(connection)
        return self._known[connection]

    def _read(self, connection: ssl.SSLObject) -> Credential | None:
        kept = connection.session if connection.version() == "TLSv1.2" else None
        session = b"" if kept is None else kept.id
        chain = verified_chain(connection)
        if not chain:
            return self._sessions.get(session) if connection.session_reused else None
        credential = credential_of(chain)
        if credential is not None and session:
            self._sessions[session] = credential
            while len(self._sessions) > _SESSIONS:
                self._sessions.popitem(last=False)
        return credential
