"""The laws of design.md against time, failures and restarts in any mixture.

One manager on a cloud in memory; hypothesis lets machines start, end, fail and vanish, calls fail,
hang up or lose their answers, listings omit machines, the manager die, the clock run. After every
step the limits must hold; at the end everything must be gone and accounted exactly once.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.world import FIZZLE, World, kind
from vcycled.errors import NoCapacity, QuotaExceeded, Refused, SpaceError, Unavailable
from vcycled.options import Amount
from vcycled.spaces.memory import Truth

LIMIT = 20
ERRORS = st.sampled_from(
    [
        Unavailable("call", "503"),
        Refused("call", "403"),
        QuotaExceeded("call", "cores"),
        NoCapacity("call", "no host"),
    ]
)


class Space(RuleBasedStateMachine):
    """A space with three machinetypes of different flavors and shares."""

    @initialize()
    def start(self) -> None:
        """Begin with an empty space."""
        logging.disable(logging.CRITICAL)
        self.folder = Path(tempfile.mkdtemp(prefix="vcycle-laws-"))
        self.world = World(
            self.folder,
            kind("small", target_share=1.0),
            kind("large", target_share=2.0, flavor_names=("large",)),
            kind("either", target_share=1.0, flavor_names=("large", "small"), processors_limit=9),
            processors_limit=LIMIT,
            max_creations_per_cycle=Amount(count=10),
        )
        self.clock = self.world.clock

    def teardown(self) -> None:
        """Let all end, and compare the cloud's truth with what was recorded."""
        if hasattr(self, "world"):
            try:
                self.settle()
            finally:
                self.world.close()
                shutil.rmtree(self.folder)
                logging.disable(logging.NOTSET)

    # What happens

    @rule(seconds=st.sampled_from([1, 30, 60, FIZZLE - 1, FIZZLE, 301, 600, 1801]))
    def time_passes(self, seconds: int) -> None:
        """Nobody looks for a while."""
        self.clock.advance(seconds)

    @rule()
    def cycle(self) -> None:
        """The manager looks and acts."""
        self.clock.advance(60)
        self.world.cycle()

    @rule()
    def restart(self) -> None:
        """The manager dies between cycles."""
        self.world.restart()

    @precondition(lambda self: self.world.here)
    @rule(data=st.data(), message=st.sampled_from(["", "200 Done", "300 No work", "garbage"]))
    def finish(self, data: st.DataObject, message: str) -> None:
        """A machine ends by itself, with or without a word."""
        truth = self.pick(data)
        if truth.listed.started_at is not None:
            if message:
                self.world.say(truth.listed.name, message)
            self.world.cloud.finish(truth.listed.name)

    @precondition(lambda self: self.world.here)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        """A machine goes into error, before or after it ran."""
        self.world.cloud.fail(self.pick(data).listed.name)

    @precondition(lambda self: self.world.here)
    @rule(data=st.data())
    def vanish(self, data: st.DataObject) -> None:
        """Somebody else deletes a machine."""
        self.world.cloud.vanish(self.pick(data).listed.name)

    @precondition(lambda self: self.world.here)
    @rule(data=st.data())
    def doubt(self, data: st.DataObject) -> None:
        """The cloud loses sight of a machine's state."""
        self.world.cloud.doubt(self.pick(data).listed.name)

    @rule(
        operation=st.sampled_from(["connect", "limits", "machines", "find", "create", "delete"]),
        error=ERRORS,
        count=st.integers(1, 3),
    )
    def calls_fail(self, operation: str, error: SpaceError, count: int) -> None:
        """The next calls do nothing but raise."""
        is_answer = operation == "create" or isinstance(error, Unavailable | Refused)
        if is_answer:
            self.world.cloud.fail_next(operation, *[error] * count)

    @rule(operation=st.sampled_from(["create", "delete"]), count=st.integers(1, 3))
    def replies_are_lost(self, operation: str, count: int) -> None:
        """The next calls do their work, and nobody hears of it."""
        self.world.cloud.lose_replies(operation, count)

    @rule(data=st.data(), lag=st.sampled_from([0, 0, 90]))
    def listings_omit(self, data: st.DataObject, lag: int) -> None:
        """Listings are late, or leave machines of ours out, for as long as it pleases them."""
        names = [truth.listed.name for truth in self.world.here]
        omitted = data.draw(st.sets(st.sampled_from(names))) if names else set()
        self.world.cloud.listing.omitted = omitted
        self.world.cloud.listing.lag_seconds = lag

    @rule(processors=st.integers(1, 8))
    def others_come(self, processors: int) -> None:
        """Somebody else uses the project too, if there is room."""
        if self.used() + processors <= LIMIT:
            name = f"foreign-{len(self.world.cloud.truth)}"
            self.world.cloud.add_foreign(name, processors=processors)
            self.world.cycle()

    # What must hold

    @invariant()
    def limits_hold(self) -> None:
        """Law 1: never above the limit of the space or of a machinetype, whatever is listed."""
        if hasattr(self, "world"):
            peak = self.world.cloud.peak_processors
            assert peak["*"] <= LIMIT
            assert peak["either"] <= 9

    @invariant()
    def nothing_is_leaked(self) -> None:
        """Law 2: what there is of ours in the cloud is known, by id or by the name asked for."""
        if hasattr(self, "world"):
            known = {machine.name for machine in self.world.machines}
            assert {truth.listed.name for truth in self.world.here} <= known

    @invariant()
    def none_is_killed_wrongly(self) -> None:
        """Law 3: only ended, hopeless or ordered machines are deleted; here only the first two."""
        if hasattr(self, "world"):
            for truth in self.world.cloud.truth:
                listed = truth.listed
                if truth.deletes and listed.stopped_at is None and listed.started_at is not None:
                    age = self.clock.now() - listed.started_at
                    assert age > 10_000, f"{listed.name} was killed after {age} s"

    def settle(self) -> None:
        """Heal the cloud, end every machine, and let a healthy manager take note."""
        world = self.world
        world.cloud.listing.omitted = set()
        world.cloud.listing.lag_seconds = 0
        world.cloud.fail_next("connect")
        for operation in ("connect", "limits", "machines", "find", "create", "delete"):
            world.cloud._failures[operation].clear()
            world.cloud._lost[operation] = 0
        world.set(processors_limit=0)
        world.cycles(2)
        self.clock.advance(FIZZLE)
        for truth in world.here:
            has_run = truth.listed.started_at is not None
            end = world.cloud.finish if has_run else world.cloud.fail
            end(truth.listed.name)
        world.unseen = 10**6  # how long nobody looked is part of the history; see test_crash
        world.cycles(8)
        for _ in range(3):
            self.clock.advance(3601)
            world.cycles(2)
        assert world.audit() == [], world.audit()
        assert world.here == ()
        left = [
            (m.name, m.stage, m.state, m.missing_listings, m.stopped_at) for m in world.machines
        ]
        assert left == [], left

    def pick(self, data: st.DataObject) -> Truth:
        """Choose one of our machines."""
        return data.draw(st.sampled_from(self.world.here))

    def used(self) -> int:
        """Return the processors that are taken or may be soon, in the cloud or on record."""
        known = sum(machine.processors for machine in self.world.machines)
        others = [truth for truth in self.world.cloud.here if truth.request is None]
        return known + sum(truth.listed.processors for truth in others)


TestSpace = Space.TestCase
TestSpace.settings = settings(
    max_examples=12 if settings().max_examples <= 100 else 400, stateful_step_count=30
)
