"""[accounting NAME] sections: what they may say, and what is said of those that are wrong."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from tests.config_support import REGISTRY, deck, said
from vcycled.accounting.auditor import AuditorOptions
from vcycled.accounting.base import NoOptions
from vcycled.accounting.jsonl import JsonLinesOptions, JsonLinesSink
from vcycled.config import Config, LastGood, SinkConfig, load, sinks
from vcycled.config.sinks import GROUP, UnknownSink, _points, credential_ends, make_sink

ROOT_LINE = "root = ROOT"
AUDITOR = """
[accounting auditor]
url = https://auditor.example.org:8443
"""


def load_sinks(
    folder: Path, names: str, more: str = "", *, keep: LastGood | None = None
) -> Config:
    """Return the configuration with these sinks and sections."""
    change = (ROOT_LINE, f"{ROOT_LINE}\naccounting = {names}")
    return load([deck(folder, change, more=more)], registry=REGISTRY, keep=keep or LastGood())


def test_without_the_option_there_is_apel(tmp_path: Path) -> None:
    """As it always was."""
    config = load([deck(tmp_path)], registry=REGISTRY)
    assert config.sinks == (SinkConfig(name="apel", kind="apel", options=NoOptions()),)
    assert config.problems == ()


def test_several_sinks_have_options_of_their_own(tmp_path: Path) -> None:
    """In the order of the option; two may be of one kind."""
    papers = "key = /k.pem\ncertificate = /c.pem\n"
    more = f"{AUDITOR}{papers}[accounting other]\nkind = auditor\nurl = http://x\n"
    config = load_sinks(tmp_path, "jsonl  other auditor", more)
    assert config.problems == ()
    assert config.sinks == (
        SinkConfig(name="jsonl", kind="jsonl", options=JsonLinesOptions()),
        SinkConfig(name="other", kind="auditor", options=AuditorOptions(url="http://x")),
        SinkConfig(
            name="auditor",
            kind="auditor",
            options=AuditorOptions(
                url="https://auditor.example.org:8443", key="/k.pem", certificate="/c.pem"
            ),
        ),
    )


@pytest.mark.parametrize(
    ("names", "more", "errors"),
    [
        pytest.param(
            "",
            "",
            [
                "F:3: [vcycle] accounting: must be names of sinks (a-z 0-9 _ -), each once,"
                " separated by blanks, not ''"
            ],
            id="no sink at all",
        ),
        pytest.param(
            "apel apel",
            "",
            [
                "F:3: [vcycle] accounting: must be names of sinks (a-z 0-9 _ -), each once,"
                " separated by blanks, not 'apel apel'"
            ],
            id="a sink twice",
        ),
        pytest.param(
            "apel auditor",
            "",
            [
                "F:3: [accounting auditor] url: is required: a URL that begins with http:// or"
                " https://, without user, password or query"
            ],
            id="a section that is missing, at the place of its name",
        ),
        pytest.param(
            "audtor",
            "",
            [
                "F:3: [accounting audtor] kind: no installed package has a sink 'audtor'"
                " (installed: apel, auditor, jsonl); did you mean auditor?"
            ],
            id="a kind that is nearly known",
        ),
        pytest.param(
            "auditor",
            f"{AUDITOR}key = /k.pem\n",
            [
                "F:15: [accounting auditor] certificate: is required: certificate and key go"
                " together"
            ],
            id="a key without a certificate",
        ),
        pytest.param(
            "auditor",
            "[accounting auditor]\nurl = http://a\nca = /ca.pem\n",
            [
                "F:15: [accounting auditor] url: must begin with https:// for ca or certificate"
                " to be of any use"
            ],
            id="authorities of nothing",
        ),
        pytest.param(
            "auditor",
            "[accounting auditor]\nurl = http://u:secret@a\n",
            [
                "F:15: [accounting auditor] url: must be a URL that begins with http:// or"
                " https://, without user, password or query, not a URL with a password"
            ],
            id="a password in the URL",
        ),
        pytest.param(
            "jsonl",
            "[accounting jsonl]\nfolder = relative\n",
            [
                "F:15: [accounting jsonl] folder: must be an absolute path, not 'relative'",
            ],
            id="a folder of nowhere",
        ),
        pytest.param(
            "jsonl",
            "[accounting jsonl]\nfoldr = /x\n",
            [
                "F:15: [accounting jsonl] foldr: unknown option (its value is '/x');"
                " did you mean folder?"
            ],
            id="an option that is nearly known",
        ),
        pytest.param(
            "apel grid",
            "[accounting grid]\nkind = apel\n",
            [
                "F:15: [accounting grid] kind: there is one queue of APEL, and its sink is called"
                " apel, not grid"
            ],
            id="a second queue of APEL",
        ),
        pytest.param(
            "apel",
            "[accounting apel]\nkind = jsonl\n",
            [
                "F:15: [accounting apel] kind: must be apel: sync records count what a sink of"
                " this name has taken"
            ],
            id="another sink by the name of APEL's",
        ),
        pytest.param(
            "apel",
            "[accounting no good]\n",
            ["F:14: [accounting no good] must be written [accounting NAME]"],
            id="two names",
        ),
        pytest.param(
            "apel",
            "[accounting no.good]\n",
            [
                "F:14: [accounting no.good] the name of a sink must be made of a-z 0-9 _ and -,"
                " not 'no.good'"
            ],
            id="a strange name",
        ),
    ],
)
def test_an_error_is_said_with_its_place(
    tmp_path: Path, names: str, more: str, errors: list[str]
) -> None:
    """And what to write instead."""
    change = (ROOT_LINE, f"{ROOT_LINE}\naccounting = {names}")
    path = deck(tmp_path, change, more=more)
    assert said(path, warnings=False) == errors


def test_a_section_that_nothing_names_is_told(tmp_path: Path) -> None:
    """Its sink would get no records."""
    path = deck(tmp_path, more=AUDITOR)
    assert said(path, warnings=True) == [
        "F:14: [accounting auditor] does nothing, as accounting in [vcycle] does not name auditor"
    ]


def test_a_sink_that_is_wrong_goes_on_as_it_was(tmp_path: Path) -> None:
    """The others, and the spaces, are not touched."""
    before = load_sinks(tmp_path, "apel auditor", AUDITOR)
    after = load_sinks(
        tmp_path, "apel auditor", "[accounting auditor]\nurl = nonsense\n", keep=before.good
    )
    assert after.sinks == before.sinks
    assert after.spaces == before.spaces
    assert len(after.errors) == 1


def offer(monkeypatch: pytest.MonkeyPatch, kind: str, value: str) -> None:
    """Let a package offer one more kind of sinks, as MODULE:CLASS."""
    points = {**_points(), kind: EntryPoint(name=kind, value=value, group=GROUP)}
    monkeypatch.setattr(sinks, "_points", lambda: points)


def test_a_sink_that_never_was_right_is_not_used(tmp_path: Path) -> None:
    """The others are; its records wait."""
    config = load_sinks(tmp_path, "auditor jsonl")
    assert [each.name for each in config.sinks] == ["jsonl"]
    assert config.manager.accounting == ("auditor", "jsonl")
    assert list(config.unusable) == ["accounting auditor"]


def test_a_kind_whose_library_is_missing_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As importing it does."""
    offer(monkeypatch, "queue", "no_such_library:Sink")
    path = deck(tmp_path, (ROOT_LINE, f"{ROOT_LINE}\naccounting = queue"))
    assert said(path, warnings=False) == [
        "F:3: [accounting queue] kind: the sink queue cannot be loaded: No module named"
        " 'no_such_library'"
    ]


