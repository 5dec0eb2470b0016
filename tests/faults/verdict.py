"""What came of histories: faults by kind, and what the auditor found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

IN_PROCESS = "simulated"
"""Layer of the histories on simulated time; `--layer` names others."""

LIVE = "live"
"""That of the histories with real processes."""


class Harm(StrEnum):
    """What must never happen."""

    LEAKED = "machines leaked"
    KILLED = "machines killed wrongly"
    EXCEEDED = "limits exceeded"
    LOST = "records lost"
    DOUBLED = "records doubled"
    WRONG = "records with wrong times"
    OTHER = "anything else"


_SIGNS: Sequence[tuple[str, Harm]] = (
    (": leaked", Harm.LEAKED),
    (": killed ", Harm.KILLED),
    (": with it there were", Harm.EXCEEDED),
    (": lost, it ran until", Harm.LOST),
    (": not in the archive", Harm.LOST),
    (": neither sent nor waiting", Harm.LOST),
    ("accounted, more often than it ran", Harm.DOUBLED),
    ("intervals of one number", Harm.DOUBLED),
    ("times in the archive", Harm.DOUBLED),
    ("accounted, but", Harm.DOUBLED),
    (" overlap", Harm.DOUBLED),
    (": started at", Harm.WRONG),
    (": ended at", Harm.WRONG),
)


def harm_of(problem: str) -> Harm:
    """Return what kind of harm a sentence of the auditor tells of."""
    return next((harm for sign, harm in _SIGNS if sign in problem), Harm.OTHER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How one history went."""

    seed: int
    layer: str
    faults: Counter[str] = field(default_factory=Counter)
    """How many of each kind were injected."""
    deaths: Counter[str] = field(default_factory=Counter)
    """At which steps of a cycle the manager was killed."""
    cycles: int = 0
    machines: int = 0
    records: int = 0
    left_out: frozenset[str] = frozenset()
    """Kinds of faults that could not be injected here."""
    problems: tuple[str, ...] = ()
    seconds: float = 0.0
    """That it took."""
    told: tuple[str, ...] = ()
    """What it told, if something was found that another time may not happen again."""


def table(verdicts: Iterable[Verdict], *, seconds: float) -> str:
    """Return all that is to be said of many histories, which took so long together."""
    known = tuple(verdicts)
    layers = Counter(each.layer for each in known)
    faults = sum((each.faults for each in known), Counter[str]())
    deaths = sum((each.deaths for each in known), Counter[str]())
    left_out = Counter(kind for each in known for kind in each.left_out)
    harms = Counter(harm_of(problem) for each in known for problem in each.problems)
    lines = [
        _line("histories", len(known)),
        *(_line(f"  {layer}", count) for layer, count in sorted(layers.items())),
        _line("cycles on simulated time", sum(each.cycles for each in known)),
        _line("machines", sum(each.machines for each in known)),
        _line("records", sum(each.records for each in known)),
        _line("seconds", round(seconds)),
        "",
        _line("faults injected", faults.total()),
        *(_line(f"  {kind}", count) for kind, count in sorted(faults.items())),
        *(_line(f"  NOT TRIED: {kind}, histories", n) for kind, n in sorted(left_out.items())),
        "",
        _line("killed at a step of a cycle", deaths.total()),
        *(_line(f"  {step}", count) for step, count in sorted(deaths.items())),
        "",
        "audit",
        *(_line(f"  {harm}", harms[harm]) for harm in Harm),
    ]
    return "\n".join((*lines, *_findings(known)))


def _line(what: str, count: int) -> str:
    return f"{what:<40}{count:>8}"


def _findings(verdicts: Iterable[Verdict]) -> Iterator[str]:
    """Yield what was found, and how to see it again."""
    for each in verdicts:
        if each.problems:
            option = "" if each.layer == IN_PROCESS else f" --layer {each.layer}"
            yield f"\nFAILED  python -m tests.faults {each.seed}{option}"
            yield from (f"  {problem}" for problem in each.problems)
            yield from (f"    {line}" for line in each.told)
