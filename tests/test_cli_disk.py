"""`vcycle disk`: what takes up how much, and what should not be there any more."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.builders import NOW
from tests.cli_kit import CONF, SPACE, OnASite, Site, event, report
from tests.scarcity import too_deep
from vcycled.cli.disk import Usage, doubts
from vcycled.config import Config, LastGood, ManagerOptions
from vcycled.house.ledger import Area, areas
from vcycled.model import Cause, Hold, SpaceMemory
from vcycled.options import Secret

HOUR, DAY = 3600, 86_400
AREA = Area(area="deleted", space=SPACE, path=Path("/x"), bytes=0, files=0, kept="for long")


def fill(path: Path, size: int = 1, age: int = 0) -> Path:
    """Write a file of so many bytes that was written so many seconds ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (NOW - age, NOW - age))
    return path


def of(site: Site, area: str, space: str = "") -> dict[str, object]:
    """Return what is said of an area."""
    areas = site.json("disk")["areas"]
    (found,) = (each for each in areas if (each["area"], each["space"]) == (area, space))
    assert isinstance(found, dict)
    return found


class TestAreas(OnASite):
    """Every file under the root is in one area."""

    def test_machines_and_what_they_left(self, site: Site) -> None:
        """Of each space that has folders, configured or not."""
        layout = site.tree.layout
        fill(layout.outputs(SPACE, "m1") / "log", 100_000)
        old = layout.deleted(SPACE) / "m0"
        fill(old / "joboutputs" / "log", 5000)
        os.utime(old, (NOW - HOUR,) * 2)
        site.save(space="was.example.com", memory=SpaceMemory(space="was.example.com"))
        fill(layout.deleted("was.example.com") / "m9" / "log")
        fill(layout.deleted("never.example.com") / "m9" / "log", age=1000 * DAY)
        machines = of(site, "machines", SPACE)
        assert machines["files"] == 1
        assert 100_000 <= int(str(machines["bytes"])) < 130_000
        assert machines["kept_seconds"] is None
        deleted = of(site, "deleted", SPACE)
        assert deleted["oldest_at"] == NOW - HOUR
        assert (deleted["kept"], deleted["kept_seconds"]) == (
            "72 hours (cleanup_hours)",
            72 * HOUR,
        )
        gone = of(site, "deleted", "was.example.com")
        assert (gone["kept"], gone["kept_seconds"]) == ("90 days (history_days)", 90 * DAY)
        strange = of(site, "deleted", "never.example.com")
        assert (strange["kept"], strange["is_overdue"]) == ("as another manager says", False)

    def test_a_space_that_is_only_observed_is_another_managers(self, site: Site) -> None:
        """Nothing of it is removed here."""
        (site.tree.layout.deleted(SPACE) / "m0").mkdir(parents=True)
        site.configure(CONF.replace("api = local\n", "api = local\nmode = observe\n"))
        assert of(site, "deleted", SPACE)["kept_seconds"] is None

    def test_records(self, site: Site) -> None:
        """Those that are kept and those that wait, by the age of the messages."""
        fill(site.root / "apel-archive" / "20270101" / "0123456789abcd", age=DAY)
        fill(site.root / "apel-archive" / "20270102" / "0123456789abcd", age=2 * DAY)
        fill(site.root / "apel-outgoing" / "20270102" / "0123456789abcd", age=HOUR)
        archive = of(site, "apel-archive")
        assert (archive["files"], archive["oldest_at"]) == (2, NOW - 2 * DAY)
        assert (archive["kept"], archive["kept_seconds"]) == ("for ever (archive_days)", None)
        assert of(site, "apel-outgoing")["oldest_at"] == NOW - HOUR
        site.configure(CONF.replace("[vcycle]\n", "[vcycle]\narchive_days = 40\n"))
        archive = of(site, "apel-archive")
        assert (archive["kept"], archive["kept_seconds"]) == (
            "40 days (archive_days)",
            41 * DAY,
        )

    def test_files_of_sinks(self, site: Site, tmp_path: Path) -> None:
        """Wherever they are; those of one that was taken out stay until a person removes them."""
        fill(site.root / "accounting" / "lines" / "20270101.jsonl", 5000, age=DAY)
        fill(site.root / "accounting" / "gone" / "20270101.jsonl", age=2 * DAY)
        fill(tmp_path / "elsewhere" / "20270101.jsonl", 9000, age=3 * DAY)
        site.configure(
            CONF.replace("[vcycle]\n", "[vcycle]\naccounting = lines far\narchive_days = 40\n")
            + "[accounting lines]\nkind = jsonl\n"
            + f"[accounting far]\nkind = jsonl\nfolder = {tmp_path}/elsewhere\n"
        )
        told = {
            name: (of(site, name)["oldest_at"], of(site, name)["kept"])
            for name in ("accounting lines", "accounting far", "accounting gone")
        }
        assert told == {
            "accounting lines": (NOW - DAY, "40 days (archive_days)"),
            "accounting far": (NOW - 3 * DAY, "40 days (archive_days)"),
            "accounting gone": (NOW - 2 * DAY, "until you remove it"),
        }
        assert of(site, "other files")["files"] == 0
        site.configure(CONF.replace("[vcycle]\n", "[vcycle]\naccounting = jsonl apel\n"))
        assert of(site, "accounting jsonl")["kept"] == "for ever (archive_days)"

    def test_the_database_and_its_copies(self, site: Site) -> None:
        """With the log beside it; the oldest event tells how far back it goes."""
        site.save(events=(event("machine-gone", "m1", at=NOW - DAY),))
        database = of(site, "database")
        assert int(str(database["bytes"])) > 10_000
        assert database["oldest_at"] == NOW - DAY
        fill(site.root / "vcycle.db.version-0000", 5000, age=9)
        fill(site.root / "vcycle.db.replaced", 5000)
        copies = of(site, "database copies")
        assert (copies["files"], copies["oldest_at"]) == (2, NOW - 9)

    def test_each_file_is_counted_once(self, site: Site) -> None:
        """What is in no area is among the other files, links are not followed."""
        fill(site.root / "imagecache" / "image", 50_000)
        fill(site.root / "pipescache" / SPACE / "vo.json")
        fill(site.root / "www" / "file")
        (site.root / "link").symlink_to("/usr")
        site.save()
        named = {each["area"]: each["files"] for each in site.json("disk")["areas"]}
        assert (named["imagecache"], named["pipescache"]) == (1, 1)
        files = sum(1 for path in site.root.rglob("*") if path.is_symlink() or path.is_file())
        assert sum(named.values()) == files

    def test_a_machine_cannot_hide_behind_depth(self, site: Site) -> None:
        """Folders within folders, deeper than a path can say."""
        outputs = site.tree.layout.outputs(SPACE, "m1")
        fill(outputs / "log", 100_000)
        with too_deep(outputs):
            machines = of(site, "machines", SPACE)
        assert machines["files"] == 1
        assert int(str(machines["bytes"])) > 100_000


