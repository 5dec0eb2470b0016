"""What Vcycle 3 left is read as far as it can be, and what cannot be read is told."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.builders import NOW
from tests.vcycle3_tree import SPACE, UUID, Vcycle3Tree
from vcycled.model import ShutdownMessage
from vcycled.testing.clock import FakeClock
from vcycled.vcycle3 import OldMachine, OldTree, Place, Trouble, read_tree
from vcycled.vcycle3.archive import read_archive

NAME = "vcycle-prod-abcdefghij"
OTHER = "vcycle-prod-klmnopqrst"
FOLDER = f"shared/spaces/{SPACE}/current/{NAME}"


@pytest.fixture
def old(tmp_path: Path) -> Vcycle3Tree:
    """Return an empty tree."""
    return Vcycle3Tree(tmp_path / "vcycle")


def read(old: Vcycle3Tree) -> OldTree:
    """Read a tree now."""
    return read_tree(old.root, clock=FakeClock(NOW))


def only(old: Vcycle3Tree) -> OldMachine:
    """Return the one machine of a tree in which all is well."""
    tree = read(old)
    assert tree.troubles == ()
    (machine,) = tree.machines
    return machine


def close(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Close a folder to us; for root, who runs these tests in places, no mode does."""
    really_list = Path.iterdir

    def refuse(path: Path) -> Iterator[Path]:
        if path == folder:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return iter(really_list(path))

    monkeypatch.setattr(Path, "iterdir", refuse)


def whys(old: Vcycle3Tree) -> dict[str, str]:
    """Return what cannot be read, by the file's path in the machine's folder."""
    return {each.path.removeprefix(f"{FOLDER}/"): each.why for each in read(old).troubles}


