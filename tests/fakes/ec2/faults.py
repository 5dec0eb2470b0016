"""What goes wrong with a call, as a test orders it."""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import escape


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An answer instead of the cloud's own."""

    code: str = ""
    """Of the error; without one the cloud does as it is asked."""
    status: int = 400
    message: str = "as the test has it"
    is_lost: bool = False
    """The cloud does as it is asked, and then its answer does not arrive."""

    @property
    def body(self) -> bytes:
        """The XML of the error."""
        code, message = escape(self.code), escape(self.message)
        error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        return f"<Response><Errors>{error}</Errors><RequestID>1</RequestID></Response>".encode()


def throttled() -> Fault:
    """Return what EC2 says to too many calls."""
    return Fault(code="RequestLimitExceeded", status=503, message="Request limit exceeded.")


def unavailable() -> Fault:
    """Return what EC2 says when something in it is broken."""
    return Fault(code="Unavailable", status=503, message="The server is overloaded.")


def no_capacity() -> Fault:
    """Return what EC2 says where it has no machines left."""
    return Fault(code="InsufficientInstanceCapacity", status=500, message="We have no capacity.")


def lost() -> Fault:
    """Return a lost answer."""
    return Fault(is_lost=True)
