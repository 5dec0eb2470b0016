"""How many connections there may be, in all and from one address: nobody takes all of them."""

from __future__ import annotations

from collections import Counter
from enum import Enum
from ipaddress import IPv6Address, ip_address

_NETWORK_BITS = 64
"""What a host with IPv6 has to itself: it may come from any address of such a network."""


class Full(Enum):
    """Why a connection is not taken."""

    ALL = "max_connections"
    ADDRESS = "max_connections_per_address"


class Gate:
    """Counts those that are open.

    Args:
        most: in all.
        most_each: from one address, or one network of IPv6 hosts.
    """

    def __init__(self, most: int, most_each: int) -> None:
        self._most = most
        self._most_each = most_each
        self._total = 0
        self._open: Counter[str] = Counter()

    def enter(self, address: str) -> Full | None:
        """Count a connection from `address`; return why it may not be, then it is not counted."""
        if self._open[source_of(address)] >= self._most_each:
            return Full.ADDRESS
        if self._total >= self._most:
            return Full.ALL
        self._open[source_of(address)] += 1
        self._total += 1
        return None

    def leave(self, address: str) -> None:
        """Take note that a connection that was counted has ended."""
        source = source_of(address)
        self._total -= 1
        self._open[source] -= 1
        if not self._open[source]:
            del self._open[source]


def source_of(address: str) -> str:
    """Return what counts as one address: an IPv4 address, or the /64 network of an IPv6 one."""
    known = ip_address(address)
    if not isinstance(known, IPv6Address):
        return str(known)
    if known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    return str(IPv6Address(int(known) >> _NETWORK_BITS << _NETWORK_BITS))
