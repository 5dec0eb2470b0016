"""What a machine that failed to start last wrote on its console, fetched before it is deleted.

These calls have a pool of their own: however long they hang, they take no slot from what matters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from vcycled.config import SpaceConfig
from vcycled.cycle.context import Context
from vcycled.model import Changes, Delete, Event, Machine, Reason, Records, event_of

MOST = 6
"""So many consoles are fetched in a cycle; machines that fail together fail alike."""


def keep_consoles(
    context: Context, config: SpaceConfig, records: Records, deletes: Sequence[Delete]
) -> Records:
    """Keep the consoles of machines that go because they did not start or fell silent.

    Whatever goes wrong here is only logged.
    """
    if not config.options.console_log:
        return records
    telling = (each.machine for each in deletes if _is_telling(each))
    wanted = [each for each in telling if not context.tree.has_console(each.space, each.name)]
    machines = wanted[:MOST]
    if not machines:
        return records
    events = tuple(_kept(context, machines))
    return context.save(records, Changes(space=context.name, events=events))


def _is_telling(delete: Delete) -> bool:
    machine = delete.machine
    if not machine.cloud_id or machine.delete_attempts:
        return False
    has_failed = delete.reason is Reason.FAILED and machine.started_at is None
    return has_failed or delete.reason in {Reason.NOT_STARTED, Reason.SILENT}


def _kept(context: Context, machines: Sequence[Machine]) -> Iterator[Event]:
    """Fetch and keep the console of each machine; yield an event for each that says anything."""
    calls = [_call(context, machine) for machine in machines]
    for outcome in context.errands.run_all("console", calls):
        machine, text = machines[outcome.number], outcome.value or ""
        if outcome.error is not None:
            error = str(outcome.error)
            context.log.warning("console-failed", machine=machine.name, error=error)
        if not text.strip():
            continue
        try:
            context.tree.keep_console(machine.space, machine.name, text)
        except OSError as error:
            context.log.warning("tree-failed", machine=machine.name, error=str(error))
        else:
            now, detail = context.clock.now(), f"{len(text.splitlines())} lines"
            yield event_of(machine, at=now, event="console-kept", detail=detail)


def _call(context: Context, machine: Machine) -> Callable[[], str]:
    return lambda: context.space.console(machine.name, machine.cloud_id)
