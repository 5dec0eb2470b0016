"""A whole manager for one space on the simulated OpenStack, over real HTTP; time by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.auditor import Ran, Window
from tests.fakes.openstack import OpenStackCloud, Server, Settings, serving
from tests.openstack_kit import ROOT_IMAGE, options
from tests.world import FIZZLE, AnyWorld, kind
from vcycled.config import MachinetypeConfig
from vcycled.spaces.base import Space
from vcycled.spaces.openstack import OpenStackSpace


class OpenStackWorld(AnyWorld):
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
        self._open = ExitStack()
        super().__init__(root, *(kinds or (image_kind(),)), **options)

    def open_cloud(self) -> None:
        """Serve a cloud of these settings."""
        self.cloud = OpenStackCloud(self.clock, self.cloud_settings)
        self.url = self._open.enter_context(serving(self.cloud.answer))

    def new_space(self) -> Space:
        """Return one more view of it, as a new process has it."""
        view = options(self.url, page_size=self.page_size)
        space = OpenStackSpace("space", view, clock=self.clock)
        self._open.callback(space.close)
        return space

    def close(self) -> None:
        """Close the database, the views and the cloud."""
        super().close()
        self._open.close()

    @property
    def here(self) -> tuple[Server, ...]:
        """What the cloud holds of ours."""
        return tuple(each for each in self.cloud.here if each.is_ours)

    def ours(self) -> Mapping[str, str]:
        """Return the names of what the cloud holds of ours, by its id."""
        return {each.id: each.name for each in self.here}

    def runs(self) -> Sequence[Ran]:
        """Return how each server of ours ran that did and is gone."""
        return [
            Ran(
                uuid=each.uuid,
                processors=each.flavor.vcpus,
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
            if each.status == "ACTIVE":
                self.say(each.name, "200 Done")
                self.cloud.finish(each.name)


def image_kind(name: str = "prod", **changes: Any) -> MachinetypeConfig:  # noqa: ANN401 - see above
    """Return a machinetype of small machines with an image that the cloud has."""
    return kind(name, **{"root_image": ROOT_IMAGE, **changes})
