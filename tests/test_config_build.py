"""What a configuration that is right means, and how wrong parts of it go on."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.config_support import REGISTRY, DemoOptions, deck
from vcycled.config import Config, LastGood, MachinetypeConfig, SpaceConfig, load, lost_limits
from vcycled.errors import ConfigError

MORE = """\
[machinetype cloud.example.com test]
target_share = 0.5
backoff_seconds = 300
fizzle_seconds = 30
user_data = https://repo.example.com/user_data
"""


def load_deck(
    folder: Path,
    *changes: tuple[str, str],
    more: str = "",
    keep: LastGood | None = None,
) -> Config:
    """Load DECK with changes."""
    path = deck(folder, *changes, more=more)
    return load([path], registry=REGISTRY, keep=keep or LastGood())


def only(config: Config) -> tuple[SpaceConfig, MachinetypeConfig]:
    """Return the one space and its one machinetype."""
    (space,) = config.spaces
    (kind,) = space.machinetypes
    return space, kind


def names(kinds: Sequence[MachinetypeConfig]) -> list[tuple[str, bool]]:
    """Return the name of each machinetype and whether it is held."""
    return [(kind.name, bool(kind.held)) for kind in kinds]


def test_values_have_their_types(tmp_path: Path) -> None:
    """Options of every section, the API's own too, arrive as values."""
    secret = ("api = demo", "api = demo\nspeed = 3\ndemo_secret = sesame")
    config = load_deck(tmp_path, secret)
    space, kind = only(config)
    assert config.problems == ()
    assert config.errors == ()
    assert config.manager.root == tmp_path
    assert (space.name, space.api, space.options.processors_limit) == (
        "cloud.example.com",
        "demo",
        100,
    )
    assert isinstance(space.api_options, DemoOptions)
    assert space.api_options.speed == 3
    assert space.api_options.demo_secret is not None
    assert space.api_options.demo_secret.reveal() == "sesame"
    assert (kind.name, kind.options.target_share, kind.options.min_processors) == ("prod", 1.0, 2)
    assert (space.held, kind.held, space.is_removed, config.unusable) == ("", "", False, {})
    assert config.space("cloud.example.com") is space
    assert config.space("other") is None


def test_nothing_prints_a_secret(tmp_path: Path) -> None:
    """The configuration as a whole can be logged."""
    secrets = ("api = demo", "api = demo\ndemo_secret = sesame\nother_password = sesame")
    option = ("target_share = 1", "target_share = 1\nuser_data_option_token = sesame")
    assert "sesame" not in repr(load_deck(tmp_path, secrets, option))


def test_a_machinetype_has_from_its_space_what_it_does_not_say(tmp_path: Path) -> None:
    """Flavors and zones come from the space; other options from each other."""
    space_lines = ("api = demo", "api = demo\nflavor_names = s m\nzones = z1 z2")
    _, kind = only(load_deck(tmp_path, space_lines))
    assert (kind.options.flavor_names, kind.options.zones) == (("s", "m"), ("z1", "z2"))
    assert kind.options.max_starting_processors == 50
    assert kind.options.min_wallclock_seconds == 60


def test_what_a_machinetype_says_itself_stands(tmp_path: Path) -> None:
    """0 is a value, not an absent one."""
    own = "flavor_names = l\nzones = z3\nmax_starting_processors = 0\nmin_wallclock_seconds = 0"
    _, kind = only(
        load_deck(
            tmp_path,
            ("api = demo", "api = demo\nflavor_names = s m\nzones = z1 z2"),
            ("target_share = 1", f"target_share = 1\n{own}"),
        )
    )
    assert (kind.options.flavor_names, kind.options.zones) == (("l",), ("z3",))
    assert kind.options.max_starting_processors == 0
    assert kind.options.min_wallclock_seconds == 0


