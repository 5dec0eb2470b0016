"""What the tests of the store share: facts to keep in it, and both databases to keep them in."""

from __future__ import annotations

import dataclasses
import shutil
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Literal, TypeVar

import pytest
from hypothesis import strategies as st

from tests import postgres
from vcycled.model import (
    EndSource,
    Machine,
    MachineState,
    RunInterval,
    Stage,
    Terms,
)
from vcycled.store import Manager, Presence, Store
from vcycled.testing.clock import START, FakeClock

T = TypeVar("T")
SPACE = "vcycle01.example.com"
TERMS = Terms(
    fizzle_seconds=600,
    max_wallclock_seconds=86_400,
    site="UKI-EXAMPLE",
    is_published=True,
    submit_host="vcycle01.example.com/vcycle-host1.example.com",
)
MACHINE = Machine(
    uuid="00000000-0000-4000-8000-000000000000",
    name="vcycle-prod-0000000000",
    space=SPACE,
    machinetype="prod",
    stage=Stage.LISTED,
    state=MachineState.RUNNING,
    processors=8,
    memory_mb=16_384,
    flavor="m1.large",
    terms=TERMS,
    created_at=START,
)
RUN = RunInterval(
    uuid=MACHINE.uuid,
    interval=0,
    space=SPACE,
    machinetype="prod",
    name=MACHINE.name,
    processors=8,
    memory_mb=16_384,
    started_at=START,
    ended_at=START + 3600,
    end_source=EndSource.CLOUD,
    is_final=True,
    terms=TERMS,
)


def machine(number: int, **changes: object) -> Machine:
    """Return a running machine of its own name and uuid, with `changes`."""
    own = {"uuid": f"uuid-{number}", "name": f"vcycle-prod-{number:010}"}
    return dataclasses.replace(MACHINE, **{**own, **changes})  # type: ignore[arg-type]


def presence(name: str = "m1.example.org", **changes: object) -> Presence:
    """Return what a manager of this name says of itself, with `changes`."""
    usual = Presence(
        name=name,
        run=f"run of {name}",
        host=name,
        root="/var/lib/vcycle",
        pid=1234,
        version="4.0",
        beat_seconds=10,
    )
    return dataclasses.replace(usual, **changes)  # type: ignore[arg-type]


def live_manager(name: str, *spaces: str, **changes: object) -> Manager:
    """Return one that began and beat just now and would look after `spaces`, with `changes`."""
    usual = Manager(
        presence=presence(name),
        started_at=0,
        up_s=0.0,
        silent_s=0.0,
        ended_at=None,
        skew=0.0,
        spaces=frozenset(spaces),
    )
    return dataclasses.replace(usual, **changes)  # type: ignore[arg-type]


def run(number: int, **changes: object) -> RunInterval:
    """Return the final run of a machine of its own, one second after the last, with `changes`."""
    own = {"uuid": f"uuid-{number}", "ended_at": RUN.ended_at + number}
    return dataclasses.replace(RUN, **{**own, **changes})  # type: ignore[arg-type]


def by_uuid(machines: Sequence[Machine]) -> list[Machine]:
    """Return `machines` in an order that two lists of the same ones share."""
    return sorted(machines, key=lambda each: each.uuid)


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
WHOLES = st.integers(-(2**63), 2**63 - 1)


def facts(kind: type[T], **given: st.SearchStrategy[object]) -> st.SearchStrategy[T]:
    """Return a strategy for `kind` that varies every field, also those with defaults."""
    hints = typing.get_type_hints(kind)
    names = [each.name for each in dataclasses.fields(typing.cast(type[typing.Any], kind))]
    return st.builds(
        kind, **{name: given[name] if name in given else _values(hints[name]) for name in names}
    )


def _values(hint: object) -> st.SearchStrategy[object]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return st.one_of(*(_values(each) for each in arguments))
    if origin is tuple:
        return st.lists(_values(arguments[0]), max_size=3).map(tuple)
    if origin is Mapping:
        return st.dictionaries(*map(_values, arguments), max_size=3)
    if not isinstance(hint, type):
        message = f"no strategy for {hint}"
        raise TypeError(message)
    if issubclass(hint, Enum):
        return st.sampled_from(list(hint))
    if dataclasses.is_dataclass(hint):
        return facts(hint)
    plain: dict[type, st.SearchStrategy[object]] = {
        bool: st.booleans(),
        float: st.floats(allow_nan=False, allow_infinity=False),
        int: WHOLES,
        str: TEXTS,
        types.NoneType: st.none(),
    }
    return plain[hint]


Kind = Literal["sqlite", "postgresql"]
BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.live)]


@cache
def _prepared(kind: Kind, folder: Path) -> str:
    """Return a database with tables and nothing in them: a path or, for PostgreSQL, a name."""
    if kind == "sqlite":
        place = str(folder / "prepared.db")
        url = f"sqlite:///{place}"
    else:
        place = postgres.running().new_database()
        url = postgres.running().url(place)
    Store.open(url, clock=FakeClock()).close()
    return place


class OnBothDatabases:
    """A class of tests that run on SQLite and, as live tests, on PostgreSQL."""

    @pytest.fixture(params=BOTH)
    def kind(self, request: pytest.FixtureRequest) -> Kind:
        """Return which database the test runs on."""
        kind: Kind = request.param
        return kind

    @pytest.fixture
    def empty(self, kind: Kind, tmp_path: Path) -> str:
        """Return the URL of a database in which nothing was made yet."""
        if kind == "sqlite":
            return f"sqlite:///{tmp_path}/vcycle.db"
        return postgres.running().url(postgres.running().new_database())

    @pytest.fixture
    def url(self, kind: Kind, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
        """Return the URL of a database with tables and nothing in them."""
        place = _prepared(kind, tmp_path_factory.getbasetemp())
        if kind == "postgresql":
            return postgres.running().url(postgres.running().new_database(place))
        shutil.copyfile(place, tmp_path / "vcycle.db")
        return f"sqlite:///{tmp_path}/vcycle.db"

    @pytest.fixture
    def clock(self) -> FakeClock:
        """Return the clock of the store."""
        return FakeClock()

    @pytest.fixture
    def store(self, url: str, clock: FakeClock) -> Iterator[Store]:
        """Return an open store with nothing in it."""
        with Store.open(url, clock=clock) as store:
            yield store


class OnSqlite(OnBothDatabases):
    """A class of tests that are about SQLite and its files."""

    @pytest.fixture
    def kind(self) -> Kind:
        """Return SQLite."""
        return "sqlite"

    @staticmethod
    def file_of(url: str) -> Path:
        """Return the file that `url` names."""
        return Path(url.removeprefix("sqlite:///"))


class OnPostgresql(OnBothDatabases):
    """A class of live tests that are about PostgreSQL."""

    @pytest.fixture
    def kind(self) -> Kind:
        """Return PostgreSQL."""
        return "postgresql"
