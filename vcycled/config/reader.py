"""Configuration files, merged as Vcycle reads them, with the file and line of every value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from vcycled.config.ini import Entry, Ini, scan
from vcycled.errors import Problem

DEFAULT_PATHS = (
    Path("/var/lib/vcycle/shared/vcycle.d"),
    Path("/etc/vcycle.d"),
    Path("/etc/vcycle.conf"),
)
"""Where the configuration is unless --config says otherwise; later values win."""

DEFAULTS = "DEFAULT"
"""The section whose options every other section has unless it states its own."""

Signature = tuple[tuple[str, int, int, int, int], ...]
"""What `stat` says of every file: path, inode, time of change [ns], size, mode; all 0 if gone."""

_NONE: Mapping[Path, bytes] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A value as it is written, and where."""

    option: str
    """In lower case; old spellings are not yet translated."""
    value: str = field(repr=False)
    file: str
    """Of a value from a vacuum pipe: its URL."""
    line: int
    """0 in a vacuum pipe."""
    section: str
    """Title of the section that states it: the one it is in, DEFAULT, or that of the pipe."""

    @property
    def place(self) -> str:
        """Where it stands, as `file:line`."""
        return f"{self.file}:{self.line}" if self.line else self.file

    def problem(self, message: str, *, is_warning: bool = False) -> Problem:
        """Return what is wrong with it."""
        return Problem(
            file=self.file,
            line=self.line,
            section=self.section,
            option=self.option,
            message=message,
            is_warning=is_warning,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """All that the files say in sections of one title."""

    title: str
    """The words of the header, in lower case, separated by one blank."""
    file: str = ""
    line: int = 0
    """Of its first header."""
    settings: tuple[Setting, ...] = ()
    """At most one for each option: the one that counts."""
    pipe: str = ""
    """Prefix of the vacuum pipe that the machinetype is from; empty if it is not."""

    @property
    def words(self) -> tuple[str, ...]:
        """The kind of section, then its names."""
        return tuple(self.title.split())

    def problem(self, message: str, *, option: str = "", is_warning: bool = False) -> Problem:
        """Return what is wrong with all of it, or with an option that it does not state."""
        return Problem(
            file=self.file,
            line=self.line,
            section=self.title,
            option=option,
            message=message,
            is_warning=is_warning,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """What the files say, before anything is judged but their form."""

    sections: tuple[Section, ...] = ()
    files: tuple[str, ...] = ()
    """Those that were read, in order."""
    sources: tuple[str, ...] = ()
    """Files and folders of the list of paths that were there."""
    problems: tuple[Problem, ...] = ()
    """Files that cannot be read; if there is any, the sections are not all there, or not whole."""

    def section(self, title: str) -> Section:
        """Return the section of this title, an empty one if there is none."""
        for section in self.sections:
            if section.title == title:
                return section
        return Section(title=title)


def read(
    paths: Sequence[Path] | None,
    *,
    expected: Iterable[str] = (),
    instead: Mapping[Path, bytes] = _NONE,
) -> Raw:
    """Read files, and every *.conf of folders in the order of their names.

    Args:
        paths: later values win; None is DEFAULT_PATHS, of which any may be absent.
        expected: sources that were there before: it is a problem if one is gone now.
        instead: contents to take for files, rather than what is on disk.
    """
    places = DEFAULT_PATHS if paths is None else tuple(paths)
    there = [place for place in places if _is_there(place)]
    problems = [*_absent(places, there, expected, is_default=paths is None)]
    files: list[Path] = []
    for place in there:
        try:
            files += _files(place)
        except OSError as error:
            problems.append(_unreadable(place, error))
    merge = _Merge()
    for file in files:
        try:
            content = instead[file] if file in instead else file.read_bytes()
        except OSError as error:
            problems.append(_unreadable(file, error))
            continue
        try:
            merge.take(file, _text(content))
        except UnicodeDecodeError as error:
            problems.append(_not_text(file, error))
            # What can be read of it tells where ROOT is, and so what was last good.
            merge.take(file, content.decode(errors="replace"), is_whole=False)
    if not files and not problems:
        problems.append(_nothing(places))
    return Raw(
        sections=merge.sections(),
        files=tuple(map(str, files)),
        sources=tuple(map(str, there)),
        problems=(*problems, *merge.problems),
    )


def signature(paths: Sequence[Path] | None, also: Iterable[Path] = ()) -> Signature:
    """Return what changes when a file of `paths`, or one of `also`, changes, comes or goes."""
    places = DEFAULT_PATHS if paths is None else paths
    return tuple(_stat(path) for path in (*_entries(places), *also))


def _entries(places: Iterable[Path]) -> Iterator[Path]:
    for place in places:
        try:
            yield from _files(place)
        except OSError:
            yield place  # reading it will say why


def _stat(path: Path) -> tuple[str, int, int, int, int]:
    try:
        stat = path.stat()
    except OSError:
        return (str(path), 0, 0, 0, 0)
    return (str(path), stat.st_ino, stat.st_mtime_ns, stat.st_size, stat.st_mode)


def _files(place: Path) -> list[Path]:
    """Return `place` itself or, of a folder, the *.conf in it that are not hidden, in order."""
    if not place.is_dir():
        return [place]
    names = sorted(path.name for path in place.iterdir())
    return [place / name for name in names if name.endswith(".conf") and name[0] != "."]


def _is_there(place: Path) -> bool:
    """Return False only if there is surely nothing; what cannot be reached fails when read."""
    try:
        place.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _absent(
    places: Iterable[Path], there: Iterable[Path], expected: Iterable[str], *, is_default: bool
) -> Iterator[Problem]:
    known = set(expected)
    for place in places:
        if place in there:
            continue
        if str(place) in known:
            yield file_problem(
                place,
                "was read before and is gone; put it back, or leave an empty one if that is meant",
            )
        elif not is_default:
            yield file_problem(place, "there is no such file or folder")


def _text(content: bytes) -> str:
    """Return the text of a file without a byte order mark.

    Raises:
        UnicodeDecodeError: it is not UTF-8, or has a zero byte, which no path or value may have.
    """
    if (zero := content.find(b"\0")) >= 0:
        raise UnicodeDecodeError("utf-8", content, zero, zero + 1, "zero byte")
    return content.decode().removeprefix("\ufeff")


def _unreadable(path: Path, error: OSError) -> Problem:
    return file_problem(path, f"cannot be read: {error.strerror}")


def _not_text(path: Path, error: UnicodeDecodeError) -> Problem:
    line = error.object.count(b"\n", 0, error.start) + 1
    byte = f"byte 0x{error.object[error.start]:02x} at offset {error.start}"
    return file_problem(path, f"must be UTF-8 text, which {byte} is not; save it as UTF-8", line)


def _nothing(places: Iterable[Path]) -> Problem:
    tried = ", ".join(map(str, places))
    return Problem(
        file="", line=0, section="", option="", message=f"no configuration file in {tried}"
    )


def file_problem(path: Path, message: str, line: int = 0, *, is_warning: bool = False) -> Problem:
    """Return what is wrong with a whole file or folder, or with a line of it."""
    return Problem(
        file=str(path), line=line, section="", option="", message=message, is_warning=is_warning
    )


class _Merge:
    """Sections of one title become one; of options of one name the last counts."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._sections: dict[str, Section] = {}
        self._settings: dict[str, dict[str, Setting]] = {DEFAULTS: {}}

    def take(self, file: Path, text: str, *, is_whole: bool = True) -> None:
        """Add what the file says to what was said before; if it `is_whole`, tell its errors."""
        ini: Ini = scan(text)
        if is_whole:
            self.problems += [file_problem(file, message, line) for line, message in ini.errors]
        for header in ini.headers:
            title = title_of(header.name)
            if title not in self._sections:
                self._sections[title] = Section(title=title, file=str(file), line=header.line)
        for entry in ini.entries:
            self._set(str(file), entry)

    def _set(self, file: str, entry: Entry) -> None:
        title = title_of(entry.section)
        self._settings.setdefault(title, {})[entry.option] = Setting(
            option=entry.option, value=entry.value, file=file, line=entry.line, section=title
        )

    def sections(self) -> tuple[Section, ...]:
        """Return the sections, DEFAULT too, in the order of their first headers."""
        return tuple(self._whole(section) for section in self._sections.values())

    def _whole(self, section: Section) -> Section:
        settings = {**self._settings[DEFAULTS], **self._settings.get(section.title, {})}
        return Section(
            title=section.title,
            file=section.file,
            line=section.line,
            settings=tuple(settings.values()),
        )


def title_of(header: str) -> str:
    """Return the title of sections with this header; Vcycle 3 took them in any case too."""
    return header if header == DEFAULTS else " ".join(header.lower().split())
