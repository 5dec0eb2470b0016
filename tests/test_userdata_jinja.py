"""Templates named *.j2: what they can do, and what they cannot do to the manager."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.test_userdata import SUBJECT
from vcycled.clock import SystemClock
from vcycled.errors import UserDataError
from vcycled.userdata import Recipe, make, rendering
from vcycled.userdata import jinja as jinja_module


def recipe(folder: Path, template: bytes, **options: str) -> Recipe:
    """A machinetype with a Jinja2 template."""
    (folder / "user_data.j2").write_bytes(template)
    return Recipe(
        space="cloud.example.com",
        machinetype="prod",
        template="user_data.j2",
        folder=folder,
        options=options,
    )


def test_variables_have_the_names_of_the_patterns(tmp_path: Path) -> None:
    """Defaults and options alike, with all that Jinja2 offers; the last newline stays."""
    template = (
        b"{% for word in user_data_option_words.split() %}{{ word|upper }},{% endfor %}"
        b"{{ user_data_space }} {{ user_data_vmtype }} {{ user_data_machine_token }}\n"
    )
    made = make(recipe(tmp_path, template, words="a b"), SUBJECT)
    assert made.content == b"A,B,cloud.example.com prod the-machine-token\n"
    assert made.unknown == ()


def test_values_are_not_rendered_again(tmp_path: Path) -> None:
    """Neither as Jinja2 nor as our own patterns."""
    value = "{{ user_data_machine_token }}##user_data_machine_token##{% raw %}"
    made = make(recipe(tmp_path, b"{{ user_data_option_a }}", a=value), SUBJECT)
    assert made.content.decode() == value


@pytest.mark.parametrize(
    ("template", "why"),
    [
        (b"ok\n{{ user_data_option_b }}", ":2: nothing fills user_data_option_b"),
        (b"\n\n{{ user_data_space.nothing }}", ":3: it uses something undefined"),
        (b"a\nb {% if %}", ":2: Expected an expression"),
        (b"{{ user_data_space|nosuchfilter }}", ":1: No filter named"),
        (b"{{ 1 // 0 }}", ":1: ZeroDivisionError"),
        (b"{% include 'x' %}", ":1: TemplateNotFound"),
        (b"{% include '../minimal.j2' %}", ":1: TemplateNotFound"),
        (b"{% include '/etc/passwd' %}", ":1: TemplateNotFound"),
        (b"{{ ''.__class__.__mro__ }}", ":1: SecurityError|undefined"),
        (b"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "RecursionError"),
        (b"{{ range(1000000) }}", ":1: OverflowError"),
        (b"{% for a in range(90000) %}{{ 'x' * 100 }}{% endfor %}", ": the result is longer than"),
        (b"\xff", "the template is not UTF-8 text .byte 0."),
        (b"{{ '\\ud800' }}", "UnicodeEncodeError"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, template: bytes, why: str) -> None:
    """The template, the line and the kind of trouble."""
    with pytest.raises(UserDataError, match=why) as caught:
        make(recipe(tmp_path, template), SUBJECT)
    assert str(caught.value).startswith(f"user_data: {tmp_path}/user_data.j2")


@pytest.mark.parametrize(
    "template",
    [
        b"{{ {}[user_data_machine_token] }}",
        b"{{ user_data_machine_token.nothing }}",
        b"{{ user_data_machine_token // 2 }}",
        b"{{ dict()[user_data_machine_token].x }}",
        b"{% include user_data_machine_token %}",
    ],
)
def test_no_error_quotes_a_value(tmp_path: Path, template: bytes) -> None:
    """What Jinja2 says at run time may hold the token; it is not passed on."""
    with pytest.raises(UserDataError) as caught:
        make(recipe(tmp_path, template), SUBJECT)
    assert "the-machine-token" not in str(caught.value)


@pytest.mark.parametrize(
    "template",
    [
        pytest.param(
            b"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
            id="time",
        ),
        pytest.param(
            b"{% set n = namespace(s='x') %}{% for a in range(99) %}"
            b"{% set n.s = n.s ~ n.s %}{% endfor %}",
            id="memory",
        ),
        pytest.param(b"{{ ('x' * 999999999999)|length }}", id="memory at once"),
    ],
)
def test_a_greedy_template_hurts_only_itself(
    tmp_path: Path, template: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time and memory end; the manager goes on."""
    monkeypatch.setattr(jinja_module, "_CPU_S", 1)
    clock = SystemClock()
    began = clock.monotonic()
    with pytest.raises(UserDataError, match=r"too long or too much memory|MemoryError"):
        make(recipe(tmp_path, template), SUBJECT)
    assert clock.monotonic() - began < 10


def test_a_child_that_hangs_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that uses no time of the processor."""
    monkeypatch.setattr(jinja_module, "_WALL_S", 0.001)
    with pytest.raises(UserDataError, match="too long or too much memory"):
        make(recipe(tmp_path, b"x"), SUBJECT)


def test_a_file_that_is_not_text_cannot_fill_a_jinja_template(tmp_path: Path) -> None:
    """Told with the name of the option."""
    (tmp_path / "blob").write_bytes(b"ok\xff")
    plain = recipe(tmp_path, b"x")
    wanted = Recipe(
        space=plain.space,
        machinetype=plain.machinetype,
        template=plain.template,
        folder=tmp_path,
        files={"blob": "blob"},
    )
    with pytest.raises(UserDataError, match=r"value of user_data_\w+_blob is not UTF-8.*byte 2"):
        make(wanted, SUBJECT)


VALUES: Mapping[str, str] = {"user_data_space": "s"}
PARTS: Mapping[str, str] = {"p": "<{{ user_data_space }}>"}


@pytest.mark.parametrize(
    ("template", "outcome"),
    [
        ("{{ user_data_space }}\n", rendering.Outcome(text="s\n", error="", line=0)),
        ("\n{{ x }}", rendering.Outcome(text="", error="nothing fills x", line=2)),
        ("{% include 'p' %}!", rendering.Outcome(text="<s>!", error="", line=0)),
        ("{{ 'a b'|sh }}", rendering.Outcome(text="'a b'", error="", line=0)),
        ("{{", rendering.Outcome(text="", error="unexpected 'end of template'", line=1)),
        ("{{ 1 // 0 }}", rendering.Outcome(text="", error="ZeroDivisionError", line=1)),
        ("aaaaa", rendering.Outcome(text="aaaaa", error="", line=0)),
        (
            "aaaaaa",
            rendering.Outcome(text="", error="the result is longer than 5 bytes", line=0),
        ),
    ],
)
def test_what_the_child_answers(template: str, outcome: rendering.Outcome) -> None:
    """The part that runs in the child, called here."""
    assert rendering.render(template, PARTS, VALUES, 5) == outcome
