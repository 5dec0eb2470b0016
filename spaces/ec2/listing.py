"""An instance as EC2 shows it, in our words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from vcycled.model import Flavor, ListedMachine, MachineState
from vcycled.spaces.ec2.answers import Doc
from vcycled.spaces.ec2.states import (
    CAPACITY_REASONS,
    QUOTA_REASONS,
    SPOT_REASONS,
    TERMINATED,
    ended_at,
    has_run,
    is_broken,
    state_of,
)
from vcycled.spaces.ec2.tokens import uuid_of

INSTALLATION = "vcycle_installation"
UUID = "vcycle_uuid"
NAME = "Name"
"""The tag that the console of EC2 shows as the name; Vcycle 3 wrote `name`."""

_UNTAGGED: Mapping[str, str] = MappingProxyType({})
_ENDED = {MachineState.SHUTDOWN, MachineState.FAILED, MachineState.DELETING}


def listed_of(instance: Doc, flavor_of: Callable[[Doc], Flavor]) -> ListedMachine:
    """Return the machine that an instance is."""
    name, reason = instance.doc("State").text("Name"), instance.doc("StateReason").text("Code")
    state, flavor = state_of(name, reason), flavor_of(instance)
    launched_at = instance.instant("LaunchTime")
    said_at = ended_at(instance.text("StateTransitionReason")) if state in _ENDED else None
    is_sane = said_at is not None and (launched_at is None or said_at >= launched_at)
    tags = instance.tags
    return ListedMachine(
        name=tags.get(NAME) or tags.get("name") or instance.id("InstanceId"),
        cloud_id=instance.id("InstanceId"),
        state=state,
        processors=flavor.processors,
        memory_mb=flavor.memory_mb,
        flavor=flavor.name,
        zone=instance.doc("Placement").text("AvailabilityZone"),
        address=instance.text("PrivateIpAddress") or instance.text("PublicIpAddress"),
        created_at=_created_at(instance, state),
        started_at=launched_at if has_run(name, reason) else None,
        stopped_at=said_at if is_sane else None,
        fault=_fault(instance) if state in _ENDED and is_broken(reason) else "",
        lacks_capacity=reason in CAPACITY_REASONS,
        lacks_quota=reason in QUOTA_REASONS,
        tags=_ours(instance, tags),
    )


def _created_at(instance: Doc, state: MachineState) -> int | None:
    """Return when an instance was made, as far as its answer can tell.

    LaunchTime begins anew whenever one that was stopped is started. The disks and interfaces that
    it was made with were attached at the very first launch; they are no longer shown of one that
    has ended, of which nothing is said then.
    """
    disks = [disk.doc("Ebs") for disk in instance.docs("BlockDeviceMappings")]
    nics = [nic.doc("Attachment") for nic in instance.docs("NetworkInterfaces")]
    attached = [at for each in (*disks, *nics) if (at := each.instant("AttachTime")) is not None]
    if not attached and state in _ENDED:
        return None
    launched_at = instance.instant("LaunchTime")
    return min(attached if launched_at is None else (*attached, launched_at), default=None)


def is_terminated(instance: Doc) -> bool:
    """Return whether an instance is gone but for its entry, which EC2 shows for an hour."""
    return instance.doc("State").text("Name") == TERMINATED


def is_spot(instance: Doc) -> bool:
    """Return whether an instance is a spot machine."""
    return instance.text("InstanceLifecycle") == "spot"


def _ours(instance: Doc, tags: Mapping[str, str]) -> Mapping[str, str]:
    """Return the tags of a machine of Vcycle's; what others keep there is dropped.

    One that has no tags yet is told by the token that it was asked for with.
    """
    if INSTALLATION in tags or "machinetype" in tags:
        return tags
    uuid = uuid_of(instance.text("ClientToken"))
    return {UUID: uuid} if uuid else _UNTAGGED


def _fault(instance: Doc) -> str:
    reason = instance.doc("StateReason")
    if reason.text("Code") in SPOT_REASONS:
        return "the spot machine was interrupted by EC2"
    return " ".join((reason.text("Message") or reason.text("Code")).split())