PLUGINS = {
    "raises = 1 / 0": "cannot be loaded: ZeroDivisionError: division by zero",
    "import no_such": "cannot be loaded: No module named 'no_such'",
    "x = (": "cannot be loaded: SyntaxError: '(' was never closed (plugin.py, line 1)",
    "other = 1": "cannot be loaded: AttributeError: module 'plugin' has no attribute 'Plugin'",
    "Plugin = 1": "cannot be used: plugin:Plugin is no class of a sink",
    "class Plugin: pass": "cannot be used: plugin:Plugin is no class of a sink",
}


@pytest.mark.parametrize("code", PLUGINS)
def test_a_package_that_is_broken_holds_its_sink_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    """Whatever goes wrong in it; the others are used, and a person is told."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "plugin.py").write_text(code)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "plugin", raising=False)
    offer(monkeypatch, "mine", "plugin:Plugin")
    config = load_sinks(tmp_path, "mine jsonl")
    assert [each.name for each in config.sinks] == ["jsonl"]
    assert config.unusable["accounting mine"].endswith(f"kind: the sink mine {PLUGINS[code]}")
    monkeypatch.delitem(sys.modules, "plugin", raising=False)


def test_a_sink_that_cannot_be_made_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By who would use it, and by who only asks it for its certificates."""
    offer(monkeypatch, "mine", f"{__name__}:Unmakeable")
    (sink,) = load_sinks(tmp_path, "mine").sinks
    with pytest.raises(UnknownSink, match="the sink mine cannot be made: KeyError: 'lines'"):
        make_sink(sink, tmp_path)
    with pytest.raises(UnknownSink, match="the sink mine cannot be made: KeyError: 'lines'"):
        credential_ends(sink, tmp_path)