def test_relative_paths_start_in_the_files_folder(tmp_path: Path) -> None:
    """Paths become absolute; URLs and images of the cloud stay as they are."""
    lines = "root_image = a.iso\nroot_public_key = /k.pub\nuser_data_file_cert = c.pem"
    _, kind = only(
        load_deck(
            tmp_path,
            ("target_share = 1", lines),
            ("https://repo.example.com/user_data", "template.j2"),
        )
    )
    folder = tmp_path / "spaces/cloud.example.com/machinetypes/prod/files"
    assert kind.options.user_data == f"{folder}/template.j2"
    assert kind.options.root_image == f"{folder}/a.iso"
    assert kind.options.root_public_key == "/k.pub"
    assert kind.user_data_files == {"cert": f"{folder}/c.pem"}
    _, kind = only(load_deck(tmp_path, ("target_share = 1", "root_image = image:alma 9")))
    assert kind.options.root_image == "image:alma 9"
    assert kind.options.root_public_key is None


def test_substitutions_are_sorted_by_what_they_do(tmp_path: Path) -> None:
    """Options, files and overrides of defaults are told apart by their names."""
    lines = "user_data_option_a = 1\nuser_data_machine_hostname = h\nuser_data_option_empty ="
    _, kind = only(load_deck(tmp_path, ("target_share = 1", lines)))
    assert kind.user_data_options == {"a": "1", "empty": ""}
    assert kind.user_data_overrides == {"machine_hostname": "h"}
    assert kind.user_data_files == {}


def test_a_new_name_wins_over_an_old_one(tmp_path: Path) -> None:
    """Whatever the order in the files."""
    config = load_deck(tmp_path, more="[space cloud.example.com]\nmax_processors = 7\n")
    assert only(config)[0].options.processors_limit == 100


@pytest.mark.parametrize(
    "change",
    [
        ("[vcycle]", "[vcycle]\nlog_level = loud"),
        ("[vcycle]", "garbage"),
    ],
    ids=["a wrong [vcycle] section", "a file that cannot be read"],
)
def test_nothing_starts_without_a_manager_section_that_was_ever_right(
    tmp_path: Path, change: tuple[str, str]
) -> None:
    """There is nothing to run under; the error says why."""
    with pytest.raises(ConfigError):
        load_deck(tmp_path, change)


def test_a_wrong_manager_section_goes_on_as_it_was(tmp_path: Path) -> None:
    """The spaces follow the files all the same."""
    good = load_deck(tmp_path, ("[vcycle]", "[vcycle]\nparallel_calls = 5")).good
    config = load_deck(
        tmp_path,
        ("[vcycle]", "[vcycle]\nparallel_calls = many"),
        ("processors_limit = 100", "processors_limit = 90"),
        keep=good,
    )
    assert config.manager.parallel_calls == 5
    assert only(config)[0].options.processors_limit == 90
    assert len(config.errors) == 1


def test_a_wrong_section_is_missed_by_nobody_else(tmp_path: Path) -> None:
    """A space that never was right is named, its neighbour is untouched."""
    more = "[space bad]\napi = demo\nspeed = fast\n[machinetype bad x]\n"
    config = load_deck(tmp_path, more=more)
    assert [space.name for space in config.spaces] == ["cloud.example.com"]
    assert only(config)[0].held == ""
    assert set(config.unusable) == {"space bad", "machinetype bad x"}
    path = tmp_path / "vcycle.conf"
    assert config.unusable["machinetype bad x"] == (
        f"{path}:16: [machinetype bad x] backoff_seconds: is required:"
        " a whole number of seconds, 0 to 3153600000 (100 years) (and 2 more)"
    )


def test_a_wrong_space_is_held_under_its_last_values(tmp_path: Path) -> None:
    """Limits and API options stay those that were right; the machinetypes follow the files."""
    good = load_deck(tmp_path).good
    config = load_deck(
        tmp_path,
        ("processors_limit = 100", "processors_limit = lots"),
        ("target_share = 1", "target_share = 2"),
        keep=good,
    )
    space, kind = only(config)
    assert space.options.processors_limit == 100
    assert (space.held, kind.held) == (str(config.errors[0]), "")
    assert kind.options.target_share == 2
    assert (config.unusable, config.good.held) == ({}, {"space cloud.example.com": space.held})


