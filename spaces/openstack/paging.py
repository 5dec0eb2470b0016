"""Collections that come in pages.

# Note [Members that drift]

Nova shows the servers that it has still to place before all others, and puts them among those when
it has: newest first, by the time of that. A listing that is read meanwhile loses servers in two
ways, both seen on a real Nova, and neither with any word of it:

- If the last server of a page is moved before the next page is asked for, it marks another place
  than it did. So a server that keeps its place is the mark. A page on which all drift is asked for
  again, twice as long, until there is one that does not, or no more to come. If the cloud shows no
  more at once, the last one is the mark, and is looked at again behind the next page. That is not
  sure: for a moment one that has been moved shows no sign of it.
- A page is filled up to its limit, then servers that are in both places are taken out once, and as
  it is now short of the limit it has no link to the next. So a page with servers that drift is
  taken for the last one only if it would not be full with each of them twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from vcycled.errors import SpaceError, Unavailable
from vcycled.spaces.openstack.answers import Doc
from vcycled.spaces.openstack.api import Api

LEAST_LIMIT = 50
"""Every cloud is taken to show so many members on a page, if there are and they are asked for.
Nova shows 1,000 unless told otherwise, and nobody can ask it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How members of a collection show that the cloud will put them elsewhere in its order."""

    is_adrift: Callable[[Doc], bool]
    shown: Callable[[str], Doc | None]
    """Returns the member with this id as it is now; None if it is gone."""

    def hides_more(self, members: Mapping[str, Doc], limit: int) -> bool:
        """Return whether a page may be short, though it is not the last, because of them."""
        doubles = sum(map(self.is_adrift, members.values()))
        return doubles > 0 and len(members) + doubles >= min(limit, LEAST_LIMIT)

    def fills(self, members: Mapping[str, Doc], limit: int) -> bool:
        """Return whether a page is full of them, perhaps with each of them twice."""
        return all(map(self.is_adrift, members.values())) and 2 * len(members) >= limit

    def mark(self, members: dict[str, Doc]) -> tuple[str, str]:
        """Return the member that marks the place behind a page, and it again if it may drift."""
        fixed = [member_id for member_id, each in members.items() if not self.is_adrift(each)]
        last = next(reversed(members))
        return (fixed[-1], "") if fixed else (last, last)

    def has_moved(self, member_id: str) -> bool:
        """Return whether a member that was adrift has found its place by now."""
        member = self.shown(member_id)
        return member is None or not self.is_adrift(member)


def pages(  # noqa: PLR0913 - where it is, and how its members are told apart
    api: Api,
    operation: str,
    service: str,
    path: str,
    key: str,
    *,
    params: Mapping[str, str | int] | None = None,
    id_of: Callable[[Doc], str] = lambda member: member.text("id"),
    drift: Drift | None = None,
) -> Iterator[list[Doc]]:
    """Yield the pages of a collection.

    A member that was on an earlier page, because others vanished between two calls, is left out.

    Args:
        api: to ask with.
        operation: the verb of the contract that this is for.
        service: that has the collection.
        path: of the collection, below the service's endpoint.
        key: under which its members stand in an answer.
        params: of the query.
        id_of: returns by what the cloud tells a member from others and marks a place.
        drift: if members may change places while they are listed; see Note [Members that drift].

    Raises:
        Unavailable: the collection cannot be read to its end. A cloud that goes wrong on a later
            page, as when the machine that marks the place is gone by then or was put elsewhere,
            may do better next time.
        SpaceError: as the first call raises it.
    """
    query = {name: str(value) for name, value in (params or {}).items()}
    known: set[str] = set()
    marks: set[str | None] = set()
    is_first, doubted = True, ""
    while True:
        answer = _page(api, operation, service, path, query, is_first=is_first)
        if drift and doubted and drift.has_moved(doubted):
            raise Unavailable(operation, f"the order of {key} changed while they were listed")
        members = {id_of(each): each for each in answer.docs(key)}
        if not members:
            return
        new = [each for each_id, each in members.items() if each_id not in known]
        marked = _next_query(answer, key, query)
        if new:
            yield new
        known.update(members)
        # A full page without a link, as some proxies leave it, may have a next one.
        limit = int(query.get("limit", len(members) + 1))
        is_last = marked is None and len(members) < limit
        if is_last and not (drift and drift.hides_more(members, limit)):
            return
        if drift and drift.fills(members, limit):
            query = {**query, "limit": str(2 * limit)}
            is_first = False
            continue
        query = marked or {**query, "marker": next(reversed(members))}
        if drift:
            query["marker"], doubted = drift.mark(members)
        if query.get("marker") in marks or not (new or drift):
            raise Unavailable(operation, f"the cloud repeats a page of {key}")
        marks.add(query.get("marker"))
        is_first = False


def _page(
    api: Api, operation: str, service: str, path: str, query: Mapping[str, str], *, is_first: bool
) -> Doc:
    try:
        return api.call(operation, service, "GET", path, params=query)
    except Unavailable:
        raise
    except SpaceError as error:
        if is_first:
            raise
        raise Unavailable(operation, f"the listing broke off: {error.detail}") from error


def _next_query(answer: Doc, key: str, query: Mapping[str, str]) -> dict[str, str] | None:
    """Return the query of the next page; None if the answer does not tell of one.

    Nova, Neutron and Cinder link to it, Glance names it; of either only the query is taken, since
    the host is often that of a machine behind a proxy.
    """
    links = answer.docs(f"{key}_links") if f"{key}_links" in answer else ()
    following = (each.text("href") for each in links if each.text("rel", "") == "next")
    href = answer.text("next", "") or next(following, "")
    if not href:
        return None
    return {**query, **dict(parse_qsl(urlsplit(href).query, keep_blank_values=True))}
