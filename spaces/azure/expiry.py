"""When what we log in to Azure with ends, as far as a file of this host tells.

The end of a secret is known to Microsoft Graph only, which needs rights over the directory that we
do not ask for; an identity of this host has no end.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import pkcs12

from vcycled.clock import Clock
from vcycled.spaces.azure.options import AzureOptions

TELL_AHEAD_S = 14 * 86_400
_LAST = 253_402_300_799
"""The last second that a date can be told of."""


class Expiry:
    """The ends of the files that the options name, read anew each time: somebody replaces them.

    What is wrong with a file is told by the login that it is for.
    """

    def __init__(self, options: AzureOptions, *, clock: Clock) -> None:
        self._options = options
        self._clock = clock

    def ends(self) -> Mapping[str, int]:
        """Return when what a person must renew ends, by its name.

        A token that some program renews every few minutes ends soon at all times; it is told once
        it has ended, as its program then does not work.
        """
        options = self._options
        if options.client_certificate is not None:
            at = self._of_certificate(Path(options.client_certificate))
            return {} if at is None else {f"client_certificate of {options.client_id}": at}
        if options.federated_token_file is not None:
            at = _of_token(Path(options.federated_token_file), now=self._clock.now())
            return {} if at is None else {f"federated token of {options.client_id}": at}
        return {}

    def notices(self) -> Sequence[str]:
        """Return a sentence for what ends in less than 14 days, or has."""
        now = self._clock.now()
        return tuple(
            f"{name} {'ends' if at > now else 'ended'} on {_day(at)}: put a new one in its file"
            for name, at in self.ends().items()
            if at - now < TELL_AHEAD_S
        )

    def _of_certificate(self, path: Path) -> int | None:
        """Return when the certificate ends that a login would use: the first one of the file."""
        secret = self._options.client_certificate_password
        password = secret.reveal().encode() if secret else None
        try:
            found = _certificate(path.read_bytes(), password)
        except (OSError, ValueError, UnsupportedAlgorithm):
            return None
        return None if found is None else int(found.not_valid_after_utc.timestamp())


def _certificate(text: bytes, password: bytes | None) -> x509.Certificate | None:
    """Return the certificate of a PEM or PFX file, told apart as the SDK does."""
    if b"-----BEGIN" in text:
        return x509.load_pem_x509_certificate(text)
    return pkcs12.load_key_and_certificates(text, password)[1]


def _of_token(path: Path, *, now: int) -> int | None:
    """Return when a token ends (RFC 7519, `exp`) that nobody renews by themselves any more."""
    try:
        _, claims, _ = path.read_text(encoding="ascii").strip().split(".")
        found = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        began_at, ends_at = int(found.get("iat", 0)), int(found["exp"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError):
        return None
    if not 0 <= ends_at <= _LAST:
        return None
    is_renewed_by_hand = began_at > 0 and ends_at - began_at > TELL_AHEAD_S
    return ends_at if is_renewed_by_hand or ends_at <= now else None


def _day(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
