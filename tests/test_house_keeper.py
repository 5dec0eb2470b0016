"""What the manager removes once it is old, and what it never does."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.apel_runs import RUN
from tests.builders import NOW
from tests.world import World, kind
from vcycled import kvlog
from vcycled.accounting.base import NoOptions
from vcycled.accounting.jsonl import JsonLinesOptions, JsonLinesSink
from vcycled.config import Config, LastGood, ManagerOptions, SinkConfig, SpaceConfig
from vcycled.house import keeper
from vcycled.house.keeper import CALM_SECONDS, TURN_SECONDS, Housekeeper
from vcycled.model import Changes, Event, SpaceMemory
from vcycled.store import Wishes

HOUR, DAY = 3600, 86_400
URL = "http://images.example.org/disk.img"
COPY = "http%3A%2F%2Fimages.example.org%2Fdisk.img"


@dataclass(slots=True)
class Home:
    """A housekeeper, and the world of one space in which it is at work."""

    world: World
    changes: dict[str, object] = field(default_factory=dict)
    """Options of [vcycle]."""
    spaces: tuple[SpaceConfig, ...] | None = None
    """None for the one of the world."""
    sinks: tuple[SinkConfig, ...] = ()
    keeper: Housekeeper = field(init=False)

    def __post_init__(self) -> None:
        """Let it begin."""
        world = self.world
        world.store.leases.beat(Wishes(spaces=frozenset({world.config.name})))
        self.keeper = Housekeeper(
            world.store, world.queue, world.tree, clock=world.clock, log=kvlog.get("house")
        )

    @property
    def config(self) -> Config:
        """What is configured."""
        return Config(
            manager=replace(ManagerOptions(root=self.world.root), **self.changes),  # type: ignore[arg-type]
            spaces=(self.world.config,) if self.spaces is None else self.spaces,
            problems=(),
            unusable={},
            good=LastGood(),
            signature=(),
            sinks=self.sinks,
        )

    def tend(self) -> None:
        """Let a tick of the manager pass; a turn that begins ends before this returns."""
        self.keeper.tend(self.config)
        self.keeper.wait(60)

    def turn(self) -> None:
        """Let a turn be due, and over."""
        self.tend()
        self.world.clock.advance(TURN_SECONDS)
        self.tend()

    def retired(self, name: str, age: int, space: str = "") -> Path:
        """Make the folder of a machine that was retired `age` seconds ago."""
        folder = self.world.tree.layout.deleted(space or self.world.config.name) / name
        folder.mkdir(parents=True)
        (folder / "retired").write_text(str(self.world.clock.now() - age))
        return folder

    def event(self, age: int) -> None:
        """Let something have happened `age` seconds ago."""
        event = Event(at=self.world.clock.now() - age, space="any", event="machine-gone")
        self.world.store.save(Changes(space="any", events=(event,)))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A housekeeper that has not begun."""
    world = World(tmp_path / "root")
    yield Home(world)
    world.close()


