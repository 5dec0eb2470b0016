"""Vacuum pipes in the configuration: what they add to the files, and what can go wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from tests.config_support import REGISTRY, USER_DATA, deck
from vcycled.config import Config, ConfigSource, LastGood, lastgood, load, lost_limits, pipe, space
from vcycled.config.check import Checked
from vcycled.config.pipe_shelf import Copy, Shelf
from vcycled.config.reader import Section, read
from vcycled.config.show import show
from vcycled.options import SECONDS

SPACE = "cloud.example.com"
URL = "https://vo.example.com/pipe.json"
SECTION = "[vacuum_pipe cloud.example.com vo]"
PIPE = f"""\
{SECTION}
vacuum_pipe_url = {URL}
target_share = 3
user_data_option_site = here
"""
PROD = {
    "suffix": "prod",
    "target_share": 2,
    "backoff_seconds": 600,
    "fizzle_seconds": 60,
    "user_data": "https://vo.example.com/user_data",
}
TEST = {**PROD, "suffix": "test", "target_share": 1, "max_wallclock_seconds": 3600}


def shelve(folder: Path, *entries: object, prefix: str = "vo", **changes: object) -> Copy:
    """Put a copy of a pipe with these entries on the shelf."""
    text = json.dumps({"machinetypes": entries})
    copy = replace(Copy(url=URL, text=text, since=1_000_000_000), **changes)  # type: ignore[arg-type] # names are checked
    Shelf(root=folder).put(SPACE, prefix, copy)
    return copy


def poured(folder: Path, more: str = PIPE, *, keep: LastGood | None = None) -> Config:
    """Load a configuration with a pipe."""
    path = deck(folder, more=more)
    return load([path], registry=REGISTRY, keep=keep or LastGood())


def shares(config: Config) -> dict[str, float]:
    """Return the share of each machinetype."""
    return {kind.name: kind.options.target_share for kind in config.spaces[0].machinetypes}


def held(config: Config) -> dict[str, str]:
    """Return the machinetypes that are held, and why."""
    return {kind.name: kind.held for kind in config.spaces[0].machinetypes if kind.held}


def said(config: Config) -> list[str]:
    """Return all that is wrong, as one line each."""
    return [f"{'warning: ' * each.is_warning}{each}" for each in config.problems]


# What a pipe adds


def test_each_entry_is_a_machinetype_with_its_part_of_the_share(tmp_path: Path) -> None:
    """PREFIX-SUFFIX, beside those of the files; the section's share is divided in proportion."""
    shelve(tmp_path, PROD, TEST)
    config = poured(tmp_path)
    assert config.problems == ()
    assert shares(config) == {"prod": 1.0, "vo-prod": 2.0, "vo-test": 1.0}
    _, prod, test = config.spaces[0].machinetypes
    assert (prod.options.fizzle_seconds, test.options.max_wallclock_seconds) == (60, 3600)
    assert prod.user_data_options == {"site": "here"}
    assert (prod.pipe, prod.folder, prod.held) == ("vo", "vo", "")
    (pipe,) = config.spaces[0].pipes
    assert (pipe.space, pipe.prefix, pipe.url) == (SPACE, "vo", URL)


def test_files_of_a_pipe_s_machinetypes_are_in_one_folder(tmp_path: Path) -> None:
    """That of the prefix, as in Vcycle 3."""
    shelve(tmp_path, {**PROD, "user_data": "template", "user_data_file_key": "key"})
    config = poured(tmp_path, PIPE + "user_data_proxy = True\n")
    kind = config.spaces[0].machinetypes[1]
    folder = tmp_path / "spaces" / SPACE / "machinetypes" / "vo"
    assert kind.options.user_data == f"{folder}/files/template"
    assert kind.user_data_files == {"key": f"{folder}/files/key"}
    assert f"there is no file {folder}/x509cert.pem" in " ".join(said(config))


def test_no_share_in_the_section_or_in_the_pipe_is_none(tmp_path: Path) -> None:
    """Nothing is divided by zero."""
    shelve(tmp_path, {**PROD, "target_share": 0}, {**TEST, "target_share": 0})
    assert shares(poured(tmp_path)) == {"prod": 1.0, "vo-prod": 0.0, "vo-test": 0.0}
    shelve(tmp_path, PROD)
    config = poured(tmp_path, PIPE.replace("target_share = 3\n", ""))
    assert shares(config) == {"prod": 1.0, "vo-prod": 0.0}


