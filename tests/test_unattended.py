"""Spaces with machines and no section, where the last good configuration is lost, too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.builders import NOW
from tests.cli_kit import CONF, OnASite, Site, machine, report
from tests.fake_leases import Leases
from tests.prepared import put_database
from tests.store_kit import OnBothDatabases, OnPostgresql, presence
from tests.store_kit import machine as stored
from tests.test_supervisor import A, B
from tests.test_supervisor import Site as Supervised
from vcycled import kvlog
from vcycled.clock import SystemClock
from vcycled.config import Config, lastgood, load
from vcycled.daemon.unattended import LOOK_S, REPEAT_S, Unattended
from vcycled.model import Changes, Order, OrderKind, Stage
from vcycled.store import Store, Wishes
from vcycled.testing.clock import FakeClock

OLD = "old.example.com"
NAME = "vcycle-prod-0000000001"
WHY = (
    "nobody looks after its 1 machine, as no section that can be used has this space:"
    " put its section back"
)


class TestStore(OnBothDatabases):
    """What the database knows of them."""

    def test_they_are_those_with_machines_that_are_not_configured(self, store: Store) -> None:
        """Machines that are gone need nobody."""
        live = (stored(1, space="alone"), stored(2, space="alone", stage=Stage.INTENDED))
        gone = stored(3, space="emptied", stage=Stage.GONE, gone_at=1)
        store.save(Changes(space="alone", machines=live))
        store.save(Changes(space="emptied", machines=(gone,)))
        store.save(Changes(space="ours", machines=(stored(4, space="ours"),)))
        assert store.unattended(["ours", "never"]) == {"alone": 2}


class TestSharedStore(OnPostgresql):
    """Several managers on one database."""

    @pytest.fixture
    def clock(self) -> FakeClock:
        """Return one that is right: a manager whose clock is off holds nothing."""
        return FakeClock(SystemClock().now())

    def test_what_another_manager_has_is_looked_after(self, store: Store) -> None:
        """Configured or, as it drains, held; also if that manager is away just now."""
        for number, name in enumerate(("theirs", "draining", "alone")):
            store.save(Changes(space=name, machines=(stored(number, space=name),)))
        store.leases.enrol(presence("other"))
        wishes = Wishes(spaces=frozenset({"theirs"}), removed=frozenset({"draining"}))
        store.leases.beat(wishes)
        assert store.unattended([]) == {"alone": 1}
        store.leases.leave()
        assert store.unattended([]) == {"alone": 1, "draining": 1}


class Watch:
    """A manager's look at a database, by hand."""

    def __init__(self, folder: Path) -> None:
        """Configure one space, and save a machine of another."""
        put_database(folder / "vcycle.db")
        self.clock = FakeClock()
        self.store = Store.open(f"sqlite:///{folder}/vcycle.db", clock=self.clock)
        self.watch = Unattended(self.store, clock=self.clock, log=kvlog.get("watched"))
        self.config = self._config(folder)

    def _config(self, folder: Path) -> Config:
        conf, template = folder / "vcycle.conf", folder / "user_data"
        template.write_text("#!/bin/sh\n")
        conf.write_text(CONF.replace("ROOT", str(folder)).replace("FOLDER", str(folder)))
        conf.chmod(0o600)
        return load([conf])

    def save(self, **changes: object) -> None:
        """Save a machine of the space that has no section."""
        found = machine(**{"space": OLD, **changes})
        self.store.save(Changes(space=OLD, machines=(found,)))

    def look(self, *, after_s: int = 0) -> None:
        """Look after so many seconds."""
        self.clock.advance(after_s)
        self.watch.look(self.config)


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    """Return one with nothing to tell yet."""
    made = Watch(tmp_path)
    yield made
    made.store.close()


