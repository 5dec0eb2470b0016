"""One cycle of one space: look, remember, plan, act, publish. All thought is elsewhere."""

from vcycled.cycle.context import Context
from vcycled.cycle.run import Outcome, SpaceCycle

__all__ = ["Context", "Outcome", "SpaceCycle"]
