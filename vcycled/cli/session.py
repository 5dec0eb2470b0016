"""What every command works with: configuration, store, clock and terminal, opened as needed.

Commands change nothing that the manager owns but its orders and the queue of ssmsend. They never
make or upgrade a database, and read the configuration as the manager does without keeping it.
"""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from sqlalchemy.exc import OperationalError

from vcycled.cli.access import Access
from vcycled.cli.alive import ManagerState, manager_state
from vcycled.cli.printing import Printer
from vcycled.cli.views import View, gather
from vcycled.cli.words import Words
from vcycled.clock import Clock
from vcycled.config import Config, LastGood, load
from vcycled.config.lastgood import FILE_NAME, DamagedLastGood, read
from vcycled.config.places import database_url, sqlite_path
from vcycled.config.reader import read as read_files
from vcycled.config.tables import ManagerOptions
from vcycled.errors import OperatorError, StoreError
from vcycled.store import Store


class NoStore(OperatorError):
    """There is no database yet, or this user may not open it."""


class Session:
    """One call of `vcycle`."""

    def __init__(
        self, clock: Clock, paths: Sequence[Path] | None, *, access: Access | None = None
    ) -> None:
        """Read nothing yet.

        Args:
            clock: of this host.
            paths: files of the configuration; None is where they usually are.
            access: to the vcycle-admin that is asked instead; then nothing is read here.
        """
        self.clock = clock
        self.access = access
        self._paths = paths
        self._root: Path | None = None

    def use(self, paths: Sequence[Path]) -> None:
        """Read the configuration from `paths`; to be called before anything is read."""
        self._paths = paths

    def anew(self) -> Session:
        """Return this call made again now: it reads what has changed since.

        It knows where ROOT was, should the file be gone that says so.
        """
        again = Session(self.clock, self._paths)
        again._root = self.config.manager.root if "config" in self.__dict__ else self._root
        return again

    @cached_property
    def config(self) -> Config:
        """The configuration that the manager runs under, as far as this user may read it.

        Raises:
            ConfigError: nothing can be used.
            OperatorError: another host is asked.
        """
        if self.access is not None:
            url = self.access.url
            raise OperatorError(f"this is done on the manager's host only, not by {url}")
        return load(self._paths, keep=self._keep)

    @cached_property
    def _keep(self) -> LastGood:
        """What the manager last held for good; an empty one if this user cannot read it."""
        return _last_good(self._paths, self._root)

    @cached_property
    def now(self) -> int:
        """The one instant that this call is about."""
        return self.clock.now()

    @property
    def words(self) -> Words:
        """How this call tells times."""
        return Words(now=self.now)

    @property
    def printer(self) -> Printer:
        """Where this call prints."""
        return Printer()

    @property
    def root(self) -> Path:
        """The manager's folder."""
        return self.config.manager.root

    @property
    def host(self) -> str:
        """Name of the manager's host in what it writes."""
        return self.config.manager.manager_hostname or socket.getfqdn()

    @property
    def database(self) -> str:
        """URL of the database; it may hold a password."""
        return database_url(self.config.manager)

    @property
    def manager(self) -> ManagerState:
        """Whether vcycled runs."""
        return manager_state(self.root)

    @contextmanager
    def store(self, *, writing: bool = False) -> Iterator[Store]:
        """Give the store, open for reading unless `writing`.

        Raises:
            NoStore: there is none yet, or this user may not open it.
            StoreError: it does not answer, or is of another version.
        """
        _check_file(self.database)
        with self._open_store(writing=writing) as store:
            yield store

    def _open_store(self, *, writing: bool) -> Store:
        try:
            return Store.open(
                self.database, clock=self.clock, read_only=not writing, upgrade=False
            )
        except StoreError as error:
            is_away = isinstance(error.__cause__, OperationalError)
            if not is_away or sqlite_path(self.database) is not None:
                raise
            hint = "a manager that cannot reach it creates and deletes nothing"
            raise StoreError(f"{error}; {hint}") from error

    def view(self, store: Store) -> View:
        """Return what is known of every space."""
        config, remembers = self.config, bool(self._keep.sources)
        return gather(config, store, self.manager, now=self.now, remembers=remembers)


def user() -> str:
    """Return who gives an order: also behind sudo, the person."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # no such user on this host, as in a container
        return f"uid {os.getuid()}"


def _check_file(url: str) -> None:
    path = sqlite_path(url)
    if path is None:
        return
    if not os.access(path.parent, os.X_OK) and path.parent.exists():
        raise NoStore(f"{path.parent} is closed to this user; {_who(path.parent)}")
    if not path.exists():
        raise NoStore(f"there is no database yet at {path}: has vcycled run?")
    if not os.access(path, os.R_OK):
        raise NoStore(f"{path} cannot be read by this user; {_who(path)}")


def _who(path: Path) -> str:
    """Return who could do it instead."""
    try:
        return f"try it as {path.owner()} (sudo -u {path.owner()} vcycle ...)"
    except KeyError:
        return "try it as its owner"


def _last_good(paths: Sequence[Path] | None, root: Path | None) -> LastGood:
    """Return what the manager last held for good; an empty one if this user cannot read it.

    Args:
        paths: files of the configuration.
        root: where ROOT is if they do not say; None is its usual place.
    """
    settings = read_files(paths).section("vcycle").settings
    stated = [Path(setting.value) for setting in settings if setting.option == "root"]
    place = stated[0] if stated else root or ManagerOptions().root
    try:
        return read(place / FILE_NAME)
    except (DamagedLastGood, OSError):
        return LastGood()
