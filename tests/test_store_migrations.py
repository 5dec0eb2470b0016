"""The tables are made, and brought up to date from every version there ever was."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from tests.lease_kit import ONE, Desk, Office
from tests.store_kit import SPACE, OnBothDatabases, OnPostgresql, OnSqlite, machine, run
from vcycled.errors import LeaseLost, Outdated, StoreError
from vcycled.model import Changes, EndSource, Stage
from vcycled.options import Secret
from vcycled.remember import Tally
from vcycled.store import Store, Wishes, migrate, schema
from vcycled.store.claim import FileClaim
from vcycled.store.database import connect
from vcycled.testing.clock import START, FakeClock

DATA = Path(__file__).parent / "data"
NEXT = """
import sqlalchemy as sa
from alembic import op

revision = "next"
down_revision = "{before}"


def upgrade() -> None:
    op.add_column("properties", sa.Column("extra", sa.Text))
    {more}
"""


def make(url: str, revision: str) -> None:
    """Make the database at `url` as the version `revision` did, with some of everything."""
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).touch()
    database = connect(url, read_only=False)
    with database.write() as connection:
        migrate.upgrade(connection, revision)
        tables = sa.MetaData()
        tables.reflect(connection)
        kept: dict[str, list[dict[str, object]]]
        kept = json.loads((DATA / f"store-{revision}.json").read_text())
        assert set(kept) == set(tables.tables) - {"alembic_version"}
        for table in tables.sorted_tables:
            if kept.get(table.name):
                connection.execute(table.insert(), kept[table.name])
    database.close()


class TestUpgrade(OnBothDatabases):
    """From nothing, and from each past version with data in it."""

    def test_the_migrations_make_what_the_schema_says(self, store: Store) -> None:
        """Whoever changes one without the other is told."""
        with store._database.read() as connection:
            assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []

    def test_the_newest_revision_is_the_one_the_schema_names(self) -> None:
        """And every one has data to be tried with."""
        assert migrate.revisions()[-1] == schema.REVISION
        assert {each.stem.removeprefix("store-") for each in DATA.glob("store-*.json")} == {
            *migrate.revisions()
        }

    @pytest.mark.parametrize("revision", migrate.revisions())
    def test_data_of_every_version_is_read(
        self, empty: str, clock: FakeClock, revision: str
    ) -> None:
        """Nothing is lost, and the store goes on from there."""
        make(empty, revision)
        with Store.open(empty, clock=clock) as store:
            records = store.records(SPACE)
            assert store.installation_id() == f"installation-of-{revision}"
            assert [each.name for each in records.machines] == ["vcycle-prod-0000000001"]
            assert records.machines[0].started_at == START + 50
            assert records.memory.unfit[0].flavor == "m1.large"
            assert [each.last_abort_at for each in records.machinetypes] == [START]
            assert [each.who for each in records.drains] == ["admin"]
            assert [each.who for each in records.orders] == ["admin"]
            (gone,) = store.machine("vcycle-prod-0000000002")
            assert gone.stage is Stage.GONE
            assert gone.message is not None
            assert gone.message.code == 200
            assert [each.detail for each in store.events()] == ["share"]
            assert store.reports()[SPACE].report == '{"ok": true}'
            assert store.totals() == {Tally(SPACE, "prod", "creations"): 7}
            assert store.unexported("apel") == (run(3, terms=records.machines[0].terms),)
            assert store.is_exported("uuid-2", 0)
            again = run(2, end_source=EndSource.MESSAGE, terms=gone.terms)
            store.save(Changes(space=SPACE, machines=(machine(9),), intervals=(again,)))

    def test_many_may_open_a_new_database_at_once(self, empty: str, clock: FakeClock) -> None:
        """One makes the tables, the others wait."""
        ids: list[str] = []

        def start() -> None:
            with Store.open(empty, clock=clock) as store:
                ids.append(store.installation_id())

        threads = [threading.Thread(target=start) for _ in range(6)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert len(ids) == 6
        assert len(set(ids)) == 1

    def test_who_may_not_upgrade_is_told_what_to_do(self, empty: str, clock: FakeClock) -> None:
        """A command changes no tables under a manager."""
        Store.open(empty, clock=clock).close()
        database = connect(empty, read_only=False)
        with database.write() as connection:
            connection.execute(sa.text("DROP TABLE alembic_version"))
            schema.metadata.drop_all(connection)
        database.close()
        for options in ({"upgrade": False}, {"read_only": True}):
            with pytest.raises(
                StoreError, match=r"empty, not of version .* next start of vcycled"
            ):
                Store.open(empty, clock=clock, **options)


@pytest.fixture
def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let there be one more version, and return its file."""
    folder = tmp_path / "100%/migrations"
    shutil.copytree(migrate.FOLDER, folder)
    file = folder / "versions/vnext.py"
    file.write_text(NEXT.format(before=schema.REVISION, more=""))
    monkeypatch.setattr(migrate, "FOLDER", folder)
    monkeypatch.setattr(schema, "REVISION", "next")
    return file