def test_the_files_win(tmp_path: Path) -> None:
    """The machinetype's own section, then that of the pipe, then [DEFAULT], then the pipe."""
    shelve(
        tmp_path,
        {
            **PROD,
            "min_processors": 1,
            "max_processors": 2,
            "heartbeat_seconds": 3,
            "heartbeat_file": "beat",
            "user_data_option_key": "pipe",
        },
        TEST,
    )
    own = f"""\
cpu_per_machine = 6
heartbeat_seconds = 7
[machinetype {SPACE} vo-prod]
target_share = 10
max_processors = 8
heartbeat_seconds = 9
user_data_file_key = key
[DEFAULT]
max_processors = 99
max_wallclock_seconds = 7200
heartbeat_file = default
"""
    config = poured(tmp_path, PIPE + own)
    kinds = {kind.name: kind for kind in config.spaces[0].machinetypes}
    prod, test = kinds["vo-prod"].options, kinds["vo-test"].options
    assert (prod.target_share, test.target_share) == (10.0, 1.0)
    assert (prod.min_processors, prod.max_processors, prod.heartbeat_seconds) == (6, 8, 9)
    assert (test.min_processors, test.max_processors, test.heartbeat_seconds) == (6, 99, 7)
    assert (prod.max_wallclock_seconds, prod.heartbeat_file) == (7200, "default")
    assert kinds["vo-prod"].user_data_options == {"site": "here"}
    assert list(kinds["vo-prod"].user_data_files) == ["key"]
    assert config.errors == ()


def test_a_space_of_pipes_alone_is_a_space(tmp_path: Path) -> None:
    """Also while nothing is known of them."""
    path = tmp_path / "vcycle.conf"
    path.write_text(f"[vcycle]\nroot = {tmp_path}\n[space {SPACE}]\napi = demo\n{PIPE}")
    config = load([path], registry=REGISTRY)
    assert (config.spaces[0].held, config.spaces[0].machinetypes) == ("", ())
    assert said(config) == [
        f"warning: {URL}: {SECTION} has not been fetched yet, so it makes no machinetypes"
    ]


def test_a_machinetype_of_the_pipe_can_hold_the_web_caches(tmp_path: Path) -> None:
    """A name that is in no file is no mistake, if it may be in a pipe that is not known yet."""
    change = f"[machinetype {SPACE} prod]\ncvmfs_proxy_machinetype = vo-squid\n"
    assert "vo-squid" not in " ".join(said(poured(tmp_path, PIPE + change)))
    shelve(tmp_path, PROD)
    assert "there is no machinetype vo-squid" in " ".join(said(poured(tmp_path, PIPE + change)))
    shelve(tmp_path, {**PROD, "suffix": "squid"})
    assert "vo-squid" not in " ".join(said(poured(tmp_path, PIPE + change)))


# What can go wrong


def test_damage_in_one_entry_holds_that_one_alone(tmp_path: Path) -> None:
    """It goes on under its last good values; what is wrong names the pipe, section, option."""
    shelve(tmp_path, PROD, TEST)
    good = poured(tmp_path).good
    shelve(tmp_path, PROD, {**TEST, "fizzle_seconds": "soon", "user_data": "/etc/shadow"})
    config = poured(tmp_path, keep=good)
    where = f"{URL}: [machinetype {SPACE} vo-test]"
    assert said(config) == [
        f"{where} fizzle_seconds: must be {SECONDS.accepts}, not 'soon'",
        f"{where} user_data: is required: {USER_DATA}",
        f"{where} user_data: may hold no / in a vacuum pipe unless it begins with http:// or"
        " https://",
    ]
    assert list(held(config)) == ["vo-test"]
    assert held(config)["vo-test"].startswith(where)
    kinds = {kind.name: kind.options for kind in config.spaces[0].machinetypes}
    assert (kinds["vo-test"].fizzle_seconds, kinds["vo-test"].target_share) == (60, 1.0)
    assert kinds["vo-prod"].target_share == 2.0
    assert config.unusable == {}


def test_an_entry_that_never_was_right_makes_no_machinetype(tmp_path: Path) -> None:
    """It is named among what cannot be used; a wrong share is none in the sum."""
    shelve(tmp_path, PROD, {**TEST, "target_share": "lots"})
    config = poured(tmp_path)
    assert shares(config) == {"prod": 1.0, "vo-prod": 3.0}
    assert list(config.unusable) == [f"machinetype {SPACE} vo-test"]
    assert said(config) == [
        f"{URL}: [machinetype {SPACE} vo-test] target_share: must be a number, 0 to 1e+06,"
        " not 'lots'"
    ]


