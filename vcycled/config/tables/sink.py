"""[accounting NAME]: one sink of accounting records; what every kind has in common."""

from __future__ import annotations

from dataclasses import dataclass

from vcycled.options import matching, optional

KIND = matching(r"[a-z0-9_]+", "the name of a kind of sink (a-z 0-9 _), such as auditor")


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkOptions:
    """An [accounting NAME] section. It may be left out if no option of its kind is required."""

    kind: str | None = optional(
        KIND,
        default_text="NAME",
        help="""Which kind of sink it is: apel, auditor, jsonl, or what another package has. It
        decides which further options this section takes. Needed only for a second sink of one
        kind, which needs a name of its own.""",
    )
