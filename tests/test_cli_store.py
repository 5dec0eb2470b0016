"""`vcycle backup` and `vcycle restore`."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from tests.cli_kit import OnASite, Site, machine
from vcycled.cli.ownership import hand_over

NOBODY = 65_534
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


class TestBackup(OnASite):
    """A copy of the database, made in use."""

    def test_a_copy_can_be_put_back(self, site: Site) -> None:
        """With all that was in it then."""
        site.save(machine())
        copy = site.folder / "copy.db"
        assert site.ok("backup", str(copy)).startswith(f"{copy}: a checked copy of ")
        site.save(machine("vcycle-prod-0000000002"))
        site.close()
        said = site.ok("restore", str(copy), "--yes")
        kept = site.root / "vcycle.db.replaced"
        assert said == f"{copy} is the database now; the one before is {kept}\n"
        assert [each["name"] for each in site.json("machines")] == ["vcycle-prod-0000000001"]

    def test_a_lost_database_can_be_put_back(self, site: Site) -> None:
        """There is none to keep then."""
        copy = site.folder / "copy.db"
        site.ok("backup", str(copy))
        (site.root / "vcycle.db").unlink()
        assert site.ok("restore", str(copy), "-y").endswith("; there was none before\n")
        assert site.ok("machines") == "no machines\n"

    def test_the_operator_is_asked_before_the_database_is_replaced(self, site: Site) -> None:
        """Without a yes nothing is."""
        copy = site.folder / "copy.db"
        site.ok("backup", str(copy))
        site.save(machine())
        result = site.vcycle("restore", str(copy), answer="n\n")
        assert result.exit_code == 1
        assert f"Replace the database by {copy}? [y/N]: n\n" in result.stdout
        assert len(site.json("machines")) == 1

    def test_a_running_manager_is_not_robbed_of_its_database(self, site: Site) -> None:
        """It holds a lock on it."""
        copy = site.folder / "copy.db"
        site.ok("backup", str(copy))
        handle = os.open(site.root / "vcycle.db.lock", os.O_RDWR | os.O_CREAT)
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert "another vcycled is using this database" in site.refused(
            "restore", str(copy), "--yes"
        )
        os.close(handle)

    def test_a_folder_that_is_not_there_is_told(self, site: Site) -> None:
        """Exit status 1."""
        said = site.refused("backup", str(site.folder / "none" / "copy.db"))
        assert said.startswith("vcycle: ")
        assert "No such file or directory" in said

    def test_the_database_is_not_copied_onto_itself(self, site: Site) -> None:
        """A running manager would go on writing into what it replaced."""
        for name in ("vcycle.db", "link"):
            path = site.root / name
            if name == "link":
                path.symlink_to("vcycle.db")
            assert site.refused("backup", str(path)) == f"vcycle: {path} is the database itself\n"

    def test_what_is_no_backup_is_refused(self, site: Site) -> None:
        """And the database stays."""
        (site.folder / "copy.db").write_text("hello")
        said = site.refused("restore", str(site.folder / "copy.db"), "--yes")
        assert "not a database of Vcycle, or damaged" in said
        assert site.ok("machines") == "no machines\n"

    def test_a_backup_that_is_not_there_is_wrong_usage(self, site: Site) -> None:
        """Exit status 2."""
        assert "does not exist" in site.refused("restore", "none.db", status=2)

    @AS_ROOT
    def test_a_database_that_root_puts_back_is_the_managers(self, site: Site) -> None:
        """Or vcycled could not open it, nor take its lock."""
        copy = site.folder / "copy.db"
        site.ok("backup", str(copy))
        os.chown(site.root, NOBODY, NOBODY)
        site.ok("restore", str(copy), "--yes")
        made = sorted(site.root.glob("vcycle.db*"))
        assert [path.name for path in made[:2]] == ["vcycle.db", "vcycle.db.lock"]
        assert {path.stat().st_uid for path in made} == {NOBODY}


class TestHandOver:
    """What root makes in another user's folder becomes that user's."""

    def test_in_a_folder_of_ones_own_nothing_is_done(self, tmp_path: Path) -> None:
        """The usual case."""
        (tmp_path / "file").touch()
        hand_over(tmp_path, [tmp_path / "file"])
        assert (tmp_path / "file").stat().st_uid == os.geteuid()

    @AS_ROOT
    def test_folders_between_go_along_and_others_stay(self, tmp_path: Path) -> None:
        """What has gone meanwhile is passed over; what is outside is never touched."""
        root = tmp_path / "root"
        (root / "day").mkdir(parents=True)
        (root / "day" / "file").touch()
        (tmp_path / "outside").touch()
        os.chown(root, NOBODY, NOBODY)
        hand_over(root, [root / "day" / "file", root / "day" / "gone", tmp_path / "outside"])
        assert (root / "day").stat().st_uid == NOBODY
        assert (root / "day" / "file").stat().st_uid == NOBODY
        assert (tmp_path / "outside").stat().st_uid == 0

    @AS_ROOT
    def test_what_is_another_users_stays_so(self, tmp_path: Path) -> None:
        """Only root's own files are given away."""
        (tmp_path / "file").touch()
        os.chown(tmp_path, NOBODY, NOBODY)
        os.chown(tmp_path / "file", 1, 1)
        hand_over(tmp_path, [tmp_path / "file"])
        assert (tmp_path / "file").stat().st_uid == 1