class TestLog:
    """When the log tells of them."""

    def test_it_is_told_at_once_and_every_hour(
        self, watch: Watch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """As long as it lasts."""
        watch.save()
        watch.look()
        assert f"space-unattended space={OLD} machines=1" in caplog.text
        assert [each.levelname for each in caplog.records] == ["ERROR"]
        watch.look(after_s=REPEAT_S - 1)
        assert len(caplog.records) == 1
        watch.look(after_s=LOOK_S)
        assert len(caplog.records) == 2

    def test_it_is_looked_for_once_a_minute(
        self, watch: Watch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Not at every tick."""
        watch.look()
        watch.save()
        watch.look(after_s=LOOK_S - 1)
        assert caplog.records == []
        watch.look(after_s=1)
        assert len(caplog.records) == 1

    def test_what_is_over_and_comes_again_is_told_again(
        self, watch: Watch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It is another matter then."""
        watch.save()
        watch.look()
        watch.save(stage=Stage.GONE, gone_at=NOW)
        watch.look(after_s=LOOK_S)
        watch.save()
        watch.look(after_s=LOOK_S)
        assert len(caplog.records) == 2

    def test_managers_that_share_a_database_are_given_a_minute(
        self, watch: Watch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """One that starts beside us may have the section."""
        watch.store.leases = Leases()
        watch.save()
        watch.look()
        assert caplog.records == []
        watch.look(after_s=LOOK_S)
        assert len(caplog.records) == 1


@pytest.mark.parametrize("is_lost", [True, False], ids=["lost", "kept"])
def test_a_removed_space_is_told_of_if_its_last_good_values_are_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, is_lost: bool
) -> None:
    """With them it drains after a restart, and there is nothing to tell."""
    site = Supervised(tmp_path)
    try:
        site.write(site.space(A), site.space(B))
        site.start()
        site.until(lambda: len(site.clouds[B].here) == 2)
        site.stop()
        site.write(site.space(A))
        kept = tmp_path / "root" / "lastgood.json"
        assert B in kept.read_text()
        if is_lost:
            kept.write_text("")
        before = site.listings(A)
        site.start()
        site.until(lambda: site.listings(A) > before + 2)
    finally:
        site.stop()
    assert (f"space-unattended space={B} machines=2" in caplog.text) == is_lost
    assert len(site.clouds[B].here) == 2


class TestCommands(OnASite):
    """What people are told who look, or order something."""

    def alone(self, site: Site, *, is_kept: bool = True) -> None:
        """Save a machine of a space without a section, whose last cycle was just now."""
        site.save(machine(space=OLD), space=OLD)
        site.report(replace(report(), space=OLD))
        if is_kept:
            lastgood.write(site.root / "lastgood.json", load([site.conf]).good)

    def test_status_check_and_why_say_so(self, site: Site) -> None:
        """Whatever its last report says of other things."""
        self.alone(site)
        assert f"  {WHY}\n" in site.ok("status")
        found = site.vcycle("check")
        assert found.exit_code == 2
        assert f"\nCRITICAL: {OLD}: {WHY}\n" in found.output
        assert f"{OLD}: {WHY}.\n" in site.ok("why", OLD, "prod")

    @pytest.mark.parametrize(("late_s", "is_told"), [(60, False), (61, True)])
    def test_who_cannot_read_what_the_manager_keeps_sees_it_by_its_cycles(
        self, site: Site, late_s: int, *, is_told: bool
    ) -> None:
        """While there are some the space may be one that drains."""
        self.alone(site, is_kept=False)
        site.report(replace(report(), space=OLD, wake_at=NOW - late_s))
        assert (WHY in site.ok("status")) == is_told
        assert (WHY in site.vcycle("check").output) == is_told

    def test_one_that_never_had_a_cycle_is_alone(self, site: Site) -> None:
        """Such as one of a restored database."""
        site.save(machine(space=OLD), space=OLD)
        assert WHY in site.ok("status")

    def test_a_space_that_drains_is_looked_after(self, site: Site) -> None:
        """Its section is gone, but the manager has its last good values."""
        self.alone(site)
        site.configure(CONF.replace("cloud.example.com", OLD))
        lastgood.write(site.root / "lastgood.json", load([site.conf]).good)
        site.configure(CONF)
        assert WHY not in site.ok("status")

    @pytest.mark.parametrize("words", [["delete", NAME, "--yes"], ["drain", OLD]])
    def test_orders_say_that_they_wait_for_the_section(self, site: Site, words: list[str]) -> None:
        """The order is left all the same."""
        self.alone(site)
        said = site.ok(*words)
        why = "no section that can be used has this space"
        assert (
            f"Nobody looks after {OLD}, as {why}: the order waits until you put its section back."
            in said
        )
        with site.store() as store:
            assert len(store.records(OLD).orders) == 1

    @pytest.mark.parametrize(
        "words", [["plan", OLD], ["forget", OLD, NAME, "--yes"], ["adopt", OLD, "any", "--yes"]]
    )
    def test_what_needs_the_section_is_refused_with_the_reason(
        self, site: Site, words: list[str]
    ) -> None:
        """It is not said that there were no such space."""
        self.alone(site)
        assert site.refused(*words) == f"vcycle: {OLD}: {WHY}\n"

    def test_a_space_that_nobody_knows_is_still_unknown(self, site: Site) -> None:
        """With or without a database."""
        self.alone(site)
        assert "there is no space 'old.example.org'" in site.refused("plan", "old.example.org")
        site.close()
        (site.root / "vcycle.db").unlink()
        assert "there is no space 'old.example.org'" in site.refused("plan", "old.example.org")

    def test_open_orders_alone_make_no_space_unattended(self, site: Site) -> None:
        """Nothing runs there."""
        with site.store() as store:
            store.order(Order(kind=OrderKind.DRAIN, space=OLD, at=NOW, who="alice"))
        assert "nobody looks after" not in site.ok("status")
