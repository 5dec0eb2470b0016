"""How much room there is, and when it is too little to create machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from vcycled.config import ManagerOptions
from vcycled.house.disks import FILES_LEAST, MB, Disk, disk_hold, disks, look, shortage
from vcycled.options import Secret

PLENTY = 10**9
"""MB that no disk of a test host has free."""


@pytest.mark.parametrize(
    ("free_bytes", "free_files", "why"),
    [
        pytest.param(512 * MB, FILES_LEAST, "", id="enough"),
        pytest.param(512 * MB, None, "", id="enough, and no bound on files"),
        pytest.param(
            512 * MB - 1,
            FILES_LEAST,
            "only 511 MiB are free on the disk of /root, and min_free_mb is 512",
            id="one byte too little",
        ),
        pytest.param(
            512 * MB,
            FILES_LEAST - 1,
            "only 9999 more files fit on the disk of /root, and 10000 should be free",
            id="one file too little",
        ),
        pytest.param(
            0,
            0,
            "only 0 MiB are free on the disk of /root, and min_free_mb is 512",
            id="full in every way",
        ),
    ],
)
def test_a_disk_is_short_of_bytes_or_of_files(
    free_bytes: int, free_files: int | None, why: str
) -> None:
    """Thousands of small files may fill it long before its bytes are used up."""
    disk = Disk(
        folder=Path("/root"), total_bytes=PLENTY, free_bytes=free_bytes, free_files=free_files
    )
    assert shortage(disk, min_free_mb=512) == why
    assert shortage(disk, min_free_mb=0) == ""


def test_a_disk_is_looked_at_where_it_is(tmp_path: Path) -> None:
    """There is something on it, and something free."""
    disk = look(tmp_path)
    assert disk.folder == tmp_path
    assert 0 < disk.free_bytes < disk.total_bytes
    assert (disk.free_files is None) is (disk.total_files is None)
    assert (disk.free_files or 0) <= (disk.total_files or 0)
    with pytest.raises(FileNotFoundError):
        look(tmp_path / "none")


def test_each_file_system_is_looked_at_once(tmp_path: Path) -> None:
    """The shared folder and the database may be on others than the root."""
    (tmp_path / "shared").mkdir()
    same = ManagerOptions(root=tmp_path)
    assert [disk.folder for disk in disks(same)] == [tmp_path]
    other = ManagerOptions(root=tmp_path, database=Secret("sqlite:////proc/vcycle.db"))
    assert [disk.folder for disk in disks(other)] == [tmp_path, Path("/proc")]
    remote = ManagerOptions(root=tmp_path, database=Secret("postgresql://host/name"))
    assert [disk.folder for disk in disks(remote)] == [tmp_path]


def test_want_of_room_holds_creation(tmp_path: Path) -> None:
    """With the place and the numbers."""
    assert disk_hold(ManagerOptions(root=tmp_path, min_free_mb=1)) == ""
    why = disk_hold(ManagerOptions(root=tmp_path, min_free_mb=PLENTY))
    assert why.startswith("disk: only ")
    assert why.endswith(f" on the disk of {tmp_path}, and min_free_mb is {PLENTY}")
    assert disk_hold(ManagerOptions(root=tmp_path, min_free_mb=0)) == ""


def test_a_disk_that_does_not_answer_holds_creation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server of files that is gone takes no machine's folder."""

    def stale(folder: Path) -> Disk:
        raise OSError(116, "Stale file handle", str(folder))

    monkeypatch.setattr("vcycled.house.disks.look", stale)
    manager = ManagerOptions(root=tmp_path)
    assert disk_hold(manager) == f"disk: {tmp_path} cannot be looked at: Stale file handle"