class TestWhen:
    """A turn an hour, by a clock that is to be trusted."""

    @pytest.mark.parametrize(("seconds", "is_kept"), [(CALM_SECONDS - 1, True), (600, False)])
    def test_the_first_turn_waits_for_a_calm_clock(
        self, home: Home, seconds: int, is_kept: bool
    ) -> None:
        """A host that boots with a wrong clock sets it right in its first minutes."""
        old = home.retired("old", 1000 * HOUR)
        home.tend()
        home.world.clock.advance(seconds)
        home.tend()
        assert old.exists() is is_kept

    @pytest.mark.parametrize(("seconds", "is_kept"), [(TURN_SECONDS - 1, True), (3600, False)])
    def test_the_next_turn_comes_an_hour_later(
        self, home: Home, seconds: int, is_kept: bool
    ) -> None:
        """Counted from the beginning of the one before."""
        home.turn()
        old = home.retired("old", 1000 * HOUR)
        home.world.clock.advance(seconds)
        home.tend()
        assert old.exists() is is_kept

    @pytest.mark.parametrize(
        ("jump", "is_kept"), [(59, False), (60, True), (-60, True), (-59, False)]
    )
    def test_a_clock_that_was_set_is_not_believed_at_once(
        self, home: Home, jump: int, is_kept: bool
    ) -> None:
        """What it makes look old may be young; ten minutes are to set it right."""
        home.tend()
        old = home.retired("old", 1000 * HOUR)
        home.world.clock.advance(CALM_SECONDS)
        home.world.clock.jump(jump)
        home.tend()
        assert old.exists() is is_kept
        home.world.clock.advance(CALM_SECONDS)
        home.tend()
        assert not old.exists()

    def test_a_jump_that_was_set_right_in_time_costs_nothing(self, home: Home) -> None:
        """For a while the whole history was a hundred years old."""
        home.event(HOUR)
        young = home.retired("young", HOUR)
        home.turn()
        home.world.clock.jump(100 * 365 * DAY)
        home.tend()
        home.world.clock.advance(CALM_SECONDS - 1)
        home.tend()
        home.world.clock.jump(-100 * 365 * DAY)
        home.turn()
        assert young.exists()
        assert len(home.world.store.events()) == 1

    @pytest.mark.parametrize(
        ("skew", "is_kept"), [(60.0, False), (60.1, True), (-60.0, False), (-60.1, True)]
    )
    def test_a_clock_that_is_off_the_database_removes_nothing(
        self, home: Home, monkeypatch: pytest.MonkeyPatch, skew: float, is_kept: bool
    ) -> None:
        """Of several managers, those that may hold no space."""
        monkeypatch.setattr(home.world.store.leases, "skew", skew)
        old = home.retired("old", 1000 * HOUR)
        home.turn()
        assert old.exists() is is_kept

    def test_the_end_stops_a_turn_under_way(
        self, home: Home, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is left is done after the next start."""
        tree, begun, go_on = home.world.tree, threading.Event(), threading.Event()
        wait = home.keeper.wait

        def let_go(timeout_s: float) -> None:
            go_on.set()
            wait(timeout_s)

        def slow(_space: str, *, before: int) -> int:
            begun.set()
            go_on.wait(60)
            return before * 0

        monkeypatch.setattr(tree, "remove_retired", slow)
        home.event(1000 * DAY)
        home.keeper.tend(home.config)
        home.world.clock.advance(TURN_SECONDS)
        home.keeper.tend(home.config)
        assert begun.wait(60)
        home.world.clock.advance(TURN_SECONDS)
        home.keeper.tend(home.config)  # a second turn would pass it
        monkeypatch.setattr(home.keeper, "wait", let_go)
        home.keeper.end()
        assert len(home.world.store.events()) == 1

    def test_after_the_end_nothing_begins(self, home: Home) -> None:
        """The database is about to be closed."""
        old = home.retired("old", 1000 * HOUR)
        home.keeper.end()
        home.turn()
        assert old.exists()


class TestFolders:
    """Folders of machines that are gone."""

    @pytest.mark.parametrize(
        ("age", "is_kept"), [(2 * HOUR - 1, True), (2 * HOUR, True), (2 * HOUR + 1, False)]
    )
    def test_they_stay_for_cleanup_hours(self, home: Home, age: int, is_kept: bool) -> None:
        """Of their space."""
        home.world.set(cleanup_hours=2)
        home.tend()
        home.world.clock.advance(TURN_SECONDS)
        folder = home.retired("one", age)
        home.tend()
        assert folder.exists() is is_kept

    def test_a_machine_passes_through_them(
        self, home: Home, caplog: pytest.LogCaptureFixture
    ) -> None:
        """From its end on it is shown for so long and no longer."""
        caplog.set_level("INFO")
        world = home.world
        world.set(processors_limit=1, cleanup_hours=2)
        world.cycles(2)
        name = world.here[0].listed.name
        world.cloud.finish(name)
        world.set(processors_limit=0)
        world.cycles(3)
        folder = world.tree.layout.deleted(world.config.name) / name
        home.turn()
        assert folder.is_dir()
        home.turn()
        assert not folder.exists()
        assert f"house-kept area=deleted space={world.config.name} removed=1" in caplog.text

    def test_a_space_that_is_only_observed_is_not_touched(self, home: Home) -> None:
        """It is another manager's."""
        home.world.set(mode="observe")
        old = home.retired("old", 1000 * HOUR)
        home.turn()
        assert old.exists()

    def test_a_space_that_another_manager_holds_is_left_to_it(self, home: Home) -> None:
        """It may keep them for longer."""
        home.world.store.leases.beat(Wishes())
        old = home.retired("old", 1000 * HOUR)
        home.turn()
        assert old.exists()

    @pytest.mark.parametrize(
        ("age", "is_kept"), [(7 * DAY - 1, True), (7 * DAY, True), (7 * DAY + 1, False)]
    )
    def test_those_of_a_removed_space_stay_with_the_history(
        self, home: Home, age: int, is_kept: bool
    ) -> None:
        """Nobody knows its cleanup_hours any more."""
        home.changes["history_days"] = 7
        home.world.store.save(Changes(space="was.example.org", memory=memory("was.example.org")))
        home.tend()
        home.world.clock.advance(TURN_SECONDS)
        folder = home.retired("one", age, "was.example.org")
        home.tend()
        assert folder.exists() is is_kept

    def test_a_space_that_never_was_ours_is_not_touched(self, home: Home) -> None:
        """Vcycle 3 may be at work in the same tree."""
        old = home.retired("old", 1000 * DAY, "strange.example.org")
        home.turn()
        assert old.exists()


def memory(space: str) -> SpaceMemory:
    """Return what is remembered of a space."""
    return SpaceMemory(space=space)


class TestHistory:
    """Events and what else goes with them; what goes is a matter of the store."""

    @pytest.mark.parametrize(
        ("age", "left"), [(30 * DAY - 1, 1), (30 * DAY, 1), (30 * DAY + 1, 0)]
    )
    def test_it_stays_for_history_days(self, home: Home, age: int, left: int) -> None:
        """And no longer."""
        home.changes["history_days"] = 30
        home.tend()
        home.world.clock.advance(TURN_SECONDS)
        home.event(age)
        home.tend()
        assert len(home.world.store.events()) == left


class TestArchive:
    """Records that were handed over."""

    @pytest.mark.parametrize(("days", "is_kept"), [(0, True), (41, True), (40, True), (39, False)])
    def test_it_keeps_records_for_archive_days(self, home: Home, days: int, is_kept: bool) -> None:
        """For ever unless told otherwise; a day is there as a whole or not at all."""
        home.changes["archive_days"] = days
        world = home.world
        path = world.queue.put(replace(RUN, ended_at=world.clock.now() - 40 * DAY))
        for each in (world.root / "apel-outgoing").glob("*/*"):
            each.unlink()
        home.turn()
        assert path.exists() is is_kept


class TestSinkFiles:
    """Files that sinks keep."""

    @pytest.mark.parametrize(("days", "is_kept"), [(0, True), (39, False), (41, True)])
    def test_they_are_kept_for_archive_days(self, home: Home, days: int, is_kept: bool) -> None:
        """Each sink in its own folder; for ever unless told otherwise."""
        home.changes["archive_days"] = days
        home.sinks = (
            SinkConfig(name="apel", kind="apel", options=NoOptions()),
            SinkConfig(name="lines", kind="jsonl", options=JsonLinesOptions()),
        )
        ended_at = home.world.clock.now() - 40 * DAY
        sink = JsonLinesSink("lines", JsonLinesOptions(), root=home.world.root)
        assert list(sink.put([replace(RUN, ended_at=ended_at)]))
        (path,) = (home.world.root / "accounting" / "lines").iterdir()
        os.utime(path, (ended_at, ended_at))
        home.turn()
        assert path.exists() is is_kept


class TestSinks:
    """What waits for sinks that were taken out of the configuration."""

    @pytest.mark.parametrize(
        ("age", "left"), [(90 * DAY, {"apel", "gone"}), (90 * DAY + 1, {"apel"})]
    )
    def test_it_is_given_up_once_nobody_has_named_them_for_history_days(
        self, home: Home, age: int, left: set[str]
    ) -> None:
        """Those that are configured stay, however old what is kept of them is."""
        store, clock = home.world.store, home.world.clock
        store.begin(["apel", "gone"])
        store.save(Changes(space="any", intervals=(RUN,)))
        clock.advance(age - TURN_SECONDS)
        home.turn()
        assert set(store.sinks()) == {each.sink for each in store.backlogs()} == left
        told = [each.detail for each in store.events() if each.event == "sink-forgotten"]
        why = "not in the configuration of any manager for long"
        expected = [] if "gone" in left else [f"gone, {why}: records that waited for it: 1"]
        assert told == expected


class TestImages:
    """Copies of images that were fetched."""

    @pytest.fixture
    def copy(self, home: Home) -> Path:
        """A copy that nobody has asked for in a month."""
        path = home.world.root / "imagecache" / COPY
        path.parent.mkdir()
        path.write_text("image")
        lock = path.with_name(f".{COPY}.lock")
        lock.touch()
        os.utime(lock, (NOW - 30 * DAY,) * 2)
        return path

    @pytest.mark.parametrize(("age", "is_kept"), [(7 * DAY, True), (7 * DAY + 1, False)])
    def test_a_copy_that_no_machinetype_names_goes(
        self, home: Home, copy: Path, age: int, is_kept: bool
    ) -> None:
        """A week after it was last asked for."""
        home.tend()
        home.world.clock.advance(TURN_SECONDS)
        asked_at = home.world.clock.now() - age
        os.utime(copy.with_name(f".{COPY}.lock"), (asked_at, asked_at))
        home.tend()
        assert copy.exists() is is_kept

    def test_a_copy_that_one_names_stays(self, home: Home, copy: Path) -> None:
        """Its server may be gone."""
        home.world.config = replace(
            home.world.config, machinetypes=(kind(), kind("test", root_image=URL))
        )
        home.turn()
        assert copy.exists()


class TestTrouble:
    """What goes wrong."""

    def test_one_area_that_fails_hinders_no_other(
        self, home: Home, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It is told, and tried again in the next turn."""
        home.changes["archive_days"] = 31
        (home.world.root / "apel-archive").write_text("not a folder")
        home.event(91 * DAY)
        home.turn()
        assert "house-failed area=apel-archive" in caplog.text
        assert home.world.store.events() == ()

    def test_one_removed_space_that_fails_hinders_no_other(
        self, home: Home, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Their folders go space by space."""
        home.tend()
        home.world.clock.advance(TURN_SECONDS)
        for name in ("a.example.org", "b.example.org"):
            home.world.store.save(Changes(space=name, memory=memory(name)))
        folder = home.retired("old", 1000 * DAY, "b.example.org")
        broken = home.world.tree.layout.deleted("a.example.org")
        broken.parent.mkdir()
        broken.write_text("not a folder")
        home.tend()
        assert not folder.exists()
        assert 'house-failed area="removed spaces"' in caplog.text

    def test_a_database_that_is_away_hinders_nothing_else(
        self, home: Home, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The tree needs room most when nothing works."""
        old = home.retired("old", 1000 * HOUR)
        (home.world.root / "vcycle.db").rename(home.world.root / "away")
        home.world.store._database.close()
        home.turn()
        assert not old.exists()
        assert caplog.text.count("house-failed area=") == 3

    def test_a_bug_is_told_with_its_traceback(
        self, home: Home, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And the other areas are kept all the same."""

        def broken(*_: object, **__: object) -> int:
            raise ZeroDivisionError

        home.changes["archive_days"] = 31
        monkeypatch.setattr(keeper, "prune", broken)
        home.event(91 * DAY)
        home.turn()
        assert "house-broken area=apel-archive" in caplog.text
        assert "ZeroDivisionError" in caplog.text
        assert home.world.store.events() == ()
