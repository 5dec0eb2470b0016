"""What each machinetype wants of its space and what it has."""

from __future__ import annotations

from collections.abc import Sequence

from vcycled.model import Share
from vcycled.plan.stock import Stock


def shares(stocked: Sequence[Stock]) -> tuple[Share, ...]:
    """Return one row for each machinetype: parts of the target shares and of the weights.

    Those of others are counted as if preemptible ones were not there.
    """
    others = [stock for stock in stocked if not stock.machinetype.preemptible]
    wanted = sum(stock.machinetype.target_share for stock in others)
    had, all_had = (sum(stock.weight for stock in each) for each in (others, stocked))
    return tuple(
        Share(
            machinetype=stock.name,
            wanted=0.0 if is_preemptible else _part(stock.machinetype.target_share, wanted),
            had=_part(stock.weight, all_had if is_preemptible else had),
            processors=stock.shared,
            machines=len(stock.living),
            is_preemptible=is_preemptible,
        )
        for stock in stocked
        for is_preemptible in (stock.machinetype.preemptible,)
    )


def _part(value: float, whole: float) -> float:
    return value / whole if whole else 0.0