def test_what_is_passed_over_is_told(tmp_path: Path) -> None:
    """Warnings, with the pipe's URL; nothing is held."""
    shelve(tmp_path, {**PROD, "processors_limit": 1}, {"suffix": "x", "machine_model": "docker"})
    config = poured(tmp_path)
    assert held(config) == {}
    assert said(config) == [
        f"warning: {URL}: [machinetype {SPACE} vo-prod] processors_limit: is not taken from a"
        " vacuum pipe; set it in [vacuum_pipe] if it is wanted",
        f"warning: {URL}: {SECTION} machinetype number 2 is passed over: x has another"
        " machine_model than cernvm3 or vm-raw",
    ]


def test_a_dead_pipe_goes_on_as_it_was(tmp_path: Path) -> None:
    """Its trouble is a warning with dates, without user or password of the URL."""
    url = "https://me:sesame@vo.example.com/pipe.json?key=sesame"
    shelve(tmp_path, PROD, url=url, failed_since=1_000_003_600, error="answered 500")
    config = poured(tmp_path, PIPE.replace(URL, url))
    assert list(shares(config)) == ["prod", "vo-prod"]
    assert said(config) == [
        f"warning: {URL}: {SECTION} gives no good answer since 2001-09-09 02:46 UTC"
        " (answered 500); its copy of 2001-09-09 01:46 UTC goes on"
    ]
    assert "sesame" not in repr(config)


def test_a_pipe_that_never_answered_makes_nothing(tmp_path: Path) -> None:
    """And the rest of the space does not mind."""
    shelve(tmp_path, text="", since=None, failed_since=1_000_003_600, error="no answer")
    config = poured(tmp_path)
    assert (list(shares(config)), config.errors, held(config)) == (["prod"], (), {})
    assert said(config) == [
        f"warning: {URL}: {SECTION} gives no good answer since 2001-09-09 02:46 UTC (no answer);"
        " it makes nothing"
    ]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "is damaged and not used: JSONDecodeError"),
        ('{"format": 2}', "is damaged and not used: ValueError"),
        ('{"format": 1}', "is damaged and not used: KeyError"),
        ("[]", "is damaged and not used: TypeError"),
    ],
)
def test_a_damaged_copy_is_none(tmp_path: Path, content: str, why: str) -> None:
    """It is told, and fetched again."""
    shelve(tmp_path, PROD)
    path = Shelf(root=tmp_path).path(SPACE, "vo")
    path.write_text(content)
    assert set(said(poured(tmp_path))) == {
        f"warning: {URL}: {SECTION} has not been fetched yet, so it makes no machinetypes",
        f"warning: {URL}: {SECTION} {path} {why}",
    }


def test_a_copy_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    """The reason is told."""
    path = Shelf(root=tmp_path).path(SPACE, "vo")
    path.mkdir(parents=True)
    assert f"{path} cannot be read: Is a directory" in " ".join(said(poured(tmp_path)))


def test_a_copy_that_another_version_could_use_is_none(tmp_path: Path) -> None:
    """What is kept is judged again like what is fetched."""
    shelve(tmp_path, text="[]")
    assert said(poured(tmp_path)) == [
        f"warning: {URL}: {SECTION} the copy that was kept cannot be used: it is no JSON object"
    ]


def test_a_copy_of_another_url_is_none(tmp_path: Path) -> None:
    """The community of the new one has not spoken yet."""
    shelve(tmp_path, PROD, url="https://old.example.com/pipe.json")
    assert list(shares(poured(tmp_path))) == ["prod"]


