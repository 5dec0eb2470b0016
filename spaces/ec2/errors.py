"""What goes wrong with a call, by the one question that matters: who acts next?

Everything that EC2 answers, and everything that the SDK raises, is translated here and nowhere
else. Codes: "Error codes for the Amazon EC2 API" and "Common errors" of its reference.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from botocore import exceptions as sdk

from vcycled.errors import NoCapacity, QuotaExceeded, Refused, SpaceError, Unavailable
from vcycled.spaces.ec2.rejections import LOGIN_CODES, Mismatch, Missing, Rejected, Unsupported

MOST_DETAIL = 300
"""How many characters of what a cloud says are kept."""
_LONG = re.compile(r"[A-Za-z0-9+/=_-]{60,}")
"""Encoded authorization failures, and what may be secrets of the request."""

_THROTTLED = frozenset(
    {
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "SlowDown",
        "EC2ThrottledException",
        "BandwidthLimitExceeded",
        "ConcurrentTagAccess",
    }
)
_CAPACITY = frozenset(
    {
        "InsufficientCapacity",
        "InsufficientInstanceCapacity",
        "InsufficientHostCapacity",
        "InsufficientReservedInstanceCapacity",
        "InsufficientFreeAddressesInSubnet",
        "InsufficientAddressCapacity",
        "InsufficientVolumeCapacity",
        "ReservationCapacityExceeded",
        "SpotMaxPriceTooLow",
        # "The instance type is not supported in your requested Availability Zone".
        "Unsupported",
    }
)
_QUOTA = re.compile(r"\w*(Limit|Count)Exceeded|\w*Quota\w*Exceeded\w*")
"""InstanceLimitExceeded, VcpuLimitExceeded, MaxSpotInstanceCountExceeded, …"""
_MISSING = re.compile(
    r"Invalid\w+(ID)?\.(NotFound|Malformed|Unknown|Unavailable)"
    r"|NoSuchResourceException|ParameterNotFound|ParameterVersionNotFound"
    r"|AWS\.SimpleQueueService\.NonExistentQueue|QueueDoesNotExist"
)
_UNSUPPORTED = frozenset(
    {"InvalidAction", "UnsupportedOperation", "UnknownOperationException", "NotImplemented"}
)
_BUSY = re.compile(r"Internal\w*|Service\w*Unavailable\w*|Unavailable|RequestTimeout\w*")
_NEVER_SENT = (
    sdk.EndpointConnectionError,
    sdk.ConnectTimeoutError,
    sdk.ProxyConnectionError,
    sdk.SSLError,
)
_LOGIN = (
    sdk.NoCredentialsError,
    sdk.PartialCredentialsError,
    sdk.CredentialRetrievalError,
    sdk.TokenRetrievalError,
    sdk.UnauthorizedSSOTokenError,
    sdk.SSOTokenLoadError,
    sdk.ProfileNotFound,
    sdk.ConfigNotFound,
    sdk.ConfigParseError,
    sdk.UnknownCredentialError,
    sdk.InvalidConfigError,
)


def translated(operation: str, error: Exception, *, asked_as: str) -> SpaceError:
    """Return the error of the contract that an error of the SDK stands for.

    Args:
        operation: the verb of the contract.
        error: a ClientError or BotoCoreError.
        asked_as: whose credentials were used, as a person knows them.
    """
    if isinstance(error, sdk.ClientError):
        return _answered(operation, error.response, asked_as=asked_as)
    detail = _short(f"{type(error).__name__}: {error}")
    if isinstance(error, _NEVER_SENT):
        return Unavailable(operation, detail, is_undone=True)
    if isinstance(error, _LOGIN):
        return Refused(operation, f"{asked_as} cannot log in: {detail}")
    if isinstance(error, sdk.HTTPClientError | sdk.ConnectionError | sdk.ResponseStreamingError):
        return Unavailable(operation, detail)
    if type(error).__name__ == "ResponseParserError":
        return Unavailable(operation, "the cloud's answer makes no sense, or was cut")
    return Refused(operation, detail)


def _answered(operation: str, response: Mapping[str, object], *, asked_as: str) -> SpaceError:
    said, meta = _part(response, "Error"), _part(response, "ResponseMetadata")
    code, status = str(said.get("Code", "")), meta.get("HTTPStatusCode")
    text = _short(str(said.get("Message") or "no explanation"))
    status = status if isinstance(status, int) else 0
    return of_code(operation, code, f"{text} ({code or status})", status, asked_as=asked_as)


def of_code(  # noqa: PLR0911 - one for each meaning
    operation: str, code: str, detail: str, status: int, *, asked_as: str = ""
) -> SpaceError:
    """Return the error that a code stands for; without a known code the status decides."""
    if code in _THROTTLED or status == 429:
        return Unavailable(operation, detail, is_undone=True)
    if code in _CAPACITY:
        return NoCapacity(operation, detail)
    if _QUOTA.fullmatch(code):
        return QuotaExceeded(operation, detail)
    if _MISSING.fullmatch(code):
        return Missing(operation, detail, code=code)
    if code in _UNSUPPORTED:
        return Unsupported(operation, detail, code=code)
    if code == "IdempotentParameterMismatch":
        return Mismatch(operation, detail, code=code)
    if code in LOGIN_CODES:
        return Rejected(operation, f"{asked_as} is not let in: {detail}", code=code)
    if code in {"UnauthorizedOperation", "AccessDenied", "AccessDeniedException"}:
        return Rejected(operation, f"{asked_as} may not do this: {detail}", code=code)
    if _BUSY.fullmatch(code) or status >= 500:
        return Unavailable(operation, detail)
    return Rejected(operation, detail, code=code)


def _part(response: Mapping[str, object], key: str) -> Mapping[str, object]:
    part = response.get(key)
    return part if isinstance(part, dict) else {}


def _short(text: str) -> str:
    line = " ".join(_LONG.sub("…", text).split())
    return line if len(line) <= MOST_DETAIL else line[: MOST_DETAIL - 1] + "…"
