"""Holds and events in sentences for the operator: what is, until when, and what to do about it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from vcycled.cli.printing import Tone
from vcycled.cli.words import Words
from vcycled.model import Cause, Drain, Event, Hold

WHY_PAGE = "docs/reference/why.md"

ADVICE: Mapping[Cause, str] = MappingProxyType(
    {
        Cause.NO_SHARE: "Give it a target_share above 0 in the configuration.",
        Cause.HELD: (
            "Mend what is said above, unless an image is just on its way; `vcycle config check`"
            " lists all that is wrong. It goes on at the next cycle after that, without a restart."
        ),
        Cause.DRAIN: "Lift the drain with `vcycle undrain {}` when machines are wanted again.",
        Cause.ON_HOLD: "Lift the hold with `vcycle release {}` when machines are wanted again.",
        Cause.SHUTDOWN_TIME: "Move or remove shutdown_time of the space in the configuration.",
        Cause.BACKOFF: (
            "Nothing: it is tried again by itself. If its queue does have work, `vcycle machine"
            " NAME` of one that ended shows what the machine said."
        ),
        Cause.PROBING: (
            "Nothing: as soon as the probe shows that there is work, more machines follow."
        ),
        Cause.CREATION_FAILED: (
            "Mend what the cloud or the template says above; it is tried again by itself, ever"
            " less often."
        ),
        Cause.QUOTA: (
            "Ask the cloud for more quota, or set processors_limit of the space to what there is."
        ),
        Cause.PAUSED: (
            "Nothing: it is tried again by itself, ever less often unless the cloud says when. If"
            " it stays, see what else uses this account, or ask the cloud to allow more."
        ),
        Cause.NO_FLAVOR: (
            "Compare flavor_names, min_processors and max_processors with the cloud's flavors, and"
            " their sizes with the limits."
        ),
        Cause.NO_CAPACITY: (
            "Nothing, if the cloud is full; it is tried again by itself. More flavor_names or"
            " zones give it more to choose from."
        ),
        Cause.MACHINETYPE_LIMIT: "Raise processors_limit of the machinetype if it may have more.",
        Cause.STARTING_LIMIT: (
            "Nothing: more follow as soon as these run. Raise max_starting_processors if the cloud"
            " can start more at once."
        ),
        Cause.SPACE_LIMIT: (
            "Nothing, if the space is full of yours. Otherwise see what others have there, or have"
            " its processors_limit raised, or the cloud's quota if that is less."
        ),
        Cause.RESERVED: (
            "Nothing: it gets its turn once the machinetype that is further below its share has"
            " its machine."
        ),
        Cause.MAKING_ROOM: (
            "Nothing: it gets what is left over once that is certain. preempt_after_seconds of the"
            " space sets how long that takes."
        ),
        Cause.CREATION_CAP: (
            "Nothing: more follow in the next cycles. max_creations_per_cycle sets the pace."
        ),
        Cause.LISTING_SUSPECT: (
            "See whether the cloud lists all your machines. If they are truly gone, it is believed"
            " after a few minutes."
        ),
    }
)
"""What a person can do about each cause of a hold; {} stands for the words of what is drained."""
_ADVICE_FOR_WAITING = "Nothing: preemptible machines make room for it, as said above."
_LACK_OF_ROOM = frozenset({Cause.SPACE_LIMIT, Cause.RESERVED, Cause.NO_CAPACITY})
_USUAL = frozenset(
    {
        Cause.NO_SHARE,
        Cause.BACKOFF,
        Cause.PROBING,
        Cause.MACHINETYPE_LIMIT,
        Cause.STARTING_LIMIT,
        Cause.SPACE_LIMIT,
        Cause.RESERVED,
        Cause.MAKING_ROOM,
        Cause.CREATION_CAP,
    }
)
"""Causes of which nobody has to do anything: it is full, has no work, or is meant so."""

EVENTS: Mapping[str, str] = MappingProxyType(
    {
        "machine-created": "asked for",
        "machine-seen": "",
        "machine-adopted": "adopted",
        "machine-imported": "taken over",
        "machine-started": "started",
        "machine-state": "changed",
        "machine-stopped": "ended",
        "machine-aborted": "counts as aborted",
        "machine-back": "runs again",
        "machine-warned": "warned by the cloud",
        "machine-missing": "missing",
        "machine-found": "listed again",
        "machine-told": "told",
        "machine-delete": "being deleted",
        "console-kept": "the end of its console was kept",
        "delete-failed": "could not be deleted",
        "machine-gone": "gone",
        "intent-dropped": "not made after all",
        "creation-failed": "could not be made",
        "creation-undone": "turned away by the cloud, not made",
        "creation-unknown": "asked for, but the outcome is unknown",
        "no-capacity": "no room for it in the cloud",
        "quota-exceeded": "beyond the quota of the cloud",
        "times-rewound": "times were ahead, and count as now",
        "order-drain": "drain ordered",
        "order-undrain": "end of drain ordered",
        "order-hold": "hold ordered",
        "order-release": "end of hold ordered",
        "hold-over": "hold over",
        "order-delete": "deletion ordered",
        "order-adopt": "adoption ordered",
        "order-forget": "to be forgotten, by order",
        "sink-failing": "accounting sink fails",
        "sink-back": "accounting sink is back",
        "sink-forgotten": "accounting sink forgotten",
    }
)
"""What happened, by the names in docs/reference/events.md; the detail follows."""
LOUD = frozenset(
    {
        "machine-missing",
        "machine-warned",
        "delete-failed",
        "creation-failed",
        "creation-undone",
        "creation-unknown",
        "no-capacity",
        "quota-exceeded",
        "times-rewound",
        "sink-failing",
    }
)


def hold_sentence(hold: Hold, words: Words) -> str:
    """Return why and until when nothing is created: `backoff: …; over in 4 min (12:31:05 CET)`."""
    over = "" if hold.until is None else f"; over {words.until(hold.until)}"
    return f"{hold.cause}: {words.retold(hold.detail)}{over}"


def hold_tone(hold: Hold) -> Tone:
    """Return what a hold is to the reader: faint unless a person should look at it."""
    return Tone.FAINT if hold.cause in _USUAL else Tone.WARN


def advice(hold: Hold, space: str, given_room: Collection[str] = ()) -> str:
    """Return what to do about a hold in `space`; `given_room` names who is made room for."""
    if hold.cause in _LACK_OF_ROOM and hold.machinetype in given_room:
        return _ADVICE_FOR_WAITING
    return ADVICE[hold.cause].format(f"{space} {hold.machinetype}".strip())


def event_sentence(event: Event, words: Words) -> str:
    """Return what happened: `ended: ran 2 h, end as told by the cloud, it said '200 Success'`."""
    known = EVENTS.get(event.event, event.event.replace("-", " "))
    return ": ".join(filter(None, (known, words.retold(event.detail))))


def is_loud(event: Event) -> bool:
    """Return whether an event is of trouble, so that it should catch the eye."""
    return event.event in LOUD


def subject(event: Event) -> str:
    """Return what an event is about: the machine or else the machinetype; empty for the space."""
    return event.machine or event.machinetype


def drain_sentence(drain: Drain, words: Words) -> str:
    """Return what is drained, since when, by whom and how it ends."""
    what = drain.machinetype or "the whole space"
    who = f" by {drain.who}" if drain.who else ""
    if drain.is_hold:
        end = "" if drain.until is None else f", over {words.until(drain.until)}"
        why = f": {drain.reason}" if drain.reason else ""
        return f"{what} is held since {words.instant(drain.since)}{who}{end}{why}"
    end = "machines end by themselves"
    if drain.by is not None:
        end += f", those left are deleted {words.until(drain.by)}"
    return f"{what} drains since {words.instant(drain.since)}{who}: {end}"
