"""What a cloud of tests is like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavor:
    """A size of server."""

    id: str
    name: str
    vcpus: int
    ram_mb: int
    disk_gb: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What the project may have; -1 is no limit."""

    instances: int = -1
    cores: int = -1
    ram_mb: int = -1
    metadata_items: int = 128
    key_pairs: int = 100
    ports: int = -1
    volume_gb: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network that servers of the project can be on."""

    id: str
    name: str
    prefixes: tuple[str, ...] = ("10.1", "2001:db8:1:")
    """Beginning of its addresses: two bytes for version 4, anything with a colon for 6."""
    is_external: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationCredential:
    """A credential of the user."""

    id: str
    name: str
    secret: str
    expires_at: int | None = None


SMALL = Flavor(id="f-1", name="small", vcpus=1, ram_mb=2048)
LARGE = Flavor(id="f-8", name="large", vcpus=8, ram_mb=16384)
NETWORK = Network(id="11111111-aaaa-4bbb-8ccc-000000000001", name="private")
IMAGE = "worker"
"""Name of the image that is there from the start."""


@dataclass(slots=True, kw_only=True)
class Settings:
    """What the cloud offers and how it behaves; tests may change it at any time."""

    username: str = "vcycle"
    password: str = "secret"
    project: str = "grid"
    domain: str = "Default"
    """Name of the domain of user and project; its id is `default`."""
    region: str = "RegionOne"
    application_credentials: tuple[ApplicationCredential, ...] = ()
    access_tokens: frozenset[str] = frozenset()
    """Tokens of the identity provider `egi` that are accepted by its protocol `openid`."""
    token_seconds: int = 3600
    services: frozenset[str] = frozenset({"image", "network", "block-storage"})
    """In the catalogue beside compute."""

    max_microversion: str = "2.96"
    """Highest of Nova; `2.1` for a cloud that has no other."""
    max_limit: int = 1000
    """Most servers, flavors or key pairs of one page."""
    flavors: tuple[Flavor, ...] = (SMALL, LARGE)
    networks: tuple[Network, ...] = (NETWORK,)
    zones: tuple[str, ...] = ("nova",)
    security_groups: tuple[str, ...] = ("default",)
    quota: Quota = field(default_factory=Quota)
    no_room: frozenset[str] = frozenset()
    """Names of flavors for which the scheduler finds no host: such a server ends in error."""
    start_seconds: int | None = None
    """From POST to ACTIVE; None leaves that to `run`."""
    waits_for_host: bool = False
    """True leaves servers that are made without a host until they run, fail, go or are placed:
    they are listed before all others, and by and by put among those."""
    delete_seconds: int | None = 0
    """From DELETE to being gone; None leaves that to `vanish`."""
    keeps_deleted: bool = False
    """True leaves deleted servers SOFT_DELETED until they are deleted by force."""
    image_limit: int = 25
    """Images of a page if the client does not say."""
    image_max_limit: int = 1000
    glance_properties: Mapping[str, str] = field(default_factory=dict)
    """What Glance adds to every image by itself."""