@pytest.mark.parametrize("place", [(pipe, "pour"), (space, "attempt_machinetype")])
def test_a_bug_that_a_document_meets_holds_its_pipe_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: tuple[ModuleType, str]
) -> None:
    """As it last was; the section of files beside it, and the other pipe, go on."""
    other = PIPE.replace(" vo]", " xx]")
    shelve(tmp_path, PROD)
    shelve(tmp_path, {**PROD, "suffix": "more"}, prefix="xx")
    good = poured(tmp_path, PIPE + other).good
    shelve(tmp_path, {**PROD, "target_share": 1.25}, TEST)
    part, name = place
    sound = getattr(part, name)

    def broken(given: Checked | Section, *more: object, **others: object) -> object:
        section = given if isinstance(given, Section) else given.section
        values = {each.value for each in section.settings}
        is_new = section.title == "machinetype cloud.example.com vo-test"
        if is_new or (name == "pour" and section.title.endswith(" vo") and URL in values):
            raise KeyError(section.title)
        return sound(given, *more, **others)

    monkeypatch.setattr(part, name, broken)
    config = poured(tmp_path, PIPE + other, keep=good)
    why = (
        f"{URL}: {SECTION} met a bug in Vcycle, KeyError, so its machinetypes are held; the log of"
        " vcycled has the traceback"
    )
    assert held(config) == {"vo-prod": why}
    assert shares(config) == {"prod": 1.0, "vo-prod": 3.0, "xx-more": 3.0}
    assert [str(error) for error in config.errors] == [why]
    (bug,) = config.bugs
    assert (bug.space, bug.pipe, type(bug.error)) == (SPACE, "vo", KeyError)
    assert shares(poured(tmp_path)) == {"prod": 1.0}, "nothing of it was ever good"


def test_a_pipe_that_meets_a_bug_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files are."""

    def broken(*_given: object) -> None:
        raise KeyError

    shelve(tmp_path, PROD)
    monkeypatch.setattr(pipe, "pour", broken)
    sections = show(read([deck(tmp_path, more=PIPE)]), REGISTRY)
    assert [each.title for each in sections if "vo" in each.title] == [SECTION.strip("[]")]


def test_a_bug_in_files_is_no_pipe_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor one that also the last good of a pipe meets: nothing is guessed then."""

    def broken(*_given: object, **_more: object) -> None:
        raise KeyError("prod")

    monkeypatch.setattr(space, "attempt_machinetype", broken)
    with pytest.raises(KeyError):
        poured(tmp_path)


def test_a_wrong_pipe_section_holds_its_machinetypes_under_its_last_values(tmp_path: Path) -> None:
    """Those of the files go on."""
    shelve(tmp_path, PROD)
    good = poured(tmp_path).good
    config = poured(tmp_path, PIPE.replace("= 3", "= x"), keep=good)
    assert shares(config) == {"prod": 1.0, "vo-prod": 3.0}
    assert list(held(config)) == ["vo-prod"]
    assert "target_share: must be a number, 0 to 1e+06, not 'x'" in held(config)["vo-prod"]


def test_a_pipe_section_that_never_was_right_is_named(tmp_path: Path) -> None:
    """It makes nothing."""
    config = poured(tmp_path, PIPE.replace("vacuum_pipe_url", "vacuum_pipe_uri"))
    assert list(shares(config)) == ["prod"]
    assert list(config.unusable) == [f"vacuum_pipe {SPACE} vo"]
    assert config.spaces[0].pipes == ()


def test_of_two_pipes_with_one_name_the_first_counts(tmp_path: Path) -> None:
    """So vo with a-b, and vo-a with b: the second is told."""
    other = PIPE.replace(" vo]", " vo-a]").replace("target_share = 3", "target_share = 9")
    shelve(tmp_path, {**PROD, "suffix": "a-b"})
    shelve(tmp_path, {**PROD, "suffix": "b"}, TEST, prefix="vo-a")
    config = poured(tmp_path, PIPE + other)
    assert shares(config) == {"prod": 1.0, "vo-a-b": 3.0, "vo-a-test": 3.0}
    assert said(config) == [
        f"warning: {URL}: [machinetype {SPACE} vo-a-b] another vacuum pipe has a machinetype of"
        " this name, which counts"
    ]


# Over time


def test_files_that_break_leave_the_machinetypes_of_pipes_as_they_were(tmp_path: Path) -> None:
    """Held ones stay held; and what is kept on disk says whose they are."""
    shelve(tmp_path, PROD, TEST)
    good = poured(tmp_path).good
    shelve(tmp_path, PROD, {**TEST, "fizzle_seconds": "soon"})
    config = poured(tmp_path, PIPE.replace("user_data_option_site", "fizzle_seconds"), keep=good)
    assert set(held(config)) == {"vo-prod", "vo-test"}
    lastgood.write(tmp_path / "kept.json", config.good)
    kept = lastgood.read(tmp_path / "kept.json")
    assert kept == config.good
    broken = poured(tmp_path, PIPE + "what is this\n", keep=kept)
    assert shares(broken) == {"prod": 1.0, "vo-prod": 2.0, "vo-test": 1.0}
    assert set(held(broken)) == {"vo-prod", "vo-test"}
    assert [kind.pipe for kind in broken.spaces[0].machinetypes] == ["", "vo", "vo"]
    assert [pipe.prefix for pipe in broken.spaces[0].pipes] == ["vo"]
    mended = poured(tmp_path, keep=broken.good)
    assert list(held(mended)) == ["vo-test"]