def test_a_sink_that_cannot_say_when_its_credentials_end_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is made, and takes records, all the same."""
    offer(monkeypatch, "mine", f"{__name__}:Speechless")
    (sink,) = load_sinks(tmp_path, "mine").sinks
    assert isinstance(make_sink(sink, tmp_path), Speechless)
    words = "the sink mine cannot say when its credentials end: KeyError: 'certificate'"
    with pytest.raises(UnknownSink, match=words):
        credential_ends(sink, tmp_path)


class Speechless(JsonLinesSink):
    """A sink of a package that has a bug where it tells of its certificate."""

    def credential_ends(self) -> Mapping[str, int]:
        """Fail."""
        raise KeyError("certificate")


class Unmakeable(JsonLinesSink):
    """A sink of a package that has a bug."""

    def __init__(self, name: str, options: object, *, root: Path) -> None:
        """Fail."""
        super().__init__(name, options, root=root)
        raise KeyError("lines")


@pytest.mark.parametrize("name", ["..", ".", "a/b", "A", "jsonl%s", "a;b", "-", "_", "a" * 200])
def test_a_sink_has_no_name_that_leads_elsewhere(tmp_path: Path, name: str) -> None:
    """It is a folder, a word of the command line and a part of the name of a section."""
    path = deck(tmp_path, (ROOT_LINE, f"{ROOT_LINE}\naccounting = {name}"))
    assert [f"not '{name}'" in each for each in said(path, warnings=False)] == [True]


def test_defaults_may_be_options_of_sinks(tmp_path: Path) -> None:
    """They count in their sections; of a kind that is not installed any may be."""
    more = "[DEFAULT]\ntimeout_seconds = 5\n"
    config = load_sinks(tmp_path, "apel auditor", more + AUDITOR)
    assert config.problems == ()
    (auditor,) = [each.options for each in config.sinks if each.name == "auditor"]
    assert isinstance(auditor, AuditorOptions)
    assert auditor.timeout_seconds == 5
    path = deck(tmp_path, more=f"{more}[accounting x]\nkind = none\n")
    assert not [each for each in said(path, warnings=True) if "timeout_seconds" in each]
    path = deck(tmp_path, more=more)
    assert "unknown option" in said(path, warnings=False)[0]
