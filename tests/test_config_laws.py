"""Whatever the files say: no surprise, and nothing that ran is lost."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.config_support import DECK, REGISTRY
from vcycled.config import Config, LastGood, load
from vcycled.errors import ConfigError, Problem

GOOD = DECK + (
    "[space other]\napi = demo\n[machinetype other m]\n"
    "backoff_seconds = 1\nfizzle_seconds = 1\nuser_data = http://h/u\n"
)
SPACES = {"cloud.example.com", "other"}

HEADERS = st.sampled_from(
    [
        "[vcycle]",
        "[DEFAULT]",
        "[space other]",
        "[space a.b]",
        "[space A_B]",
        "[machinetype other m]",
        "[machinetype a.b m]",
        "[vacuum_pipe other p]",
        "[odd]",
        "[ ]",
    ]
)
NAMES = st.sampled_from(
    [
        "root",
        "api",
        "demo_secret",
        "processors_limit",
        "max_processors",
        "min processors",
        "procesors_limit",
        "fizzle_seconds",
        "backoff_seconds",
        "user_data",
        "user_data_option_x",
        "user_data_file_x",
        "user_data_site",
        "log_joboutputs",
        "nonsense",
    ]
)
VALUES = st.sampled_from(
    ["0", "1", "99999", "-1", "demo", "image", "local", "/", "x", "", "http://h/u", "é", "10%"]
)
LINES = st.builds("{} = {}".format, NAMES, VALUES) | HEADERS | st.sampled_from(["", "  more", "?"])


def changed(text: str, cuts: list[tuple[int, int]], added: list[tuple[int, str]]) -> str:
    """Return `text` without some lines and with others."""
    lines = text.splitlines()
    for at, count in cuts:
        del lines[at : at + count]
    for at, line in added:
        lines.insert(at, line)
    return "\n".join(lines)


CHANGES = st.builds(
    changed,
    st.sampled_from([GOOD, "", "[vcycle]\n"]),
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 6)), max_size=2),
    st.lists(st.tuples(st.integers(0, 20), LINES), max_size=6),
)


@settings(max_examples=80)
@given(st.lists(CHANGES, max_size=3))
def test_no_space_that_was_ever_right_is_lost(texts: list[str]) -> None:
    """Through any series of edits it is there: as the files say, held, or draining."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "vcycle.conf"
        path.write_text(GOOD.replace("ROOT", name))
        keep = load([path], registry=REGISTRY).good
        for text in texts:
            path.write_text(text.replace("ROOT", name))
            config = load([path], registry=REGISTRY, keep=keep)
            keep = config.good
            assert {space.name for space in config.spaces} >= SPACES
            wrong = {problem.section for problem in config.errors}
            for space in config.spaces:
                assert space.held or not (space.is_removed or f"space {space.name}" in wrong)


@settings(max_examples=80)
@given(CHANGES)
def test_a_first_reading_gives_a_configuration_or_all_that_is_wrong(text: str) -> None:
    """It never fails in another way, and what it gives is right or held."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "vcycle.conf"
        path.write_text(text.replace("ROOT", name))
        errors, config = _read(path)
        assert (config is None) <= bool(errors)
        if config:
            assert not any(kind.held for space in config.spaces for kind in space.machinetypes)
            assert bool(config.unusable) <= bool(errors)


def _read(path: Path) -> tuple[list[Problem], Config | None]:
    """Return the errors of a first reading, and the configuration if there is one."""
    try:
        config = load([path], registry=REGISTRY, keep=LastGood())
    except ConfigError as error:
        return [problem for problem in error.problems if not problem.is_warning], None
    return list(config.errors), config