def test_a_wrong_machinetype_is_held_alone(tmp_path: Path) -> None:
    """The others of its space go on, and so does it, under its last values."""
    good = load_deck(tmp_path, more=MORE).good
    config = load_deck(tmp_path, ("target_share = 1", "target_share = x"), more=MORE, keep=good)
    (space,) = config.spaces
    assert (space.held, names(space.machinetypes)) == ("", [("prod", True), ("test", False)])
    assert space.machinetypes[0].options.target_share == 1
    assert config.good.sections == good.sections


def test_a_machinetype_that_never_was_right_is_left_out(tmp_path: Path) -> None:
    """Its space goes on with the others."""
    config = load_deck(tmp_path, ("target_share = 1", "target_share = x"), more=MORE)
    assert names(config.spaces[0].machinetypes) == [("test", False)]


def test_a_section_that_is_right_again_is_no_longer_held(tmp_path: Path) -> None:
    """Nothing of the old trouble remains."""
    good = load_deck(tmp_path).good
    broken = load_deck(tmp_path, ("target_share = 1", "target_share = x"), keep=good)
    config = load_deck(tmp_path, ("target_share = 1", "target_share = 3"), keep=broken.good)
    assert only(config)[1].options.target_share == 3
    assert (only(config)[1].held, config.good.held) == ("", {})


def test_a_space_that_lost_its_last_machinetype_is_held(tmp_path: Path) -> None:
    """It is looked after, and nothing is created."""
    path = deck(tmp_path)
    good = load([path], registry=REGISTRY).good
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:5]))
    config = load([path], registry=REGISTRY, keep=good)
    (space,) = config.spaces
    assert space.machinetypes == ()
    assert space.held.startswith("there is no machinetype in this space")
    assert not space.is_removed


def test_a_removed_space_drains_under_its_last_values(tmp_path: Path) -> None:
    """It stays, marked, until it is forgotten; its machinetypes too."""
    good = load_deck(tmp_path).good
    path = tmp_path / "vcycle.conf"
    path.write_text(f"[vcycle]\nroot = {tmp_path}\n")
    config = load([path], registry=REGISTRY, keep=good)
    space, kind = only(config)
    assert (space.is_removed, space.held) == (
        True,
        "its section was removed from the configuration",
    )
    assert (kind.name, space.options.processors_limit) == ("prod", 100)
    assert config.good.removed == ("cloud.example.com",)
    assert config.errors == ()
    again = load([path], registry=REGISTRY, keep=config.good)
    assert only(again)[0].is_removed
    forgotten = load([path], registry=REGISTRY, keep=config.good.without("cloud.example.com"))
    assert forgotten.spaces == ()


def test_a_removed_space_that_comes_back_is_a_space_again(tmp_path: Path) -> None:
    """Removing a file by mistake costs nothing but creations."""
    good = load_deck(tmp_path).good
    (tmp_path / "vcycle.conf").write_text("")
    removed = load([tmp_path / "vcycle.conf"], registry=REGISTRY, keep=good).good
    config = load_deck(tmp_path, keep=removed)
    assert not only(config)[0].is_removed
    assert config.good.removed == ()


def test_files_that_cannot_be_read_change_nothing(tmp_path: Path) -> None:
    """The whole last good configuration goes on, and the problems say what is wrong now."""
    good = load_deck(tmp_path)
    config = load_deck(tmp_path, ("[vcycle]", "["), more="[space new]\n", keep=good.good)
    assert config.manager == good.manager
    assert config.spaces == good.spaces
    assert config.good == good.good
    assert [problem.line for problem in config.problems] == [1, 2]


