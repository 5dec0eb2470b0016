"""Files that root makes in the manager's folders become those of whom the folders belong to."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def hand_over(folder: Path, paths: Iterable[Path]) -> None:
    """Give `paths` below `folder`, and the folders between, to the owner of `folder`.

    An operator runs commands as root, the manager is another user: it could not write into a day's
    folder of the queue that root made, nor open a database that root put back. What is gone by now
    is passed over. Does nothing unless this process is root's.
    """
    owner = folder.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return
    chain = {each for path in paths for each in (path, *path.parents) if folder in each.parents}
    for path in chain:
        try:
            if path.lstat().st_uid == 0:
                os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
        except FileNotFoundError:
            continue