def columns(path: Path) -> list[str]:
    """Return the names of the columns of the table of properties in the file `path`."""
    with closing(sqlite3.connect(path)) as connection:
        return [row[1] for row in connection.execute("PRAGMA table_info(properties)")]


class TestFile(OnSqlite):
    """Upgrades of a SQLite file, which is copied first."""

    def test_an_upgrade_leaves_a_copy_of_what_was(
        self, empty: str, clock: FakeClock, next_version: Path
    ) -> None:
        """Beside the file, sound and for its owner only."""
        before = migrate.revisions()[-2]
        make(empty, before)
        path = self.file_of(empty)
        copy = path.with_name(f"vcycle.db.version-{before}")
        for _ in range(2):
            with Store.open(empty, clock=clock) as store:
                assert store.installation_id() == f"installation-of-{before}"
        assert columns(path) == ["name", "value", "extra"]
        assert columns(copy) == ["name", "value"]
        assert copy.stat().st_mode & 0o777 == 0o600

    def test_an_upgrade_that_fails_changes_nothing(
        self, empty: str, clock: FakeClock, next_version: Path
    ) -> None:
        """The old version can go on."""
        before = migrate.revisions()[-2]
        make(empty, before)
        broken = NEXT.format(before=before, more='op.drop_column("properties", "nothing")')
        next_version.write_text(broken)
        with pytest.raises(StoreError, match="nothing"):
            Store.open(empty, clock=clock)
        assert columns(self.file_of(empty)) == ["name", "value"]
        next_version.write_text(NEXT.format(before=before, more=""))
        Store.open(empty, clock=clock).close()

    def test_tables_are_not_changed_under_a_manager(
        self, empty: str, clock: FakeClock, next_version: Path
    ) -> None:
        """One of the older version may run on another folder; once it has ended, they are."""
        make(empty, migrate.revisions()[-2])
        path = self.file_of(empty)
        with closing(FileClaim(path)) as claim:
            claim.take()
            with pytest.raises(StoreError, match="another vcycled is using this database"):
                Store.open(empty, clock=clock)
            assert columns(path) == ["name", "value"]
            assert not list(path.parent.glob("*.version-*"))
        Store.open(empty, clock=clock).close()
        assert columns(path) == ["name", "value", "extra"]

    def test_a_database_of_a_newer_version_is_refused(
        self, empty: str, clock: FakeClock, next_version: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whatever for it is opened; it is not touched."""
        Store.open(empty, clock=clock).close()
        monkeypatch.undo()
        content = self.file_of(empty).read_bytes()
        for options in ({}, {"upgrade": False}, {"read_only": True}):
            with pytest.raises(StoreError, match="version next, made by a newer Vcycle"):
                Store.open(empty, clock=clock, **options)
        assert self.file_of(empty).read_bytes() == content

    def test_an_older_database_is_not_upgraded_by_a_command(
        self, empty: str, clock: FakeClock, next_version: Path
    ) -> None:
        """It says which version is there, and which is needed."""
        before = migrate.revisions()[-2]
        make(empty, before)
        with pytest.raises(StoreError, match=f"of version {before}, not of version next"):
            Store.open(empty, clock=clock, upgrade=False)

    def test_what_is_not_ours_is_refused(self, empty: str, clock: FakeClock) -> None:
        """Another program's tables, or no database at all."""
        path = self.file_of(empty)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE theirs (a)")
        with pytest.raises(StoreError, match="not a database of Vcycle"):
            Store.open(empty, clock=clock)
        path.write_text("not a database, but more than a hundred bytes of something else" * 9)
        with pytest.raises(StoreError, match="not a database"):
            Store.open(empty, clock=clock)

    def test_a_folder_that_is_not_there_is_named(self, tmp_path: Path, clock: FakeClock) -> None:
        """With what is wrong."""
        with pytest.raises(StoreError, match=r"nowhere/vcycle\.db: No such file"):
            Store.open(f"sqlite:///{tmp_path}/nowhere/vcycle.db", clock=clock)

    def test_a_name_may_hold_any_character(self, tmp_path: Path, clock: FakeClock) -> None:
        """The file is the one that is named."""
        path = tmp_path / "a #b%ü.db"
        Store.open(f"sqlite:///{path}", clock=clock).close()
        assert path.stat().st_size > 0


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "cannot be read"),
        ("vcycle.db", "cannot be read"),
        ("sqlite://", "names a file"),
        ("sqlite:///:memory:", "names a file"),
        ("sqlite:////v.db?timeout=soon", "seconds, not 'soon'"),
        ("mysql://host/name", "mysql are not supported"),
        ("postgresql+asyncpg://host/name", "only psycopg"),
        ("postgresql://vcycle:s3cret@127.0.0.1:1/name", r"vcycle:\*\*\*@127.0.0.1"),
    ],
)
def test_a_url_that_leads_nowhere_is_explained(url: str, message: str) -> None:
    """Without the password that it may hold, also if it is given as a secret."""
    with pytest.raises(StoreError, match=message) as caught:
        Store.open(Secret(url), clock=FakeClock())
    assert "s3cret" not in str(caught.value)


