"""Tell machines when they will be ended, before anything is done about it.

# Note [Publish, then remember]

In this order: a manager that dies between the two tells it again, and counts the grace from then.
What cannot be published now is told later, and no machine goes for what it could not read.
"""

from __future__ import annotations

from collections.abc import Sequence

from vcycled.config import SpaceConfig
from vcycled.cycle.context import Context
from vcycled.cycle.tend import publish_moving, tell_terms, terms_in_force
from vcycled.model import Records, Tell
from vcycled.remember import as_told, told, told_wallclocks


class Teller:
    """Keeps what the machines of one space are shown of their ends up to date."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._terms: object = None

    def tell(self, config: SpaceConfig, records: Records, tells: Sequence[Tell]) -> Records:
        """Publish the news and return the records that have it.

        A manager that may have lost the space tells nobody: the one that has it does, and both
        write the same files.
        """
        context = self._context
        if not context.may_act():
            return records
        heard = [tell for tell in tells if self._is_told(config, tell)]
        if heard:
            news = told(context.name, heard, now=context.clock.now())
            records = context.save(records, news)
        return records if len(heard) < len(tells) else self._tell_terms(config, records)

    def _is_told(self, config: SpaceConfig, tell: Tell) -> bool:
        try:
            publish_moving(self._context, config, as_told(tell))
        except OSError as error:
            name = tell.machine.name
            self._context.log.warning("tree-failed", machine=name, error=str(error))
            return False
        return True

    def _tell_terms(self, config: SpaceConfig, records: Records) -> Records:
        """Show all machines what the configuration says, if that changed, and remember it."""
        context, terms = self._context, terms_in_force(config)
        if terms == self._terms:
            return records
        try:
            tell_terms(context, config, records)
        except OSError as error:
            context.log.warning("tree-failed", error=str(error))
            return records
        self._terms = terms
        seconds = {each.name: each.options.max_wallclock_seconds for each in config.machinetypes}
        changes = told_wallclocks(records, seconds)
        return records if changes is None else context.save(records, changes)
