"""Spaces side by side: one that hangs or breaks harms no other; the configuration may change."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from sqlalchemy.engine import Connection

from tests.http_servers import Script, answer, serving
from tests.prepared import put_database
from vcycled import kvlog
from vcycled.apel.queue import Queue
from vcycled.clock import Clock, SystemClock
from vcycled.config import ConfigSource, pipe, source
from vcycled.cycle import images as keeper
from vcycled.cycle import sweep
from vcycled.daemon import supervisor
from vcycled.daemon.footing import Footing
from vcycled.daemon.outfit import Outfit, installation_of
from vcycled.daemon.supervisor import Supervisor
from vcycled.errors import StoreError, Unavailable
from vcycled.images import shelf
from vcycled.model import Order, OrderKind, SpaceMemory
from vcycled.spaces.base import Space
from vcycled.spaces.memory import MemoryCloud, MemoryOptions, MemorySpace
from vcycled.store import Store
from vcycled.store.claim import SoleLeases
from vcycled.store.leases import Leases
from vcycled.systemd import Notifier

A, B = "a.example.org", "b.example.org"
NOTHING: dict[str, None] = {}
HOUR_S = 3600
SPACE = """
[space {name}]
api = memory
processors_limit = {limit}
cycle_seconds = {cycle}
max_creations_per_cycle = 100%

[machinetype {name} prod]
target_share = 1
backoff_seconds = 1
fizzle_seconds = 1
flavor_names = small
user_data = {folder}/template
"""


class Site:
    """A supervisor in a thread, on clouds in memory."""

    def __init__(self, folder: Path) -> None:
        """Make the clouds; write no configuration yet."""
        self.folder = folder
        self.conf = folder / "vcycle.conf"
        self.clock: Clock = SystemClock()
        self.clouds = {name: MemoryCloud(self.clock, start_seconds=0) for name in (A, B)}
        (folder / "template").write_text("#!/bin/sh\n")
        self.supervisor: Supervisor | None = None
        self.thread: threading.Thread | None = None
        self.store: Store | None = None
        self.systemd: Notifier | None = None

    def write(self, *spaces: str, extra: str = "", head: str = "") -> None:
        """Write the configuration; `head` goes into its first section."""
        head = f"[vcycle]\nroot = {self.folder}/root\ncall_timeout_seconds = 600\n{head}"
        self.put(head + "".join(spaces) + extra)

    def put(self, text: str) -> None:
        """Replace the configuration at once: it may be read at any instant."""
        new = self.folder / "new.conf"
        new.write_text(text)
        new.replace(self.conf)

    def space(self, name: str, *, limit: int | str = 2, cycle: int = 1) -> str:
        """Return the text of a space."""
        return SPACE.format(name=name, limit=limit, cycle=cycle, folder=self.folder)

    def start(
        self, *, exit_s: float = 30, leases: Leases | None = None, footing: Sequence[str] = ()
    ) -> None:
        """Start the supervisor, which holds all spaces unless it is given other leases.

        Args:
            exit_s: how long it waits for cycles at its end.
            leases: instead of those of the database.
            footing: files of the root that it is to stand on; they are made.
        """
        clouds = self.clouds

        class Memory(MemorySpace):
            def __init__(self, name: str, options: MemoryOptions, *, clock: Clock) -> None:
                assert isinstance(options, MemoryOptions)
                assert clock is not None
                super().__init__(clouds[name])

        registry: dict[str, type[Space]] = {"memory": Memory}
        configs = ConfigSource([self.conf], registry=registry)
        manager = configs.current().manager
        manager.root.mkdir(exist_ok=True)
        put_database(manager.root / "vcycle.db")
        self.store = Store.open(f"sqlite:///{manager.root}/vcycle.db", clock=self.clock)
        if leases is not None:
            self.store.leases = leases
        for name in footing:
            (manager.root / name).touch()
        outfit = Outfit(
            configs=configs,
            store=self.store,
            queue=Queue(manager.root),
            clock=self.clock,
            rng=random.SystemRandom(),
            host="manager.example.org",
            installation=installation_of(manager, self.store),
            registry=registry,
            log=kvlog.get("supervised"),
            footing=Footing.on(*(manager.root / name for name in footing)),
        )
        self.supervisor = Supervisor(outfit, exit_s=exit_s, systemd=self.systemd)
        self.thread = threading.Thread(target=self.supervisor.run)
        self.thread.start()

    def stop(self) -> None:
        """End the supervisor, if it runs."""
        if self.supervisor is not None and self.thread is not None:
            self.supervisor.stop()
            self.thread.join(60)
            assert not self.thread.is_alive()
        if self.store is not None:
            self.store.close()
        self.supervisor = self.thread = self.store = None

    def until(self, is_so: Callable[[], bool], seconds: float = 60) -> None:
        """Wait until `is_so()`."""
        deadline = self.clock.monotonic() + seconds
        while not is_so():
            assert self.clock.monotonic() < deadline
            threading.Event().wait(0.02)

    def listings(self, name: str) -> int:
        """Return how often a space was listed."""
        return self.clouds[name].calls["machines"]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Return a site whose supervisor ends with the test."""
    made = Site(tmp_path)
    yield made
    made.stop()


