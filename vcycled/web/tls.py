"""The server's certificate: TLS 1.2 or newer, and renewed without a restart."""

from __future__ import annotations

import ssl
from pathlib import Path

from vcycled import kvlog
from vcycled.errors import ConfigError, Problem

_LOG = kvlog.get(__name__)

Signature = tuple[tuple[int, int, int], ...]


class Certificate:
    """A TLS context that follows its files."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Load both files.

        Raises:
            ConfigError: they cannot be used.
        """
        self._certificate = certificate
        self._key = key
        self._seen = self._signature()
        self.context = _context()
        try:
            _load(self.context, certificate, key)
        except (OSError, ValueError) as error:
            raise ConfigError((self._problem(error),)) from error

    def follow(self) -> None:
        """Load the files again if they changed; what cannot be used is told and left.

        They are tried in a context of their own first: one that was given a certificate without
        its key could not serve any more.
        """
        now = self._signature()
        if now == self._seen:
            return
        self._seen = now
        try:
            _load(_context(), self._certificate, self._key)
            _load(self.context, self._certificate, self._key)
        except (OSError, ValueError) as error:
            _LOG.error("web-certificate-unusable", detail=str(self._problem(error)))
        else:
            _LOG.info("web-certificate-loaded", file=str(self._certificate))

    def _signature(self) -> Signature | None:
        try:
            found = [path.stat() for path in (self._certificate, self._key)]
        except OSError:
            return None
        return tuple((each.st_ino, each.st_mtime_ns, each.st_size) for each in found)

    def _problem(self, error: Exception) -> Problem:
        missing = [path for path in (self._certificate, self._key) if not path.exists()]
        if missing:
            why = f"there is no file {missing[0]}"
        else:
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None)
            why = f"{self._certificate} with key {self._key} cannot be used: {reason or error}"
        return Problem(file="", line=0, section="web", option="certificate", message=why)


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _load(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    # An encrypted key is refused rather than asked for on a terminal.
    context.load_cert_chain(certificate, key, password="")
