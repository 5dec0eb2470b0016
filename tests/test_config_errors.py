"""Errors of files, sections, spaces and defaults, and the very words that say each."""

from pathlib import Path

import pytest

from tests.config_support import REGISTRY, SPACE, deck, said
from vcycled.config import load
from vcycled.errors import ConfigError, Problem

ERRORS = [
    pytest.param(
        ("root = ROOT", "root = var"),
        "",
        ["F:2: [vcycle] root: must be an absolute path, not 'var'"],
        id="a relative path where it must be absolute",
    ),
    pytest.param(
        ("[vcycle]", "[vcycle]\ndatabase = mysql://u:hidden@h/d"),
        "",
        [
            "F:2: [vcycle] database: must be sqlite:////PATH or"
            " postgresql://USER:PASSWORD@HOST/NAME (never shown)"
        ],
        id="a database of another kind, whose URL is not repeated",
    ),
    pytest.param(
        ("[vcycle]", "[vcycle]\ncall_timeout_seconds = 601"),
        "",
        [
            "F:2: [vcycle] call_timeout_seconds: is 601 and cycle_timeout_seconds is 600 by"
            " default; one slow call would end the cycle"
        ],
        id="a call may take longer than a cycle",
    ),
    pytest.param(
        ("[vcycle]", "[vcycle]\ncycle_timeout_seconds = 89"),
        "",
        [
            "F:2: [vcycle] cycle_timeout_seconds: is 89 and call_timeout_seconds is 90 by"
            " default; one slow call would end the cycle"
        ],
        id="a cycle may take less than a call",
    ),
    pytest.param(
        ("[vcycle]", "[vcycle extra]"),
        "",
        ["F:1: [vcycle extra] must be written [vcycle]"],
        id="a word too many in a header",
    ),
    pytest.param(
        ("[vcycle]", "[vcycled]"),
        "",
        [
            "F:1: [vcycled] unknown kind of section; there are [vcycle], [space SPACE],"
            " [machinetype SPACE NAME], [vacuum_pipe SPACE PREFIX], [accounting NAME];"
            " did you mean vcycle?"
        ],
        id="a section of a kind that is nearly known",
    ),
    pytest.param(
        ("[vcycle]", "[ ]"),
        "",
        [
            "F:1: unknown kind of section; there are [vcycle], [space SPACE],"
            " [machinetype SPACE NAME], [vacuum_pipe SPACE PREFIX], [accounting NAME]"
        ],
        id="a section without a name",
    ),
    pytest.param(
        ("[vcycle]", "[space under_score]"),
        "",
        [
            "F:1: [space under_score] the name of a space must be made of a-z 0-9 - and dots, like"
            " the name of a host, not 'under_score'"
        ],
        id="a bad name of a space",
    ),
    pytest.param(
        ("[vcycle]", "[space ..]"),
        "",
        [
            "F:1: [space ..] the name of a space must be made of a-z 0-9 - and dots, like"
            " the name of a host, not '..'"
        ],
        id="a name of a space that would leave its folder",
    ),
    pytest.param(
        ("[vcycle]", "[machinetype cloud.example.com p.q]"),
        "",
        [
            "F:1: [machinetype cloud.example.com p.q] the name of a machinetype must be made of"
            " a-z 0-9 and -, not 'p.q'"
        ],
        id="a bad name of a machinetype",
    ),
    pytest.param(
        ("[vcycle]", "[machinetype cloud.example.com]"),
        "",
        ["F:1: [machinetype cloud.example.com] must be written [machinetype SPACE NAME]"],
        id="a machinetype without a name",
    ),
    pytest.param(
        ("[vcycle]", "[machinetype cloud.example.org x]"),
        "",
        [
            "F:1: [machinetype cloud.example.org x] there is no [space cloud.example.org];"
            " did you mean [space cloud.example.com]?"
        ],
        id="a machinetype of no space",
    ),
    pytest.param(
        ("[vcycle]", "[vacuum_pipe other x]"),
        "",
        ["F:1: [vacuum_pipe other x] there is no [space other]"],
        id="a pipe of no space",
    ),
    pytest.param(
        ("api = demo\n", ""),
        "",
        [f"F:3: {SPACE} api: is required: the name of an API (a-z 0-9 _), such as openstack"],
        id="a space without api",
    ),
    pytest.param(
        ("api = demo", "api = Demo"),
        "",
        [
            f"F:4: {SPACE} api: must be the name of an API (a-z 0-9 _), such as openstack,"
            " not 'Demo'"
        ],
        id="an api in capitals",
    ),
    pytest.param(
        ("api = demo", "api = openstack"),
        "",
        [
            f"F:4: {SPACE} api: the openstack space is not installed;"
            " install the extra openstack of vcycle (installed: demo, image)"
        ],
        id="an api that is one of ours and not installed",
    ),
    pytest.param(
        ("api = demo", "api = demmo"),
        "",
        [
            f"F:4: {SPACE} api: no installed package has a space 'demmo' (installed: demo, image);"
            " did you mean demo?"
        ],
        id="an api that is nearly known",
    ),
    pytest.param(
        ("api = demo", "api = occi"),
        "",
        [f"F:4: {SPACE} api: no installed package has a space 'occi' (installed: demo, image)"],
        id="an api that nobody knows",
    ),
    pytest.param(
        ("processors_limit = 100", "processor_limit = 100"),
        "",
        [
            f"F:5: {SPACE} processor_limit: unknown option (its value is '100');"
            " did you mean processors_limit?"
        ],
        id="a limit that would be lost by a misspelling",
    ),
    pytest.param(
        ("api = demo\nprocessors_limit = 100", "api = ec2\nprocessor_limit = 100\nurl = x"),
        "",
        [
            f"F:4: {SPACE} api: the ec2 space is not installed; install the extra ec2 of vcycle"
            " (installed: demo, image)",
            f"F:5: {SPACE} processor_limit: unknown option (its value is '100');"
            " did you mean processors_limit?",
        ],
        id="without the API its own options are not judged, misspelled common ones are",
    ),
    pytest.param(
        ("api = demo", "api = demo\ndemo_secrt = hidden"),
        "",
        [f"F:5: {SPACE} demo_secrt: unknown option; did you mean demo_secret?"],
        id="a misspelled secret, whose value is not repeated",
    ),
    pytest.param(
        ("api = demo", "api = demo\ndemo_secret ="),
        "",
        [f"F:5: {SPACE} demo_secret: must be a secret (never shown)"],
        id="an empty secret",
    ),
    pytest.param(
        ("api = demo", "api = demo\nspeed = fast"),
        "",
        [f"F:5: {SPACE} speed: must be a whole number, 0 or more, not 'fast'"],
        id="a wrong value of an option of the API",
    ),
    pytest.param(
        ("api = demo", "api = demo\nmode = watch"),
        "",
        [f"F:5: {SPACE} mode: must be manage or observe, not 'watch'"],
        id="a word that is none of the choices",
    ),
    pytest.param(
        ("api = demo", "api = demo\nmax_creations_per_cycle = 0%"),
        "",
        [
            f"F:5: {SPACE} max_creations_per_cycle: must be a whole number, 1 or more, or a"
            " percentage such as 10%, not '0%'"
        ],
        id="an amount of nothing",
    ),
    pytest.param(
        ("api = demo", "api = demo\nshutdown_time = 253402300800"),
        "",
        [
            f"F:5: {SPACE} shutdown_time: must be a whole number of Unix seconds, 0 to"
            " 253402300799, not '253402300800'"
        ],
        id="a time after the end of the calendar",
    ),
    pytest.param(
        ("[vcycle]", "[vcycle]"),
        "[space empty.example.com]\napi = demo\n",
        [
            "F:13: [space empty.example.com] there is no machinetype in this space;"
            " write a section [machinetype empty.example.com NAME]"
        ],
        id="a space without machinetype",
    ),
    pytest.param(
        ("[vcycle]", "[vcycle]"),
        "[vacuum_pipe cloud.example.com vo]\ntarget_share = 1\n",
        [
            "F:13: [vacuum_pipe cloud.example.com vo] vacuum_pipe_url: is required: a URL that"
            " begins with http:// or https://"
        ],
        id="a pipe that leads nowhere",
    ),
    pytest.param(
        ("[vcycle]", "[DEFAULT]\nfizle_seconds = 1\n[vcycle]"),
        "",
        [
            "F:2: [DEFAULT] fizle_seconds: unknown option (its value is '1');"
            " did you mean fizzle_seconds?"
        ],
        id="a misspelled default, named once",
    ),
    pytest.param(
        ("[vcycle]", "[DEFAULT]\nmin_processors = none\n[vcycle]"),
        "[machinetype cloud.example.com more]\n"
        "backoff_seconds = 1\nfizzle_seconds = 1\nuser_data = http://h/u\n",
        [
            "F:2: [DEFAULT] min_processors: must be a whole number of processors, 1 to 1000000000,"
            " not 'none'"
        ],
        id="a wrong default, named once however many sections have it",
    ),
    pytest.param(
        ("[vcycle]", "lost\n[vcycle]\nroot\n= 1"),
        "",
        [
            "F:1: text before the first [section]",
            "F:3: neither a [section] nor option = value",
            "F:4: neither a [section] nor option = value",
        ],
        id="a file that cannot be read, with every line of it that is wrong",
    ),
]


@pytest.mark.parametrize(("change", "more", "expected"), ERRORS)
def test_an_error_is_said_with_its_place(
    tmp_path: Path, change: tuple[str, str], more: str, expected: list[str]
) -> None:
    """The errors of a configuration are these and no others."""
    assert said(deck(tmp_path, change, more=more), warnings=False) == expected


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    """Errors of every section are in one ConfigError, by file and line."""
    path = deck(
        tmp_path,
        ("root = ROOT", "root = here"),
        ("api = demo", "api = x-y"),
        ("target_share = 1", "target_share = -1"),
    )
    with pytest.raises(ConfigError) as caught:
        load([path], registry=REGISTRY)
    assert [problem.line for problem in caught.value.problems] == [2, 4, 7]


def test_problems_sort_by_place() -> None:
    """A person goes through a file from top to bottom."""
    problems = [
        Problem(file="b", line=1, section="", option="", message=""),
        Problem(file="a", line=10, section="", option="", message=""),
        Problem(file="a", line=9, section="", option="", message=""),
    ]
    assert [(each.file, each.line) for each in sorted(problems)] == [("a", 9), ("a", 10), ("b", 1)]
