"""What the parts of the space must tell apart among the things that EC2 says no to."""

from __future__ import annotations

from vcycled.errors import Refused

LOGIN_CODES = frozenset(
    {
        "AuthFailure",
        "InvalidClientTokenId",
        "InvalidAccessKeyId",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
        "IncompleteSignature",
        "MissingAuthenticationToken",
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
        "OptInRequired",
        "Blocked",
    }
)
"""The credentials are wrong, or were taken back; another look at them may find better ones."""


class Rejected(Refused):
    """EC2 says no, with this code."""

    def __init__(self, operation: str, detail: str, *, code: str) -> None:
        self.code = code
        super().__init__(operation, detail)


class Missing(Rejected):
    """EC2 knows no thing of this name or id."""


class Unsupported(Rejected):
    """The endpoint cannot do this at all."""


class Mismatch(Rejected):
    """The token was used before, for something else: a machine was made with it."""
