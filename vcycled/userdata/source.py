"""Reading templates and the files that fill them."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from vcycled.download import Patience, shown
from vcycled.errors import UserDataError
from vcycled.templates import packaged
from vcycled.userdata.fetch import MOST_BYTES, fetch

_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A template as it was read."""

    label: str
    """Its path or URL, without secrets: for messages."""
    content: bytes
    is_jinja: bool
    url: str = ""
    """Where it came from; empty if that was a file."""


def read_template(source: str, folder: Path, patience: Patience) -> Template:
    """Return the template at `source`: template:NAME, a URL, or a path from `folder`.

    Raises:
        UserDataError: it cannot be had now.
    """
    if (name := packaged.name_of(source)) is not None:
        return Template(label=source, content=_packaged(name), is_jinja=True)
    if source.startswith(("http://", "https://")):
        label = shown(source)
        content = fetch(source, patience)
        return Template(label=label, content=content, is_jinja=_is_jinja(label), url=source)
    content = read_file("user_data", source, folder)
    return Template(label=str(folder / source), content=content, is_jinja=_is_jinja(source))


def _packaged(name: str) -> bytes:
    try:
        return packaged.text(name).encode()
    except KeyError:
        raise UserDataError(f"user_data: there is no template {name!r} in Vcycle") from None


def _is_jinja(name: str) -> bool:
    return name.endswith(".j2")


def read_file(option: str, name: str, folder: Path) -> bytes:
    """Return the content of the file that `option` names, a path from `folder`.

    Raises:
        UserDataError: it is not there, not readable, no plain file, or longer than 1 MiB.
    """
    path = folder / name
    try:
        content = _read(path)
    except OSError as error:
        raise UserDataError(f"{option}: {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UserDataError(f"{option}: {path!r} is no path: {error}") from error
    if len(content) > MOST_BYTES:
        raise UserDataError(f"{option}: {path} is longer than {MOST_BYTES} bytes")
    return content


def _read(path: Path) -> bytes:
    handle = os.open(path, _READ)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is not a plain file")
        return os.read(handle, MOST_BYTES + 1)
    finally:
        os.close(handle)