def test_a_removed_space_drains_its_pipes_too(tmp_path: Path) -> None:
    """It is forgotten with them."""
    shelve(tmp_path, PROD)
    good = poured(tmp_path).good
    path = tmp_path / "vcycle.conf"
    path.write_text(f"[vcycle]\nroot = {tmp_path}\n")
    config = load([path], registry=REGISTRY, keep=good)
    assert config.spaces[0].is_removed
    assert list(shares(config)) == ["prod", "vo-prod"]
    left = config.good.without(SPACE)
    assert [section.title for section in left.sections] == ["vcycle"]


def test_an_entry_that_is_taken_out_is_no_lost_limit(tmp_path: Path) -> None:
    """A community that ends a machinetype does not hold the whole space."""
    shelve(tmp_path, PROD, TEST)
    more = PIPE + "processors_limit = 5\n"
    before = poured(tmp_path, more)
    shelve(tmp_path, PROD)
    assert lost_limits(before, poured(tmp_path, more)) == {}
    assert lost_limits(before, poured(tmp_path)) == {
        SPACE: "gone from the configuration: processors_limit of machinetype vo-prod"
    }


def test_a_copy_that_changes_is_noticed(tmp_path: Path) -> None:
    """Without a change of the files; and nothing is read again while nothing changes."""
    own = ConfigSource([deck(tmp_path, more=PIPE)], registry=REGISTRY)
    assert list(shares(own.current())) == ["prod"]
    assert own.current() is own.current()
    shelve(tmp_path, PROD)
    assert list(shares(own.current())) == ["prod", "vo-prod"]
    assert own.current() is own.current()
    shelve(tmp_path, PROD, TEST)
    assert list(shares(own.current())) == ["prod", "vo-prod", "vo-test"]
    again = ConfigSource([tmp_path / "vcycle.conf"], registry=REGISTRY)
    assert list(shares(again.current())) == ["prod", "vo-prod", "vo-test"]


def test_only_this_user_can_read_a_copy(tmp_path: Path) -> None:
    """It holds what a community tells its machines, and the URL."""
    copy = shelve(tmp_path, PROD)
    shelf = Shelf(root=tmp_path)
    path = shelf.path(SPACE, "vo")
    modes = [each.stat().st_mode & 0o777 for each in (path, path.parent, path.parent.parent)]
    assert modes == [0o600, 0o700, 0o700]
    assert shelf.find(SPACE, "vo", URL).copy == copy
    assert "vo.example.com" not in repr(copy)


# Shown


def test_what_counts_is_shown_with_the_pipe_it_comes_from(tmp_path: Path) -> None:
    """Machinetypes follow their pipe, or stand where the files have them."""
    shelve(tmp_path, {**PROD, "user_data_option_token": "sesame"}, TEST)
    path = deck(tmp_path, more=f"{PIPE}[machinetype {SPACE} vo-test]\nfizzle_seconds = 7\n")
    sections = show(read([path]), REGISTRY)
    titles = [section.title for section in sections]
    assert titles[3:] == [
        f"vacuum_pipe {SPACE} vo",
        f"machinetype {SPACE} vo-prod",
        f"machinetype {SPACE} vo-test",
    ]
    prod, test = (
        {each.option: (each.value, each.file, each.line) for each in section.options}
        for section in sections[4:]
    )
    assert prod["target_share"] == ("2", URL, 0)
    assert prod["fizzle_seconds"] == ("60", URL, 0)
    assert prod["user_data_option_token"] == ("********", URL, 0)
    assert prod["user_data_option_site"] == ("here", str(path), 16)
    assert test["fizzle_seconds"] == ("7", str(path), 18)
    assert test["max_wallclock_seconds"] == ("3600", URL, 0)
    (one,) = show(read([path]), REGISTRY, space=SPACE, machinetype="vo-test")
    assert one.title == f"machinetype {SPACE} vo-test"


def test_a_pipe_that_is_wrong_is_shown_as_it_is(tmp_path: Path) -> None:
    """Without machinetypes."""
    path = deck(tmp_path, more=PIPE.replace("= 3", "= x"))
    shelve(tmp_path, PROD)
    titles = [section.title for section in show(read([path]), REGISTRY)]
    assert titles[3:] == [f"vacuum_pipe {SPACE} vo"]
