"""Folders that others can write into, and files with secrets that others can read.

Who can write into ROOT can replace the database, and so have any machine deleted or any record
written; who can write where user_data and keys lie decides what machines run. Judged are the modes
of folders and files alone, as `ls -ld` shows them.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from vcycled.config.exposure import group_name, own_groups, strangers
from vcycled.config.lastgood import FILE_NAME
from vcycled.config.places import admin_token_path, database_url, sqlite_path
from vcycled.config.reader import file_problem
from vcycled.config.tables import ManagerOptions
from vcycled.errors import Problem
from vcycled.machinedir import Layout


def loose(
    manager: ManagerOptions, sources: Iterable[str], folders: Iterable[Path]
) -> Iterator[Problem]:
    """Warn of what others can write, or of secrets that they can read.

    Args:
        manager: whose ROOT, database and keys are looked at.
        sources: files and folders of the configuration.
        folders: those below ROOT that the site fills for its machinetypes.
    """
    root = manager.root
    own = own_groups(root)
    for path in _folders(root, folders):
        yield from _writable(path, own, "write into it, and so decide what the manager does")
    for source in sources:
        yield from _writable(Path(source), own, "change the configuration")
    token = admin_token_path(manager)
    yield from _writable(token, own, "write into it, and so give orders by vcycle-admin")
    secrets = (root / FILE_NAME, sqlite_path(database_url(manager)), token, manager.admin_key)
    for secret in filter(None, secrets):
        if who := strangers(secret, root):
            yield file_problem(secret, f"holds secrets, but {who}", is_warning=True)


def _folders(root: Path, folders: Iterable[Path]) -> list[Path]:
    """Return ROOT, what lies in it, and `folders` with all that are above them in ROOT."""
    below = {each for path in folders for each in (path, *path.parents) if root in each.parents}
    try:
        inner = {path for path in root.iterdir() if path.is_dir() and not path.is_symlink()}
    except OSError:  # not there yet, or closed to this user
        inner = set()
    return [root, *sorted({*below, *inner, Layout(root).spaces})]


def _writable(path: Path, own: set[int], what: str) -> Iterator[Problem]:
    try:
        found = path.stat()
    except OSError:
        return
    if found.st_mode & stat.S_IWOTH:
        message = f"every user of this host can {what}; chmod o-w it"
        yield file_problem(path, message, is_warning=True)
    elif found.st_mode & stat.S_IWGRP and found.st_gid not in own:
        group = group_name(found.st_gid)
        message = f"the group {group}, not that of the manager, can {what}; chmod g-w it"
        yield file_problem(path, message, is_warning=True)
