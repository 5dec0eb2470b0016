"""What `api = local` adds to a [space] section."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vcycled.model import Flavor
from vcycled.options import (
    COUNT,
    FLAG,
    NAME,
    PATH,
    SECONDS,
    Kind,
    choice,
    matching,
    number,
    option,
    optional,
    words,
)

_FLAVOR = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*):([1-9][0-9]*):([1-9][0-9]*)")


def _flavors(text: str) -> tuple[Flavor, ...]:
    found = [_FLAVOR.fullmatch(word) for word in text.split()]
    flavors = tuple(
        Flavor(name=each[1], processors=int(each[2]), memory_mb=int(each[3]))
        for each in found
        if each
    )
    if not found or len({each.name for each in flavors}) != len(found):
        raise ValueError
    return flavors


FLAVORS = Kind("NAME:PROCESSORS:MB, several with different names separated by blanks", _flavors)
FOLDERS = words(matching(r"/[^\s:]*[^\s:/]", "an absolute path without blanks or colons"))


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalOptions:
    """Options of a local space."""

    local_dir: str = option(
        PATH,
        default="/var/lib/vcycle/local",
        help="""Folder of local machines; each space has its own folder below it. Not on a network
        file system.""",
    )
    flavors: tuple[Flavor, ...] = option(
        FLAVORS,
        default=(
            Flavor(name="small", processors=1, memory_mb=2048),
            Flavor(name="large", processors=8, memory_mb=16384),
        ),
        default_text="small:1:2048 large:8:16384",
        help="""Sizes of machines. They are what is counted and accounted for; nothing keeps a
        machine within them.""",
    )
    sandbox: str = option(
        choice("auto", "require", "none"),
        default="auto",
        help="""auto: run machines in namespaces where the kernel allows it, and else run only #!
        scripts; require: be an error where it does not; none: run only #! scripts, beside
        everything else on this host.""",
    )
    allow_root_without_sandbox: bool = option(
        FLAG,
        default=False,
        help="Let a manager that runs as root run machines as root without a sandbox.",
    )
    machine_user: str = option(
        NAME,
        default="nobody",
        help="""User that a sandboxed machine is on the host if the manager runs as root. Inside it
        is root all the same.""",
    )
    host_folders: tuple[str, ...] = option(
        FOLDERS,
        default=("/opt", "/cvmfs"),
        help="""Folders of the host that a sandboxed machine can read, besides /usr and /sys; those
        that do not exist are left out.""",
    )
    quota_processors: int | None = optional(
        COUNT, help="Most processors the space gives out, as a cloud's quota."
    )
    quota_machines: int | None = optional(
        COUNT, help="Most machines the space gives out, as a cloud's quota."
    )
    capacity_processors: int | None = optional(
        COUNT,
        help="""Processors there are, as the hardware behind a cloud: a machine that does not fit
        beside those that have not ended is refused for want of capacity.""",
    )
    start_delay_seconds: int = option(
        SECONDS, default=0, help="How long a machine is shown as starting before it runs."
    )
    delete_delay_seconds: int = option(
        SECONDS, default=0, help="How long a deleted machine is shown as deleting."
    )
    failure_share: float = option(
        number(0, 1),
        default=0.0,
        help="Share of the machines, by chance, that fail instead of running.",
    )
