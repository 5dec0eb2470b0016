"""What can be asked of spaces and machines: by a command, and by a path of the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import quote

from vcycled.cli.as_json import machine_json, plain_json
from vcycled.cli.asking import Question, Told, parameters
from vcycled.cli.events import event_blocks
from vcycled.cli.machines import Filter, machine_blocks, wanted
from vcycled.cli.names import demand, hint
from vcycled.cli.planning import planned
from vcycled.cli.preview import plan_blocks, plan_json
from vcycled.cli.session import Session
from vcycled.cli.status import (
    chosen,
    status_blocks,
    status_json,
)
from vcycled.cli.story import Story, story_blocks, story_json
from vcycled.cli.story_reader import read_story
from vcycled.cli.views import space_names
from vcycled.cli.why import answer, why_blocks, why_json
from vcycled.errors import Unknown
from vcycled.model import Machine
from vcycled.store import Store, WantedEvents


@dataclass(frozen=True, slots=True, kw_only=True)
class Status(Question):
    """How the manager and its spaces are."""

    space: str = ""
    """Empty for all."""

    @property
    def path(self) -> str:
        """Return where it is answered."""
        return f"/spaces/{quote(self.space, safe='')}" if self.space else "/spaces"

    def answer(self, session: Session) -> Told:
        """Tell it."""
        with session.store() as store:
            view = chosen(session.view(store), self.space)
        return Told(
            document=lambda: status_json(view),
            blocks=lambda: status_blocks(view, session.words),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Why(Question):
    """Why a space, or one machinetype of it, gets no more machines."""

    space: str
    machinetype: str = ""

    @property
    def path(self) -> str:
        """Return where it is answered."""
        return f"/spaces/{quote(self.space, safe='')}/why"

    def query(self) -> Mapping[str, str]:
        """Return which machinetype."""
        return parameters(machinetype=self.machinetype)

    def answer(self, session: Session) -> Told:
        """Tell it."""
        with session.store() as store:
            view = session.view(store)
        given = answer(view, self.space, self.machinetype, session.words)
        return Told(
            document=lambda: why_json(given), blocks=lambda: why_blocks(given, session.words)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned(Question):
    """What the next cycle of a space would do; the cloud is asked."""

    space: str

    @property
    def path(self) -> str:
        """Return where it is answered."""
        return f"/spaces/{quote(self.space, safe='')}/plan"

    def answer(self, session: Session) -> Told:
        """Tell it."""
        plan = planned(session, self.space)
        return Told(
            document=lambda: plan_json(self.space, plan),
            blocks=lambda: plan_blocks(plan, session.words),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines(Question):
    """Machines, all at once, by space and machinetype."""

    path: ClassVar[str] = "/machines"
    space: str = ""
    machinetype: str = ""
    state: str = ""
    has_gone: bool = False

    def query(self) -> Mapping[str, str]:
        """Return which."""
        return parameters(
            space=self.space, machinetype=self.machinetype, state=self.state, gone=self.has_gone
        )

    def answer(self, session: Session) -> Told:
        """Tell it."""
        with session.store() as store:
            self.check(session, store)
            has_gone = self.has_gone or self.state == "gone"
            found = store.machines(space=self.space or None, include_gone=has_gone)
        kinds = Filter(machinetype=self.machinetype or None, condition=self.state or None)
        listed = wanted(found, kinds)
        return Told(
            document=lambda: [machine_json(each) for each in listed],
            blocks=lambda: machine_blocks(listed, session.words),
        )

    def check(self, session: Session, store: Store) -> None:
        """Check that there are such a space and machinetype.

        Raises:
            OperatorError: there are not.
        """
        if not self.space and not self.machinetype:
            return
        view = session.view(store)
        if self.space:
            demand("space", self.space, space_names(view.spaces))
        if self.machinetype:
            kinds = (name for each in view.spaces for name in each.machinetypes)
            demand("machinetype", self.machinetype, kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stories(Question):
    """The whole stories of all machines that ever bore a name."""

    name: str

    @property
    def path(self) -> str:
        """Return where it is answered."""
        return f"/stories/{quote(self.name, safe='')}"

    def answer(self, session: Session) -> Told:
        """Tell it."""
        with session.store() as store:
            stories = [_story(session, store, each) for each in _bearers(store, self.name)]
        return Told(
            document=lambda: [story_json(each) for each in stories],
            blocks=lambda: (
                block for each in stories for block in story_blocks(each, session.words)
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OneStory(Question):
    """The whole story of one machine."""

    uuid: str

    @property
    def path(self) -> str:
        """Return where it is answered."""
        return f"/machines/{quote(self.uuid, safe='')}"

    def answer(self, session: Session) -> Told:
        """Tell it."""
        with session.store() as store:
            found = store.known([self.uuid]).get(self.uuid)
            if found is None:
                raise Unknown(f"there is no machine with uuid {self.uuid!r}, nor was there one")
            story = _story(session, store, found)
        return Told(
            document=lambda: story_json(story),
            blocks=lambda: story_blocks(story, session.words),
        )


def _story(session: Session, store: Store, machine: Machine) -> Story:
    return read_story(machine, store, session.root, session.clock)


def _bearers(store: Store, name: str) -> tuple[Machine, ...]:
    found = store.machine(name)
    if not found:
        known = [each.name for each in store.machines()]
        raise Unknown(f"there is no machine {name!r}, nor was there one{hint(name, known)}")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Events(Question):
    """What happened, the newest last."""

    path: ClassVar[str] = "/events"
    limit: int
    space: str = ""
    machine: str = ""
    """Its name."""
    since: int | None = None

    def query(self) -> Mapping[str, str]:
        """Return which."""
        return parameters(
            space=self.space, machine=self.machine, since=self.since, limit=self.limit
        )

    def answer(self, session: Session) -> Told:
        """Tell it."""
        which = WantedEvents(space=self.space, machine=self.machine, since=self.since)
        with session.store() as store:
            if self.space:
                demand("space", self.space, space_names(session.view(store).spaces))
            found = store.find_events(which, limit=self.limit)
            if self.machine and not found:
                _bearers(store, self.machine)
        told = tuple(each.event for each in reversed(found))
        return Told(
            document=lambda: [plain_json(each) for each in told],
            blocks=lambda: event_blocks(told, session.words),
        )
