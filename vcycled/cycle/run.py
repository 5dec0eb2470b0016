"""One cycle of one space: look, remember, plan, act, publish."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from vcycled.config import SpaceConfig
from vcycled.cycle.consoles import keep_consoles
from vcycled.cycle.context import Context
from vcycled.cycle.contextualize import template_holds
from vcycled.cycle.create import create_all
from vcycled.cycle.delete import delete_all
from vcycled.cycle.facts import Holds, facts_of, limits_in_force, with_memories
from vcycled.cycle.handover import find_offers, withdraw_offers
from vcycled.cycle.heartbeats import Heartbeats
from vcycled.cycle.images import ImageKeeper
from vcycled.cycle.look import Look, Looker
from vcycled.cycle.news import News
from vcycled.cycle.notices import Notices
from vcycled.cycle.papers import credential_ends
from vcycled.cycle.publish import publish_records
from vcycled.cycle.release import release_all
from vcycled.cycle.remembering import JumpWatch, lessons
from vcycled.cycle.report import SpaceReport, deferred_text, states_of
from vcycled.cycle.sweep import Sweeper
from vcycled.cycle.telling import Teller
from vcycled.cycle.tend import (
    publish_heartbeats,
    repair_all,
    settle,
)
from vcycled.cycle.tidy import Tidier
from vcycled.errors import SpaceError, Unavailable
from vcycled.model import Cause, Changes, Plan, Records, SpaceFacts
from vcycled.plan import plan_space
from vcycled.remember import Tally, cycle_tallies, located, noted, obey, rewound, updated

BLIND_MOST_SECONDS = 3600
"""A cloud that asks for a longer pause is looked at again after so long."""
PAUSE_MOST_SECONDS = 300
"""A pause of creation delays the next look for so long at most: what runs is watched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a cycle went: its report, and the plan unless the cloud could not be looked at."""

    report: SpaceReport
    plan: Plan | None = None
    trouble: str = ""
    """Which kind of error that was, as it is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Thought:
    """A plan, and what it was made from."""

    facts: SpaceFacts
    plan: Plan
    records: Records
    """With the heartbeats."""


@dataclass(slots=True)
class _Timer:
    context: Context
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        began = self.context.clock.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.context.clock.monotonic() - began


