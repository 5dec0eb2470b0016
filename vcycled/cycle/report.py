"""What a cycle did and decided, kept for `vcycle status`, `vcycle why` and the admin site."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from vcycled.images.status import ImageState, ImageStatus
from vcycled.model import Cause, Deferred, Hold, Limits, MachineState, Plan, Records, Share


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceReport:
    """One space after its last cycle; times are Unix seconds."""

    space: str
    at: int
    wake_at: int
    mode: str = "manage"
    manager: str = ""
    """Name of the host whose manager it was."""
    error: str = ""
    """Why the cloud could not be looked at; the rest is then as of the look before."""
    holds: tuple[Hold, ...] = ()
    shares: tuple[Share, ...] = ()
    deferred: tuple[str, ...] = ()
    """Deletes that are due but held back, one sentence each."""
    notices: tuple[str, ...] = ()
    """What the space wants known though all works, one sentence each."""
    credential_ends: Mapping[str, int] = field(default_factory=dict)
    """Until when what opens the cloud, and what proxies are made from, is valid, by name."""
    leftovers: tuple[str, ...] = ()
    """What machines left in the cloud and is not removed yet, one sentence each."""
    limits: Limits = field(default_factory=Limits)
    """The tighter of the configuration's and the cloud's."""
    processors: int = 0
    """Ours, intents included."""
    foreign_processors: int = 0
    states: Mapping[str, int] = field(default_factory=dict)
    """Our machines by state."""
    deletes: int = 0
    creates: int = 0
    records: int = 0
    """Accounting records written in this cycle."""
    api_calls: int = 0
    """Made in this cycle."""
    stuck_calls: int = 0
    """Given up and not returned yet."""
    images: tuple[ImageStatus, ...] = ()
    """Those that are uploaded from here, those that are wanted first."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Duration of each phase."""

    def to_json(self) -> str:
        """Return the report as JSON; keys are the fields' names."""
        return json.dumps(self, default=_fields, separators=(",", ":"))


def _fields(fact: SpaceReport | Hold | Share | Limits | ImageStatus) -> dict[str, object]:
    """Return the fields of `fact` as they are; asdict would copy all that is in them."""
    return {field.name: getattr(fact, field.name) for field in fields(fact)}


def report_from(text: str) -> SpaceReport:
    """Return the report that `to_json` wrote.

    What only later versions know is passed over, so that one can go back to this one.
    """
    known = {name: value for name, value in json.loads(text).items() if name in _FIELDS}
    known["holds"] = tuple(_hold(each) for each in known.get("holds", ()))
    known["shares"] = tuple(Share(**each) for each in known.get("shares", ()))
    for name in ("deferred", "notices", "leftovers"):
        known[name] = tuple(known.get(name, ()))
    known["images"] = tuple(_image(each) for each in known.get("images", ()))
    known["limits"] = Limits(**known.get("limits", {}))
    return SpaceReport(**known)


def _image(each: Mapping[str, object]) -> ImageStatus:
    known = {name: value for name, value in each.items() if name in _IMAGE_FIELDS}
    known["state"] = ImageState(str(each["state"]))
    known["machinetypes"] = tuple(each["machinetypes"])  # type: ignore[arg-type] # a list of names
    return ImageStatus(**known)  # type: ignore[arg-type] # as it was written


def _hold(each: Mapping[str, object]) -> Hold:
    until, cause, detail = each["until"], str(each["cause"]), str(each["detail"])
    is_known = cause in _CAUSES
    return Hold(
        machinetype=str(each["machinetype"]),
        cause=Cause(cause) if is_known else Cause.HELD,
        detail=detail if is_known else f"{cause}: {detail}",
        until=until if isinstance(until, int) else None,
    )


_CAUSES = frozenset(map(str, Cause))
_FIELDS = frozenset(SpaceReport.__dataclass_fields__)
_IMAGE_FIELDS = frozenset(ImageStatus.__dataclass_fields__)


def states_of(records: Records) -> dict[str, int]:
    """Return how many machines are in each state."""
    counts = dict.fromkeys(map(str, MachineState), 0)
    for machine in records.machines:
        counts[machine.state] += 1
    return counts


def deferred_text(plan: Plan) -> tuple[str, ...]:
    """Return a sentence for each kind of delete that is held back, the same ones counted."""
    reasons: dict[tuple[str, str], list[Deferred]] = {}
    for each in plan.deferred:
        reasons.setdefault((each.reason, each.why), []).append(each)
    return tuple(f"{len(same)} {reason}: {why}" for (reason, why), same in sorted(reasons.items()))
