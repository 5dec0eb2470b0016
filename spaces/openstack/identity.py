"""Where Keystone is and which versions of its API it speaks, from any URL that a site has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from keystoneauth1.discover import get_discovery
from keystoneauth1.exceptions import DiscoveryFailure, HttpError
from keystoneauth1.session import Session

from vcycled.spaces.openstack.errors import shown
from vcycled.spaces.openstack.plugins import LoginFailed

_VERSION = re.compile(r"/v([23])(\.[0-9]+)?/*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keystone:
    """The identity service, in the newest version that we and it speak."""

    base: str
    """Without a version and without a slash at the end."""
    version: int
    """2 or 3."""
    notice: str = ""

    @property
    def url(self) -> str:
        """Where this version is.

        Made from what is configured, not from the links that Keystone gives: a password goes to
        no other host, and not over plain HTTP, because a link says so.
        """
        return self.base + ("/v3" if self.version == 3 else "/v2.0")


def base_of(url: str) -> tuple[str, int | None]:
    """Return the URL without the version at its end, and that version."""
    parts = urlsplit(url)
    found = _VERSION.search(parts.path)
    path = parts.path[: found.start()] if found else parts.path
    base = parts._replace(path=path.rstrip("/"), query="", fragment="").geturl()
    return base, int(found[1]) if found else None


def find_keystone(url: str, session: Session) -> Keystone:
    """Ask which versions there are at `url`, whatever version it names, and return the newest.

    Some sites hide the root of Keystone, or let only one version through: then what `url` names
    is believed.

    Raises:
        LoginFailed: there is no Keystone.
    """
    base, named = base_of(url)
    there = _versions(session, base) or _versions(session, base + "/v3") or {named}
    if 3 in there:
        notice = f"url names Identity v2.0, but v3 is spoken: write {shown(base)}/v3"
        return Keystone(base=base, version=3, notice=notice if named == 2 else "")
    if 2 in there:
        return Keystone(base=base, version=2)
    raise LoginFailed(f"there is no Keystone at {shown(url)}")


def _versions(session: Session, url: str) -> set[int | None]:
    """Return the major versions that a document at `url` lists; none if there is no such one."""
    try:
        data = get_discovery(session, url, authenticated=False).version_data()
    except DiscoveryFailure:
        return set()
    except HttpError as error:
        if error.http_status == 429 or error.http_status >= 500:
            raise
        return set()
    return {int(each.version[0]) for each in data if each.version}
