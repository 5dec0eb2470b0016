"""What Nova knows of the servers of a project, asked as its administrator: the truth of a test."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from tests.openstack_bed.project import Project

_EMBEDS_FLAVORS = "2.47"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server, as it is or as it was."""

    id: str
    name: str
    status: str
    processors: int
    machinetype: str
    """Empty if it is not one of ours, or gone: Nova forgets the metadata of what is gone."""
    uuid: str
    """Likewise."""
    created_at: int
    launched_at: int | None
    terminated_at: int | None
    user_data: str = field(repr=False)


def servers(project: Project, *, deleted: bool = False) -> list[Server]:
    """Return the servers that are there, or those that are gone."""
    query = f"all_tenants=1&project_id={project.id}&deleted={int(deleted)}"
    return list(map(_server, _pages(project, f"/servers/detail?{query}")))


def peak(made: list[Server], counts: Callable[[Server], bool] = lambda _: True) -> int:
    """Return the most processors that there were at any instant, of servers that count."""
    changes: list[tuple[int, int]] = []
    for each in filter(counts, made):
        changes.append((each.created_at, each.processors))
        if each.terminated_at is not None:
            changes.append((each.terminated_at, -each.processors))
    total = most = 0
    for _, change in sorted(changes):  # of one second, the ends come first
        total += change
        most = max(most, total)
    return most


def _pages(project: Project, first: str) -> Iterator[dict[str, Any]]:
    path: str | None = first
    while path:
        answer = project.admin.compute.get(path, microversion=_EMBEDS_FLAVORS).json()
        yield from answer["servers"]
        links = [each["href"] for each in answer.get("servers_links", ()) if each["rel"] == "next"]
        path = f"/servers/detail?{urlsplit(links[0]).query}" if links else None


def _server(shown: dict[str, Any]) -> Server:
    return Server(
        id=shown["id"],
        name=shown["name"],
        status=shown["status"],
        processors=shown["flavor"]["vcpus"],
        machinetype=shown["metadata"].get("machinetype", ""),
        uuid=shown["metadata"].get("vcycle_uuid", ""),
        created_at=_instant(shown["created"]) or 0,
        launched_at=_instant(shown["OS-SRV-USG:launched_at"]),
        terminated_at=_instant(shown["OS-SRV-USG:terminated_at"]),
        user_data=base64.b64decode(shown["OS-EXT-SRV-ATTR:user_data"] or "").decode(),
    )


def _instant(text: str | None) -> int | None:
    """Return the Unix time of one of Nova's two ways to write it, both in UTC."""
    if not text:
        return None
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
