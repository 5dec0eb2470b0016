"""Tags of machines whose endpoint does not set them at launch.

# Note [Machines without tags]

Between launch and tags a machine is nobody's, and the call that tags it may fail. So what a
machine's tags are to be is kept until a listing shows them, and each listing that shows the
machine without them sets them. If not even its id is known, since the answer was lost, it is known
by its token or, on an endpoint that does not keep tokens, by being the only one of its type and
image that was launched since it was asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vcycled.clock import Clock
from vcycled.errors import SpaceError
from vcycled.spaces.ec2.answers import Doc
from vcycled.spaces.ec2.listing import UUID

if TYPE_CHECKING:
    from vcycled.spaces.ec2.instances import Instances

KEPT_SECONDS = 3600
SLACK_SECONDS = 60
"""By how much the clock of an endpoint may be behind ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A machine that was asked for, and what its tags are to be."""

    token: str
    flavor: str
    image_id: str
    asked_at: int
    tags: tuple[tuple[str, str], ...]

    @property
    def tag_list(self) -> list[dict[str, str]]:
        """The tags as EC2 takes them."""
        return [{"Key": key, "Value": value} for key, value in self.tags]


class Tagging:
    """Knows the machines that may lack their tags, and sets them."""

    def __init__(self, instances: Instances, *, clock: Clock) -> None:
        self._instances = instances
        self._clock = clock
        self._lock = threading.Lock()
        self._intents: dict[str, Intent] = {}
        self._made: dict[str, Intent] = {}

    def expect(self, intent: Intent) -> None:
        """Keep what the tags of a machine are to be, before it is asked for."""
        with self._lock:
            self._intents[intent.token] = intent

    def forget(self, token: str) -> None:
        """There will be no machine with this token, or it is known."""
        with self._lock:
            self._intents.pop(token, None)

    def tag(self, operation: str, instance_id: str, intent: Intent) -> None:
        """Set the tags of a machine; if that fails, the next listing tries again."""
        self.forget(intent.token)
        with self._lock:
            self._made[instance_id] = intent
        with suppress(SpaceError):
            self._instances.tag(operation, instance_id, intent.tag_list)
            with self._lock:
                self._made.pop(instance_id, None)

    def mend(self, listing: Collection[Doc]) -> list[Doc]:
        """Return a complete listing as it is once machines without tags have theirs."""
        with self._lock:
            oldest = self._clock.now() - KEPT_SECONDS
            self._intents = {k: v for k, v in self._intents.items() if v.asked_at > oldest}
            self._made = {k: v for k, v in self._made.items() if v.asked_at > oldest}
            has_any = bool(self._intents or self._made)
        return [self._mended(each, listing) for each in listing] if has_any else list(listing)

    def _mended(self, instance: Doc, listing: Collection[Doc]) -> Doc:
        if UUID in instance.tags:
            self._has_tags(instance)
            return instance
        intent = self._intent_of(instance, listing)
        if intent is None:
            return instance
        self.tag("machines", instance.id("InstanceId"), intent)
        return Doc(instance.operation, {**instance.members, "Tags": intent.tag_list})

    def _has_tags(self, instance: Doc) -> None:
        with self._lock:
            self._intents.pop(instance.text("ClientToken"), None)
            self._made.pop(instance.id("InstanceId"), None)

    def _intent_of(self, instance: Doc, listing: Collection[Doc]) -> Intent | None:
        with self._lock:
            if known := self._made.get(instance.id("InstanceId")):
                return known
            if token := instance.text("ClientToken"):
                return self._intents.get(token)
            intents = tuple(self._intents.values())
        mine = [each for each in intents if _may_be(instance, each)]
        if len(mine) != 1:
            return None
        rivals = [each for each in listing if _is_bare(each) and _may_be(each, mine[0])]
        return mine[0] if len(rivals) == 1 else None


def _is_bare(instance: Doc) -> bool:
    return UUID not in instance.tags and not instance.text("ClientToken")


def _may_be(instance: Doc, intent: Intent) -> bool:
    launched_at = instance.instant("LaunchTime")
    return (
        launched_at is not None
        and launched_at >= intent.asked_at - SLACK_SECONDS
        and instance.text("InstanceType") == intent.flavor
        and instance.text("ImageId") == intent.image_id
    )
