"""What an Azure of tests is like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """A size of machine."""

    name: str
    vcpus: int
    memory_gb: float
    family: str = "standardDSv5Family"
    capabilities: Mapping[str, str] = field(default_factory=dict)
    """More of them."""
    restriction: str = ""
    """`Location` or `Zone` if the subscription may not use it there."""


SMALL = Size(name="Standard_D2s_v5", vcpus=2, memory_gb=8)
LARGE = Size(name="Standard_D8s_v5", vcpus=8, memory_gb=32)


@dataclass(slots=True, kw_only=True)
class Settings:
    """What the cloud offers and how it behaves; tests may change it at any time."""

    tenant: str = "99999999-aaaa-4bbb-8ccc-000000000001"
    client_id: str = "99999999-aaaa-4bbb-8ccc-000000000002"
    client_secret: str = "sesame"
    federated_token: str = "token-of-kubernetes"
    identity_header: str = "header-of-the-host"
    """What a program on a host of Azure shows to get the token of the host's identity."""
    subscription: str = "99999999-aaaa-4bbb-8ccc-000000000003"
    group: str = "vcycle"
    location: str = "westeurope"
    subnet: str = "workers"
    token_seconds: int = 3600

    page_size: int = 50
    """Most machines of a page."""
    sizes: tuple[Size, ...] = (SMALL, LARGE)
    zones: tuple[str, ...] = ("1", "2", "3")
    cores: int = 1000
    """Quota of regular processors in the region; of spot ones the next."""
    spot_cores: int = 1000
    family_cores: Mapping[str, int] = field(default_factory=dict)
    machines: int = 25000
    others_cores: int = 0
    """Regular processors that others of the subscription use, outside the group."""
    unavailable: frozenset[str] = frozenset()
    """Names of sizes, or `SIZE/ZONE`, that a PUT is refused for."""
    no_room: frozenset[str] = frozenset()
    """Names of sizes for which no host is found: such a machine fails after a while."""
    images: frozenset[str] = frozenset({"worker"})
    """Names of the group's images."""
    start_seconds: int | None = None
    """From PUT to running; None leaves that to `run`."""
    delete_seconds: int | None = 0
    """From DELETE to being gone; None leaves that to `vanish`."""

    @property
    def group_id(self) -> str:
        """Id of the resource group."""
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"

    @property
    def subnet_id(self) -> str:
        """Id of the subnet that machines can be on."""
        return (
            f"{self.group_id}/providers/Microsoft.Network/virtualNetworks/net"
            f"/subnets/{self.subnet}"
        )