def test_a_driver_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"install the extra postgresql of vcycle"):
        Store.open("postgresql://host/name", clock=FakeClock())


@pytest.mark.live
class TestUnderManagers(OnPostgresql):
    """Upgrades of a database that several managers share."""

    @pytest.fixture
    def desk(self, url: str) -> Iterator[Desk]:
        """Return a manager of this version that holds a space."""
        with ExitStack() as stack:
            desk = Office(url, stack).desk(ONE)
            desk.beat()
            yield desk

    def test_tables_are_not_changed_under_a_manager_that_lives(
        self, desk: Desk, url: str, clock: FakeClock, request: pytest.FixtureRequest
    ) -> None:
        """It is named; once it is dead, or has ended, they are."""
        request.getfixturevalue("next_version")
        said = rf"{ONE} \(Vcycle 4.0 on {ONE}, up for 0:00:\d\d, last sign of life \d s ago\)"
        for _ in range(2):
            with pytest.raises(StoreError, match=f"alive that know it as it is: {said}. Stop"):
                Store.open(url, clock=clock)
        assert desk.beat()
        desk.leases.leave()
        Store.open(url, clock=clock).close()

    def test_a_manager_that_slept_through_an_upgrade_writes_nothing(
        self, desk: Desk, url: str, clock: FakeClock, request: pytest.FixtureRequest
    ) -> None:
        """Its leases are nobody's, and it learns why at its next beat, or as it looks or ends."""
        old = desk.leased
        desk.fall_silent()
        request.getfixturevalue("next_version")
        Store.open(url, clock=clock).close()
        with pytest.raises(LeaseLost):
            old.save(Changes(space=SPACE, machines=(machine(1),)))
        more = Wishes(spaces=frozenset({SPACE, "another"}))
        for act in (lambda: desk.leases.is_worth_a_beat(more), desk.beat, desk.leases.leave):
            with pytest.raises(Outdated, match=f"version {migrate.revisions()[-2]} to next"):
                act()
        assert desk.leases.held == {}
