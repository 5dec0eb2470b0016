"""Every path of the API: what the server registers, and what its OpenAPI document is made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from vcycled.cli.as_json import CONDITIONS
from vcycled.cli.asking import MOST, Question
from vcycled.cli.commanding import Command, DeleteIt, DrainIt, HoldIt, ReleaseIt, UndrainIt
from vcycled.cli.questions import Events, Machines, OneStory, Planned, Status, Stories, Why
from vcycled.cli.site_questions import (
    Accounting,
    Configuration,
    DiskUse,
    Judgment,
    Machinetypes,
    Managers,
)
from vcycled.model import MachineState

USUAL = 100
EXAMPLE_SPACE = "cloud.example.com"
EXAMPLE_MACHINE = "vcycle-prod-k3x8w2qa1m"
EXAMPLE_UUID = "2f6f3a3e-6c1b-4f0e-9d6a-5b1f7a9c0d21"
LAST_SECOND = 253_402_200_000
"""The end of the year 9999."""


class Lane(Enum):
    """Which readers answer."""

    LOOK = auto()
    """Database and configuration."""
    SLOW = auto()
    """A cloud, or every file of a disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a path or a query; texts are not empty."""

    name: str
    help: str
    values: tuple[str, ...] = ()
    """If there are these only."""
    pattern: str = ""
    least: int | None = None
    """Of a whole number."""
    most: int = MOST
    usual: int | None = None
    is_flag: bool = False
    example: str | int = ""


Arguments = Mapping[str, str | int | bool]
"""Parameters that were given, read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A path that tells something."""

    path: str
    name: str
    """Of the operation."""
    help: str
    document: str
    """Name of its schema."""
    make: Callable[[Arguments], Question]
    query: tuple[Parameter, ...] = ()
    lane: Lane = Lane.LOOK
    is_paged: bool = False
    """Its document comes in parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What an order says."""

    target: tuple[str, ...]
    by: int | None = None
    until: int | None = None
    reason: str = ""
    is_rehearsal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Do:
    """A path that takes an order."""

    path: str
    name: str
    help: str
    make: Callable[[Body], Command]
    target: str
    """What `target` may name."""
    example: tuple[str, ...] = (EXAMPLE_SPACE, "prod")
    times: Mapping[str, str] = field(default_factory=dict)
    """Instants that the body may state, and what they mean."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """Sentences that it may state."""


SPACE = Parameter(name="space", help="Name of a space.", example=EXAMPLE_SPACE)
_UUID = Parameter(name="uuid", help="Uuid of a machine.", example=EXAMPLE_UUID)
_NAME = Parameter(name="name", help="Name of machines.", example=EXAMPLE_MACHINE)
IN_PATHS = {each.name: each for each in (SPACE, _UUID, _NAME)}
_MACHINETYPE = Parameter(name="machinetype", help="Only this machinetype.", example="prod")
_OF_SPACE = Parameter(name="space", help="Only this space.", example=EXAMPLE_SPACE)
_LIMIT = Parameter(name="limit", help="At most so many.", least=1, usual=USUAL)
CURSOR = Parameter(
    name="cursor", help="`next` of the part before.", pattern=r"^[0-9]{1,12}~[ -~]{1,100}$"
)
_MACHINES_QUERY = (
    _OF_SPACE,
    _MACHINETYPE,
    Parameter(
        name="state",
        help="Only those in this state, or of which the manager is so far.",
        values=(*map(str, MachineState), *CONDITIONS),
    ),
    Parameter(name="gone", help="Also those that are gone.", is_flag=True),
    _LIMIT,
    CURSOR,
)


def _text(given: Arguments, name: str) -> str:
    return str(given.get(name, ""))


def _whole(given: Arguments, name: str) -> int | None:
    value = given.get(name)
    return None if value is None else int(value)


LOOKS = (
    Look(
        path="/spaces",
        name="getSpaces",
        help="How the manager and its spaces are (`vcycle status`).",
        document="Status",
        make=lambda _: Status(),
    ),
    Look(
        path="/spaces/{space}",
        name="getSpace",
        help="The same of one space (`vcycle status SPACE`).",
        document="Status",
        make=lambda given: Status(space=_text(given, "space")),
    ),
    Look(
        path="/spaces/{space}/why",
        name="getWhy",
        help="Why there are no more machines, and until when (`vcycle why`).",
        document="Why",
        query=(_MACHINETYPE,),
        make=lambda given: Why(
            space=_text(given, "space"), machinetype=_text(given, "machinetype")
        ),
    ),
    Look(
        path="/spaces/{space}/plan",
        name="getPlan",
        help="What the next cycle would do; the cloud is asked (`vcycle plan`).",
        document="Plan",
        make=lambda given: Planned(space=_text(given, "space")),
        lane=Lane.SLOW,
    ),
    Look(
        path="/machinetypes",
        name="getMachinetypes",
        help="Machinetypes: their shares and machines, and what holds them.",
        document="Machinetypes",
        query=(_OF_SPACE,),
        make=lambda given: Machinetypes(space=_text(given, "space")),
    ),
    Look(
        path="/machines",
        name="getMachines",
        help="Machines, the youngest first, in parts (`vcycle machines`).",
        document="MachinePart",
        query=_MACHINES_QUERY,
        make=lambda given: Machines(
            space=_text(given, "space"),
            machinetype=_text(given, "machinetype"),
            state=_text(given, "state"),
            has_gone=bool(given.get("gone", False)),
        ),
        is_paged=True,
    ),
    Look(
        path="/machines/{uuid}",
        name="getMachine",
        help="The whole story of a machine, also if it is gone.",
        document="Story",
        make=lambda given: OneStory(uuid=_text(given, "uuid")),
    ),
    Look(
        path="/stories/{name}",
        name="getStories",
        help="The stories of all machines that ever bore a name (`vcycle machine`).",
        document="Stories",
        make=lambda given: Stories(name=_text(given, "name")),
    ),
    Look(
        path="/events",
        name="getEvents",
        help="What happened, the newest last (`vcycle events`).",
        document="Events",
        query=(
            _OF_SPACE,
            Parameter(name="machine", help="Only those of the machine of this name."),
            Parameter(
                name="since",
                help="Only those at this time (Unix seconds) or later.",
                least=0,
                most=LAST_SECOND,
            ),
            _LIMIT,
        ),
        make=lambda given: Events(
            space=_text(given, "space"),
            machine=_text(given, "machine"),
            since=_whole(given, "since"),
            limit=_whole(given, "limit") or USUAL,
        ),
    ),
    Look(
        path="/managers",
        name="getManagers",
        help="Which managers there are, and who holds which space (`vcycle managers`).",
        document="Managers",
        make=lambda _: Managers(),
    ),
    Look(
        path="/accounting",
        name="getAccounting",
        help="What machines used in a month (`vcycle usage`).",
        document="Accounting",
        query=(
            Parameter(
                name="month",
                help="YYYYMM, in UTC; without it, the one that it is.",
                pattern=r"^(19[7-9]|2[0-9]{2})[0-9](0[1-9]|1[0-2])$",
                example="202611",
            ),
        ),
        make=lambda given: Accounting(month=_text(given, "month")),
    ),
    Look(
        path="/configuration",
        name="getConfiguration",
        help="Errors and warnings of the configuration files.",
        document="Configuration",
        make=lambda _: Configuration(),
    ),
    Look(
        path="/disk",
        name="getDisk",
        help="What takes up how much of the manager's disks (`vcycle disk`).",
        document="Disk",
        make=lambda _: DiskUse(),
        lane=Lane.SLOW,
    ),
    Look(
        path="/check",
        name="getCheck",
        help="All of it judged (`vcycle check`, with its usual bounds).",
        document="Check",
        make=lambda _: Judgment(),
    ),
)

_GROUP = "SPACE, MACHINETYPE, or SPACE and MACHINETYPE; or names of machines"

DOS = (
    Do(
        path="/drain",
        name="drain",
        help="Create no more machines of a space or machinetype; or tell single ones to leave.",
        target=_GROUP,
        times={"by": "When the machines must be gone at the latest; null: when they end."},
        make=lambda body: DrainIt(target=body.target, by=body.by),
    ),
    Do(
        path="/undrain",
        name="undrain",
        help="Lift a drain.",
        target=_GROUP,
        make=lambda body: UndrainIt(target=body.target),
    ),
    Do(
        path="/hold",
        name="hold",
        help="Create no more machines of a space or machinetype; those there are told nothing.",
        target="SPACE, MACHINETYPE, or SPACE and MACHINETYPE",
        times={"until": "When it is over by itself; null: when it is released."},
        texts={"reason": "Why, for who asks."},
        make=lambda body: HoldIt(target=body.target, until=body.until, reason=body.reason),
    ),
    Do(
        path="/release",
        name="release",
        help="Lift a hold.",
        target="As it was held",
        make=lambda body: ReleaseIt(target=body.target),
    ),
    Do(
        path="/delete",
        name="delete",
        help="Delete machines at once, whatever they are doing.",
        target="Names of machines",
        example=(EXAMPLE_MACHINE,),
        make=lambda body: DeleteIt(target=body.target),
    ),
)
