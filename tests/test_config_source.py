"""The daemon's view: read again on change, go on when broken, remember across restarts."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.config_support import REGISTRY, deck
from vcycled.config import ConfigSource, LastGood, lastgood
from vcycled.config.reader import Section, Setting
from vcycled.errors import ConfigError


def source(path: Path) -> ConfigSource:
    """Return a source as a daemon that has just started has it."""
    return ConfigSource([path], registry=REGISTRY)


def test_files_that_did_not_change_are_not_read_again(tmp_path: Path) -> None:
    """The same object comes back, from any thread."""
    own = source(deck(tmp_path))
    with ThreadPoolExecutor(8) as pool:
        configs = list(pool.map(lambda _: own.current(), range(100)))
    assert len({id(config) for config in configs}) == 1


def test_a_change_is_taken_at_the_next_call(tmp_path: Path) -> None:
    """No restart, no signal."""
    own = source(deck(tmp_path))
    before = own.current()
    deck(tmp_path, ("processors_limit = 100", "processors_limit = 99"))
    after = own.current()
    assert before.spaces[0].options.processors_limit == 100
    assert after.spaces[0].options.processors_limit == 99
    assert own.current() is after


def test_a_daemon_may_change_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are those of the moment it started."""
    deck(tmp_path)
    monkeypatch.chdir(tmp_path)
    own = source(Path("vcycle.conf"))
    monkeypatch.chdir("/")
    assert own.current().errors == ()


def test_a_broken_edit_goes_on_with_what_was_good_and_says_so(tmp_path: Path) -> None:
    """Until the file is right again."""
    own = source(deck(tmp_path))
    good = own.current()
    path = deck(tmp_path, ("[vcycle]", "nonsense"))
    broken = own.current()
    assert (broken.spaces, broken.manager) == (good.spaces, good.manager)
    assert [problem.line for problem in broken.errors] == [1, 2]
    assert own.current() is broken
    path.unlink()
    assert own.current().spaces == good.spaces
    assert "was read before and is gone" in str(own.current().errors[0])
    deck(tmp_path)
    assert own.current().errors == ()


def test_a_file_in_another_encoding_still_tells_where_the_last_good_is(tmp_path: Path) -> None:
    """After a restart too, although ROOT stands in that very file."""
    path = deck(tmp_path)
    good = source(path).current()
    path.write_bytes(b"; d\xe9j\xe0 vu\n" + path.read_bytes())
    config = source(path).current()
    assert (config.spaces, config.manager) == (good.spaces, good.manager)
    (error,) = config.errors
    assert (error.line, "byte 0xe9 at offset 3" in error.message) == (1, True)


def test_a_file_with_secrets_that_is_gone_is_missed_only_once(tmp_path: Path) -> None:
    """Whether others could read it is no longer of interest."""
    path = deck(tmp_path, ("api = demo", "api = demo\ndemo_secret = x"))
    own = source(path)
    assert own.current().problems == ()
    path.unlink()
    assert len(own.current().problems) == 1


def test_what_was_good_outlives_a_restart(tmp_path: Path) -> None:
    """Sections that are wrong when the daemon starts are held, not lost."""
    good = source(deck(tmp_path)).current()
    path = deck(tmp_path, ("target_share = 1", "target_share = x"))
    config = source(path).current()
    assert config.spaces[0].machinetypes[0].options == good.spaces[0].machinetypes[0].options
    assert config.spaces[0].machinetypes[0].held


def test_what_was_good_outlives_a_restart_with_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """ROOT is found even so, where the file still states it."""
    good = source(deck(tmp_path)).current()
    path = deck(tmp_path, more="nonsense\n")
    path.write_text(path.read_text() + "\n[\n")
    assert source(path).current().spaces == good.spaces


def test_nothing_was_ever_good(tmp_path: Path) -> None:
    """The first reading may fail, and the daemon does not start; ROOT is then asked for anew."""
    own = source(deck(tmp_path, ("root = ROOT", "root = ROOT/1\nlog_level = loud")))
    with pytest.raises(ConfigError, match="log_level"):
        own.current()
    deck(tmp_path, ("root = ROOT", "root = ROOT/2"))
    assert own.current().errors == ()
    assert (tmp_path / "2" / "lastgood.json").is_file()
    assert not (tmp_path / "1").exists()


def test_a_manager_that_started_never_fails_later(tmp_path: Path) -> None:
    """Even if all there was to keep was a file without sections."""
    path = tmp_path / "vcycle.conf"
    path.write_text("")
    own = ConfigSource([path], registry=REGISTRY, keep_in=tmp_path / "lastgood.json")
    assert own.current().spaces == ()
    path.write_text("nonsense")
    config = own.current()
    assert [problem.line for problem in config.errors] == [1]
    assert own.current() is config
    path.write_text("# better")
    assert own.current().errors == ()
    assert not (tmp_path / "lastgood.json").exists()


def test_no_last_good_is_kept_before_a_space_was_right(tmp_path: Path) -> None:
    """A manager that did not start leaves nothing that the next start would go on with."""
    own = source(deck(tmp_path, ("processors_limit = 100", "processors_limit = many")))
    refused = own.current()
    assert (refused.spaces, bool(refused.errors)) == ((), True)
    assert not list(tmp_path.rglob("lastgood.json"))
    deck(tmp_path)
    assert own.current().spaces != ()
    assert len(list(tmp_path.rglob("lastgood.json"))) == 1


