"""Full disks, locks, kills and crowds: what is saved is whole, and what failed left nothing."""

from __future__ import annotations

import dataclasses
import random
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from tests import postgres
from tests.store_child import MACHINES, changes
from tests.store_kit import SPACE, OnBothDatabases, OnPostgresql, OnSqlite, machine, presence, run
from vcycled.errors import StoreError
from vcycled.model import Changes, Event, Order, OrderKind, SpaceMemory
from vcycled.store import Store
from vcycled.store.database import Mode
from vcycled.testing.clock import START, FakeClock


def child(url: str, name: str, first: int, count: int) -> subprocess.Popen[str]:
    """Start a process that saves; see tests.store_child."""
    command = [sys.executable, "-m", "tests.store_child", url, name, str(first), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


class TestKilled(OnBothDatabases):
    """A process that dies between two instructions, whichever."""

    def test_what_was_saved_is_whole(self, store: Store, url: str) -> None:
        """After kill -9 everything says the same number, and no confirmed one is lost."""
        rng = random.Random(4)
        saved = 0
        for _ in range(3):
            with child(url, "a", saved + 1, 10_000) as process:
                assert process.stdout is not None
                lines = [process.stdout.readline() for _ in range(rng.randint(3, 30))]
                process.kill()
            with store._database.write():
                pass  # a server still commits what was sent to it before: that is over now
            records = store.records("a")
            saved = records.memory.listed_machines
            assert saved >= int(lines[-1])
            assert {each.delete_attempts for each in records.machines} == {saved}
            assert len(records.machines) == MACHINES
            assert len(store.events()) == len(store.intervals()) == saved
            assert len(store.unexported("sink", limit=10**6)) == saved


class TestCrowd(OnBothDatabases):
    """Many that write at once."""

    def test_processes_wait_for_each_other(self, store: Store, url: str) -> None:
        """Nothing of anybody is lost, and nobody fails."""
        processes = [child(url, name, 1, 20) for name in ("a", "b")]
        for number in range(20):
            store.order(Order(kind=OrderKind.DRAIN, space=SPACE, at=number, who="admin"))
        assert [each.wait() for each in processes] == [0, 0]
        for each in processes:
            assert each.stdout is not None
            each.stdout.close()
        assert len(store.records(SPACE).orders) == 20
        assert len(store.events()) == len(store.unexported("sink")) == 40
        assert store.records("a").memory.listed_machines == 20

    def test_reads_see_one_instant(self, store: Store) -> None:
        """What is saved between two statements of a read is not half seen."""
        store.save(changes("a", 1))
        with store._database.read() as connection:
            first = connection.exec_driver_sql("SELECT count(*) FROM events").scalar()
            store.save(changes("a", 2))
            second = connection.exec_driver_sql("SELECT count(*) FROM events").scalar()
        assert (first, second, len(store.events())) == (1, 1, 2)

    def test_threads_share_a_store(self, store: Store) -> None:
        """A hundred spaces, each in its thread, more than there are connections."""
        errors: list[BaseException] = []

        def cycles(name: str) -> None:
            try:
                for number in range(2):
                    store.save(changes(name, number, 5))
                    assert len(store.records(name).machines) == 5
                    store.save_report(name, "{}", number)
            except BaseException as error:  # noqa: BLE001 - shown by the test
                errors.append(error)

        threads = [threading.Thread(target=cycles, args=(f"s{n}",)) for n in range(100)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert errors == []
        assert len(store.events()) == 200
        assert (
            store.spaces_with_machines() == {f"s{n}" for n in range(100)} == set(store.reports())
        )


@contextmanager
def full_disk(store: Store) -> Iterator[None]:
    """Let the database of `store` grow by no page."""
    engines = store._database._engines.values()

    def limit(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # means: what it has

    def unlimit(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("PRAGMA max_page_count = 1073741823")

    for engine in engines:
        sa.event.listen(engine, "checkout", limit)
        sa.event.listen(engine, "checkin", unlimit)  # codespell:ignore checkin
    yield
    for engine in engines:
        sa.event.remove(engine, "checkout", limit)
        sa.event.remove(engine, "checkin", unlimit)  # codespell:ignore checkin


class TestFile(OnSqlite):
    """A SQLite database and the disk under it."""

    def test_a_full_disk_leaves_what_was_there(self, store: Store) -> None:
        """And the same changes are taken once there is room."""
        store.save(changes("a", 1))
        long = tuple(Event(at=2, space="a", event="e", detail="x" * 500) for _ in range(100))
        too_much = dataclasses.replace(changes("a", 2), events=long)
        with full_disk(store), pytest.raises(StoreError, match="full"):
            store.save(too_much)
        assert {each.delete_attempts for each in store.records("a").machines} == {1}
        assert len(store.events()) == len(store.intervals()) == 1
        for name in ("a", "b"):
            store.save(changes(name, 3))
            assert {each.delete_attempts for each in store.records(name).machines} == {3}

    def test_a_locked_database_can_be_read_but_not_written(
        self, url: str, clock: FakeClock
    ) -> None:
        """The write fails when its time is over, and leaves nothing."""
        path = self.file_of(url)
        with (
            Store.open(f"{url}?timeout=0.05", clock=clock) as store,
            closing(sqlite3.connect(path, isolation_level=None)) as other,
        ):
            store.save(changes("a", 1))
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match=r"vcycle\.db: database is locked"):
                store.save(changes("a", 2))
            with pytest.raises(StoreError, match="locked"):
                store.save_report("a", "{}", START)
            assert store.records("a").memory.listed_machines == 1
            other.execute("ROLLBACK")
            store.save(changes("a", 2))
            assert store.records("a").memory.listed_machines == 2

    def test_only_the_owner_may_read_it(self, empty: str, clock: FakeClock) -> None:
        """Nor the log beside it, whatever the umask."""
        path = self.file_of(empty)
        with Store.open(empty, clock=clock) as store:
            store.save(changes("a", 1))
            store.leases.enrol(presence())
            files = sorted(path.parent.glob("vcycle.db*"))
            assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}
            assert [each.suffix for each in files] == [".db", ".db-shm", ".db-wal", ".lock"]

    def test_a_file_that_vanished_does_not_come_back_empty(self, store: Store, url: str) -> None:
        """A manager that forgot its machines would make them all again."""
        path = self.file_of(url)
        path.unlink()
        store._database.engine.dispose()
        with pytest.raises(StoreError, match="unable to open"):
            store.records(SPACE)
        assert not path.exists()

    @pytest.mark.usefixtures("synced")
    def test_changes_are_on_the_disk_before_save_returns(self, store: Store) -> None:
        """Only reports of cycles do without."""
        levels = []
        for mode in (Mode.WRITE, Mode.RELAXED, Mode.WRITE):
            with store._database.write(mode) as connection:
                levels.append(connection.exec_driver_sql("PRAGMA synchronous").scalar())
        assert levels == [2, 1, 2]

    def test_a_link_that_points_nowhere_is_refused(self, store: Store) -> None:
        """Foreign keys are enforced on every connection."""
        with pytest.raises(StoreError, match="FOREIGN KEY"), store._database.write() as connection:
            connection.exec_driver_sql("INSERT INTO exports VALUES ('nobody', 0, 'sink', 1)")

    def test_a_number_that_does_not_fit_is_named(self, store: Store) -> None:
        """SQLite's driver raises something of its own for it."""
        event = Event(at=2**63, space=SPACE, event="e")
        with pytest.raises(StoreError, match="64 bits"):
            store.save(Changes(space=SPACE, events=(event,)))

    def test_a_claim_that_cannot_be_made_names_the_file(self, store: Store, url: str) -> None:
        """Here something else bears the name of the lock."""
        self.file_of(url).with_name("vcycle.db.lock").mkdir()
        with pytest.raises(StoreError, match=r"vcycle\.db\.lock: Is a directory"):
            store.leases.enrol(presence())

    @pytest.mark.parametrize(
        ("error", "message"),
        [
            (SQLAlchemyError("pool is empty\n(more)"), "vcycle.db: pool is empty"),
            (SQLAlchemyError(""), "vcycle.db: SQLAlchemyError"),
            (sqlite3.DatabaseError("damaged"), "vcycle.db: damaged"),
        ],
    )
    def test_an_error_is_told_in_one_line(
        self, store: Store, error: Exception, message: str
    ) -> None:
        """Without the statement and its values, which follow on other lines."""
        with pytest.raises(StoreError) as caught, store._database.errors():
            raise error
        assert str(caught.value).endswith(message)
        assert caught.value.__cause__ is error

    def test_values_of_a_statement_are_not_told(self, store: Store) -> None:
        """A token's hash does not come into a log."""
        broken = machine(1, token_hash="0123abcd", fault=None)
        with pytest.raises(StoreError, match="NOT NULL") as caught:
            store.save(Changes(space=SPACE, machines=(broken,)))
        assert "0123abcd" not in str(caught.value)


@pytest.mark.live
class TestServer(OnPostgresql):
    """A PostgreSQL server, and the way to it."""

    def test_a_broken_connection_is_made_anew(self, store: Store) -> None:
        """A server that was restarted is used again."""
        store.save(Changes(space=SPACE, machines=(machine(1),)))
        postgres.running().break_connections()
        assert store.records(SPACE).machines == (machine(1),)
        store.save(Changes(space=SPACE, memory=SpaceMemory(space=SPACE, listed_at=START)))

    def test_a_writer_that_hangs_does_not_hang_the_others(
        self, store: Store, url: str, clock: FakeClock
    ) -> None:
        """They fail when their time is over, and go on when it is gone."""
        impatient = f"{url}&options=-c%20lock_timeout%3D50ms"
        with Store.open(impatient, clock=clock) as other:
            with (
                store._database.write(),
                pytest.raises(StoreError, match="lock timeout"),
            ):
                other.save(Changes(space=SPACE, intervals=(run(1),)))
            assert other.intervals() == ()
            other.save(Changes(space=SPACE, intervals=(run(1),)))
