"""TLS 1.2 or newer: our certificate and the authorities of clients, both renewed without restart.

# Note [Renewal]

Our certificate is loaded into the context again. Authorities cannot be taken out of a context, so
when they change a new one is made, and connections are switched to it as they begin: OpenSSL
calls the SNI callback for each, with or without a name.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from vcycled import kvlog
from vcycled.certificates import end_of
from vcycled.clock import Clock
from vcycled.errors import ConfigError, Problem
from vcycled.web.authorities import Authorities, Stamps, stamps_of

_LOG = kvlog.get(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionNames:
    """How the options are called that name the files."""

    section: str = "web"
    certificate: str = "certificate"
    authorities: str = "client_authorities"

    def problem(self, option: str, why: str) -> Problem:
        """Return that an option names what cannot be used."""
        return Problem(file="", line=0, section=self.section, option=option, message=why)


_OF_WEB = OptionNames()


class Certificate:
    """A TLS context that follows its files."""

    def __init__(
        self,
        certificate: Path,
        key: Path,
        authorities: Path | None = None,
        *,
        names: OptionNames = _OF_WEB,
    ) -> None:
        """Load all files.

        Args:
            certificate: PEM file of ours, with those above it.
            key: PEM file with its key.
            authorities: folder or bundle of those that clients' certificates may be of; None
                asks clients for no certificate.
            names: of the options that name these files.

        Raises:
            ConfigError: they cannot be used.
        """
        self._certificate = certificate
        self._key = key
        self._names = names
        self._seen = stamps_of(certificate, key)
        self.authorities = None if authorities is None else Authorities(authorities)
        self.generation = 0
        """Grows when the authorities change: what was known of clients before is void."""
        self.ends_at: int | None = None
        """When what we show ends, in Unix seconds; None if OpenSSL alone can read it."""
        self._trusted: Stamps = {}
        self._told = ""
        self.context = self._first_context()
        self._current = self.context
        self.context.sni_callback = self._switch

    def follow(self, clock: Clock) -> None:
        """Load again what changed; what cannot be used is told and left.

        A certificate is tried in a context of its own first: one that was given a certificate
        without its key could not serve any more.
        """
        self._follow_certificate()
        if self.authorities is not None:
            self._follow_authorities(self.authorities)
            self.authorities.tell_lapsed(clock)

    def _follow_certificate(self) -> None:
        now = stamps_of(self._certificate, self._key)
        if now == self._seen:
            return
        self._seen = now
        try:
            self._load(_context())
            self._load(self._current)
        except (OSError, ValueError) as error:
            _LOG.error("web-certificate-unusable", detail=str(self._problem(error)))
        else:
            _LOG.info("web-certificate-loaded", file=str(self._certificate))

    def _follow_authorities(self, authorities: Authorities) -> None:
        """Make a new context if they changed; the old one goes on where that cannot be done."""
        try:
            now = authorities.stamps()
            if now == self._trusted:
                return
            authorities.read_crls(now)
            context = _context()
            authorities.trust_in(context)
            self._load(context)
        except (OSError, ValueError) as error:
            if str(error) != self._told:
                self._told = str(error)
                _LOG.error("web-authorities-unusable", detail=_reason(error))
        else:
            self._told = ""
            self._trusted, self._current = now, context
            self.generation += 1
            _LOG.info("web-authorities-loaded", path=str(authorities.path))

    def _switch(self, connection: ssl.SSLObject, _name: str, _front: ssl.SSLContext) -> None:
        connection.context = self._current

    def _first_context(self) -> ssl.SSLContext:
        context = _context()
        try:
            self._load(context)
        except (OSError, ValueError) as error:
            raise ConfigError((self._problem(error),)) from error
        if self.authorities is None:
            return context
        try:
            self._trusted = self.authorities.stamps()
            self.authorities.trust_in(context)
        except (OSError, ValueError) as error:
            why = f"{self.authorities.path} cannot be used: {_reason(error)}"
            problem = self._names.problem(self._names.authorities, why)
            raise ConfigError((problem,)) from error
        self.authorities.read_crls(self._trusted)
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        # An encrypted key is refused rather than asked for on a terminal.
        context.load_cert_chain(self._certificate, self._key, password="")
        self.ends_at = end_of(self._certificate)

    def _problem(self, error: Exception) -> Problem:
        missing = [path for path in (self._certificate, self._key) if not path.exists()]
        files = f"{self._certificate} with key {self._key}"
        why = f"{files} cannot be used: {_reason(error)}"
        if missing:
            why = f"there is no file {missing[0]}"
        return self._names.problem(self._names.certificate, why)


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None)
    return str(reason or error)


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
