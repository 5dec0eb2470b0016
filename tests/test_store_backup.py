"""A copy is made while the store is in use, and becomes the store again when it is needed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.store_kit import SPACE, OnPostgresql, OnSqlite, by_uuid, machine, presence, run
from vcycled.errors import StoreError
from vcycled.model import Changes
from vcycled.store import Store, backup, restore
from vcycled.testing.clock import START, FakeClock


def fill(store: Store, number: int) -> None:
    """Save something of its own."""
    store.save(Changes(space=SPACE, machines=(machine(number),), intervals=(run(number),)))


class TestBackup(OnSqlite):
    """`vcycle backup` and `vcycle restore`."""

    def test_what_was_saved_comes_back(
        self, store: Store, url: str, clock: FakeClock, tmp_path: Path
    ) -> None:
        """As of the backup; what came later is in the file that was replaced."""
        fill(store, 1)
        store.mark_exported("sink", [("uuid-1", 0)], START)
        before = store.records(SPACE)
        store.backup(tmp_path / "backup")
        fill(store, 2)  # and is in the log only
        replaced = restore(url, tmp_path / "backup")
        store.close()
        assert replaced == self.file_of(url).with_name("vcycle.db.replaced")
        with Store.open(url, clock=clock) as again:
            assert again.records(SPACE) == before
            assert again.is_exported("uuid-1", 0)
            fill(again, 3)
        with Store.open(f"sqlite:///{replaced}", clock=clock) as old:
            assert by_uuid(old.records(SPACE).machines) == [machine(1), machine(2)]

    def test_a_backup_is_for_its_owner_and_replaces_the_one_before(
        self, store: Store, tmp_path: Path
    ) -> None:
        """No other file is left beside it."""
        folder = tmp_path / "backups"
        folder.mkdir()
        path = folder / "b.db"
        for number in (1, 2):
            fill(store, number)
            store.backup(path)
        assert path.stat().st_mode & 0o777 == 0o600
        assert list(folder.iterdir()) == [path]
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT count(*) FROM machines").fetchone() == (2,)

    def test_a_backup_is_made_while_a_writer_is_at_work(
        self, store: Store, tmp_path: Path
    ) -> None:
        """It holds what was committed, and nobody waits."""
        fill(store, 1)
        with store._database.write() as connection:
            connection.exec_driver_sql("DELETE FROM machines")
            store.backup(tmp_path / "backup")
        with closing(sqlite3.connect(tmp_path / "backup")) as copy:
            assert copy.execute("SELECT count(*) FROM machines").fetchone() == (1,)

    def test_a_backup_that_fails_leaves_the_one_before(self, store: Store, tmp_path: Path) -> None:
        """Here the database is damaged."""
        fill(store, 1)
        store.backup(tmp_path / "backup")
        good = (tmp_path / "backup").read_bytes()
        with store._database.write() as connection:
            connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
            connection.exec_driver_sql("DELETE FROM alembic_version")
        with pytest.raises(StoreError, match="version ''"):
            store.backup(tmp_path / "backup")
        assert (tmp_path / "backup").read_bytes() == good
        assert not list(tmp_path.glob(".backup*"))
        with pytest.raises(StoreError, match="No such file"):
            store.backup(tmp_path / "nowhere/backup")

    def test_a_running_manager_keeps_its_database(
        self, store: Store, url: str, tmp_path: Path
    ) -> None:
        """It must be stopped first."""
        fill(store, 1)
        store.backup(tmp_path / "backup")
        store.leases.enrol(presence())
        with pytest.raises(StoreError, match="another vcycled is using"):
            restore(url, tmp_path / "backup")
        fill(store, 2)
        assert len(store.machines()) == 2

    @pytest.mark.parametrize("damage", ["cut", "bits", "foreign", "newer", "missing", "links"])
    def test_a_backup_that_is_not_sound_is_refused(
        self, store: Store, url: str, clock: FakeClock, tmp_path: Path, damage: str
    ) -> None:
        """And the database is as it was."""
        backup = tmp_path / "backup"
        machines = tuple(machine(number) for number in range(300))
        store.save(Changes(space=SPACE, machines=machines))
        store.backup(backup)
        store.close()
        content = backup.read_bytes()
        match damage:
            case "cut":
                backup.write_bytes(content[: len(content) // 2])
            case "bits":
                backup.write_bytes(content[:40_960] + bytes(8192) + content[49_152:])
            case "missing":
                backup.unlink()
            case _:
                statement = {
                    "foreign": "DROP TABLE alembic_version",
                    "newer": "UPDATE alembic_version SET version_num = 'newer'",
                    "links": "DELETE FROM terms",
                }[damage]
                with closing(sqlite3.connect(backup, isolation_level=None)) as connection:
                    connection.execute(statement)
        with pytest.raises(StoreError, match="backup"):
            restore(url, backup)
        with Store.open(url, clock=clock) as again:
            assert len(again.machines()) == 300

    def test_a_damaged_database_is_replaced_and_kept(
        self, store: Store, url: str, clock: FakeClock, tmp_path: Path
    ) -> None:
        """With its log, which may be what is left of it."""
        path = self.file_of(url)
        fill(store, 1)
        store.backup(tmp_path / "backup")
        store.close()
        path.write_bytes(b"damaged" * 1000)
        path.with_name("vcycle.db-wal").write_bytes(b"log")
        replaced = restore(url, tmp_path / "backup")
        assert replaced is not None
        assert replaced.read_bytes() == b"damaged" * 1000
        assert replaced.with_name("vcycle.db.replaced-wal").read_bytes() == b"log"
        assert not path.with_name("vcycle.db-wal").exists()
        with Store.open(url, clock=clock) as again:
            assert again.machines() == (machine(1),)

    def test_dying_while_restoring_leaves_the_old_database_whole(
        self, store: Store, url: str
    ) -> None:
        """Before the copy takes its place nothing of it is in a log any more."""
        fill(store, 1)
        path = self.file_of(url)
        assert path.with_name("vcycle.db-wal").stat().st_size > 0
        backup._set_aside(path)
        for each in (path, path.with_name("vcycle.db.replaced")):
            with closing(sqlite3.connect(each)) as connection:
                assert connection.execute("SELECT uuid FROM machines").fetchall() == [("uuid-1",)]

    def test_a_restored_database_still_shrinks(
        self, store: Store, url: str, clock: FakeClock, tmp_path: Path
    ) -> None:
        """It is of the same making as a new one."""
        store.backup(tmp_path / "backup")
        store.close()
        restore(url, tmp_path / "backup")
        with closing(sqlite3.connect(self.file_of(url))) as connection:
            assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)

    def test_a_lost_database_is_restored(
        self, store: Store, url: str, clock: FakeClock, tmp_path: Path
    ) -> None:
        """Nothing was replaced then."""
        fill(store, 1)
        store.backup(tmp_path / "backup")
        store.close()
        self.file_of(url).unlink()
        assert restore(url, tmp_path / "backup") is None
        with Store.open(url, clock=clock) as again:
            assert again.machines() == (machine(1),)


@pytest.mark.live
class TestServer(OnPostgresql):
    """PostgreSQL has its own means."""

    def test_they_are_named(self, store: Store, url: str, tmp_path: Path) -> None:
        """For both ways."""
        with pytest.raises(StoreError, match="pg_dump"):
            store.backup(tmp_path / "backup")
        with pytest.raises(StoreError, match="pg_restore"):
            restore(url, tmp_path / "backup")
