"""A whole manager for one space on the simulated Azure, over real HTTPS; time by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.azure_kit import ROOT_IMAGE, Address, options, serving_azure
from tests.fakes.azure import AzureCloud, Machine, Settings
from tests.served_world import TruthfulWorld
from tests.world import kind
from vcycled.config import MachinetypeConfig
from vcycled.spaces.azure import AzureSpace
from vcycled.spaces.base import Space


class AzureWorld(TruthfulWorld[Machine]):
    """One whose machines run 30 seconds after they were asked for and go at once."""

    api = "azure"

    def __init__(
        self,
        root: Path,
        *kinds: MachinetypeConfig,
        settings: Settings | None = None,
        view: Mapping[str, Any] | None = None,
        **options: Any,  # noqa: ANN401 - of the space; replace() refuses wrong names
    ) -> None:
        """Build it; `view` are options of the API, `options` those of the space."""
        self.cloud_settings = settings or Settings(start_seconds=30)
        self.view = view or {}
        self.cloud: AzureCloud
        self.address: Address
        super().__init__(root, *(kinds or (azure_kind(),)), **options)

    def open_cloud(self) -> None:
        """Serve a cloud of these settings."""
        self.cloud = AzureCloud(self.clock, self.cloud_settings)
        self.address = self._open.enter_context(serving_azure(self.cloud))

    def make_space(self) -> Space:
        """Return one more view of the cloud."""
        view = options(self.address, self.cloud_settings, **self.view)
        return AzureSpace("space", view, clock=self.clock)

    def left(self) -> set[str]:
        """Return the names of machines of ours, and of all disks and interfaces."""
        return super().left() | self.cloud.parts

    def finish_all(self) -> None:
        """Let every machine of ours say that its work is done, and shut down."""
        for each in self.here:
            if each.power == "running" and each.provisioning == "Succeeded":
                self.say(each.name, "200 Done")
                self.cloud.finish(each.name)


def azure_kind(name: str = "prod", **changes: Any) -> MachinetypeConfig:  # noqa: ANN401 - see above
    """Return a machinetype of machines of two processors with an image that the cloud has."""
    usual = {"root_image": ROOT_IMAGE, "flavor_names": ("Standard_D2s_v5",)}
    return kind(name, **{**usual, **changes})
