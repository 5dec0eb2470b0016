"""The EC2 space: its parts put together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from vcycled.model import Flavor, Limits, ListedMachine, MachineState
from vcycled.spaces.base import Clock, CreateRequest, Leftover, Space
from vcycled.spaces.ec2.answers import Doc
from vcycled.spaces.ec2.api import Api
from vcycled.spaces.ec2.creation import Creation
from vcycled.spaces.ec2.endings import Endings
from vcycled.spaces.ec2.flavors import InstanceTypes
from vcycled.spaces.ec2.fresh import Fresh
from vcycled.spaces.ec2.instances import Instances
from vcycled.spaces.ec2.interruptions import Interruptions
from vcycled.spaces.ec2.inventory import Inventory
from vcycled.spaces.ec2.launch import USER_DATA_LIMIT
from vcycled.spaces.ec2.listing import UUID, is_terminated, listed_of
from vcycled.spaces.ec2.options import Ec2Options
from vcycled.spaces.ec2.owner import Owner
from vcycled.spaces.ec2.quotas import Quotas
from vcycled.spaces.ec2.rejections import Missing
from vcycled.spaces.ec2.tagging import Tagging
from vcycled.spaces.ec2.volumes import Volumes


class Ec2Space(Space):
    """One account in one region of AWS, or of a cloud that speaks as EC2 does."""

    Options = Ec2Options
    user_data_limit = USER_DATA_LIMIT
    takes_gzip = True

    def __init__(self, name: str, options: Ec2Options, *, clock: Clock) -> None:  # noqa: ARG002 - of the contract
        self._api = Api(options, clock=clock)
        self._instances = Instances(self._api, options.page_size)
        self._types = InstanceTypes(self._api, options)
        self._quotas = Quotas(self._api, options, clock=clock)
        self._owner = Owner(self._api, options, clock=clock)
        self._volumes = Volumes(self._api)
        self._endings = Endings(clock=clock)
        self._fresh = Fresh(clock=clock)
        tagging = Tagging(self._instances, clock=clock)
        self._creation = Creation(self._api, options, self._instances, tagging, clock=clock)
        self._interruptions = Interruptions(self._api, options.spot_events_queue, clock=clock)
        self._inventory = Inventory(
            self._instances,
            self._read,
            tagging=tagging,
            endings=self._endings,
            interruptions=self._interruptions,
            fresh=self._fresh,
        )

    def connect(self) -> None:
        """Find the credentials, unless that has been done."""
        self._api.connect()

    def account(self) -> Mapping[str, str]:
        """Return the account's number and the region of AWS; nothing of other clouds."""
        return self._owner.account()

    def limits(self) -> Limits:
        """Return the account's quota."""
        return self._quotas.limits()

    def flavors(self) -> Sequence[Flavor]:
        """Return every instance type that machines may be made of."""
        return self._types.listed()

    def machines(self) -> Sequence[ListedMachine]:
        """Return every instance of the account in the region, page by page."""
        return self._inventory.machines()

    def find(self, name: str, cloud_id: str = "") -> ListedMachine | None:
        """Return the instance with this id or, without one, of this name."""
        if not cloud_id:
            return self._named("find", name)
        instance = self._instances.shown("find", cloud_id)
        if instance is None:
            self._fresh.check_absent("find", cloud_id)
            return None
        return self._read(instance) if self._is_there(instance) else None

    def create(self, request: CreateRequest) -> str:
        """Ask for an instance.

        A name that may be there already, since it was listed or asked for, is looked up first; the
        others cost one call.
        """
        may_exist = self._fresh.was_asked(request.name) or request.name in self._inventory.names
        if may_exist and (found := self._living(request.name)):
            return found
        made = self._creation.create(request)
        self._fresh.made(made)
        return made

    def delete(self, name: str, cloud_id: str = "") -> None:
        """Ask for the end of an instance; by its name alone, of every one of that name of ours."""
        if cloud_id:
            self._delete(cloud_id)
            return
        for each in self._instances.named("delete", name):
            if UUID in each.tags:
                self._delete(each.id("InstanceId"))

    def console(self, name: str, cloud_id: str) -> str:  # noqa: ARG002 - the id is enough
        """Return the last lines of an instance's console."""
        return self._instances.console(cloud_id)

    def notices(self) -> Sequence[str]:
        """Return what is not known for want of permissions."""
        found = (self._owner.notice, self._quotas.notice, self._interruptions.notice)
        return tuple(each for each in found if each)

    def leftovers(self, public_keys: Collection[str]) -> Sequence[Leftover]:
        """Return volumes and key pairs of ours that no listed machine uses.

        Before there was a complete listing none is known to be left over.
        """
        used = self._inventory.key_names
        if used is None:
            return ()
        keys = self._creation.keys.leftovers(public_keys, used)
        return (*self._volumes.leftovers(), *keys)

    def remove(self, leftover: Leftover) -> None:
        """Delete a volume or key pair."""
        if leftover.kind == "volume":
            self._volumes.remove(leftover.id)
        else:
            self._creation.keys.remove(leftover.id)

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    @property
    def calls(self) -> Counter[str]:
        """How many calls were made, by what for."""
        return self._api.calls

    def _read(self, instance: Doc) -> ListedMachine:
        return listed_of(instance, self._types.of_instance)

    def _is_there(self, instance: Doc) -> bool:
        """Return whether `find` tells of an instance; see the note in `endings`."""
        return not is_terminated(instance) or self._endings.is_found(instance.id("InstanceId"))

    def _named(self, operation: str, name: str) -> ListedMachine | None:
        """Return the instance of a name; of several, one of ours that lives."""
        shown = self._instances.named(operation, name)
        found = [self._read(each) for each in shown if self._is_there(each)]
        return min(found, key=_by_use, default=None)

    def _living(self, name: str) -> str:
        """Return the id of a machine of this name that has not ended; "" if there is none."""
        shown = [each for each in self._instances.named("create", name) if not is_terminated(each)]
        found = min(map(self._read, shown), key=_by_use, default=None)
        return found.cloud_id if found else ""

    def _delete(self, instance_id: str) -> None:
        if not self._endings.is_over(instance_id):
            try:
                self._instances.terminate(instance_id)
            except Missing:
                self._fresh.check_absent("delete", instance_id)
        self._endings.delete(instance_id)


def _by_use(machine: ListedMachine) -> tuple[bool, bool, int]:
    is_going = machine.state is not MachineState.RUNNING and (
        machine.state is not MachineState.STARTING
    )
    return UUID not in machine.tags, is_going, machine.created_at or 0
