"""How the images of a space are, in words and for the report of a cycle. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ImageState(StrEnum):
    """What is being done about an image."""

    WAITING = "waiting"
    DOWNLOADING = "downloading"
    CHECKING = "checking"
    UPLOADING = "uploading"
    READY = "ready"
    """What the source holds is in the cloud."""
    FAILED = "failed"
    OLD = "old"
    """Of ours in the cloud, but new machines get another one or none of it."""
    UNFINISHED = "unfinished"
    """The same, and its upload was cut short."""
    UNNAMED = "unnamed"
    """A copy on this host that no machinetype names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageStatus:
    """An image as `vcycle images` shows it; times are Unix seconds."""

    source: str
    """Path or URL, without secrets."""
    state: ImageState
    since: int
    """When it came to be in this state."""
    machinetypes: tuple[str, ...] = ()
    """Those that name it as their root_image."""
    image_id: str = ""
    """The image that new machines get now; of OLD and UNFINISHED ones, that itself; of a copy on
    this host none."""
    format: str = ""
    size_bytes: int | None = None
    done_bytes: int = 0
    """Of a download or an upload."""
    detail: str = ""
    """What went wrong, or what it waits for."""
    until: int | None = None
    """When it is tried again or, at the earliest, removed."""


_DOING = {
    ImageState.DOWNLOADING: "being downloaded",
    ImageState.UPLOADING: "being uploaded",
}


def sentence(status: ImageStatus) -> str:
    """Return what is being done: `being uploaded, 34 % of 2.1 GiB`."""
    match status.state:
        case ImageState.DOWNLOADING | ImageState.UPLOADING:
            return f"{_DOING[status.state]}, {_progress(status)}"
        case ImageState.CHECKING:
            return "being read, to tell what it is"
        case _:
            again = "" if status.until is None else f"; tried again at {status.until}"
            return f"{status.detail}{again}" if status.detail else str(status.state)


def _progress(status: ImageStatus) -> str:
    if not status.size_bytes:
        return f"{size_text(status.done_bytes)} so far"
    return f"{100 * status.done_bytes // status.size_bytes} % of {size_text(status.size_bytes)}"


def size_text(size_bytes: int) -> str:
    """Return a size in GiB, MiB or KiB, or in bytes if it is small."""
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size_bytes >= size:
            return f"{size_bytes / size:.1f} {unit}"
    return f"{size_bytes} bytes"
