"""Where the manager keeps things unless it is told otherwise."""

from __future__ import annotations

from pathlib import Path

from vcycled.config.check import check
from vcycled.config.grammar import MANAGER
from vcycled.config.reader import Section
from vcycled.config.tables import ManagerOptions
from vcycled.machinedir import Layout

_SQLITE = "sqlite:///"


def database_url(manager: ManagerOptions) -> str:
    """Return the URL of the manager's database; it may hold a password."""
    if manager.database is not None:
        return manager.database.reveal()
    return f"sqlite:///{manager.root}/vcycle.db"


def sqlite_path(url: str) -> Path | None:
    """Return the file of a SQLite database; None for another kind."""
    if not url.startswith(_SQLITE):
        return None
    return Path(url.removeprefix(_SQLITE).partition("?")[0])


def root_of(manager: Section) -> Path:
    """Return ROOT as a [vcycle] section states it, even if other things in it are wrong."""
    values = check(manager, MANAGER).values
    return Path(str(values.get("root", ManagerOptions().root)))


def machinetype_folder(root: Path, space: str, machinetype: str) -> Path:
    """Return where a site puts what a machinetype needs: files/, x509cert.pem, x509key.pem."""
    return Layout(root).machinetype(space, machinetype)


def pid_path(manager: ManagerOptions) -> Path:
    """Return where the process number of vcycled stands."""
    return manager.pid_file or manager.root / "vcycled.pid"


def admin_token_path(manager: ManagerOptions) -> Path:
    """Return where the tokens of vcycle-admin stand."""
    return manager.admin_token_file or manager.root / "admin-token"
