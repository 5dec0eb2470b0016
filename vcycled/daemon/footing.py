"""Whether the files that keep this manager the only one are still those at their paths.

A folder that was deleted or replaced goes on for who has its files open: the manager would write
what nobody reads, under a lock that keeps nobody off.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vcycled.errors import OperatorError, StoreError


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """A file as it was when we took it; its inode is not used again while we have it open."""

    path: Path
    device: int
    inode: int


@dataclass(frozen=True, slots=True)
class Footing:
    """The files that a manager stands on, all of them open in this process."""

    files: tuple[_Held, ...] = ()

    @classmethod
    def on(cls, *paths: Path) -> Footing:
        """Return that of a manager that has taken the files at `paths`.

        Raises:
            OperatorError: one of them is not there.
        """
        try:
            return cls(tuple(_held(path) for path in paths))
        except OSError as error:
            raise OperatorError(f"{error.filename}: {error.strerror}") from error

    def lost(self) -> Path | None:
        """Return a path where our file is not any more; None if all are as they were.

        Raises:
            StoreError: the file system does not say, which may pass.
        """
        for file in self.files:
            try:
                found = _held(file.path)
            except (FileNotFoundError, NotADirectoryError):
                return file.path
            except OSError as error:
                raise StoreError(f"{file.path}: {error.strerror}") from error
            if found != file:
                return file.path
        return None

    def is_firm(self) -> bool:
        """Return whether all files are surely where they were."""
        try:
            return self.lost() is None
        except StoreError:
            return False


def _held(path: Path) -> _Held:
    status = path.stat()
    return _Held(path=path, device=status.st_dev, inode=status.st_ino)
