"""Files and folders: their order, what is merged, what cannot be read."""

from pathlib import Path

import pytest

from vcycled.config import reader
from vcycled.config.reader import Raw, read, signature


def texts(raw: Raw, folder: Path) -> list[str]:
    """Return the problems with `D` for the folder."""
    return [str(problem).replace(str(folder), "D") for problem in raw.problems]


def values(raw: Raw, title: str) -> dict[str, tuple[str, str]]:
    """Return value, and file name and line, of each option of a section."""
    return {
        each.option: (each.value, f"{Path(each.file).name}:{each.line}")
        for each in raw.section(title).settings
    }


def test_later_files_win_and_sections_merge(tmp_path: Path) -> None:
    """Each value comes from the last file that states it, with its own line."""
    (tmp_path / "b").mkdir()
    (tmp_path / "a.conf").write_text("[space x]\nA = 1\nb = 1\n")
    (tmp_path / "b" / "2.conf").write_text("[space x]\na = 2\n[Space  X]\na = 3\n")
    (tmp_path / "b" / "10.conf").write_text("\n[space x]\nc = 4\na = 4\n")
    raw = read([tmp_path / "a.conf", tmp_path / "b"])
    assert values(raw, "space x") == {
        "a": ("3", "2.conf:4"),
        "b": ("1", "a.conf:3"),
        "c": ("4", "10.conf:3"),
    }
    assert [Path(file).name for file in raw.files] == ["a.conf", "10.conf", "2.conf"]
    assert raw.section("space x").line == 1


def test_defaults_count_where_a_section_is_silent(tmp_path: Path) -> None:
    """[DEFAULT] of any file gives way to what the section says in any file."""
    (tmp_path / "1.conf").write_text("[space x]\na = 1\n[machinetype x y]\n")
    (tmp_path / "2.conf").write_text("[DEFAULT]\na = 2\n")
    raw = read([tmp_path])
    assert values(raw, "space x") == {"a": ("1", "1.conf:2")}
    assert values(raw, "machinetype x y") == {"a": ("2", "2.conf:2")}


def test_a_folder_gives_only_its_conf_files(tmp_path: Path) -> None:
    """Hidden files, backups and folders of editors are no configuration."""
    for name in ("a.conf", ".#a.conf", "a.conf~", "b.conf.rpmnew", "README"):
        (tmp_path / name).write_text("[vcycle]\n")
    assert [Path(file).name for file in read([tmp_path]).files] == ["a.conf"]


def test_a_mark_at_the_beginning_is_no_text(tmp_path: Path) -> None:
    """Files of editors that write a byte order mark are read like others."""
    (tmp_path / "a.conf").write_bytes(b"\xef\xbb\xbf[vcycle]\nroot = /x\n")
    assert values(read([tmp_path]), "vcycle") == {"root": ("/x", "a.conf:2")}


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Every file that cannot be read is a problem, and all come together."""
    (tmp_path / "conf.d" / "folder.conf").mkdir(parents=True)
    (tmp_path / "conf.d" / "gone.conf").symlink_to(tmp_path / "nowhere")
    (tmp_path / "latin.conf").write_bytes(b"[vcycle]\n# \xe9\n")
    (tmp_path / "zero.conf").write_bytes(b"[vcycle]\n\nroot = /\0\n")
    raw = read([tmp_path / name for name in ("none.conf", "conf.d", "latin.conf", "zero.conf")])
    text = "must be UTF-8 text, which byte"
    assert texts(raw, tmp_path) == [
        "D/none.conf: there is no such file or folder",
        "D/conf.d/folder.conf: cannot be read: Is a directory",
        "D/conf.d/gone.conf: cannot be read: No such file or directory",
        f"D/latin.conf:2: {text} 0xe9 at offset 11 is not; save it as UTF-8",
        f"D/zero.conf:3: {text} 0x00 at offset 18 is not; save it as UTF-8",
    ]


def test_a_file_of_zeros_is_no_configuration(tmp_path: Path) -> None:
    """As a power cut may leave one."""
    (tmp_path / "a.conf").write_bytes(b"\0" * 512)
    (told,) = texts(read([tmp_path]), tmp_path)
    assert told.startswith("D/a.conf:1: must be UTF-8 text, which byte 0x00 at offset 0 is not")


def test_a_name_that_no_file_can_have_is_named(tmp_path: Path) -> None:
    """What the system says of a place is passed on, not taken for an absent file."""
    place = tmp_path / ("x" * 300)
    assert texts(read([place]), tmp_path) == [
        f"D/{place.name}: cannot be read: File name too long"
    ]
    assert signature([place]) == ((str(place), 0, 0, 0, 0),)


def test_usual_places_may_be_absent_but_not_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the usual places one is enough; with none there is no configuration."""
    places = (tmp_path / "vcycle.d", tmp_path / "vcycle.conf")
    monkeypatch.setattr(reader, "DEFAULT_PATHS", places)
    assert texts(read(None), tmp_path) == ["no configuration file in D/vcycle.d, D/vcycle.conf"]
    (tmp_path / "vcycle.d").mkdir()
    assert texts(read(None), tmp_path) == ["no configuration file in D/vcycle.d, D/vcycle.conf"]
    (tmp_path / "vcycle.conf").write_text("")
    assert texts(read(None), tmp_path) == []
    assert read(None).sources == tuple(map(str, places))


def test_a_source_that_was_there_before_may_not_vanish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unmounted folder is not a wish to drain every space in it."""
    monkeypatch.setattr(reader, "DEFAULT_PATHS", (tmp_path / "gone.d", tmp_path / "vcycle.conf"))
    (tmp_path / "vcycle.conf").write_text("")
    assert texts(read(None, expected=[str(tmp_path / "gone.d")]), tmp_path) == [
        "D/gone.d: was read before and is gone;"
        " put it back, or leave an empty one if that is meant"
    ]


def test_the_signature_follows_every_change(tmp_path: Path) -> None:
    """Content, mode, new and vanished files, and files that are waited for, change it."""
    folder, waited = tmp_path / "conf.d", tmp_path / "user_data"
    folder.mkdir()
    seen = [signature([folder], [waited])]

    def changed() -> bool:
        seen.append(signature([folder], [waited]))
        return seen[-1] != seen[-2]

    assert not changed()
    (folder / "a.conf").write_text("[vcycle]\n")
    assert changed()
    (folder / "a.conf").write_text("[vcycle]\n\n")
    assert changed()
    (folder / "a.conf").chmod(0o600)
    assert changed()
    (folder / "README").write_text("not read")
    assert not changed()
    waited.write_text("#!/bin/sh\n")
    assert changed()
    (folder / "a.conf").unlink()
    assert changed()
    (folder / "README").unlink()
    folder.rmdir()
    assert changed()
