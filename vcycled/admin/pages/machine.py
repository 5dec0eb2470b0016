"""The page of a machine: its whole story."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from vcycled.admin.pages.links import kind_path, machine_path, output_path, space_path
from vcycled.admin.pages.parts import OVERVIEW, Cell, Command, Fact, Grid, Page, facts_of, link
from vcycled.admin.pages.told import Columns, told_events
from vcycled.admin.pages.visit import NotHere, Visit
from vcycled.admin.pages.whole import typed
from vcycled.cli.machines import state_line
from vcycled.cli.printing import Line
from vcycled.cli.session import Session
from vcycled.cli.story import (
    Folder,
    Story,
    console_lines,
    heartbeat_text,
    machine_facts,
    message_text,
    no_record_sentence,
    promises,
    record_sentence,
)
from vcycled.cli.story_reader import read_story
from vcycled.cli.words import Words
from vcycled.machinedir.layout import JOBFEATURES, MACHINEFEATURES, is_output_name
from vcycled.model import Machine, Stage
from vcycled.store import Store

_CONSOLE_LINES = 200
_KEY_BYTES = 300
"""Of a feature; all of ours are shorter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """A folder of what the machine is told: each file a key."""

    name: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinePage:
    """What the page says."""

    name: str
    state: Line
    facts: tuple[Fact, ...]
    events: Grid
    folder_error: str
    has_folder: bool
    signs: tuple[Fact, ...]
    """Folder, heartbeat and shutdown message."""
    outputs: Grid
    console: tuple[str, ...]
    is_console_cut: bool
    records: tuple[str, ...]
    no_record: str
    promises: tuple[Fact, ...]
    features: tuple[Features, ...]
    namesakes: tuple[Fact, ...]
    """Others that bore the name."""


def machine(session: Session, visit: Visit) -> Page:
    """Return the page: `vcycle machine NAME`.

    Raises:
        NotHere: there never was such a machine, or it is forgotten.
    """
    with session.store() as store:
        found, namesakes = found_machine(store, visit.names["uuid"])
        story = read_story(found, store, session.root, session.clock)
    return Page(
        template="machine.html",
        title=found.name,
        crumbs=(
            OVERVIEW,
            link(found.space, space_path(found.space)),
            link(found.machinetype, kind_path(found.space, found.machinetype)),
        ),
        facts=replace(_told(story, session.words), namesakes=_others(found, namesakes)),
        commands=_commands(found),
    )


def found_machine(store: Store, key: str) -> tuple[Machine, tuple[Machine, ...]]:
    """Return the machine of this uuid or else the last of this name, and all of its name.

    Raises:
        NotHere: there never was such a machine, or it is forgotten.
    """
    known = store.known([key])
    bearers = store.machine(known[key].name if key in known else key)
    if not bearers:
        raise NotHere(f"there is no machine {key!r}, or what was known of it is forgotten")
    return known.get(key, bearers[-1]), bearers


def _others(found: Machine, bearers: tuple[Machine, ...]) -> tuple[Fact, ...]:
    return tuple(
        link(each.uuid, machine_path(each.uuid)) for each in bearers if each.uuid != found.uuid
    )


def _told(story: Story, words: Words) -> MachinePage:
    found, folder = story.machine, story.folder
    message = folder.message or found.message
    console = tuple(console_lines(folder.console))
    return MachinePage(
        name=found.name,
        state=state_line(found),
        facts=facts_of(machine_facts(found, words)),
        events=told_events(
            story.events, words, caption="What happened, in order", columns=Columns(subject=False)
        ),
        folder_error=folder.error,
        has_folder=bool(folder.path),
        signs=facts_of(
            (
                ("folder", folder.path),
                ("heartbeat", heartbeat_text(story, words)),
                ("shutdown message", message_text(message)),
            )
        ),
        outputs=_outputs(found, folder, words),
        console=console[-_CONSOLE_LINES:],
        is_console_cut=len(console) > _CONSOLE_LINES,
        records=tuple(record_sentence(each, words) for each in story.records),
        no_record="" if story.records else no_record_sentence(found),
        promises=facts_of(promises(found.terms)),
        features=_features(folder),
        namesakes=(),
    )


def _outputs(found: Machine, folder: Folder, words: Words) -> Grid:
    rows = tuple(
        (
            Cell(
                text=each.name,
                href=output_path(found.uuid, each.name) if is_output_name(each.name) else "",
            ),
            Cell(text=str(each.size)),
            Cell(text=words.ago(each.written_at)),
        )
        for each in folder.outputs
    )
    return Grid(
        caption="Files in its joboutputs",
        headings=("File", "Bytes", "Written"),
        rows=rows,
        numbers=frozenset({"Bytes"}),
    )


def _features(folder: Folder) -> tuple[Features, ...]:
    """Return what it is told now: Machine/Job Features (HSF-TN-2016-02)."""
    if not folder.path:
        return ()
    names = (MACHINEFEATURES, JOBFEATURES)
    return tuple(Features(name=name, facts=_keys(Path(folder.path) / name)) for name in names)


def _keys(folder: Path) -> tuple[Fact, ...]:
    try:
        return tuple(
            Fact(name=each.name, text=_value(each))
            for each in sorted(folder.iterdir())
            if each.is_file() and not each.is_symlink()
        )
    except OSError:  # retired or removed just now, or not for this user
        return ()


def _value(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_KEY_BYTES).decode("utf-8", "replace").strip()


def _commands(found: Machine) -> tuple[Command, ...]:
    look = Command(does="See the same in a terminal", command=typed("machine", found.name))
    if found.stage is Stage.GONE:
        return (look,)
    return look, Command(does="Delete it", command=typed("delete", found.name))