def test_a_space_that_hangs_delays_no_other_and_not_the_end(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Its own thread waits; the other cycles on; the end does not wait for ever."""
    gate = site.clouds[A].hold("machines")
    site.write(site.space(A), site.space(B))
    site.start(exit_s=0.5)
    site.until(lambda: site.listings(B) >= 3)
    assert len(site.clouds[B].here) == 2
    assert site.clouds[A].here == ()
    site.stop()
    assert f"cycle-abandoned space={A}" in caplog.text
    gate.set()


def test_a_broken_space_harms_no_other(site: Site) -> None:
    """One section is wrong from the start; the other space is kept."""
    site.write(site.space(A, limit="many"), site.space(B))
    site.start()
    site.until(lambda: len(site.clouds[B].here) == 2)
    assert site.listings(A) == 0


def test_a_limit_that_is_raised_and_a_space_that_is_added_are_noticed(site: Site) -> None:
    """No restart is needed."""
    site.write(site.space(A))
    site.start()
    site.until(lambda: len(site.clouds[A].here) == 2)
    site.write(site.space(A, limit=4), site.space(B))
    site.until(lambda: len(site.clouds[A].here) == 4 and len(site.clouds[B].here) == 2)


def test_machinetypes_of_a_vacuum_pipe_come_and_stay_by_themselves(site: Site) -> None:
    """Fetched beside the cycles; a pipe that is dead after a restart changes nothing."""
    entry = {"suffix": "prod", "target_share": 1, "backoff_seconds": 1, "fizzle_seconds": 1}
    document = json.dumps({"machinetypes": [{**entry, "user_data": "template"}]}).encode()
    space = site.space(A).partition("[machinetype")[0] + "flavor_names = small\n"
    folder = site.folder / "root" / "spaces" / A / "machinetypes" / "vo" / "files"
    folder.mkdir(parents=True)
    (folder / "template").write_text("#!/bin/sh\n")
    with serving(Script((answer("200 OK", document),))) as port:
        url = f"http://127.0.0.1:{port}/pipe.json"
        pipe = f"[vacuum_pipe {A} vo]\nvacuum_pipe_url = {url}\ntarget_share = 1\n"
        site.write(space, extra=pipe)
        site.start()
        site.until(lambda: len(site.clouds[A].here) == 2)
        site.stop()
    site.write(space.replace("processors_limit = 2", "processors_limit = 4"), extra=pipe)
    site.start()
    site.until(lambda: len(site.clouds[A].here) == 4)
    assert {each.machinetype for each in site.clouds[A].here} == {"vo-prod"}


def test_a_space_that_is_removed_drains_and_is_then_let_go(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Removing a section kills nothing; machines end by themselves and are accounted."""
    caplog.set_level("INFO")
    site.write(site.space(A), site.space(B))
    site.start()
    site.until(lambda: len(site.clouds[A].here) == 2)
    site.write(site.space(B))
    before = site.listings(A)
    site.until(lambda: site.listings(A) > before + 1)
    assert len(site.clouds[A].here) == 2
    for truth in site.clouds[A].here:
        site.clouds[A].finish(truth.listed.name)
    site.until(lambda: f"space-removed space={A}" in caplog.text)
    assert site.clouds[A].here == ()
    assert len(site.clouds[A].truth) == 2


def test_a_space_that_is_removed_is_kept_until_its_images_are_gone(
    site: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by a manager that was started after it was removed."""
    caplog.set_level("INFO")
    for name in ("UNUSED_SECONDS", "HANDED_SECONDS"):
        monkeypatch.setattr(shelf, name, 1)
    images = site.clouds[A].take_images()
    (site.folder / "disk.img").write_bytes(b"image")
    with_image = site.space(A) + f"root_image = {site.folder}/disk.img\n"
    site.write(with_image, site.space(B))
    site.start()
    site.until(lambda: len(site.clouds[A].here) == 2)
    site.write(site.space(B))
    for truth in site.clouds[A].here:
        site.clouds[A].finish(truth.listed.name)
    site.until(lambda: site.clouds[A].here == ())
    before = site.listings(A)
    site.until(lambda: site.listings(A) > before + 1)
    site.stop()
    assert len(images.kept) == 1
    assert "space-removed" not in caplog.text
    monkeypatch.setattr(keeper, "LOOK_SECONDS", 1)
    site.start()
    site.until(lambda: f"space-removed space={A}" in caplog.text)
    assert images.kept == {}


def test_a_removed_space_is_kept_until_its_cloud_was_seen_clean(
    site: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep that fails shows nothing; the next cycle tries again."""
    caplog.set_level("INFO")
    monkeypatch.setattr(sweep, "FIRST_SECONDS", 0)
    site.write(site.space(A, limit=0), site.space(B))
    site.start()
    site.until(lambda: site.listings(A) > 0 and site.clouds[A].calls["leftovers"] > 0)
    site.clouds[A].fail_next("leftovers", *[Unavailable("leftovers", "503")] * 2)
    site.write(site.space(B))
    site.until(lambda: f"space-removed space={A}" in caplog.text)
    assert caplog.text.count(f"leftover-failed space={A}") == 2
    assert site.clouds[A].calls["leftovers"] == 4


def test_a_removed_space_is_not_kept_for_ever(
    site: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cloud may be gone too; what may be left is then a person's to look for."""
    caplog.set_level("INFO")
    monkeypatch.setattr(supervisor, "RELEASE_S", 2)
    site.write(site.space(A, limit=0), site.space(B))
    site.start()
    site.until(lambda: site.listings(A) > 0)
    site.clouds[A].fail_next("connect", *[Unavailable("connect", "no route")] * 100)
    site.write(site.space(B))
    site.until(lambda: f"space-removed space={A}" in caplog.text)
    assert "its cloud was not seen clean within 2 s" in caplog.text


class SetBack(SystemClock):
    """A clock that is set back, and on which time passes when the test says so, too."""

    by_s = 0
    more_s = 0

    def now(self) -> int:
        """Return the wall time, which is too early once it was set."""
        return super().now() - self.by_s

    def monotonic(self) -> float:
        """Return the time that has passed."""
        return super().monotonic() + self.more_s


@pytest.mark.parametrize("back_s", [0, 86_400])
def test_limits_that_vanish_hold_creation_for_a_cycle(
    site: Site, caplog: pytest.LogCaptureFixture, back_s: int
) -> None:
    """A file that was cut must not fill a cloud; one that stays so is believed."""
    site.clock = clock = SetBack()
    site.write(site.space(A, cycle=HOUR_S))
    site.start()
    site.until(lambda: len(site.clouds[A].here) == 2)
    text = site.conf.read_text().replace("processors_limit = 2\n", "")
    site.put(text)
    site.until(lambda: f"limits-vanished space={A}" in caplog.text)
    store = site.store
    assert store is not None
    site.until(lambda: "gone from the configuration" in store.reports()[A].report)
    assert len(site.clouds[A].here) == 2
    clock.by_s, clock.more_s = back_s, HOUR_S
    store.order(Order(kind=OrderKind.UNDRAIN, space=A, at=clock.now(), who="ops"))  # to look now
    site.until(lambda: len(site.clouds[A].here) > 2)


def test_a_full_disk_holds_creation_until_there_is_room(site: Site) -> None:
    """What runs is looked after all the same."""
    site.write(site.space(A, limit=1))
    site.start()
    store = site.store
    assert store is not None
    site.until(lambda: A in store.reports())
    assert len(site.clouds[A].here) == 1
    site.write(site.space(A, limit=2), head="min_free_mb = 1000000000\n")
    site.until(lambda: "min_free_mb is 1000000000" in store.reports()[A].report)
    assert len(site.clouds[A].here) == 1
    site.write(site.space(A, limit=2), head="min_free_mb = 0\n")
    site.until(lambda: len(site.clouds[A].here) == 2)


def test_an_order_is_carried_out_at_once(site: Site) -> None:
    """Nobody waits a minute for the machine he ordered to go."""
    site.write(site.space(A, cycle=600))
    site.start()
    site.until(lambda: len(site.clouds[A].here) == 2)
    assert site.store is not None
    name = site.clouds[A].here[0].listed.name
    now = site.clock.now()
    site.store.order(Order(kind=OrderKind.DELETE, space=A, at=now, who="ops", machine=name))
    site.until(lambda: site.clouds[A].of(name).deletes == 1)


def test_a_database_that_fails_for_a_while_stops_nothing_for_good(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Cycles fail, say so, and go on when it answers again."""
    site.write(site.space(A))
    site.start()
    site.until(lambda: len(site.clouds[A].here) == 2)
    assert site.store is not None
    database = site.store._database
    real, database.read = database.read, broken  # type: ignore[method-assign,assignment]
    site.until(lambda: f"store-failed space={A}" in caplog.text)
    before = site.listings(A)
    database.read = real  # type: ignore[method-assign] # as it was
    site.until(lambda: site.listings(A) > before + 1)
    assert site.store.records(A).memory != SpaceMemory(space=A)


def test_a_claim_that_is_lost_ends_all_work_until_it_is_back(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Two managers on one database would pass the limits together."""
    site.write(site.space(A, limit=2), head="manager_heartbeat_seconds = 1\n")
    site.start()
    site.until(lambda: len(site.clouds[A].here) == 2)
    assert site.store is not None
    assert site.supervisor is not None
    supervised, leases = site.supervisor, site.store.leases
    assert isinstance(leases, SoleLeases)
    real, leases._claim.take = leases._claim.take, unclaimed  # type: ignore[method-assign]
    site.until(lambda: "beat-failed" in caplog.text and A not in leases.held)
    site.write(site.space(A, limit=4), head="manager_heartbeat_seconds = 1\n")
    site.until(lambda: supervised._config.spaces[0].options.processors_limit == 4)
    threading.Event().wait(2 * supervisor.TICK_S)
    assert len(site.clouds[A].here) == 2
    leases._claim.take = real  # type: ignore[method-assign] # as it was
    site.until(lambda: len(site.clouds[A].here) == 4)


def test_a_bug_in_reading_the_configuration_stops_nothing(
    site: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told once with its traceback; what was read before goes on until it can be read."""
    tries: list[None] = []

    def broken(*_given: object, **_more: object) -> None:
        tries.append(None)
        raise KeyError("surprise")

    monkeypatch.setattr(supervisor, "TICK_S", 0.05)
    site.write(site.space(A))
    site.start()
    with monkeypatch.context() as patched:
        patched.setattr(source, "configure", broken)
        site.write(site.space(A, limit=3))
        site.until(lambda: len(tries) >= 3)
        site.until(lambda: len(site.clouds[A].here) == 2)
    site.until(lambda: len(site.clouds[A].here) == 3)
    (record,) = (each for each in caplog.records if each.message.startswith("config-broken"))
    assert record.exc_info is not None


def test_a_bug_that_a_pipe_meets_is_told_once(
    site: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its traceback; whatever else changes in the configuration is heeded."""

    def broken(*_given: object) -> None:
        raise KeyError("surprise")

    section = f"[vacuum_pipe {A} vo]\nvacuum_pipe_url = http://127.0.0.1:9/\ntarget_share = 1\n"
    monkeypatch.setattr(pipe, "pour", broken)
    monkeypatch.setattr(supervisor, "TICK_S", 0.05)
    site.write(site.space(A), extra=section)
    site.start()
    site.until(lambda: len(site.clouds[A].here) == 2)
    site.write(site.space(A, limit=3), extra=section)
    site.until(lambda: len(site.clouds[A].here) == 3)
    (record,) = (each for each in caplog.records if each.message.startswith("pipe-broken"))
    assert record.message == f"pipe-broken space={A} pipe=vo"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], KeyError)


def unclaimed() -> None:
    """Say that another manager is here."""
    raise StoreError("another manager has this database")


def broken() -> AbstractContextManager[Connection]:
    """Fail as a database that is away."""
    raise StoreError("no answer")


def test_a_bug_in_one_cycle_is_logged_with_its_traceback(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """The space goes on at its next cycle, the other does not notice."""
    site.write(site.space(A), site.space(B))
    site.clouds[A].latency = lambda operation: NOTHING[operation]
    site.start()
    site.until(lambda: "cycle-broken" in caplog.text and len(site.clouds[B].here) == 2)
    assert "KeyError" in caplog.text
    site.clouds[A].latency = lambda _operation: None
    site.until(lambda: len(site.clouds[A].here) == 2)


def test_the_installation_is_known_beside_the_database(site: Site) -> None:
    """After a lost database the same id marks our machines, from the file."""
    site.write(site.space(A))
    site.start()
    assert site.store is not None
    installation = site.store.installation_id()
    site.stop()
    root = site.folder / "root"
    assert (root / "installation_id").read_text().strip() == installation
    for path in root.glob("vcycle.db*"):
        path.unlink()
    site.start()
    assert site.store is not None
    assert site.store.installation_id() == installation
