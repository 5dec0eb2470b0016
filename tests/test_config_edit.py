"""`config set` changes one value and nothing else, or nothing at all."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.config_support import REGISTRY, deck
from vcycled.config.edit import Edit, edit
from vcycled.config.ini import lines_of, scan
from vcycled.config.rewrite import put
from vcycled.errors import ConfigError, OperatorError

SPACE = "space cloud.example.com"
PROD = "machinetype cloud.example.com prod"

INDENTS = st.sampled_from(["", "", " ", "    ", "\t"])
VALUES = st.sampled_from(["1", "two words", "a;b", "#x", "x = y", "[s]", "é", "10%", "=", ":"])
COMMENTS = st.sampled_from(["", "", " ; why", "\t;", " ;a ;b"])
OPTIONS = st.builds(
    "{}{}{}{}{}".format,
    INDENTS,
    st.sampled_from(["a", "B", "long name"]),
    st.sampled_from(["=", " = ", ":", " :", "=  "]),
    VALUES | st.just(""),
    COMMENTS,
)
CONTINUATIONS = st.builds("      {}{}".format, VALUES, COMMENTS)
OTHERS = st.sampled_from(["", "   ", "# a = 1", "  ; a = 1", "[s]", "[t]", " [s] ; x", "[s  u]"])
TEXTS = st.builds(
    lambda lines, end, last: end.join(["# top", "[s]", *lines]) + (end if last else ""),
    st.lists(OPTIONS | CONTINUATIONS | OTHERS, max_size=10),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
)
SECTIONS = st.sampled_from(["s", "t", "s u", "new"])


def values(text: str) -> dict[tuple[str, str], str]:
    """Return what counts in `text`, by section and option."""
    ini = scan(text)
    assert ini.errors == ()
    return {(" ".join(e.section.split()), e.option): e.value for e in ini.entries}


def is_within(some: list[str], lines: list[str]) -> bool:
    """Return True if `some` are among `lines`, in this order."""
    rest: Iterator[str] = iter(lines)
    return all(line in rest for line in some)


@given(TEXTS, SECTIONS, st.sampled_from(["a", "b", "long name", "c"]), VALUES)
def test_a_set_value_is_read_back_and_every_other_line_stays(
    text: str, title: str, option: str, value: str
) -> None:
    """Comments, blanks, order and line ends of all other lines are the same bytes."""
    assume(not scan(text).errors)
    here = [
        entry
        for entry in scan(text).entries
        if (" ".join(entry.section.split()), entry.option) == (title, option)
    ]
    entry = here[-1] if here else None
    new = put(text, title=title, option=option, value=value, entry=entry)
    assert values(new) == {**values(text), (title, option): value}
    old_lines, new_lines = list(lines_of(text)), list(lines_of(new))
    if entry:
        kept = [line for n, line in enumerate(old_lines, start=1) if n not in entry.lines]
        assert is_within(kept, new_lines)
        assert new_lines[: entry.line - 1] == old_lines[: entry.line - 1]
    else:
        last = old_lines[-1].rstrip("\r\n")
        ended = [[*old_lines[:-1], last + end] for end in ("", "\n", "\r\n", "\r")]
        assert any(is_within(lines, new_lines) for lines in ended)
        assert len(new_lines) - len(old_lines) in {1, 3}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[s]\na=1\n", "[s]\na=2\n"),
        ("[s]\n  A : 1\t; why\n", "[s]\n  A : 2\t; why\n"),
        ("[s]\na =\n", "[s]\na = 2\n"),
        ("[s]\na = ; why\n", "[s]\na = 2 ; why\n"),
        ("[s]\na = 1\n  3 ; three\n# x\n  4\nb = 5", "[s]\na = 2\n  ; three\n# x\nb = 5"),
        ("[s]\r\na = 1\r\n", "[s]\r\na = 2\r\n"),
    ],
)
def test_a_value_takes_the_place_of_another(text: str, expected: str) -> None:
    """Indent, delimiter and comments are the writer's, not ours."""
    (entry, *_) = scan(text).entries
    assert put(text, title="s", option="a", value="2", entry=entry) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "[s]\na = 2\n"),
        ("# top\n", "# top\n\n[s]\na = 2\n"),
        ("[t]\nb = 1", "[t]\nb = 1\n\n[s]\na = 2\n"),
        ("[s]\n", "[s]\na = 2\n"),
        ("[s]", "[s]\na = 2\n"),
        ("[s]\r\n# x\r\n", "[s]\r\na = 2\r\n# x\r\n"),
        ("[s]\n  [t]\n", "[s]\n  a = 2\n  [t]\n"),
        ("[s]\n  b = 1\n   x\n\n# t\n[t]\n", "[s]\n  b = 1\n   x\n  a = 2\n\n# t\n[t]\n"),
        ("[s]\nb = 1\n[t]\n[s]\nc = 1\n[u]\n", "[s]\nb = 1\n[t]\n[s]\nc = 1\na = 2\n[u]\n"),
    ],
)
def test_a_new_option_goes_to_the_end_of_its_section(text: str, expected: str) -> None:
    """The last section of the name gets it, or a new one at the end of the file."""
    assert put(text, title="s", option="a", value="2") == expected


