"""What each machinetype wants of its space and what it has."""

from __future__ import annotations

from collections.abc import Sequence

from vcycled.model import Share
from vcycled.plan.stock import Stock


def shares(stocked: Sequence[Stock]) -> tuple[Share, ...]:
    """Return one row for each machinetype: parts of the target shares and of the weights."""
    wanted = sum(stock.machinetype.target_share for stock in stocked)
    had = sum(stock.weight for stock in stocked)
    return tuple(
        Share(
            machinetype=stock.name,
            wanted=_part(stock.machinetype.target_share, wanted),
            had=_part(stock.weight, had),
            processors=stock.shared,
            machines=len(stock.living),
        )
        for stock in stocked
    )


def _part(value: float, whole: float) -> float:
    return value / whole if whole else 0.0
