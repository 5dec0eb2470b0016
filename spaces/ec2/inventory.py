"""The listing of an account: every machine, and which key pairs they use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from vcycled.model import ListedMachine
from vcycled.spaces.ec2.answers import Doc
from vcycled.spaces.ec2.endings import Endings
from vcycled.spaces.ec2.fresh import Fresh
from vcycled.spaces.ec2.instances import Instances
from vcycled.spaces.ec2.interruptions import Interruptions
from vcycled.spaces.ec2.listing import UUID, is_spot, is_terminated
from vcycled.spaces.ec2.tagging import Tagging


class Inventory:
    """Lists the instances of an account in a region.

    Args:
        instances: the calls.
        read: returns the machine that an instance is.
        tagging, endings, interruptions, fresh: what is remembered of them.
    """

    def __init__(
        self,
        instances: Instances,
        read: Callable[[Doc], ListedMachine],
        *,
        tagging: Tagging,
        endings: Endings,
        interruptions: Interruptions,
        fresh: Fresh,
    ) -> None:
        self._instances = instances
        self._read = read
        self._tagging = tagging
        self._endings = endings
        self._interruptions = interruptions
        self._fresh = fresh
        self.names: frozenset[str] = frozenset()
        self.key_names: frozenset[str] | None = None
        """Of the key pairs that machines were made with; None until there was a listing."""

    def machines(self) -> tuple[ListedMachine, ...]:
        """Return every machine of the account.

        Raises:
            SpaceError: there is no complete listing.
        """
        shown = self._tagging.mend(list(self._instances.listed()))
        self._fresh.seen(each.text("InstanceId") for each in shown)
        self._endings.forget_old()
        self._fresh.forget_old()
        found = [(each, self._read(each)) for each in shown if self._counts(each)]
        self.names = frozenset(machine.name for _, machine in found)
        self.key_names = frozenset(instance.text("KeyName") for instance, _ in found)
        spot = {machine.cloud_id for each, machine in found if _may_be_warned(each, machine)}
        said = self._interruptions.look(spot)
        return tuple(
            replace(each, warning=said[each.cloud_id].text, ends_at=said[each.cloud_id].ends_at)
            if each.cloud_id in spot and each.cloud_id in said
            else each
            for _, each in found
        )

    def _counts(self, instance: Doc) -> bool:
        """Return whether a machine is listed: a terminated one only if it is ours, and news."""
        if not is_terminated(instance):
            return True
        machine = self._read(instance)
        is_ours = UUID in machine.tags
        return is_ours and self._endings.is_listed(machine.cloud_id, machine.stopped_at)


def _may_be_warned(instance: Doc, machine: ListedMachine) -> bool:
    return is_spot(instance) and UUID in machine.tags and not is_terminated(instance)
