"""A space as the records have it, and one listing that teaches us something of it."""

from __future__ import annotations

from dataclasses import replace

from vcycled.model import (
    Changes,
    ListedMachine,
    Machine,
    MachineState,
    Records,
    ShutdownMessage,
    SpaceMemory,
    Stage,
    Terms,
)
from vcycled.remember import Answers, LastWords, adopted, learn, match, questions

OURS = "installation-1"
T0 = 1_800_000_000
"""When the machines of these tests were asked for."""
TERMS = Terms(fizzle_seconds=600, max_wallclock_seconds=86400, submit_host="a.example/vcycle-m")


def machine(number: int = 1, /, **changes: object) -> Machine:
    """Return a machine of ours that is listed and has run since T0 + 100."""
    usual = Machine(
        uuid=f"uuid-{number}",
        name=f"vcycle-prod-{number:010}",
        space="a.example",
        machinetype="prod",
        stage=Stage.LISTED,
        state=MachineState.RUNNING,
        processors=8,
        memory_mb=16384,
        flavor="large",
        terms=TERMS,
        created_at=T0,
        cloud_id=f"id-{number}",
        seen_at=T0 + 60,
        started_at=T0 + 100,
    )
    return replace(usual, **changes)  # type: ignore[arg-type] # tests name real fields


def asked(number: int = 1, /, **changes: object) -> Machine:
    """Return a machine that was asked for; the answer was lost."""
    started: dict[str, object] = {"seen_at": None, "started_at": None, "cloud_id": ""}
    usual = {"stage": Stage.ASKED, "state": MachineState.STARTING, **started}
    return machine(number, **{**usual, **changes})


def listed(number: int = 1, state: str = "running", **changes: object) -> ListedMachine:
    """Return what the cloud shows of `machine(number)`."""
    usual = ListedMachine(
        name=f"vcycle-prod-{number:010}",
        cloud_id=f"id-{number}",
        state=MachineState(state),
        processors=8,
        memory_mb=16384,
        flavor="large",
        tags={"vcycle_installation": OURS, "vcycle_uuid": f"uuid-{number}", "machinetype": "prod"},
    )
    return replace(usual, **changes)  # type: ignore[arg-type] # tests name real fields


def with_times(state: str, times: dict[str, int]) -> ListedMachine:
    """Return what the cloud shows of `machine()`, with times of its own."""
    return replace(listed(state=state), **times)  # type: ignore[arg-type] # times are integers


def records(*machines: Machine, **memory: object) -> Records:
    """Return records of a space last listed a minute before T0 + 1000."""
    known = SpaceMemory(space="a.example", listed_at=T0 + 940)
    return Records(memory=replace(known, **memory), machines=machines)  # type: ignore[arg-type]


def cycle(
    before: Records,
    listing: list[ListedMachine],
    *,
    now: int = T0 + 1000,
    words: LastWords | None = None,
    found: dict[str, ListedMachine | None] | None = None,
) -> Changes:
    """Let one listing teach us; every question is answered with `words` and `found` (or None)."""
    matched = match(before, listing, installation=OURS, now=now)
    asked_for = questions(matched, now=now)
    answers = Answers(
        words={each.uuid: words or LastWords() for each in asked_for.ended},
        found={each.uuid: (found or {}).get(each.uuid) for each in asked_for.doubtful},
        adopted=tuple(
            (
                adopted(
                    each,
                    space="a.example",
                    known=next(
                        (m for m in before.machines if m.uuid == each.tags["vcycle_uuid"]), None
                    ),
                    terms=TERMS,
                    now=now,
                ),
                each,
            )
            for each in matched.strangers
        ),
    )
    return learn(before, matched, answers, now=now)


def terms_with(option: str, value: bool) -> Terms:
    """Return the usual terms with one flag set."""
    return replace(TERMS, **{option: value})  # type: ignore[arg-type] # tests name real fields


def only(changes: Changes) -> Machine:
    """Return the one machine that changed."""
    (changed,) = changes.machines
    return changed


def events(changes: Changes) -> list[str]:
    """Return the names of what happened."""
    return [event.event for event in changes.events]


def said(code: int | None, text: str = "", at: int = T0 + 990) -> LastWords:
    """Return the last words of a machine that left a shutdown message."""
    line = text or f"{code} text"
    return LastWords(message=ShutdownMessage(code=code, text=line, written_at=at))