class TestMachines:
    """A machine's folder, file by file."""

    def test_every_file_is_understood(self, old: Vcycle3Tree) -> None:
        """Also the cloud's id, which Vcycle 3 put where the start of the job belongs."""
        old.machine(NAME, processors=8, hs06=88.0, deleted=NOW - 700)
        old.say(NAME, "700 Heartbeat file not updated", at=NOW - 700)
        said = ShutdownMessage(
            code=700, text="700 Heartbeat file not updated", written_at=NOW - 700
        )
        assert only(old) == OldMachine(
            space=SPACE,
            name=NAME,
            machinetype="prod",
            place=Place.CURRENT,
            modified_at=NOW - 700,
            cloud_id=UUID,
            created_at=NOW - 3700,
            updated_at=NOW - 3600,
            started_at=NOW - 3600,
            deleted_at=NOW - 700,
            seen_at=NOW - 600,
            zone="nova",
            processors=8,
            memory_mb=16_384,
            power=88.0,
            wallclock_seconds=10_000,
            message=said,
        )

    def test_those_in_deleted_are_told_apart(self, old: Vcycle3Tree) -> None:
        """With those in current/ first."""
        old.machine(OTHER, place="deleted", stopped=NOW - 60)
        old.machine(NAME)
        found = [(each.name, each.place, each.stopped_at) for each in read(old).machines]
        assert found == [(NAME, Place.CURRENT, None), (OTHER, Place.DELETED, NOW - 60)]

    def test_one_whose_creation_was_cut_short_has_no_id(self, old: Vcycle3Tree) -> None:
        """Nor anything else that is written after the cloud has answered."""
        old.half_made(NAME)
        machine = only(old)
        assert (machine.cloud_id, machine.processors, machine.created_at) == ("", None, NOW - 3700)

    def test_an_id_of_ec2_stands_in_a_file_of_its_own_too(self, old: Vcycle3Tree) -> None:
        """It is used where the other was lost."""
        old.machine(NAME, uuid="i-0123456789abcdef0")
        assert only(old).cloud_id == "i-0123456789abcdef0"
        (old.folder(NAME) / "jobfeatures" / "jobstart_secs").unlink()
        (old.folder(NAME) / "instance_id").write_text("i-0123456789abcdef0")
        assert only(old).cloud_id == "i-0123456789abcdef0"

    def test_a_start_where_the_id_should_be_is_no_id(self, old: Vcycle3Tree) -> None:
        """An import of ours wrote the id into another file then."""
        old.machine(NAME, uuid=str(NOW - 3600))
        assert only(old).cloud_id == ""
        (old.folder(NAME) / "uuid").write_text(UUID)
        assert only(old).cloud_id == UUID

    def test_processors_have_an_older_spelling(self, old: Vcycle3Tree) -> None:
        """With capitals."""
        old.machine(NAME, processors=4)
        (old.folder(NAME) / "jobfeatures" / "allocated_cpu").unlink()
        assert only(old).processors == 4

    def test_one_of_our_own_is_known_by_its_token(self, old: Vcycle3Tree) -> None:
        """A tree in which this Vcycle has worked already has both kinds."""
        old.machine(NAME)
        (old.folder(NAME) / "token_hash").write_text("5ec4e7")
        assert only(old).is_ours

    @pytest.mark.parametrize(
        ("file", "content", "why"),
        [
            pytest.param("started", b"", "empty", id="emptied by a power cut"),
            pytest.param("started", b"yesterday", "not a time: 'yesterday'", id="no number"),
            pytest.param("started", b"-5", "not a time: '-5'", id="negative"),
            pytest.param(
                "started", str(NOW + 61).encode(), f"{NOW + 61} is still to come", id="to come"
            ),
            pytest.param(
                "started", b"18000", "18000 is before there was a Vcycle", id="half a number"
            ),
            pytest.param(
                "started", b"1262303999", "1262303999 is before there was a Vcycle", id="of 2009"
            ),
            pytest.param(
                "started",
                str(NOW - 4301).encode(),
                f"{NOW - 4301} is before it was asked for, at {NOW - 3700}",
                id="long before it was made",
            ),
            pytest.param("jobfeatures/hs06_job", b"\xff\0", "not a number: '�\\x00'", id="bytes"),
            pytest.param("jobfeatures/allocated_cpu", b"", "empty", id="no processors"),
        ],
    )
    def test_what_is_damaged_is_told_and_not_believed(
        self, old: Vcycle3Tree, file: str, content: bytes, why: str
    ) -> None:
        """The machine is kept; what its file should say stays unknown."""
        old.machine(NAME, hs06=10.0)
        whole = only(old)
        old.damage(NAME, file, content)
        (machine,) = read(old).machines
        assert whys(old) == {file: why}
        if file == "started":
            whole = replace(whole, started_at=None)
        elif file == "jobfeatures/hs06_job":
            whole = replace(whole, power=None)
        assert machine == whole

    def test_a_time_a_minute_ahead_is_believed(self, old: Vcycle3Tree) -> None:
        """Clocks of hosts that share the tree differ by so much."""
        old.machine(NAME, started=NOW + 60)
        assert only(old).started_at == NOW + 60

    def test_a_missing_machinetype_is_told_by_the_name(self, old: Vcycle3Tree) -> None:
        """Names are made of it."""
        old.machine(NAME)
        old.damage(NAME, "machinetype_name")
        (machine,) = read(old).machines
        assert machine.machinetype == "prod"
        why = "there is no name of a machinetype; by the machine's it is prod"
        assert whys(old) == {"machinetype_name": why}

    def test_without_any_machinetype_it_is_left_out(self, old: Vcycle3Tree) -> None:
        """Nobody could say by which rules it lives."""
        old.half_made("vcycle-odd")
        (old.folder("vcycle-odd") / "machinetype_name").unlink()
        tree = read(old)
        assert tree.machines == ()
        assert [each.is_left_out for each in tree.troubles] == [True]

    def test_a_closed_folder_leaves_its_machine_out(
        self, old: Vcycle3Tree, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A machine of which nothing can be read must not look like one without a past."""
        closed = old.machine(NAME)
        old.machine(OTHER, uuid="other")
        close(monkeypatch, closed)
        tree = read(old)
        assert [each.name for each in tree.machines] == [OTHER]
        why = os.strerror(errno.EACCES)
        assert tree.troubles == (Trouble(path=FOLDER, why=why, is_left_out=True),)

    def test_a_closed_space_leaves_its_machines_out(
        self, old: Vcycle3Tree, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Those in deleted/ are read all the same."""
        old.machine(OTHER, place="deleted", stopped=NOW - 60)
        close(monkeypatch, old.machine(NAME).parent)
        tree = read(old)
        assert [each.name for each in tree.machines] == [OTHER]
        assert [(each.path, each.is_left_out) for each in tree.troubles] == [
            (f"shared/spaces/{SPACE}/current", True)
        ]

    def test_a_file_that_cannot_be_read_is_told(
        self, old: Vcycle3Tree, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And a message that cannot be read is not taken for silence without a word."""
        old.machine(NAME)
        old.say(NAME, "200 Done", at=NOW)
        files = {f"{FOLDER}/started", f"{FOLDER}/joboutputs/shutdown_message"}
        closed = {str(old.root / each) for each in files}
        really_open = os.open

        def refuse(path: str | Path, flags: int, mode: int = 0o777) -> int:
            if str(path) in closed:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return really_open(path, flags, mode)

        monkeypatch.setattr(os, "open", refuse)
        tree = read(old)
        assert {each.path for each in tree.troubles} == files
        (machine,) = tree.machines
        assert (machine.started_at, machine.message) == (None, None)

    def test_a_link_in_place_of_a_folder_is_not_followed(self, old: Vcycle3Tree) -> None:
        """It could lead anywhere."""
        folder = old.machine(NAME)
        (folder.with_name(OTHER)).symlink_to(folder)
        tree = read(old)
        assert [each.name for each in tree.machines] == [NAME]
        assert [each.why for each in tree.troubles] == ["not a folder"]

    def test_what_is_no_machine_is_told(self, old: Vcycle3Tree) -> None:
        """Someone's copy of a folder, for one."""
        old.machine("backup")
        tree = read(old)
        assert tree.machines == ()
        assert [each.why for each in tree.troubles] == ["not the name of a machine of Vcycle 3"]


class TestTheRest:
    """Last aborts, signs of life, and trees that are none."""

    def test_last_aborts_are_read(self, old: Vcycle3Tree) -> None:
        """By space and machinetype; 0 was never."""
        old.abort("prod", NOW - 5000)
        old.abort("test", 0)
        assert read(old).last_aborts == {(SPACE, "prod"): NOW - 5000}

    def test_a_name_that_no_space_can_have_is_told(self, old: Vcycle3Tree) -> None:
        """Its machines are left out."""
        Vcycle3Tree(old.root, "a space").machine(NAME)
        tree = read(old)
        assert tree.machines == ()
        assert [each.is_left_out for each in tree.troubles] == [True]

    def test_a_tree_that_cannot_be_listed_is_an_error(
        self, old: Vcycle3Tree, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nothing must look like no machines."""
        old.machine(NAME)
        close(monkeypatch, old.root / "shared" / "spaces")
        with pytest.raises(PermissionError):
            read(old)

    def test_a_damaged_abort_is_told(self, old: Vcycle3Tree) -> None:
        """The machinetype then begins without one."""
        old.abort("prod", NOW)
        (old.root / "shared" / "last_abort_times" / SPACE / "prod").write_text("x")
        tree = read(old)
        assert tree.last_aborts == {}
        assert tree.troubles[0].path == f"shared/last_abort_times/{SPACE}/prod"

    @pytest.mark.parametrize(
        ("created", "started"), [(NOW - 3700, NOW - 4300), (1_262_304_000,) * 2]
    )
    def test_a_time_that_can_be_true_is_believed(
        self, old: Vcycle3Tree, created: int, started: int
    ) -> None:
        """Two clocks may differ by minutes."""
        old.machine(NAME, created=created, started=started)
        assert only(old).started_at == started

    def test_an_abort_that_never_was_is_no_damage(self, old: Vcycle3Tree) -> None:
        """Vcycle 3 wrote 0 for that."""
        old.abort("prod", 0)
        assert read(old) == OldTree()

    def test_the_newest_sign_of_life_counts(self, old: Vcycle3Tree) -> None:
        """Of a machine's manager, or of a cycle without machines; not of one that is gone."""
        assert read(old).active_at is None
        old.machine(OTHER, seen=NOW - 10, place="deleted")
        assert read(old).active_at is None
        old.machine(NAME, seen=NOW - 500)
        assert read(old).active_at == NOW - 500
        old.heartbeat_list("prod", at=NOW - 400)
        tree = read(old)
        assert tree.active_at == NOW - 400
        assert tree.active_path == f"shared/spaces/{SPACE}/heartbeatlists/prod"

    def test_a_manager_whose_clock_is_ahead_is_at_work_all_the_same(
        self, old: Vcycle3Tree
    ) -> None:
        """Its time is not believed, but it was written."""
        old.machine(NAME, seen=NOW + 600)
        tree = read(old)
        assert tree.active_at == NOW
        assert [each.why for each in tree.troubles] == [f"{NOW + 600} is still to come"]

    def test_a_tree_of_an_older_release_is_told(self, old: Vcycle3Tree) -> None:
        """Its machines would otherwise be passed over without a word."""
        (old.root / "machines" / NAME).mkdir(parents=True)
        assert [each.path for each in read(old).troubles] == ["machines"]

    def test_nothing_is_no_trouble(self, old: Vcycle3Tree) -> None:
        """A root without a tree has no machines."""
        assert read(old) == OldTree()


class TestArchive:
    """Accounting records that were written."""

    def records(self, old: Vcycle3Tree, since: str = "20270101") -> list[str]:
        """Return the LocalJobIds of the records that were read."""
        found, troubles = read_archive(old.root, since=since, sites=frozenset({"SITE"}))
        assert troubles == ()
        return list(found)

    def test_records_are_found_by_their_job(self, old: Vcycle3Tree) -> None:
        """Also under the short names that Vcycle 3 gave at some instants."""
        old.record(NAME, uuid="a", started=NOW - 3600, ended=NOW - 60)
        old.record(OTHER, uuid="b", started=NOW - 3600, ended=NOW - 60, file="0759001234560")
        assert self.records(old) == ["a", "b"]

    def test_days_before_the_first_are_not_read(self, old: Vcycle3Tree) -> None:
        """An archive of years must not take hours."""
        old.record(NAME, uuid="a", started=NOW - 90_000, ended=NOW - 86_400)
        old.record(OTHER, uuid="b", started=NOW - 3600, ended=NOW)
        assert self.records(old, "20270115") == ["b"]
        assert self.records(old, "20270114") == ["a", "b"]

    def test_a_record_without_a_site_of_ours_was_not_sent(self, old: Vcycle3Tree) -> None:
        """A space without gocdb_sitename kept its records here."""
        old.record(NAME, uuid="a", started=NOW - 3600, ended=NOW, site="example.org")
        old.record(OTHER, uuid="b", started=NOW - 3600, ended=NOW)
        found, _ = read_archive(old.root, since="20270101", sites=frozenset({"SITE"}))
        assert {uuid: each.is_published for uuid, each in found.items()} == {"a": False, "b": True}

    def test_a_damaged_record_is_told(self, old: Vcycle3Tree) -> None:
        """And the others are read."""
        bad = old.record(NAME, uuid="a", started=NOW - 3600, ended=NOW)
        bad.write_text("APEL-individual-job-message: v0.3\nSite: SITE\n%%\n")
        old.record(OTHER, uuid="b", started=NOW - 3600, ended=NOW)
        found, troubles = read_archive(old.root, since="20270101", sites=frozenset())
        assert list(found) == ["b"]
        assert troubles == (Trouble(path=str(bad.relative_to(old.root)), why="no LocalJobId"),)

    def test_our_own_records_are_not_taken_for_its(self, old: Vcycle3Tree) -> None:
        """Few of our files have names of digits only, but some do."""
        path = old.record(NAME, uuid="a", started=NOW - 3600, ended=NOW)
        path.write_text(path.read_text().replace("Queue:", f"MachineName: {NAME}\nQueue:"))
        assert self.records(old) == []

    def test_no_archive_is_no_trouble(self, old: Vcycle3Tree) -> None:
        """A Vcycle 3 that wrote nothing yet."""
        assert self.records(old) == []
