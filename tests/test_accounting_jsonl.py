"""JSON lines: what stands in the files, and what becomes of them."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests import accounting_kit
from tests.accounting_kit import ids_in, json_lines
from vcycled.accounting.base import SinkRefused, record_id
from vcycled.accounting.jsonl import JsonLinesOptions, JsonLinesSink, line_of
from vcycled.testing.sinks import RUN, give, runs

lines = accounting_kit.lines

MIDNIGHT = 1_800_057_600
"""A day begins, in UTC."""
BEFORE = MIDNIGHT + 7200


class TestLines:
    """What stands in the files, and what becomes of them."""

    def test_a_line_has_all_of_a_run(self, tmp_path: Path, lines: Path) -> None:
        """In a file of the day on which it ended, in UTC."""
        run = replace(RUN, started_at=1_799_999_000, ended_at=1_800_057_599)
        give(json_lines(tmp_path), [run, replace(run, uuid="next", ended_at=1_800_057_600)])
        assert [path.name for path in sorted(lines.iterdir())] == [
            "20270115.jsonl",
            "20270116.jsonl",
        ]
        assert json.loads((lines / "20270115.jsonl").read_text()) == {
            "record_id": f"vcycle-{RUN.uuid}-0",
            "uuid": RUN.uuid,
            "interval": 0,
            "name": "vcycle-prod-0000000000",
            "space": "space.example.com",
            "machinetype": "prod",
            "site": "EXAMPLE-SITE",
            "submit_host": "space.example.com/vcycle-manager.example.com",
            "manager_host": "manager.example.com",
            "accounting_fqan": "/vo/Role=pilot",
            "started_at": 1_799_999_000,
            "ended_at": 1_800_057_599,
            "end_source": "cloud",
            "wall_seconds": 58_599,
            "cpu_seconds": 468_792,
            "processors": 8,
            "memory_mb": 16_384,
            "power_per_processor": 12.5,
            "power_unit": "hepscore23",
        }

    def test_the_folder_can_be_another(self, tmp_path: Path) -> None:
        """As the option says."""
        options = JsonLinesOptions(folder=str(tmp_path / "a" / "b"))
        give(JsonLinesSink("jsonl", options, root=tmp_path / "root"), [RUN])
        assert ids_in(tmp_path / "a" / "b") == [record_id(RUN)]
        assert not (tmp_path / "root").exists()

    @pytest.mark.parametrize("left", [b'{"record_id":"vcycle-', b"\0\0\0", b"{}\n{"])
    def test_a_write_that_was_cut_short_leaves_no_line(
        self, tmp_path: Path, lines: Path, left: bytes
    ) -> None:
        """Its rest goes, whole lines stay, and the record comes once."""
        first, second = RUN, replace(RUN, uuid="second")
        give(json_lines(tmp_path), [first])
        (path,) = lines.iterdir()
        with path.open("ab") as stream:
            stream.write(left)
        give(json_lines(tmp_path), [first, second])
        whole = left[: left.rfind(b"\n") + 1]
        assert path.read_bytes() == line_of(first) + whole + line_of(second)

    def test_a_disk_that_is_full_leaves_no_part_of_a_line(
        self, tmp_path: Path, lines: Path
    ) -> None:
        """And all that was given comes once there is room."""
        sink, given = json_lines(tmp_path), runs(20)
        give(sink, given[:2])
        before = {path: path.read_bytes() for path in lines.iterdir()}
        room = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(line_of(RUN)) * 3 // 2, room[1]))
        try:
            with pytest.raises(SinkRefused, match="File too large"):
                give(sink, given)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, room)
        assert {path: path.read_bytes() for path in lines.iterdir()} == before
        assert len(give(sink, given)) == 20
        assert sorted(ids_in(lines)) == sorted(map(record_id, given))

    def test_lines_of_others_are_left_alone(self, tmp_path: Path, lines: Path) -> None:
        """What cannot be read, or has another form, is none of ours."""
        sink = json_lines(tmp_path)
        give(sink, [RUN])
        (path,) = lines.iterdir()
        strange = b'nonsense\n[1]\n{"record_id":7}\n\xff\xfe\n\n'
        path.write_bytes(strange + path.read_bytes())
        give(sink, [RUN, replace(RUN, uuid="second")])
        assert path.read_bytes().startswith(strange)
        assert path.read_bytes().count(b"record_id") == 3

    def test_a_file_that_was_moved_away_begins_anew(self, tmp_path: Path, lines: Path) -> None:
        """As far as is known, its lines have gone where they were to go."""
        sink = json_lines(tmp_path)
        give(sink, [RUN])
        (path,) = lines.iterdir()
        path.rename(tmp_path / "away")
        give(sink, [replace(RUN, uuid="second")])
        assert ids_in(lines) == ["vcycle-second-0"]

    def test_many_days_are_not_all_remembered(self, tmp_path: Path, lines: Path) -> None:
        """A record of a day that was forgotten is looked for in its file."""
        sink = json_lines(tmp_path)
        given = [
            replace(RUN, uuid=f"u{day}", ended_at=RUN.ended_at + day * 86_400) for day in range(12)
        ]
        give(sink, given)
        give(sink, given)
        assert len(ids_in(lines)) == 12

    def test_a_link_is_not_followed(self, tmp_path: Path, lines: Path) -> None:
        """Who can write to the folder cannot lead us to other files."""
        lines.mkdir(parents=True)
        (lines / "20270115.jsonl").symlink_to(tmp_path / "victim")
        with pytest.raises(SinkRefused):
            give(json_lines(tmp_path), [RUN])
        assert not (tmp_path / "victim").exists()


class TestPrune:
    """Files of days that are long over."""

    @pytest.mark.parametrize(
        ("ended_at", "written_at", "is_kept"),
        [
            pytest.param(MIDNIGHT - 1, BEFORE - 1, False, id="the day before, not written since"),
            pytest.param(MIDNIGHT - 1, BEFORE, True, id="the day before, written since"),
            pytest.param(MIDNIGHT, BEFORE - 1, True, id="a day that was not over"),
        ],
    )
    def test_a_file_goes_once_its_day_is_over_and_nothing_was_added_since(
        self, tmp_path: Path, lines: Path, ended_at: int, written_at: int, is_kept: bool
    ) -> None:
        """Records that were given anew lately stay, with all others of their day."""
        sink = json_lines(tmp_path)
        give(sink, [replace(RUN, started_at=ended_at - 3600, ended_at=ended_at)])
        (path,) = lines.iterdir()
        os.utime(path, (written_at, written_at))
        assert sink.prune(before=BEFORE) == (not is_kept)
        assert path.exists() is is_kept

    def test_what_is_not_its_own_stays(self, tmp_path: Path, lines: Path) -> None:
        """By its name; and no folder at all is no trouble."""
        sink = json_lines(tmp_path)
        assert sink.prune(before=BEFORE) == 0
        lines.mkdir(parents=True)
        for name in ("20200101.jsonl.gz", "20200101.json", "2020.jsonl", "x20200101.jsonl"):
            (lines / name).write_text("")
            os.utime(lines / name, (0, 0))
        assert sink.prune(before=BEFORE) == 0
        assert len(list(lines.iterdir())) == 4

    def test_a_link_leads_to_no_other_file(self, tmp_path: Path, lines: Path) -> None:
        """Who can write to the folder cannot have others removed."""
        lines.mkdir(parents=True)
        (tmp_path / "victim").write_text("")
        os.utime(tmp_path / "victim", (0, 0))
        (lines / "20200101.jsonl").symlink_to(tmp_path / "victim")
        with pytest.raises(OSError, match="symbolic"):
            json_lines(tmp_path).prune(before=BEFORE)
        assert (tmp_path / "victim").exists()

    def test_a_line_never_goes_with_a_file_that_is_being_removed(
        self, tmp_path: Path, lines: Path
    ) -> None:
        """Who waited for the lock of that file writes into a new one."""
        give(json_lines(tmp_path), [RUN])
        (path,) = lines.iterdir()
        with path.open("rb") as held, ThreadPoolExecutor(1) as pool:
            fcntl.flock(held, fcntl.LOCK_EX)
            writing = pool.submit(give, json_lines(tmp_path), [replace(RUN, uuid="second")])
            while not _waits_for_lock(path):
                threading.Event().wait(0.01)
            path.unlink()
            fcntl.flock(held, fcntl.LOCK_UN)
            assert len(writing.result(60)) == 1
        assert ids_in(lines) == ["vcycle-second-0"]


def _waits_for_lock(path: Path) -> bool:
    """Return whether somebody waits for the lock of a file, as Linux tells."""
    inode = f":{path.stat().st_ino} "
    locks = Path("/proc/locks").read_text().splitlines()
    return any("->" in each and inode in each for each in locks)


_WRITER = """
import sys
from pathlib import Path
from vcycled.accounting.jsonl import JsonLinesOptions, JsonLinesSink
from vcycled.testing.sinks import give, runs
sink = JsonLinesSink("jsonl", JsonLinesOptions(), root=Path(sys.argv[1]))
given = runs(400)
print("ready", flush=True)
for at in range(0, 400, 5):
    give(sink, given[at : at + 5])
"""


@pytest.mark.parametrize("milliseconds", [0, 10, 40])
def test_a_writer_that_is_killed_leaves_every_line_once(
    tmp_path: Path, lines: Path, milliseconds: int
) -> None:
    """Whenever it dies; the next one completes what it began."""
    command = [sys.executable, "-c", _WRITER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        try:
            writer.wait(milliseconds / 1000)
        except subprocess.TimeoutExpired:
            os.kill(writer.pid, signal.SIGKILL)
    given = runs(400)
    assert len(give(json_lines(tmp_path), given)) == 400
    assert sorted(ids_in(lines)) == sorted(map(record_id, given))
