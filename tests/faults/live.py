"""One history with real processes: what goes wrong, and what is true of it in the end."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests.auditor import Life, Ran, Window, around, audit, leaks, overshoots, wrong_kills
from tests.faults.clocks import Offsets
from tests.faults.live_kinds import FAULTS, NEEDS_DISK, OFFSETS_S, Undo
from tests.faults.live_site import CLOUD, CLOUD_LIMIT, FIZZLE, LOCAL_LIMIT, SPEED, WORK_S, LiveSite
from tests.faults.site import life_of, seeded
from tests.faults.verdict import LIVE, Verdict
from vcycled.clock import SystemClock
from vcycled.demo.scene import SPACE as LOCAL
from vcycled.errors import StoreError
from vcycled.machinedir import Layout
from vcycled.model import RunInterval
from vcycled.remember.times import QUEUED_SECONDS

STEPS = 20
SPANS_S = (0.2, 0.5, 0.7, 1.0, 1.6, 2.5)
"""Real seconds between two things that happen."""
CALM = 0.3
LOOK_S = 0.1
PATIENCE_S = 240
"""Real seconds within which a healthy manager must have brought all to an end."""
NOTED_S = -min(OFFSETS_S)
"""An end that the manager notes later is past also by the clock that is most behind: it counts."""
LATE_S = 30 * SPEED
"""So long before a cloud made a machine the manager may have noted that it asks for it.

