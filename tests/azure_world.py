"""A whole manager for one space on the simulated Azure, over real HTTPS; time by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.auditor import Ran, Window
from tests.azure_kit import ROOT_IMAGE, Address, options, serving_azure
from tests.fakes.azure import AzureCloud, Machine, Settings
from tests.world import FIZZLE, AnyWorld, kind
from vcycled.config import MachinetypeConfig
from vcycled.spaces.azure import AzureSpace
from vcycled.spaces.base import Space


class AzureWorld(AnyWorld):
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
        self._open = ExitStack()
        super().__init__(root, *(kinds or (azure_kind(),)), **options)

    def open_cloud(self) -> None:
        """Serve a cloud of these settings."""
        self.cloud = AzureCloud(self.clock, self.cloud_settings)
        self.address = self._open.enter_context(serving_azure(self.cloud))

    def new_space(self) -> Space:
        """Return one more view of it, as a new process has it."""
        view = options(self.address, self.cloud_settings, **self.view)
        space = AzureSpace("space", view, clock=self.clock)
        self._open.callback(space.close)
        return space

    def close(self) -> None:
        """Close the database, the views and the cloud."""
        super().close()
        self._open.close()

    @property
    def here(self) -> tuple[Machine, ...]:
        """What the cloud holds of ours."""
        return tuple(each for each in self.cloud.here if each.is_ours)

    def ours(self) -> Mapping[str, str]:
        """Return the names of what the cloud holds of ours, by its id."""
        return {each.id: each.name for each in self.here}

    def runs(self) -> Sequence[Ran]:
        """Return how each machine of ours ran that did and is gone."""
        return [
            Ran(
                uuid=each.uuid,
                processors=each.size.vcpus,
                started=Window(earliest=each.created_at, latest=each.launched_at + self.unseen),
                ended=Window(
                    earliest=each.ended_at - self.unseen, latest=each.ended_at + self.unseen
                ),
                fizzle_seconds=FIZZLE,
            )
            for each in self.cloud.truth
            if each.is_ours
            and each.gone_at is not None
            and each.launched_at is not None
            and each.ended_at is not None
        ]

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
