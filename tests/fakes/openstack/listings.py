"""Listings of servers: what they show, in which order, and page by page."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.fakes.openstack.messages import Rejected
from tests.fakes.openstack.spans import Span
from tests.fakes.openstack.truth import Server


@dataclass(slots=True, kw_only=True)
class Listing:
    """How listings differ from the truth; asking for one id or name always shows the truth."""

    omitted: set[str] = field(default_factory=set)
    """Names that are left out."""
    omitted_for: dict[str, Span] = field(default_factory=dict)
    """Names that are left out for a while, each listing being a use."""
    cut: int | None = None
    """At most so many servers are listed, and no further page is offered."""
    lag_seconds: int = 0
    """A server is listed only so long after it was made."""
    lag_listings: int = 0
    """A server that is made now is left out of so many listings."""
    places_per_page: int = 0
    """So many servers that wait for a host get one with each page; see `Servers.place`."""
    begun: int = 0
    """Listings so far."""
    _omitted_now: frozenset[str] = frozenset()

    @property
    def first(self) -> int:
        """The number of the first listing that shows a server that is made now."""
        return self.begun + 1 + self.lag_listings

    def begin(self) -> None:
        """Begin a listing; its pages leave out the same names."""
        self.begun += 1
        omitted = {name for name, span in self.omitted_for.items() if span.use()}
        self._omitted_now = frozenset(self.omitted | omitted)

    def shows(self, server: Server, *, now: int) -> bool:
        """Return whether the listing that was begun last has a server."""
        return (
            server.name not in self._omitted_now
            and server.created_at <= now - self.lag_seconds
            and server.first_listing <= self.begun
        )


def page(
    waiting: list[Server], placed: Iterable[Server], marker: str, limit: int
) -> tuple[list[Server], bool]:
    """Return what follows the server `marker`, at most `limit`, and whether the page is full.

    As Nova does it: a server that is in both lists counts twice against the limit, and is then
    shown once.

    Raises:
        Rejected: there is no server `marker`: it was deleted between two pages, perhaps.
    """
    left = iter(placed)
    if marker:
        ids = [each.id for each in waiting]
        if marker not in ids and not any(each.id == marker for each in left):
            raise Rejected(400, f"marker [{marker}] not found")
        waiting = waiting[ids.index(marker) + 1 :] if marker in ids else []
    found = {each.id: each for each in waiting[:limit]}
    found |= {each.id: each for each in itertools.islice(left, limit - len(found))}
    return list(found.values()), bool(found) and len(found) == limit
