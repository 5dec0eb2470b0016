"""One history on simulated time: a manager, a cloud, and what the seed has in store for them."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from tests.auditor import Life, Ran, Window, audit, leaks, overshoots, wrong_kills
from tests.faults.clocks import Offsets
from tests.faults.guests import BEAT_SECONDS, Guests
from tests.faults.site import (
    CALL_S,
    FEW,
    LIMIT,
    LIMITED,
    START_TIMEOUT,
    WALLCLOCK,
    Site,
    seeded,
)
from tests.faults.verdict import IN_PROCESS, Verdict
from tests.mines import Killed
from tests.world import FIZZLE
from vcycled.apel.record import records_in
from vcycled.cycle.tidy import TIDY_SECONDS
from vcycled.errors import StoreError
from vcycled.model import Drain
from vcycled.plan.deletes import JUMP_HOLD_SECONDS
from vcycled.remember.times import QUEUED_SECONDS

STEPS = 45
SPANS_S = (1, 30, 60, 60, 60, 60, 90, FIZZLE, 240, 301, 600)
"""How long nobody looks; a machine that beats must not be silent for as long as is waited for."""
HASTY_SPANS_S = (1, 30, 60, 60, 90)
HASTY = "clock jumps"
"""While a fault of this kind is on, somebody looks often: it is over within the time for which
the manager promises to delete nothing."""
KILL = "manager killed at a step"
DEADLINESS = 3
"""So much likelier than any other fault is death at a step, since there are many steps."""
FORGETFUL = (KILL, "manager restarted", "database lost")
"""Nobody can tell time that passed from a clock that was set while no manager ran."""
BLINDING = ("cloud lists late", "cloud omits machines")
"""Who has lost a database knows nothing but what the first listing after that shows."""
CALM = 0.35
"""Share of the steps in which nothing new goes wrong."""
NOTED_S = 10_000
"""So long after the end of a machine the manager may note something of it."""
SETTLING_S = 600
PATIENCE = 60
"""Steps of SETTLING_S after which a healthy manager must have brought all to an end."""

Undo = Callable[[], None]
Fault = Callable[["History"], Undo | None]
"""Injects one fault; returns what ends it, unless it ends by itself."""


class History:
    """What happens, and what is true of it in the end."""

    def __init__(self, folder: Path, seed: int, *, tell: Callable[[str], None]) -> None:
        self.seed = seed
        self.rng = seeded(seed, "history")
        self.site = Site(folder, seed)
        self.guests = Guests(self.site, seed)
        self.faults: Counter[str] = Counter()
        self.problems: list[str] = []
        self.cycles = 0
        self.deaths: Counter[str] = Counter()
        """At which steps of a cycle the manager was killed."""
        self.ordered: dict[str, int] = {}
        """Machines that somebody wants gone, and since when."""
        self.drains: list[Drain] = []
        """Every one there ever was, in true time."""
        self.limits: list[tuple[int, int]] = [(0, LIMIT)]
        """Since when which limit of the space was in force."""
        self.late_s = 0
        """How long a call that nobody waits for any more may go on."""
        self.is_clock_news = False
        """Whether the clock was set and no cycle has taken note of it."""
        self._undos: dict[str, tuple[int, Undo]] = {}
        """By kind of fault: at which step it ends, and how."""
        self._offsets = Offsets()
        self._archived: set[str] = set()
        self._tell = tell

    # Playing.

    def play(self, faults: dict[str, Fault]) -> Verdict:
        """Play it to its end and return what came of it."""
        for step in range(STEPS):
            self._pass(self.rng.choice(HASTY_SPANS_S if self._is_hasty else SPANS_S))
            over = {kind for kind, (last, _) in self._undos.items() if last <= step}
            self.heal(over.__contains__)
            if self.rng.random() >= CALM:
                self._inject(faults, step)
            self._cycle()
        self._settle()
        self._judge()
        if KILL in self.faults:  # a fuse that was lit need not have burnt down
            self.faults[KILL] = self.deaths.total()
        return Verdict(
            seed=self.seed,
            layer=IN_PROCESS,
            faults=self.faults,
            deaths=self.deaths,
            cycles=self.cycles,
            machines=len(self.site.lives()),
            records=len(list(self.site.queue.archived())),
            problems=tuple(self.problems),
        )

    def say(self, sentence: str) -> None:
        """Tell who plays one history again what happens."""
        self._tell(f"{self.site.true.now()} {sentence}")

    def _inject(self, faults: dict[str, Fault], step: int) -> None:
        kinds = sorted(faults.keys() - self._undos.keys())
        if self._is_hasty:  # a new manager could not know that the clock was set
            kinds = [kind for kind in kinds if kind not in FORGETFUL]
        elif KILL in kinds:
            kinds += [KILL] * DEADLINESS
        if self._is_blind:
            kinds = [kind for kind in kinds if kind not in BLINDING]
        if not kinds:
            return
        kind = self.rng.choice(kinds)
        lasts = self.rng.randint(1, 6)
        self.say(f"fault: {kind}")
        with suppress(StoreError):  # an order that finds no database is not given
            undo = faults[kind](self)
            self.faults[kind] += 1
            if undo is not None:
                self._undos[kind] = step + lasts, undo
        self._note_offset()

    def heal(self, is_meant: Callable[[str], bool]) -> None:
        """End the faults whose kind is meant."""
        for kind in sorted(filter(is_meant, self._undos)):
            self._heal(kind)

    def _heal(self, kind: str) -> None:
        self.say(f"healed: {kind}")
        last, undo = self._undos.pop(kind)
        try:
            undo()
        except StoreError:  # an order that finds no database is given again
            self._undos[kind] = last, undo
        self._note_offset()

    def _pass(self, seconds: float) -> None:
        self.site.clock.advance(seconds)
        self.guests.live()

    def _cycle(self) -> None:
        """Run one cycle as a worker of the daemon does; one that died is replaced."""
        self.cycles += 1
        site = self.site
        before = len(site.cloud.truth)
        try:
            self.is_clock_news &= site.cycle().plan is None
        except Killed:
            self.say(f"the manager died {site.fuse.where}")
            self.deaths[site.fuse.where] += 1
            self.restart()
        except StoreError as error:
            self.say(f"the cycle ended: {error}")
        except Exception as error:  # noqa: BLE001 - what a worker logs as a bug is one
            where = traceback.extract_tb(error.__traceback__)[-1]
            text = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
            self.say("".join(traceback.format_exception(error)))
            self.problems.append(f"the cycle broke: {text}")
        self.say(
            f"cycle: {len(site.cloud.truth) - before} made, {len(site.here)} there,"
            f" clock {site.offset:+}"
        )

    def restart(self) -> None:
        """Start another manager, as often as the database does not let it in."""
        try:
            self.site.restart()
        except StoreError as error:
            self.say(f"no start: {error}")
            self.heal(lambda kind: kind.startswith("database"))
            self.site.restart()

    def _settle(self) -> None:
        """Heal everything, let everything end, and give a healthy manager time to take note."""
        while self._undos:
            self.heal(lambda _kind: True)
        site = self.site
        site.cloud.script.clear()
        site.clock.jump(-site.offset)
        self._note_offset()
        self.restart()
        site.configure(site.text(limit=0))
        self.guests.is_ending = True
        for _ in range(PATIENCE):
            self._pass(SETTLING_S)
            self._cycle()
            if not site.here and not site.machines:
                break
        self._pass(TIDY_SECONDS)
        self._cycle()

    def _note_offset(self) -> None:
        self._offsets.note(self.site.true.now(), self.site.offset)

    @property
    def _is_hasty(self) -> bool:
        return HASTY in self._undos or self.is_clock_news

    @property
    def _is_blind(self) -> bool:
        """Whether a database was lost and nobody has looked at the cloud since."""
        return max(self.site.looks, default=0) < self.site.lost_at

    # Judging.

    def _judge(self) -> None:
        site = self.site
        lives = site.lives()
        self._archived = {
            record.local_job_id
            for element in site.queue.archived()
            for record in records_in((site.queue.archive / element).read_text(encoding="ascii"))
        }
        self.problems += leaks(lives, [each.name for each in site.machines])
        self.problems += [f"{each.name}: still there" for each in site.here]
        self.problems += [f"{each.name}: still on record" for each in site.machines]
        for folder in site.folders.iterdir() if site.folders.exists() else ():
            if site.store.machine(folder.name):  # of a database that was lost, it may be another's
                self.problems.append(f"{folder.name}: folder left")
        self.problems += [f"volume {each}: left" for each in site.cloud.cinder.by_id]
        self.problems += wrong_kills(lives, self._may_go)
        late_s = CALL_S + self.late_s
        self.problems += overshoots(lives, self.limits, slack_s=late_s)
        few = [life for life in lives if life.machinetype == LIMITED]
        self.problems += overshoots(few, [(0, FEW)])
        stored = [each.interval for each in site.store.intervals()]
        lost = [each for each in site.lost_intervals if each not in stored]
        final = [each for each in (*stored, *lost) if each.is_final]
        self.problems += audit(list(self._runs(lives)), final, site.queue, now=site.clock.now())
        self.problems += site.line_problems()

    def _may_go(self, life: Life) -> int | None:
        """Return from when on a machine that has not ended may be deleted, if ever."""
        allowed = [self.ordered.get(life.name)]
        if life.launched_at is None:
            # A clock that is behind by less than a cloud may be late is not told from that.
            behind_s = self._offsets.behind(life.created_at)
            doubt_s = behind_s if behind_s <= QUEUED_SECONDS else 0
            allowed.append(self._asked_at(life) - doubt_s + START_TIMEOUT + 1)
        else:
            allowed.append(life.launched_at + WALLCLOCK + 1)
        allowed += [
            drain.by + 1
            for drain in self.drains
            if drain.by is not None and drain.machinetype in {"", life.machinetype}
        ]
        guest = self.guests.of(life.id)
        if guest is not None and guest.mute_at is not None:
            allowed.append(guest.mute_at + self._silence_s(guest.mute_at))
        return min((each for each in allowed if each is not None), default=None)

    def _silence_s(self, since: int) -> int:
        """Return for how long a machine must have been silent to be deleted for that.

        What a wrong clock stamped may be stale as soon as the clock is believed again, which is at
        once if a database was lost with what it knew of the clock.
        """
        if self._offsets.is_right(since):
            return BEAT_SECONDS
        return 0 if self.site.lost_at >= since else JUMP_HOLD_SECONDS

    def _runs(self, lives: list[Life]) -> Iterator[Ran]:
        """Yield how each machine that ran did, as exactly as anybody could have seen it."""
        looks = self.site.looks
        ended = {each.id: each.ended_at for each in self.site.cloud.truth}
        for life in lives:
            end = ended[life.id]
            if life.launched_at is None or end is None or self._is_forgotten(life):
                continue
            off = self._offsets.worst(life.created_at, end + NOTED_S)
            before = max((at for at in looks if at < end), default=life.created_at)
            after = min((at for at in looks if at > end), default=self.site.true.now())
            if self._known_before(life, end) >= 0:
                after = max(after, self._right_after(end))
            has_run = before - life.launched_at >= FIZZLE and not self._is_hidden(life, end)
            if has_run and life.uuid not in self._archived:
                self.problems.append(f"{life.name}: lost, it ran until {end}")
            was_seen = any(life.launched_at <= at <= end for at in looks)
            began = life.launched_at if was_seen else life.created_at
            # By a clock behind, a run is told by when it was asked for; that call may have hung.
            is_behind = min(self._offsets.between(life.launched_at, end + NOTED_S)) < 0
            late_s = life.created_at - self._asked_at(life) if is_behind else 0
            started = Window(earliest=began, latest=life.launched_at)
            ended_at = Window(earliest=max(before, life.created_at), latest=after)
            yield Ran(
                uuid=life.uuid,
                processors=life.processors,
                started=believed(started, life.launched_at, off_s=off, late_s=late_s),
                ended=believed(ended_at, end, off_s=off, late_s=late_s),
                fizzle_seconds=FIZZLE,
            )

    def _asked_at(self, life: Life) -> int:
        """Return when the cycle began that asked for it first."""
        return self.site.asked_at[life.name]

    def _is_forgotten(self, life: Life) -> bool:
        """Return whether it was lost with a database, and the cloud had it no more.

        That counts as of when somebody looked next: what observes takes note of nothing.
        """
        lost_at = self.site.lost_at
        if not lost_at or life.gone_at is None or life.uuid in self._archived:
            return False
        return life.gone_at <= min(at for at in self.site.looks if at >= lost_at)

    def _is_hidden(self, life: Life, end: int) -> bool:
        """Return whether too little of its run is known, by a clock that was behind.

        When the clock passes its start before it is set right, the run seems to be brief.
        """
        before_s = self._known_before(life, end)
        return before_s > -FIZZLE and self._right_after(end) > end + before_s

    def _known_before(self, life: Life, end: int) -> int:
        """Return how long before its start, by the manager's clock, it was gone in the end.

        Less than 0 if it was later, or if the cloud tells when it ended.
        """
        if life.gone_at != end or life.launched_at is None:
            return -FIZZLE
        return self._offsets.behind(end) - (end - life.launched_at)

    def _right_after(self, end: int) -> int:
        """Return when somebody first looked after `end` whose clock was right."""
        looks = (at for at in self.site.looks if at > end)
        right = filter(self._offsets.is_right, looks)
        return min(right, default=self.site.true.now())


def believed(seen: Window, at: int, *, off_s: int, late_s: int) -> Window:
    """Return when something may be held to have happened that was at `at`.

    Args:
        seen: between which instants by what anybody could see.
        at: when it was, as the cloud tells.
        off_s: how wrong the clock was.
        late_s: how long the call for the machine took, if what the cloud tells was yet to come.
    """
    return Window(
        earliest=min(seen.earliest, at - late_s) - off_s - 1, latest=seen.latest + off_s + 1
    )


def play(
    folder: Path, seed: int, faults: dict[str, Fault], *, tell: Callable[[str], None]
) -> Verdict:
    """Play the history of a seed in a new folder."""
    history = History(folder, seed, tell=tell)
    try:
        return history.play(faults)
    finally:
        history.site.close()
