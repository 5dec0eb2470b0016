"""A whole manager for one space on the simulated EC2, over real HTTP; time by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.auditor import Ran, Window
from tests.ec2_kit import options
from tests.fakes.ec2 import Ec2Cloud, serving
from tests.served_world import ServedWorld
from tests.world import FIZZLE, kind
from vcycled.config import MachinetypeConfig
from vcycled.spaces.base import Space
from vcycled.spaces.ec2 import Ec2Space


class Ec2World(ServedWorld):
    """One whose instances run at once, and are terminated when they power off."""

    api = "ec2"

    def __init__(
        self,
        root: Path,
        *kinds: MachinetypeConfig,
        view: Mapping[str, Any] | None = None,
        **options: Any,  # noqa: ANN401 - of the space; replace() refuses wrong names
    ) -> None:
        """Build it; `view` are options of EC2, `options` those of the space."""
        self.view = view or {}
        self.cloud: Ec2Cloud
        super().__init__(root, *(kinds or (ec2_kind(),)), **options)

    def open_cloud(self) -> None:
        """Serve a cloud with an image."""
        self.cloud = Ec2Cloud(self.clock)
        self.cloud.register("worker")
        self.url = self._open.enter_context(serving(self.cloud))
        self._ended: dict[str, tuple[int, str]] = {}

    def make_space(self) -> Space:
        """Return one more view of the cloud."""
        return Ec2Space("space", options(self.url, **self.view), clock=self.clock)

    def ours(self) -> Mapping[str, str]:
        """Return the names of what the cloud holds of ours, by its id."""
        living, tags = set(self.cloud.living()), self.cloud.tags()
        ours = (each for each in living if "vcycle_uuid" in tags[each])
        return {each: tags[each]["Name"] for each in ours}

    def end(self, instance_id: str, reason: str) -> None:
        """Let a machine end now, for a reason that EC2 gives."""
        now = self.clock.now()
        at = f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M:%S}"
        self.cloud.end(instance_id, reason, at=at)
        self._ended[instance_id] = now, reason

    def finish_all(self) -> None:
        """Let every machine of ours say that its work is done, and power off."""
        for instance_id, name in self.ours().items():
            self.say(name, "200 Done")
            self.end(instance_id, "Client.InstanceInitiatedShutdown")

    def runs(self) -> Sequence[Ran]:
        """Return how each machine of ours ran that ended by itself."""
        tags, launched = self.cloud.tags(), self.cloud.launched
        return [
            Ran(
                uuid=tags[each]["vcycle_uuid"],
                processors=2,
                started=Window(earliest=launched[each], latest=launched[each]),
                ended=Window(earliest=at, latest=at),
                fizzle_seconds=FIZZLE,
            )
            for each, (at, _) in self._ended.items()
        ]


def ec2_kind(name: str = "prod", **changes: Any) -> MachinetypeConfig:  # noqa: ANN401 - see above
    """Return a machinetype of small machines with an image that the cloud has."""
    usual = {"root_image": "image:worker", "flavor_names": ("m5.large",)}
    return kind(name, **{**usual, **changes})
