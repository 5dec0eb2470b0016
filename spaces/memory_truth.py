"""What a `MemoryCloud` knows, and what a test sets in it by hand."""

from __future__ import annotations

from dataclasses import dataclass, field

from vcycled.spaces.base import CreateRequest, Flavor, Leftover, ListedMachine

FLAVORS = (
    Flavor(name="small", processors=1, memory_mb=2048),
    Flavor(name="large", processors=8, memory_mb=16384),
)


@dataclass(slots=True, kw_only=True)
class Truth:
    """A machine there is or was, as the cloud knows it."""

    listed: ListedMachine
    """As it would be listed now, or was when it went."""
    request: CreateRequest | None
    """None if somebody else made it."""
    gone_at: int | None = None
    deletes: int = 0
    """How many times its deletion was asked for."""

    @property
    def machinetype(self) -> str:
        """Of the request; empty for a foreign machine."""
        return self.request.machinetype if self.request else ""


@dataclass(slots=True, kw_only=True)
class Listing:
    """How listings differ from the truth; `find` always tells the truth."""

    omitted: set[str] = field(default_factory=set)
    """Names that are left out."""
    cut: int | None = None
    """At most so many machines are shown, as by a cloud whose further pages nobody asked for."""
    lag_seconds: int = 0
    """A machine is shown only so long after it was made."""


@dataclass(slots=True, kw_only=True)
class Extras:
    """What else the cloud keeps or says."""

    consoles: dict[str, str] = field(default_factory=dict)
    """By name of the machine."""
    account: dict[str, str] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    credential_ends: dict[str, int] = field(default_factory=dict)
    leftovers: dict[str, Leftover] = field(default_factory=dict)
    """By id; a key pair has its public key as its name."""
    removed: list[str] = field(default_factory=list)
    """Ids of leftovers, in the order in which they were removed."""
