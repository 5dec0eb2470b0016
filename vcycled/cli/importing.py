"""What an import from Vcycle 3 tells. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from vcycled.cli.as_json import machine_json
from vcycled.cli.printing import Block, Json, Line, Table, Tone
from vcycled.cli.words import several, span
from vcycled.config import Config
from vcycled.errors import OperatorError
from vcycled.model import Stage
from vcycled.vcycle3 import Became, OldTree, Takeover, Trouble

SPACES = "shared/spaces"
FRESH_SECONDS = 300
"""A Vcycle 3 that gave no sign of life for five of its usual cycles has been stopped."""


def refuse_if_active(tree: OldTree, *, now: int) -> None:
    """Refuse to take machines over from a Vcycle 3 that is still at work.

    Raises:
        OperatorError: it gave a sign of life a short while ago.
    """
    if tree.active_at is None or now - tree.active_at > FRESH_SECONDS:
        return
    ago = span(max(0, now - tree.active_at))
    raise OperatorError(
        f"a manager was at work {ago} ago ({tree.active_path}): stop Vcycle 3 on every host that "
        f"shares this folder, and try again {span(FRESH_SECONDS)} after that"
    )


def refuse_if_empty(tree: OldTree, root: Path) -> None:
    """Refuse a folder in which Vcycle 3 left nothing: it is the wrong one.

    Raises:
        OperatorError: there is neither a machine nor a last abort nor a sign of a manager.
    """
    is_tree = tree.machines or tree.last_aborts or tree.troubles or tree.active_at is not None
    if not is_tree and not any(root.glob("apel-archive/*")):
        raise OperatorError(
            f"there is nothing of Vcycle 3 under {root}: no {SPACES}/SPACE/current/vcycle-NAME or"
            f" deleted/vcycle-NAME, no {SPACES}/SPACE/heartbeatlists, no shared/last_abort_times,"
            " no apel-archive. Is it the folder that has `shared` in it, usually /var/lib/vcycle?"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Draining:
    """Machines that are taken over of a machinetype that is not configured."""

    space: str
    machinetype: str
    machines: int

    def __str__(self) -> str:
        """Return what is so, and what becomes of them."""
        return (
            f"[machinetype {self.space} {self.machinetype}] is not configured, so it drains:"
            f" {several(self.machines, 'machine')} to run on until the end, and no new ones"
        )


def draining(found: Takeover, config: Config) -> tuple[Draining, ...]:
    """Return which machinetypes are not configured, so that what is taken over of them drains."""
    known = {(space.name, kind.name) for space in config.spaces for kind in space.machinetypes}
    pipes = {pipe for space in config.spaces for pipe in space.pipes}
    counts = Counter(
        (each.space, each.machinetype)
        for each in found.machines
        if each.stage is not Stage.GONE and each.stopped_at is None
    )
    return tuple(
        Draining(space=space, machinetype=kind, machines=count)
        for (space, kind), count in sorted(counts.items())
        if (space, kind) not in known
        and f"machinetype {space} {kind}" not in config.unusable
        and not any(pipe.space == space and kind.startswith(f"{pipe.prefix}-") for pipe in pipes)
    )


def blocks(found: Takeover, drains: Iterable[Draining], *, is_rehearsal: bool) -> Iterator[Block]:
    """Return what was, or would be, taken over, what drains, and what could not be read."""
    rows = [(str(number), _BECAME[became]) for became, number in found.counts.items()]
    rows += [(str(len(found.runs)), _ACCOUNTED)] if found.runs else []
    rows += [(str(found.known), "were known already")] if found.known else []
    total = several(sum(found.counts.values()), "machine")
    yield Line(f"{total} {'would be ' * is_rehearsal}taken over from Vcycle 3", Tone.HEAD)
    yield Table(headings=("", ""), rows=tuple(rows), numbers=frozenset({""}), indent=1)
    left_out = [each for each in found.troubles if each.is_left_out]
    damaged = [each for each in found.troubles if not each.is_left_out]
    yield from (Line(str(each), Tone.WARN) for each in drains)
    yield from _told("Left out", left_out, Tone.BAD)
    yield from _told("Not readable, and done without", damaged, Tone.WARN)
    if is_rehearsal:
        yield Line("Nothing was written.", Tone.FAINT)


_BECAME = {
    Became.LISTED: "run on; they are known by the cloud's ids",
    Became.NAMED: "have no id in the tree and are known by their exact names",
    Became.LOST: "were lost sight of; they are looked for, and accounted if they are gone",
    Became.ENDED: "had ended and are accounted; what is left of them is deleted",
}
_ACCOUNTED = "records of this month and the last were written; they count in sync messages"


def _told(title: str, troubles: Sequence[Trouble], tone: Tone) -> Iterator[Block]:
    if troubles:
        yield Line(f"{title}:", tone)
        rows = tuple((each.path, each.why) for each in troubles)
        yield Table(headings=("", ""), rows=rows, indent=1)


def takeover_json(found: Takeover, drains: Iterable[Draining], *, is_rehearsal: bool) -> Json:
    """Return the same as a document."""
    return {
        "dry_run": is_rehearsal,
        "counts": {became: found.counts.get(became, 0) for became in Became},
        "known": found.known,
        "records": len(found.runs),
        "machines": [machine_json(machine) for machine in found.machines],
        "draining": [asdict(each) for each in drains],
        "troubles": [asdict(each) for each in found.troubles],
    }