def change(path: Path, section: str, option: str, value: str, **more: Path) -> Edit:
    """Set an option, write it, and return the change."""
    made = edit(section, option, value, paths=[path], file=more.get("file"), registry=REGISTRY)
    made.write()
    return made


def refusal(path: Path, section: str, option: str, value: str, **more: Path) -> str:
    """Return why an option is not set; the files stay as they were."""
    files = [path] if path.is_file() else sorted(path.iterdir())
    before = [file.read_bytes() for file in files]
    with pytest.raises((OperatorError, ConfigError)) as caught:
        change(path, section, option, value, **more)
    assert [file.read_bytes() for file in files] == before
    return str(caught.value).replace(str(path), "F")


def test_the_line_that_holds_the_value_is_changed(tmp_path: Path) -> None:
    """Not one of the same name in another section."""
    path = deck(tmp_path)
    lines = path.read_text().splitlines()
    made = change(path, f"[{PROD}]", "Processors_Limit", " 40 ")
    lines[7] = "processors_limit = 40"
    assert path.read_text().splitlines() == lines
    assert (made.now.line, made.before and made.before.value, made.is_secret) == (8, "50", False)
    assert made.warnings == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("max_processors = 100", "processors_limit = 9"),
        ("max processors=100", "processors_limit=9"),
    ],
)
@pytest.mark.parametrize("option", ["max_processors", "processors_limit"])
def test_an_old_spelling_becomes_the_new_one(
    tmp_path: Path, old: str, new: str, option: str
) -> None:
    """The new name takes the line, so that not both are there."""
    path = deck(tmp_path, ("processors_limit = 100", old))
    change(path, SPACE, option, "9")
    assert path.read_text().splitlines()[4] == new


def test_the_spelling_that_counts_is_the_one_that_is_changed(tmp_path: Path) -> None:
    """An old spelling beside it stays as useless as it is."""
    path = deck(tmp_path, more="[space cloud.example.com]\nmax_processors = 5\n")
    change(path, SPACE, "processors_limit", "9")
    lines = path.read_text().splitlines()
    assert (lines[4], lines[13]) == ("processors_limit = 9", "max_processors = 5")


def test_the_file_that_holds_the_value_is_changed(tmp_path: Path) -> None:
    """Else the last one that has the section, else the last one."""
    for name, text in {
        "1.conf": f"[{SPACE}]\napi = demo\nspeed = 1\n",
        "2.conf": f"[{SPACE}]\ncleanup_hours = 1\n",
        "3.conf": f"[{PROD}]\nbackoff_seconds = 1\nfizzle_seconds = 1\nuser_data = http://h/u\n",
    }.items():
        (tmp_path / name).write_text(text)
    assert change(tmp_path, SPACE, "speed", "2").file.name == "1.conf"
    assert change(tmp_path, SPACE, "mode", "observe").file.name == "2.conf"
    assert change(tmp_path, "vcycle", "parallel_calls", "5").file.name == "3.conf"
    assert (tmp_path / "3.conf").read_text().endswith("\n\n[vcycle]\nparallel_calls = 5\n")