def test_the_last_good_is_kept_from_others(tmp_path: Path) -> None:
    """It holds secrets, so that only its owner may read it; the folder is made if need be."""
    deck(tmp_path, ("root = ROOT", "root = ROOT/var/lib"))
    source(tmp_path / "vcycle.conf").current()
    kept = tmp_path / "var" / "lib" / "lastgood.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_the_last_good_is_written_only_when_it_changes(tmp_path: Path) -> None:
    """A comment more is no reason."""
    own = source(deck(tmp_path))
    own.current()
    kept = tmp_path / "lastgood.json"
    before = kept.stat().st_ino
    deck(tmp_path, more="# a comment\n")
    own.current()
    assert kept.stat().st_ino == before
    deck(tmp_path, ("= 100", "= 99"))
    own.current()
    assert kept.stat().st_ino != before


@pytest.mark.parametrize(
    "content",
    ["", "{", '"text"', "{}", '{"format": 2}', '{"format": 1, "sections": [{}]}', "\udcff"],
)
def test_a_damaged_last_good_is_pointed_out_and_not_used(tmp_path: Path, content: str) -> None:
    """The files are right, so the daemon starts all the same, and writes it anew."""
    kept = tmp_path / "lastgood.json"
    kept.write_bytes(content.encode(errors="surrogateescape"))
    kept.chmod(0o600)
    own = source(deck(tmp_path))
    (problem,) = own.current().problems
    assert problem.is_warning
    assert str(problem).startswith(f"{kept}: is damaged and not used: ")
    assert json.loads(kept.read_text())["format"] == 1
    assert own.current().problems == (problem,)


def test_a_damaged_last_good_is_named_beside_what_is_wrong(tmp_path: Path) -> None:
    """A person who sees why nothing starts also sees why nothing was kept."""
    (tmp_path / "lastgood.json").write_text("{")
    with pytest.raises(ConfigError, match="is damaged"):
        source(deck(tmp_path, more="nonsense\n[\n")).current()


def test_a_last_good_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    """The configuration is used, a warning says what lacks, and it goes when it can be kept."""
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    own = ConfigSource([deck(tmp_path)], registry=REGISTRY, keep_in=blocked / "lastgood.json")
    (problem,) = own.current().problems
    assert "the last good configuration cannot be kept here" in problem.message
    assert own.current().problems == (problem,)
    blocked.unlink()
    assert own.current().problems == ()
    assert own.current() is own.current()
    assert (blocked / "lastgood.json").is_file()


def test_a_template_that_arrives_is_noticed(tmp_path: Path) -> None:
    """The warning that it is missing goes away without a change of the configuration."""
    own = source(deck(tmp_path, ("https://repo.example.com/user_data", f"{tmp_path}/user_data")))
    assert "there is no file" in str(own.current().problems[0])
    assert own.current() is own.current()
    (tmp_path / "user_data").write_text("#!/bin/sh\n")
    assert own.current().problems == ()


def test_what_a_proxy_is_made_from_and_the_authorities_are_noticed_too(tmp_path: Path) -> None:
    """Whatever is missed is looked for again."""
    here = tmp_path / "spaces/cloud.example.com/machinetypes/prod"
    own = source(
        deck(
            tmp_path,
            ("target_share = 1", "target_share = 1\nuser_data_proxy = True"),
            ("api = demo", f"api = demo\nhttps_ca_certificates = {tmp_path}/ca.pem"),
        )
    )
    assert len(own.current().problems) == 2
    (tmp_path / "ca.pem").touch()
    assert len(own.current().problems) == 1
    here.mkdir(parents=True)
    for name in ("x509cert.pem", "x509key.pem"):
        assert len(own.current().problems) == 1
        (here / name).touch(mode=0o600)
    assert own.current().problems == ()


def test_a_removed_space_is_forgotten_when_it_has_drained(tmp_path: Path) -> None:
    """Not before, and only if it was removed; also across a restart."""
    own = source(deck(tmp_path))
    own.forget("cloud.example.com")
    assert not own.current().spaces[0].is_removed
    own.forget("cloud.example.com")
    assert own.current().spaces != ()
    (tmp_path / "vcycle.conf").write_text(f"[vcycle]\nroot = {tmp_path}\n")
    assert own.current().spaces[0].is_removed
    assert source(tmp_path / "vcycle.conf").current().spaces[0].is_removed
    own.forget("cloud.example.com")
    assert own.current().spaces == ()
    assert source(tmp_path / "vcycle.conf").current().spaces == ()


def test_what_is_kept_comes_back_as_it_was(tmp_path: Path) -> None:
    """Every value with its file and line, and what was held, removed and read."""
    setting = Setting(option="a", value="é\n ;", file="/f", line=3, section="DEFAULT")
    good = LastGood(
        sections=(Section(title="space x", file="/f", line=2, settings=(setting,)),),
        held={"space x": "why"},
        removed=("y",),
        sources=("/f",),
    )
    lastgood.write(tmp_path / "kept.json", good)
    assert lastgood.read(tmp_path / "kept.json") == good
    assert lastgood.read(tmp_path / "none.json") == LastGood()
