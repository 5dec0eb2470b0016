"""A whole manager for one space on the simulated OpenStack, over real HTTP; time by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.fakes.openstack import OpenStackCloud, Server, Settings, serving
from tests.openstack_kit import ROOT_IMAGE, options
from tests.served_world import TruthfulWorld
from tests.world import kind
from vcycled.config import MachinetypeConfig
from vcycled.spaces.base import Space
from vcycled.spaces.openstack import OpenStackSpace


class OpenStackWorld(TruthfulWorld[Server]):
    """One whose servers run 30 seconds after they were asked for and go at once."""

    api = "openstack"

    def __init__(
        self,
        root: Path,
        *kinds: MachinetypeConfig,
        settings: Settings | None = None,
        page_size: int = 1000,
        **options: Any,  # noqa: ANN401 - of the space; replace() refuses wrong names
    ) -> None:
        """Build it; `settings` are those of the cloud, `options` those of the space."""
        self.cloud_settings = settings or Settings(start_seconds=30)
        self.page_size = page_size
        self.cloud: OpenStackCloud
        super().__init__(root, *(kinds or (image_kind(),)), **options)

    def open_cloud(self) -> None:
        """Serve a cloud of these settings."""
        self.cloud = OpenStackCloud(self.clock, self.cloud_settings)
        self.url = self._open.enter_context(serving(self.cloud.answer))

    def make_space(self) -> Space:
        """Return one more view of the cloud."""
        view = options(self.url, page_size=self.page_size)
        return OpenStackSpace("space", view, clock=self.clock)

    def left(self) -> set[str]:
        """Return the names of servers and key pairs of ours, and the ids of all volumes."""
        return super().left() | {*self.cloud.cinder.by_id, *self.cloud.nova.keys.by_name}

    def finish_all(self) -> None:
        """Let every machine of ours say that its work is done, and shut down."""
        for each in self.here:
            if each.status == "ACTIVE":
                self.say(each.name, "200 Done")
                self.cloud.finish(each.name)


def image_kind(name: str = "prod", **changes: Any) -> MachinetypeConfig:  # noqa: ANN401 - see above
    """Return a machinetype of small machines with an image that the cloud has."""
    return kind(name, **{"root_image": ROOT_IMAGE, **changes})