class TestPage(OnASite):
    """What a person reads."""

    def test_it_names_every_area_and_the_room_that_is_left(self, site: Site) -> None:
        """The disks first."""
        fill(site.root / "imagecache" / "image", 2_000_000)
        lines = site.ok("disk").splitlines()
        assert lines[0].startswith(f"{site.root}: ")
        assert lines[0].endswith(" free")
        (images,) = (line for line in lines if line.startswith("imagecache"))
        assert images.split()[1:4] == ["1.9", "MiB", "1"]
        assert "7 days after it was last wanted" in images
        assert lines[-1].endswith(" in all")

    def test_a_full_disk_is_told_with_what_it_means(self, site: Site) -> None:
        """That nothing is created, and why."""
        site.configure(CONF.replace("[vcycle]\n", "[vcycle]\nmin_free_mb = 1000000000\n"))
        for command in ("disk", "status"):
            assert "nothing is created: only " in site.ok(command)
        (disk,) = site.json("disk")["disks"]
        (same,) = site.json("status")["disks"]
        assert {**same, "free_bytes": 0, "free_files": 0} == {
            **disk,
            "free_bytes": 0,
            "free_files": 0,
            "shortage": same["shortage"],
        }
        assert disk["shortage"].endswith("and min_free_mb is 1000000000")

    @pytest.mark.parametrize("is_held", [False, True])
    def test_it_is_a_reason_once(self, site: Site, is_held: bool) -> None:
        """Also where the database is on that disk, so that no cycle can say so."""
        site.configure(CONF.replace("[vcycle]\n", "[vcycle]\nmin_free_mb = 1000000000\n"))
        hold = Hold(machinetype="", cause=Cause.HELD, detail="disk: only 1 MiB are free")
        site.report(report(holds=(hold,) if is_held else ()))
        told = site.json("why", SPACE)["doubts"]
        assert len(told) == (not is_held)
        assert all(each.startswith("Nothing is created: only ") for each in told)

    def test_a_plan_knows_of_it(self, site: Site) -> None:
        """As the manager's next cycle will."""
        site.configure(CONF.replace("[vcycle]\n", "[vcycle]\nmin_free_mb = 1000000000\n"))
        (hold,) = site.json("plan", SPACE)["holds"]
        assert (hold["machinetype"], hold["cause"]) == ("", "held")
        assert hold["detail"].startswith("disk: only ")

    def test_a_database_on_a_server_has_no_path(self, site: Site) -> None:
        """Its size is what the server says."""
        manager = ManagerOptions(root=site.root, database=Secret("postgresql://host/name"))
        config = Config(
            manager=manager,
            spaces=(),
            problems=(),
            unusable={},
            good=LastGood(),
            signature=(),
        )
        with site.store() as store:
            (database,) = (
                each
                for each in areas(config, store, clock=site.clock)
                if each.area.startswith("database")
            )
            assert database.bytes == store.size_bytes()
        assert (database.path, database.files) == (None, 0)

    def test_doubts_stand_first(self, site: Site) -> None:
        """Nobody reads the table to its end."""
        fill(site.root / "apel-outgoing" / "20270102" / "0123456789abcd", age=2 * DAY)
        first, *_ = site.ok("disk").splitlines()
        assert first == ("apel-outgoing: 1 message, the oldest for 2 d; see whether ssmsend runs")
        assert site.json("disk")["doubts"] == [first]


@pytest.mark.parametrize(
    ("age", "is_told"),
    [(10 * HOUR, False), (12 * HOUR, False), (12 * HOUR + 1, True)],
)
def test_what_is_older_than_it_should_be_is_told(age: int, is_told: bool) -> None:
    """Two turns of housekeeping after its time."""
    area = replace(AREA, oldest_at=NOW - age, kept_seconds=10 * HOUR)
    usage = Usage(now=NOW, min_free_mb=512, disks=(), areas=(area,))
    assert [each.partition(": ")[0] for each in doubts(usage)] == [f"deleted of {SPACE}"] * is_told


@pytest.mark.parametrize(("age", "is_told"), [(DAY, False), (DAY + 1, True)])
def test_records_that_wait_for_more_than_a_day_are_told(age: int, is_told: bool) -> None:
    """Sites are judged by them."""
    area = replace(AREA, area="apel-outgoing", space="", oldest_at=NOW - age, files=2)
    usage = Usage(now=NOW, min_free_mb=512, disks=(), areas=(area,))
    assert len(list(doubts(usage))) == is_told
