"""What a template says of itself in a comment."""

import time

import pytest

from vcycled.userdata.declared import DeclaredOption, declared

TEMPLATE = """\
#!/bin/sh
{# Nothing of this kind. #}
{#- Does something,
and ends.

option where (required)
    A place.
option how_long = 60
    A time,
    in seconds.
option words =
-#}
{# option late = 1 #}
"""


def test_a_template_tells_its_purpose_and_its_options() -> None:
    """In the first comment that has options; help is one line, and no default is empty."""
    said = declared(TEMPLATE, {})
    assert said.summary == "Does something, and ends."
    assert said.options == (
        DeclaredOption(name="where", default=None, help="A place."),
        DeclaredOption(name="how_long", default="60", help="A time, in seconds."),
        DeclaredOption(name="words", default="", help=""),
    )
    assert said.defaults == {"how_long": "60", "words": ""}
    assert said.required == {"where"}


def test_options_of_parts_are_the_templates_too() -> None:
    """Through other parts, each once; what the template says itself counts."""
    parts = {
        "a": "{#\noption x = part\noption y = part\n#}{% include 'b' %}",
        "b": "{#\noption z = part\n#}{%- include 'a' -%}",
        "c": "{#\noption never = part\n#}",
    }
    said = declared("{#\noption x = own\n#}{% extends 'a' %}{% include 'gone' %}", parts)
    assert said.defaults == {"x": "own", "y": "part", "z": "part"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "#!/bin/sh\noption x = 1\n",
        "{#\noption x = 1\n",
        "{# option x = 1 #}",
        "{#\noption x\n#}",
        "{#\noption X-Y = 1\n#}",
        "{#\n option x = 1\n#}",
    ],
)
def test_a_template_need_not_say_anything(text: str) -> None:
    """Any other text is no declaration."""
    assert declared(text, {}).options == ()


@pytest.mark.parametrize(
    "piece", ["{#", "{#-", "{% include '", "{%" + " " * 50, "{#\noption a = \n#}"]
)
def test_a_long_template_takes_no_long_time(piece: str) -> None:
    """It is read in the manager itself, and it may come from anybody."""
    began = time.thread_time()  # others may keep the host busy meanwhile
    declared(piece * (2**20 // len(piece)), {})
    assert time.thread_time() - began < 2