It may be frozen in between, for four of `SPANS_S` and what the host takes for that many faults.
"""
TOLERANCE_S = 3 * SPEED
"""How far times of local machines may be off what was seen of them."""


class LiveHistory:
    """What happens to one site."""

    def __init__(self, site: LiveSite, seed: int, *, tell: Callable[[str], None]) -> None:
        self.site = site
        self.seed = seed
        self.rng = seeded(seed, "live")
        self.faults: Counter[str] = Counter()
        self.problems: list[str] = []
        self._undos: dict[str, tuple[int, Undo]] = {}
        self._real = SystemClock()
        self._healthy_at = 0
        """Since when nothing goes wrong any more."""
        self._tell = tell

    def play(self) -> Verdict:
        """Play it to its end and return what came of it."""
        self.site.keep_up()
        self.site.wait("machines", self._has_begun)
        for step in range(STEPS):
            self._heal(lambda last, step=step: last <= step)  # type: ignore[misc] # bound now
            if self.rng.random() >= CALM:
                self._inject(step)
            self._pass(self.rng.choice(SPANS_S))
        self._settle()
        self._judge()
        return Verdict(
            seed=self.seed,
            layer=LIVE,
            faults=self.faults,
            machines=len(self.site.cloud.truth) + len(self.site.seen),
            records=self.site.records(),
            left_out=frozenset() if self.site.has_disk else NEEDS_DISK,
            problems=tuple(self.problems),
        )

    def _has_begun(self) -> bool:
        self._look()
        return bool(self.site.cloud.truth and self.site.seen)

    def _say(self, sentence: str) -> None:
        self._tell(f"{self.site.clock.now()} {sentence}")

    def _inject(self, step: int) -> None:
        kinds = FAULTS.keys() - self._undos.keys()
        if not self.site.has_disk:
            kinds -= NEEDS_DISK
        kind = self.rng.choice(sorted(kinds))
        lasts = self.rng.randint(1, 4)
        self._say(f"fault: {kind}")
        undo = FAULTS[kind](self.site, self.rng)
        self.faults[kind] += 1
        if undo is not None:
            self._undos[kind] = step + lasts, undo

    def _heal(self, is_over: Callable[[int], bool]) -> None:
        for kind, (last, undo) in tuple(self._undos.items()):
            if is_over(last):
                self._say(f"healed: {kind}")
                del self._undos[kind]
                undo()

    def _pass(self, seconds: float) -> None:
        """Let real time pass, with whatever machines do, and start what has ended."""
        until = self._real.monotonic() + seconds
        while self._real.monotonic() < until:
            self._look()

    def _look(self) -> None:
        for ended in self.site.keep_up():
            self._say(ended)
        self.site.live()
        threading.Event().wait(LOOK_S)

    def _settle(self) -> None:
        """Heal everything, make nothing more, and wait until all has ended and is accounted.

        By a new manager, which looks at once for what others could not tidy up.
        """
        self._heal(lambda _last: True)
        site = self.site
        site.cloud.script.clear()
        site.configure(site.text(local=0, cloud=0))
        site.kill(site.manager)
        self._healthy_at = site.clock.now()
        site.keep_up()
        until = self._real.monotonic() + PATIENCE_S
        while self._real.monotonic() < until and not self._is_over():
            self._look()
        self._say("settled")
        assert site.manager is not None
        status = site.end(site.manager)
        if status:
            self.problems.append(f"vcycled ended with {status} when it was told to")

    def _is_over(self) -> bool:
        site = self.site
        if site.cloud.here or site.here() or self._folders():
            return False
        try:
            with site.store() as store:
                if store.spaces_with_machines():
                    return False
                reports = store.reports().values()
                fresh = range(self._healthy_at + SPEED + 1, site.clock.now() + SPEED)
                if any(each.at not in fresh for each in reports):  # a clock ahead stamped some
                    return False
                final = [each for each in store.intervals() if each.interval.is_final]
        except StoreError:
            return False
        return len(final) <= site.records()

    # Judging.

    def _judge(self) -> None:
        site = self.site
        lives = [life_of(each) for each in site.cloud.truth if each.is_ours]
        with site.store() as store:
            intervals = [each.interval for each in store.intervals()]
            left = [each.name for each in store.machines()]
        self.problems += [f"{name}: still on record" for name in left]
        self.problems += leaks(lives, ())
        self.problems += [f"{each.name} (local): leaked" for each in site.here()]
        self.problems += wrong_kills(lives, lambda _life: None)
        self.problems += overshoots(lives, [(0, CLOUD_LIMIT)])
        if site.peak > LOCAL_LIMIT:
            self.problems.append(f"local: with it there were {site.peak} of {LOCAL_LIMIT}")
        self.problems += self._cut_short()
        truth = [*self._cloud_runs(lives), *self._local_runs(intervals)]
        problems = audit(truth, intervals, site.queue, now=site.clock.now())
        # What a killed manager had begun stays hidden from ssmsend, which removes it in time.
        self.problems += [each for each in problems if ".tmp:" not in each]
        broken = site.log.count("cycle-broken")
        if broken:
            self.problems.append(f"the cycle broke {broken} times:\n{_traceback(site.log)}")
        self.problems += [f"{name}: folder left" for name in self._folders()]

    def _folders(self) -> list[str]:
        """Return the machines whose folders are not retired; once an hour they all are."""
        layout = Layout(self.site.scene.root)
        here = (layout.current(space) for space in (LOCAL, CLOUD))
        return [each.name for folder in here if folder.exists() for each in folder.iterdir()]

    def _cut_short(self) -> list[str]:
        """Return the local machines that were gone before their work was done."""
        return [
            f"{name} (local): killed by {each.gone_at}, started at {each.started_at}"
            for name, each in self.site.seen.items()
            if each.stopped_at is None
            and each.started_at is not None
            and each.gone_at is not None
            and each.gone_at - each.started_at < (WORK_S - 1) * SPEED
        ]

    def _cloud_runs(self, lives: list[Life]) -> list[Ran]:
        ended = {each.id: each.ended_at for each in self.site.cloud.truth}
        return [
            Ran(
                uuid=life.uuid,
                processors=life.processors,
                started=self._window(life, life.launched_at, end),
                ended=self._window(life, end, end),
                fizzle_seconds=FIZZLE,
            )
            for life in lives
            if life.launched_at is not None and (end := ended[life.id]) is not None
        ]

    def _window(self, life: Life, at: int, end: int) -> Window:
        """Return when, by a record, may have been what was at `at`."""
        offsets = self.site.offsets
        slack = slack_s(offsets, life.created_at, end)
        early = slack + request_s(offsets, life.created_at)
        return Window(earliest=at - early, latest=at + slack)

    def _local_runs(self, intervals: list[RunInterval]) -> list[Ran]:
        """Return how machines of the local space ran, as far as that was seen."""
        recorded = {each.uuid: each for each in intervals}
        runs = []
        for each in self.site.seen.values():
            if each.started_at is None:
                continue
            end = each.last_seen_at if each.stopped_at is None else each.stopped_at
            known = recorded.get(each.uuid)
            unseen_s = 0 if each.gone_at is None else each.gone_at - each.last_seen_at
            late_s = TOLERANCE_S + unseen_s if each.stopped_at is None else 0
            early_s = 0 if known is None else SPEED
            off = local_slack_s(self.site.offsets, each.created_at, end)
            runs.append(
                Ran(
                    uuid=each.uuid,
                    processors=1,
                    started=around(each.started_at, off),
                    ended=Window(earliest=end - early_s - off, latest=end + late_s + off),
                    fizzle_seconds=FIZZLE,
                )
            )
        return runs


def slack_s(offsets: Offsets, created_at: int, end: int) -> int:
    """Return how far times of a machine of the cloud that lived then may be off, in seconds.

    When it was asked for, the cloud's word puts right only if that is off by more than any cloud's
    clock may be.
    """
    asked_s = min(offsets.worst(created_at - LATE_S, created_at), QUEUED_SECONDS)
    return 1 + max(asked_s, offsets.worst(created_at, end + NOTED_S))


def local_slack_s(offsets: Offsets, created_at: int, end: int) -> int:
    """Return how far times of a local machine that lived then may be off, in seconds.

    Its cloud has the clock of the manager, so nobody else's word puts right when it was asked for.
    """
    return 1 + offsets.worst(created_at - LATE_S, end + NOTED_S)


def request_s(offsets: Offsets, created_at: int) -> int:
    """Return how much earlier still the times of such a machine may be, in seconds.

    A clock that is behind makes the cloud's times lie ahead. They then count from when it was
    asked for, which is earlier by as long as the request was under way.
    """
    return LATE_S if offsets.behind(created_at) else 0


def _traceback(log: str) -> str:
    lines = log.splitlines()
    number = next(each for each, line in enumerate(lines) if "cycle-broken" in line)
    return "\n".join(lines[number : number + 30])


def play(folder: Path, seed: int, *, tell: Callable[[str], None]) -> Verdict:
    """Play the history of a seed in a new folder."""
    with ExitStack() as stack:
        site = LiveSite(folder, stack)
        stack.callback(site.close)
        history = LiveHistory(site, seed, tell=tell)
        try:
            return history.play()
        finally:
            tell(site.log)
