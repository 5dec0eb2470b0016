"""`vcycle plan`: what the next cycle of a space would do. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from vcycled.cli.as_json import machine_json, plain_json
from vcycled.cli.printing import Block, Json, Line, Table, Tone
from vcycled.cli.sentences import hold_sentence, hold_tone
from vcycled.cli.words import Words, several, span
from vcycled.model import MESSAGES, Delete, Plan, Reason, Tell

_REASONS = {
    Reason.DOUBLE: "the cloud made two of one request",
    Reason.FINISHED: "it has shut down",
    Reason.FAILED: "it has failed",
    Reason.DELETING: "its deletion takes long: asked again",
}


def reason_text(reason: Reason) -> str:
    """Return why a machine is deleted, as its shutdown message will say if it leaves none."""
    return MESSAGES.get(reason) or _REASONS[reason]


def plan_blocks(plan: Plan, words: Words) -> Iterator[Block]:
    """Return the plan for people."""
    yield Line(f"{several(len(plan.deletes), 'machine')} would be deleted", Tone.HEAD)
    if plan.deletes:
        yield _deletes(plan.deletes, words)
    for deferred in plan.deferred:
        until = "" if deferred.until is None else f"; over {words.until(deferred.until)}"
        why = f"{deferred.machine.name} is due ({deferred.reason}) but not deleted: {deferred.why}"
        yield Line(f"{words.retold(why)}{until}", Tone.WARN, 1)
    if plan.tells:
        yield Line(f"{several(len(plan.tells), 'machine')} would be told of their ends", Tone.HEAD)
        yield from (Line(_tell(each, words), indent=1) for each in plan.tells)
    yield Line(f"{several(len(plan.creates), 'machine')} would be asked for", Tone.HEAD)
    yield from _creates(plan, words)
    if plan.holds:
        yield Line("No more than that, because", Tone.HEAD)
    for hold in plan.holds:
        name = hold.machinetype or "the whole space"
        yield Line(f"{name}: {hold_sentence(hold, words)}", hold_tone(hold), 1)
    yield Line(f"A cycle after that would be due {words.until(plan.wake_at)}.")
    yield Line("Nothing was done.", Tone.FAINT)


def plan_json(space: str, plan: Plan) -> Json:
    """Return the plan as a document."""
    return {
        "space": space,
        "deletes": [
            {"machine": machine_json(each.machine), "reason": each.reason} for each in plan.deletes
        ],
        "deferred": [
            {
                "machine": machine_json(each.machine),
                "reason": each.reason,
                "why": each.why,
                "until": each.until,
            }
            for each in plan.deferred
        ],
        "tells": [
            {"machine": machine_json(each.machine), "by": each.by, "why": each.why}
            for each in plan.tells
        ],
        "creates": [
            {
                "machinetype": each.machinetype,
                "flavor": each.flavor.name,
                "processors": each.flavor.processors,
                "zone": each.zone,
                "why": each.why,
            }
            for each in plan.creates
        ],
        "holds": [plain_json(hold) for hold in plan.holds],
        "shares": [plain_json(share) for share in plan.shares],
        "wake_at": plan.wake_at,
    }


def _tell(tell: Tell, words: Words) -> str:
    if tell.by is None:
        return f"{tell.machine.name} may stay"
    return f"{tell.machine.name} must leave by {words.instant(tell.by)} ({tell.why})"


def _deletes(deletes: tuple[Delete, ...], words: Words) -> Table:
    rows = tuple(
        (
            each.machine.name,
            each.machine.state,
            span(words.now - each.machine.created_at),
            reason_text(each.reason),
        )
        for each in deletes
    )
    return Table(headings=("NAME", "STATE", "AGE", "REASON"), rows=rows, indent=1)


def _creates(plan: Plan, words: Words) -> Iterator[Block]:
    """Machines that are alike are one row, with the reason of the first of them."""
    alike: Counter[tuple[str, str, str]] = Counter()
    reasons: dict[tuple[str, str, str], str] = {}
    for create in plan.creates:
        key = (create.machinetype, create.flavor.name, create.zone or "any")
        alike[key] += 1
        reasons.setdefault(key, words.retold(create.why))
    rows = tuple((str(count), *key, reasons[key]) for key, count in alike.items())
    if rows:
        headings = ("N", "MACHINETYPE", "FLAVOR", "ZONE", "WHY (THE FIRST)")
        yield Table(headings=headings, rows=rows, numbers=frozenset({"N"}), indent=1)
