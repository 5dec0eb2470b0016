"""What an image file is, and which ones are refused with advice."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from vcycled.errors import ImageError
from vcycled.images import Stamp, examine, stamp_of
from vcycled.images.formats import format_of

ISO_HEAD = b"\0" * 0x8001 + b"CD001"


def qcow2(version: int = 3, backing_at: int = 0) -> bytes:
    """Return the header of a qcow2 image."""
    numbers = version.to_bytes(4, "big") + backing_at.to_bytes(8, "big")
    return b"QFI\xfb" + numbers + bytes(100)


@pytest.mark.parametrize(
    ("content", "name", "wanted"),
    [
        pytest.param(b"\xeb\x63" + bytes(510), "disk.img", "raw", id="a disk"),
        pytest.param(b"x", "disk.img", "raw", id="anything else"),
        pytest.param(qcow2(), "disk.img", "qcow2", id="qcow2 of version 3"),
        pytest.param(qcow2(2), "disk.iso", "qcow2", id="qcow2, whatever its name"),
        pytest.param(ISO_HEAD, "disk.img", "iso", id="iso by its volume descriptor"),
        pytest.param(ISO_HEAD[:-1] + b"2", "disk.img", "raw", id="almost an iso"),
        pytest.param(b"x", "ucernvm.ISO", "iso", id="iso by its name"),
        pytest.param(b"COWD" + bytes(64), "disk.img", "raw", id="an unknown magic"),
    ],
)
def test_formats_are_known_by_their_first_bytes(
    tmp_path: Path, content: bytes, name: str, wanted: str
) -> None:
    """A name that ends in .iso counts too, as in Vcycle 3."""
    path = tmp_path / "cached"
    path.write_bytes(content)
    assert format_of(path, name) == wanted


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"KDMV" + bytes(99), r"is a VMDK; convert it first: qemu-img", id="vmdk"),
        pytest.param(b"# Disk DescriptorFile\n", "description of a VMDK", id="descriptor"),
        pytest.param(b"vhdxfile" + bytes(99), "is a VHDX", id="vhdx"),
        pytest.param(b"conectix" + bytes(600), "is a VHD;", id="dynamic vhd"),
        pytest.param(bytes(600) + b"conectix" + bytes(504), "is a VHD;", id="fixed vhd"),
        pytest.param(bytes(64) + b"\x7f\x10\xda\xbe" + bytes(9), "is a VDI", id="vdi"),
        pytest.param(b"\x1f\x8b\x08", r"compressed \(gzip\); unpack it first", id="gzip"),
        pytest.param(b"\xfd7zXZ\0\0", "xz", id="xz"),
        pytest.param(b"BZh91AY", "bzip2", id="bzip2"),
        pytest.param(b"\x28\xb5\x2f\xfd\0", "zstd", id="zstd"),
        pytest.param(b"PK\x03\x04", "zip archive", id="zip"),
        pytest.param(bytes(0x101) + b"ustar\0", "tar archive", id="tar"),
        pytest.param(b"\n <!DOCTYPE html><html>", "is a web page", id="login page"),
        pytest.param(b"<HTML>", "is a web page", id="old page"),
        pytest.param(qcow2(4), "no qcow2 of version 2 or 3", id="qcow2 of the future"),
        pytest.param(qcow2()[:71], "no qcow2", id="cut qcow2"),
        pytest.param(qcow2(backing_at=512), "upper layer of another image", id="layered qcow2"),
    ],
)
def test_what_no_machine_could_boot_is_refused_with_advice(
    tmp_path: Path, content: bytes, why: str
) -> None:
    """Before gigabytes are uploaded and machines fail."""
    path = tmp_path / "cached"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=why) as caught:
        format_of(path, "disk.img")
    assert str(caught.value).startswith("disk.img ")


def test_a_vhd_footer_one_byte_off_is_none(tmp_path: Path) -> None:
    """It stands exactly 512 bytes before the end."""
    path = tmp_path / "disk"
    path.write_bytes(bytes(600) + b"conectix" + bytes(505))
    assert format_of(path, "disk.img") == "raw"


@pytest.mark.parametrize("size", [1, 32_768, 32_769, 3 * 2**20 + 7])
def test_an_image_is_hashed_whole_and_without_its_last_block(tmp_path: Path, size: int) -> None:
    """In one pass; the second hash is what a signature is over."""
    content = bytes(range(251)) * (size // 251 + 1)
    path = tmp_path / "disk.img"
    path.write_bytes(content[:size])
    found = examine(path, "disk.img", is_stopping=lambda: False)
    assert found.sha256 == hashlib.sha256(content[:size]).hexdigest()
    assert found.signed_digest == hashlib.sha256(content[: max(0, size - 32_768)]).digest()
    assert (found.size_bytes, found.format, found.path) == (size, "raw", path)
    assert found.stamp == stamp_of(path)


def test_reading_an_image_stops_when_told(tmp_path: Path) -> None:
    """It may take a minute."""
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(2**21))
    with pytest.raises(ImageError, match="told to stop"):
        examine(path, "disk.img", is_stopping=lambda: True)


def test_an_image_that_changes_while_it_is_read_is_not_believed(tmp_path: Path) -> None:
    """Somebody copies a new one over it."""
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(2**21))

    def write() -> bool:
        path.write_bytes(b"x")
        return False

    with pytest.raises(ImageError, match=r"disk.img is being written just now"):
        examine(path, "disk.img", is_stopping=write)


def test_a_file_that_is_not_there_or_no_file_is_named(tmp_path: Path) -> None:
    """With its path, as the operator must mend it."""
    with pytest.raises(ImageError, match=f"{tmp_path}/none cannot be read: No such file"):
        stamp_of(tmp_path / "none")
    with pytest.raises(ImageError, match=f"{tmp_path} is not a plain file"):
        examine(tmp_path, "folder", is_stopping=lambda: False)


def test_a_stamp_tells_files_apart(tmp_path: Path) -> None:
    """By inode, size and time."""
    path = tmp_path / "disk.img"
    path.write_bytes(b"one")
    found = path.stat()
    assert stamp_of(path) == Stamp(found.st_ino, 3, found.st_mtime_ns)
