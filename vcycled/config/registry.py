"""The kinds of spaces that are installed, found by their entry points."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points

from vcycled.spaces.base import Space

GROUP = "vcycle.spaces"

OURS = ("azure", "ec2", "local", "openstack")
"""APIs whose libraries are extras of this package."""

Registry = Mapping[str, type[Space]]
"""Classes of spaces by the name of their API; looking one up may raise ImportError."""


class InstalledSpaces(Registry):
    """The spaces of every installed package; each is imported when it is first looked up."""

    def __init__(self) -> None:
        self._points: dict[str, EntryPoint] = {
            each.name: each for each in entry_points(group=GROUP)
        }

    def __getitem__(self, api: str) -> type[Space]:
        """Return the class of this API.

        Raises:
            KeyError: no package has it.
            ImportError: a library that it needs is missing.
        """
        loaded = self._points[api].load()
        assert isinstance(loaded, type)
        assert issubclass(loaded, Space)
        return loaded

    def __iter__(self) -> Iterator[str]:
        """Return the names of the APIs."""
        return iter(sorted(self._points))

    def __len__(self) -> int:
        """Return how many APIs there are."""
        return len(self._points)


class NotInstalled(LookupError):
    """There is no space of this API here; the text says what to do."""


def find_space(api: str, registry: Registry) -> type[Space]:
    """Return the class of spaces with this API.

    Raises:
        NotInstalled: no package has it, or a library of it is missing.
    """
    try:
        return registry[api]
    except KeyError:
        raise NotInstalled(_unknown(api, registry)) from None
    except ImportError as error:
        raise NotInstalled(
            f"the {api} space cannot be loaded ({error}); {_install(api)}"
        ) from error


def _unknown(api: str, registry: Registry) -> str:
    installed = f"installed: {', '.join(sorted(registry)) or 'none'}"
    if api in OURS:
        return f"the {api} space is not installed; {_install(api)} ({installed})"
    near = difflib.get_close_matches(api, {*OURS, *registry}, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"no installed package has a space {api!r} ({installed}){hint}"


def _install(api: str) -> str:
    return f"install the extra {api} of vcycle"