def test_what_was_held_or_removed_stays_so_when_files_break(tmp_path: Path) -> None:
    """A second mistake does not undo the caution of the first."""
    more = MORE + "[space old]\napi = demo\n[machinetype old x]\nbackoff_seconds = 1\n"
    more += "fizzle_seconds = 1\nuser_data = http://h/u\n"
    good = load_deck(tmp_path, more=more).good
    wrong = ("target_share = 1", "target_share = x"), ("api = demo", "api = demo\nspeed = x")
    first = load_deck(tmp_path, *wrong, more=MORE, keep=good)
    path = tmp_path / "vcycle.conf"
    path.write_text("garbage")
    second = load([path], registry=REGISTRY, keep=first.good)
    assert second.spaces == first.spaces
    assert [(space.name, bool(space.held)) for space in second.spaces] == [
        ("cloud.example.com", True),
        ("old", True),
    ]
    assert names(second.spaces[0].machinetypes) == [("prod", True), ("test", False)]


def test_an_api_that_is_uninstalled_keeps_its_last_good_sections(tmp_path: Path) -> None:
    """The space cannot be used, but what it last said outlives the bad upgrade."""
    good = load_deck(tmp_path).good
    path = tmp_path / "vcycle.conf"
    without = load([path], registry={}, keep=good)
    assert without.spaces == ()
    assert set(without.unusable) == {"space cloud.example.com"}
    assert without.good.sections == good.sections
    path.write_text("")
    removed = load([path], registry={}, keep=without.good)
    assert only(load([path], registry=REGISTRY, keep=removed.good))[0].is_removed


def test_a_machinetype_that_no_longer_fits_its_space_is_held(tmp_path: Path) -> None:
    """It was right, so it goes on under what it says, and creates nothing."""
    good = load_deck(tmp_path).good
    config = load_deck(tmp_path, ("processors_limit = 100", "processors_limit = 1"), keep=good)
    space, kind = only(config)
    assert (space.held, space.options.processors_limit) == ("", 1)
    assert kind.held == str(config.errors[0])
    assert "min_processors: is 2 and processors_limit is 1" in kind.held


def without_line(text: str) -> tuple[str, str]:
    """Return the change that drops a line."""
    return f"{text}\n", ""


LIMIT = "processors_limit = 50\n"


@pytest.mark.parametrize(
    ("changes", "lost"),
    [
        pytest.param([], "", id="nothing changed"),
        pytest.param([("= 100", "= 101")], "", id="a limit that is another is none lost"),
        pytest.param(
            [without_line("processors_limit = 100")],
            "the space's processors_limit",
            id="the space's limit",
        ),
        pytest.param([(LIMIT, "")], "processors_limit of machinetype prod", id="a machinetype's"),
        pytest.param(
            [without_line("processors_limit = 100"), (LIMIT, "")],
            "the space's processors_limit, processors_limit of machinetype prod",
            id="both",
        ),
        pytest.param(
            [("machinetype cloud.example.com prod", "machinetype cloud.example.com prod2")],
            "machinetype prod with its limit",
            id="a machinetype as a whole",
        ),
    ],
)
def test_lost_limits_are_seen(
    tmp_path: Path, changes: Sequence[tuple[str, str]], lost: str
) -> None:
    """A file that was cut is told from one that was changed."""
    before, now = load_deck(tmp_path), load_deck(tmp_path, *changes)
    expected = {"cloud.example.com": f"gone from the configuration: {lost}"} if lost else {}
    assert lost_limits(before, now) == expected


def test_a_limit_on_starting_machines_can_be_lost_too(tmp_path: Path) -> None:
    """Where there is no other limit it is the one that counts."""
    starting = (LIMIT, "max_starting_processors = 4\n")
    before, now = load_deck(tmp_path, starting), load_deck(tmp_path, (LIMIT, ""))
    assert list(lost_limits(before, now).values()) == [
        "gone from the configuration: max_starting_processors of machinetype prod"
    ]
    assert lost_limits(now, before) == {}


def test_spaces_and_machinetypes_without_limits_lose_none(tmp_path: Path) -> None:
    """Neither does a space that is gone: nothing is created in it anyway."""
    before = load_deck(tmp_path, (LIMIT, ""))
    renamed = ("machinetype cloud.example.com prod", "machinetype cloud.example.com prod2")
    assert lost_limits(before, load_deck(tmp_path, (LIMIT, ""), renamed)) == {}
    assert lost_limits(before, dataclasses.replace(before, spaces=())) == {}
