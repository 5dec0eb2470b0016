"""The configuration as the daemon asks for it: again and again, from many threads."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vcycled.config import lastgood, reader
from vcycled.config.build import configure
from vcycled.config.deck import MANAGER as TITLE
from vcycled.config.deck import sort
from vcycled.config.lastgood import DamagedLastGood, LastGood
from vcycled.config.model import Config
from vcycled.config.places import root_of
from vcycled.config.reader import Signature
from vcycled.config.registry import Registry
from vcycled.errors import ConfigError, Problem


class ConfigSource:
    """Reads the files again when they have changed; goes on with what was good when they break."""

    def __init__(
        self,
        paths: Sequence[Path] | None = None,
        *,
        registry: Registry | None = None,
        keep_in: Path | None = None,
    ) -> None:
        """Make a source that reads nothing yet.

        Args:
            paths: files and folders; None is where the configuration usually is.
            registry: kinds of spaces by API; None is what is installed.
            keep_in: file for the last good configuration; None is lastgood.json in ROOT.
        """
        self._paths = paths and [path.absolute() for path in paths]  # a daemon changes folder
        self._registry = registry
        self._keep_in = keep_in
        self._memory = _Memory(self._paths, keep_in)
        self._config: Config | None = None
        self._watched: tuple[Path, ...] = ()
        self._lock = threading.Lock()

    def current(self) -> Config:
        """Return the configuration; the same object as before if no file has changed.

        Raises:
            ConfigError: nothing can be used, and nothing was ever good.
        """
        with self._lock:
            signature = reader.signature(self._paths, self._watched)
            if self._config is None or self._config.signature != signature:
                self._config = self._reload(signature)
            return self._config

    def forget(self, space: str) -> None:
        """Drop a space that was removed from the files and has no machines left."""
        with self._lock:
            if self._memory.forget(space) and self._config:
                self._config = replace(self._config, signature=_STALE)

    def _reload(self, signature: Signature) -> Config:
        files = reader.signature(self._paths)
        keep, problems = self._memory.recall()
        raw = reader.read(self._paths, expected=keep.sources)
        try:
            config = configure(raw, signature=files, registry=self._registry, keep=keep)
        except ConfigError as error:
            if self._config is None:
                self._memory = _Memory(self._paths, self._keep_in)  # ROOT may be another then
                raise ConfigError((*error.problems, *problems)) from error
            return replace(self._config, problems=error.problems, signature=signature)
        self._watched = tuple(Path(name) for name, *_ in config.signature[len(files) :])
        if failed := self._memory.keep(config.good):
            return replace(config, problems=(*config.problems, failed), signature=_STALE)
        return replace(config, problems=(*config.problems, *problems))


_STALE: Signature = ()
"""Of a configuration that is to be read again whether or not a file changes."""


class _Memory:
    """The last good configuration, here and on disk."""

    def __init__(self, paths: Sequence[Path] | None, file: Path | None) -> None:
        self._paths = paths
        self._file = file
        self._keep: LastGood | None = None
        self._kept: LastGood | None = None
        """What is on disk."""

    def recall(self) -> tuple[LastGood, tuple[Problem, ...]]:
        """Return what was last good, read from disk the first time, and what is wrong with it."""
        if self._keep is not None:
            return self._keep, ()
        if self._file is None:
            root = root_of(reader.read(self._paths).section(TITLE))
            self._file = root / lastgood.FILE_NAME
        try:
            self._keep = self._kept = lastgood.read(self._file)
        except (DamagedLastGood, OSError) as error:
            self._keep = LastGood()
            text = f"is damaged and not used: {error}"
            return self._keep, (reader.file_problem(self._file, text, is_warning=True),)
        return self._keep, ()

    def keep(self, good: LastGood) -> Problem | None:
        """Take `good` for the last good; return what is wrong if it cannot be put on disk."""
        self._keep = good
        if self._file is None or good == self._kept or not self._is_worth_keeping(good):
            return None
        try:
            lastgood.write(self._file, good)
        except OSError as error:
            text = f"the last good configuration cannot be kept here: {error.strerror}"
            return reader.file_problem(self._file, text, is_warning=True)
        self._kept = good
        return None

    def _is_worth_keeping(self, good: LastGood) -> bool:
        """Return False if no space was ever good: then none starts, wherever ROOT may be."""
        return bool(sort(good.sections).spaces or (self._kept and self._kept.sections))

    def forget(self, space: str) -> bool:
        """Drop a space that was removed; return False if it is not one of those."""
        if self._keep is None or space not in self._keep.removed:
            return False
        self._keep = self._keep.without(space)
        return True