def test_a_file_can_be_named(tmp_path: Path) -> None:
    """It must be one that is read, and no later file may say otherwise."""
    first, second = tmp_path / "1.conf", tmp_path / "2.conf"
    deck(tmp_path).rename(first)
    second.write_text(f"[{SPACE}]\nprocessors_limit = 90\n")
    assert change(tmp_path, SPACE, "processors_limit", "80", file=second).now.line == 2
    said = refusal(tmp_path, SPACE, "processors_limit", "70", file=first)
    assert said == "F/2.conf:2 sets processors_limit too, and that would count"
    said = refusal(tmp_path, SPACE, "mode", "observe", file=tmp_path / "3.conf")
    assert said == "F/3.conf is not among the files that are read: F/1.conf, F/2.conf"


def test_a_default_is_overridden_in_the_section(tmp_path: Path) -> None:
    """[DEFAULT] stays for the others."""
    path = deck(tmp_path, ("[vcycle]", "[DEFAULT]\nmax_wallclock_seconds = 7200\n[vcycle]"))
    made = change(path, PROD, "max_wallclock_seconds", "3600")
    assert made.before is None
    assert "max_wallclock_seconds = 7200" in path.read_text()
    assert path.read_text().endswith("user_data\nmax_wallclock_seconds = 3600\n")


@pytest.mark.parametrize(
    ("section", "option", "value", "said"),
    [
        (
            SPACE,
            "processors_limit",
            "lots",
            "must be a whole number of processors, 0 to",
        ),
        (SPACE, "processor_limit", "5", "did you mean processors_limit?"),
        (PROD, "min_processors", "51", "no machine can be created"),
        ("machinetype cloud.example.com new", "target_share", "1", "is required"),
        ("spce cloud.example.com", "api", "demo", "unknown kind of section"),
        (SPACE, "api_version", "1 ; 2", "would not be read as it stands"),
        (SPACE, "api_version", "1\n2", "would not be read as it stands"),
        (SPACE, "", "1", "would not be read as it stands"),
        (SPACE, "a=b", "1", "would not be read as it stands"),
        ("[ ]", "a", "1", "name a section, such as"),
    ],
)
def test_what_would_be_wrong_is_refused(
    tmp_path: Path, section: str, option: str, value: str, said: str
) -> None:
    """Nothing is written, and the message is that of the check."""
    assert said in refusal(deck(tmp_path), section, option, value)


def test_files_that_cannot_be_read_are_not_edited(tmp_path: Path) -> None:
    """What counts is not known then."""
    assert "text before the first" in refusal(deck(tmp_path, ("[vcycle]", "")), SPACE, "api", "x")


def test_errors_that_are_there_already_do_not_stand_in_the_way(tmp_path: Path) -> None:
    """Also if their lines move; a step out of trouble must be possible."""
    wrong = ("min_processors = 2", "min_processors = 51"), ("target_share = 1", "target_share = x")
    path = deck(tmp_path, *wrong)
    made = change(path, SPACE, "mode", "observe")
    assert made.warnings == ()
    assert path.read_text().splitlines()[5] == "mode = observe"


def test_a_new_warning_is_passed_on(tmp_path: Path) -> None:
    """It does not stop the change."""
    (warning,) = change(deck(tmp_path), SPACE, "colour", "red").warnings
    assert warning.message == "unknown option; it does nothing"


def test_an_unknown_option_and_a_substitution_can_be_changed_again(tmp_path: Path) -> None:
    """What no table has is found by its name."""
    path = deck(tmp_path)
    for value in ("red", "blue"):
        change(path, SPACE, "colour", value)
        change(path, PROD, "user_data_option_token", value)
    assert path.read_text().count("colour") == 1
    assert change(path, PROD, "user_data_option_token", "x").is_secret


def test_mode_owner_and_links_stay(tmp_path: Path) -> None:
    """A file under configuration management stays the same file to it."""
    path = deck(tmp_path)
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 1234, 4321)
    link = tmp_path / "link.conf"
    link.symlink_to(path)
    before = path.stat()
    change(link, SPACE, "processors_limit", "9")
    after = path.stat()
    assert link.is_symlink()
    assert stat.S_IMODE(after.st_mode) == 0o640
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)


def test_a_byte_order_mark_stays(tmp_path: Path) -> None:
    """So does everything that other editors rely on."""
    path = deck(tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    change(path, SPACE, "processors_limit", "9")
    assert path.read_bytes().startswith(b"\xef\xbb\xbf[vcycle]")