class SpaceCycle:
    """The cycles of one space, one after the other."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._looker = Looker(context)
        self.images = ImageKeeper(context)
        self._heartbeats = Heartbeats(context.tree)
        self._jumps = JumpWatch(context)
        self._news = News(context)
        self._notices = Notices(context)
        self._sweeper = Sweeper(context)
        self._teller = Teller(context)
        self._tidier = Tidier(context)
        self._is_observing = False
        self._counted = context.space.calls
        """Those that are in the totals."""
        self._is_repaired = False
        self._causes: dict[str, Cause] = {}
        self._deferred: set[str] = set()

    @property
    def is_swept(self) -> bool:
        """Whether the space was removed and nothing of ours is left in its cloud."""
        return self._is_observing or self._sweeper.is_clean

    @property
    def is_calling(self) -> bool:
        """Whether some call to the cloud is waited for; each is given up in time."""
        return self._context.calls.is_busy or self._context.errands.is_busy

    def run(self, config: SpaceConfig, *, held: str = "") -> Outcome:
        """Run one cycle and save its report.

        Args:
            config: the space as it is configured now.
            held: why nothing may be created, beyond what the space itself says.

        Raises:
            StoreError: the database failed; nothing was done that it does not know of.
        """
        timer = _Timer(self._context)
        self._is_observing = config.options.mode == "observe"
        try:
            with timer.phase("look"):
                look = self._look(config, is_acting=config.options.mode == "manage")
        except SpaceError as error:
            outcome = self._blind(config, error, timer)
        else:
            manage = self._observe if self._is_observing else self._manage
            outcome = manage(config, look, timer, held)
        calls = self._context.space.calls - self._counted
        report = self._completed(config, outcome.report, calls.total())
        self._save(report, cycle_tallies(report.space, calls=calls, trouble=outcome.trouble))
        self._counted += calls
        return replace(outcome, report=report)

    def _save(self, report: SpaceReport, raised: Counter[Tally]) -> None:
        self._context.store.save_report(
            report.space, report.to_json(), at=report.at, raised=raised
        )

    def _completed(self, config: SpaceConfig, report: SpaceReport, api_calls: int) -> SpaceReport:
        """Return `report` with what is known however the cycle went."""
        context = self._context
        return replace(
            report,
            manager=context.host,
            notices=self._notices.now(),
            credential_ends=credential_ends(context, config),
            leftovers=self._sweeper.waiting,
            api_calls=api_calls,
            stuck_calls=context.calls.stuck + context.errands.stuck,
        )

    def preview(self, config: SpaceConfig, *, held: str = "") -> Outcome:
        """Return what a cycle would do now; nothing is done or saved.

        Raises:
            SpaceError: the cloud cannot be looked at.
        """
        timer = _Timer(self._context)
        return self._observe(config, self._look(config, is_acting=False), timer, held)

    def close(self) -> None:
        """Let what goes on beside the cycles end."""
        self.images.close()

    def _look(self, config: SpaceConfig, *, is_acting: bool) -> Look:
        look = self._looker.look()
        return replace(look, images=self.images.look(config, is_acting=is_acting))

    def _manage(self, config: SpaceConfig, look: Look, timer: _Timer, held: str) -> Outcome:
        context, began = self._context, self._context.clock.monotonic()
        now = context.clock.now()
        with timer.phase("remember"):
            records = self._remember(config, look, now)
        with timer.phase("plan"):
            thought = self._think(config, look, records, held)
        plan = thought.plan
        self._tell_holds(plan)
        with timer.phase("act"):
            records = self._act(config, look, thought, began)
        with timer.phase("publish"):
            written = self._publish(config, look, records, now)
            self._sweeper.sweep(config, records)
        told = self._rethink(thought, records)
        report = self._report(config, look, told, records, timer, written=written)
        self._news.tell(config, records, report.limits)
        return Outcome(report=report, plan=plan)

    def _act(self, config: SpaceConfig, look: Look, thought: _Thought, began: float) -> Records:
        context, plan = self._context, thought.plan
        note = noted(thought.records, plan)
        records = thought.records if note is None else context.save(thought.records, note)
        records = self._teller.tell(config, records, plan.tells)
        records = keep_consoles(context, config, records, plan.deletes)
        records = delete_all(context, config, records, plan.deletes)
        failures = _failures(records)
        records = create_all(
            context,
            config,
            records,
            plan.creates,
            images=look.images.ids,
            is_late=lambda: self._is_late(began),
        )
        if _failures(records) > failures:
            self._looker.forget_flavors()
            self.images.recheck()
        return records

    def _tell_holds(self, plan: Plan) -> None:
        """Log each decision not to create or delete when it is made, not at every cycle."""
        holds = {hold.machinetype: hold for hold in plan.holds}
        for machinetype, hold in holds.items():
            if self._causes.get(machinetype) is not hold.cause:
                self._context.log.info(
                    "create-held",
                    machinetype=machinetype or None,
                    cause=hold.cause,
                    detail=hold.detail,
                    until=hold.until,
                )
        self._causes = {machinetype: hold.cause for machinetype, hold in holds.items()}
        for sentence in sorted(set(deferred_text(plan)) - self._deferred):
            self._context.log.warning("delete-deferred", detail=sentence)
        self._deferred = set(deferred_text(plan))

    def _is_late(self, began: float) -> bool:
        """Return whether a cycle that began then must ask for nothing more."""
        context = self._context
        elapsed = context.clock.monotonic() - began
        return context.is_stopping() or elapsed > context.manager.cycle_timeout_seconds

    def _remember(self, config: SpaceConfig, look: Look, now: int) -> Records:
        context = self._context
        self._jumps.look(now=now)
        records = _recalled(context, context.save, now=now)
        records = located(records, look.account, look.machines)
        changes = lessons(context, config, records, look.machines, now=now)
        records = settle(context, config, records, self._jumps.mark(changes))
        return release_all(context, config, records, look.machines, now=now)

    def _think(self, config: SpaceConfig, look: Look, records: Records, held: str) -> _Thought:
        """Return the plan, and what it was made from."""
        context, now = self._context, self._context.clock.now()
        machines = self._heartbeats.of(records.machines, config)
        records = Records(
            memory=records.memory,
            machines=machines,
            machinetypes=records.machinetypes,
            drains=records.drains,
        )
        known = {**look.images.holds, **template_holds(context, config)}
        facts = facts_of(
            config,
            records,
            look,
            holds=Holds(space=held, machinetypes=known),
            receiver_up_since=self._receiver_up_since(now),
        )
        plan = plan_space(facts, now=now, rng=context.rng)
        return _Thought(facts=facts, plan=plan, records=records)

    def _rethink(self, thought: _Thought, records: Records) -> Plan:
        """Return the plan with the holds that the answers to it brought, for `vcycle why`.

        Without them an operator would wait for the next cycle to read of the quota.
        """
        plan, before, now = thought.plan, thought.records, self._context.clock.now()
        if (records.memory, records.machinetypes) != (before.memory, before.machinetypes):
            facts = with_memories(thought.facts, records)
            new = plan_space(facts, now=now, rng=self._context.rng)
            plan = replace(plan, holds=new.holds, wake_at=new.wake_at)
        return replace(plan, wake_at=_wake_at(plan, records, now))

    def _receiver_up_since(self, now: int) -> int | None:
        """Return since when heartbeats could arrive; an external web site is trusted to be up."""
        if self._context.manager.heartbeat_receiver == "external":
            return 0
        return self._context.tree.receiver_up_since(now)

    def _publish(self, config: SpaceConfig, look: Look, records: Records, now: int) -> int:
        context = self._context
        written = publish_records(context)
        try:
            publish_heartbeats(context, config, records.machines)
            if not self._is_repaired:
                repair_all(context, config, records)
                find_offers(context, records)
                self._is_repaired = True
            withdraw_offers(context, records)
            self._tidier.tidy(records, look.machines, now)
        except OSError as error:
            context.log.warning("tree-failed", error=str(error))
        return written

    def _blind(self, config: SpaceConfig, error: SpaceError, timer: _Timer) -> Outcome:
        """Return the outcome where the cloud could not be looked at: nothing is concluded."""
        context, now = self._context, self._context.clock.now()
        is_refused = not isinstance(error, Unavailable)
        say = context.log.error if is_refused else context.log.warning
        say("look-failed", error=str(error))
        written = 0
        if config.options.mode == "manage":
            release_all(context, config, context.store.records(context.name), None, now=now)
            written = publish_records(context)
        wait = config.options.cycle_seconds
        if isinstance(error, Unavailable) and error.retry_after_s is not None:
            wait = max(wait, min(error.retry_after_s, BLIND_MOST_SECONDS))
        report = SpaceReport(
            space=config.name,
            at=now,
            wake_at=now + wait,
            mode=config.options.mode,
            error=str(error),
            records=written,
            images=self.images.statuses(),
            seconds=timer.seconds,
        )
        return Outcome(report=report, trouble="look-refused" if is_refused else "look-failed")

    def _observe(self, config: SpaceConfig, look: Look, timer: _Timer, held: str) -> Outcome:
        """Think as in a cycle, touch nothing (`mode = observe`, `vcycle plan`)."""
        context, now = self._context, self._context.clock.now()
        records = _recalled(context, updated, now=now)
        changes = lessons(context, config, records, look.machines, now=now)
        thought = self._think(config, look, updated(records, changes), held)
        report = self._report(config, look, thought.plan, thought.records, timer, written=0)
        return Outcome(report=report, plan=thought.plan)

    def _report(
        self,
        config: SpaceConfig,
        look: Look,
        plan: Plan,
        records: Records,
        timer: _Timer,
        *,
        written: int,
    ) -> SpaceReport:
        context = self._context
        return SpaceReport(
            space=config.name,
            at=context.clock.now(),
            wake_at=plan.wake_at,
            mode=config.options.mode,
            holds=plan.holds,
            shares=plan.shares,
            deferred=deferred_text(plan),
            limits=limits_in_force(config, look),
            processors=sum(machine.processors for machine in records.machines),
            foreign_processors=records.memory.foreign_processors,
            states=states_of(records),
            deletes=len(plan.deletes),
            creates=len(plan.creates),
            records=written,
            images=self.images.statuses(),
            seconds=timer.seconds,
        )


def _recalled(
    context: Context, save: Callable[[Records, Changes], Records], *, now: int
) -> Records:
    """Return what is remembered, with nothing of the future, and orders obeyed."""
    records = context.store.records(context.name)
    for step in (rewound, obey):
        changes = step(records, now=now)
        if changes is not None:
            records = save(records, changes)
    return records


def _wake_at(plan: Plan, records: Records, now: int) -> int:
    """Return when to look again: not while the cloud wants to be left alone, within reason."""
    paused_until = min(records.memory.paused_until or 0, now + PAUSE_MOST_SECONDS)
    return max(plan.wake_at, paused_until)


def _failures(records: Records) -> int:
    return sum(memory.creation_failures for memory in records.machinetypes)
