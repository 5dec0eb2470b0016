"""What kind of disk image a file is, by its first bytes.

`root_image` may name anything: what a cloud would take and then fail to boot is refused here, with
a sentence that says what to do.

Sources: QEMU's docs/interop/qcow2 (magic, version and backing file in the header); ECMA-119 (the
first volume descriptor of ISO 9660 is sector 16, `CD001` after its type); the specifications of
VMDK, VHD, VHDX and VDI, and of the compressors, for their magic numbers.
"""

from __future__ import annotations

from pathlib import Path

from vcycled.errors import ImageError

RAW, QCOW2, ISO = "raw", "qcow2", "iso"

_HEAD_BYTES = 0x8006
_CONVERT = "convert it first: qemu-img convert -O qcow2 {name} NEW"
_UNPACK = "unpack it first"
_UNUSABLE = (
    (0, b"KDMV", "is a VMDK", _CONVERT),
    (0, b"# Disk DescriptorFile", "is the description of a VMDK", _CONVERT),
    (0, b"vhdxfile", "is a VHDX", _CONVERT),
    (0, b"conectix", "is a VHD", _CONVERT),
    (0x40, b"\x7f\x10\xda\xbe", "is a VDI", _CONVERT),
    (0, b"\x1f\x8b", "is compressed (gzip)", _UNPACK),
    (0, b"\xfd7zXZ\0", "is compressed (xz)", _UNPACK),
    (0, b"BZh", "is compressed (bzip2)", _UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "is compressed (zstd)", _UNPACK),
    (0, b"PK\x03\x04", "is a zip archive", _UNPACK),
    (0x101, b"ustar", "is a tar archive, perhaps an OVA", _UNPACK),
)
_QCOW2 = b"QFI\xfb"
_ISO_AT = 0x8001
_VHD_FOOTER_BYTES = 512


def format_of(path: Path, name: str) -> str:
    """Return `raw`, `qcow2` or `iso`.

    Args:
        path: of the file.
        name: that it goes by; one that ends in .iso is a CD-ROM image (compat.md 2).

    Raises:
        ImageError: it is of a kind that cannot be used.
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
        size = stream.seek(0, 2)
        stream.seek(max(0, size - _VHD_FOOTER_BYTES))
        tail = stream.read()
    if not head:
        raise ImageError(f"{name} is empty")
    if head.startswith(_QCOW2):
        _check_qcow2(head, name)
        return QCOW2
    if head[_ISO_AT:] == b"CD001" or name.lower().endswith(".iso"):
        return ISO
    for at, magic, what, remedy in _UNUSABLE:
        if head[at:].startswith(magic):
            raise ImageError(f"{name} {what}; {remedy.format(name=name)}")
    if tail.startswith(b"conectix"):  # a VHD of fixed size is a raw image with a footer
        raise ImageError(f"{name} is a VHD; {_CONVERT.format(name=name)}")
    if head.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html")):
        raise ImageError(f"{name} is a web page, not an image")
    return RAW


def _check_qcow2(head: bytes, name: str) -> None:
    """Check that the image stands alone: another file beneath it would be one of the cloud's."""
    version = int.from_bytes(head[4:8], "big")
    if version not in {2, 3} or len(head) < 72:
        raise ImageError(f"{name} is no qcow2 of version 2 or 3")
    if int.from_bytes(head[8:16], "big"):
        remedy = _CONVERT.format(name=name)
        raise ImageError(f"{name} is only the upper layer of another image; {remedy}")
