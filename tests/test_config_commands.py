"""`vcycle config` as a person uses it, and what stands in etc/, docs/ and old files."""

import json
import runpy
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.config_support import PROD, REGISTRY, SPACE, USER_DATA, DemoSpace, deck
from tests.http_servers import Script, answer, serving
from vcycled.cli.config_commands import config
from vcycled.cli.root import main
from vcycled.config import (
    InstalledSpaces,
    MachinetypeOptions,
    ManagerOptions,
    NotInstalled,
    PipeOptions,
    SpaceOptions,
    WebOptions,
    find_space,
    load_web,
    problems_of,
    reader,
)
from vcycled.config.grammar import LIKELY, space_grammar
from vcycled.config.pipe_shelf import Copy, Shelf
from vcycled.config.reader import read
from vcycled.config.reference import page
from vcycled.options import rows
from vcycled.spaces.base import Space
from vcycled.spaces.openstack import OpenStackSpace

TOP = Path(__file__).parent.parent
FIXTURES = Path(__file__).parent / "data" / "config"

OTHER_APIS = (
    "url project_name tenancy_name domain_name region zones security_groups network_uuid username"
    " password_base64 cred_id cred_secret glance_api access_key secret_key version service"
    " subscription location tenant_id client_id client_secret certificate"
)
"""Options of compat.md that only OpenStack, EC2 and Azure spaces have."""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a package with a space `demo` and one whose library is missing."""
    info = tmp_path / "site" / "demo-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: demo\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[vcycle.spaces]\n"
        "demo = tests.config_support:DemoSpace\n"
        "broken = tests.no_such_library:BrokenSpace\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "site"))


def run(*arguments: str | Path) -> Result:
    """Run `vcycle config ARGUMENTS`."""
    return CliRunner().invoke(config, [str(each) for each in arguments], terminal_width=99)


def texts(result: Result, path: Path) -> list[str]:
    """Return the lines of the output with `F` for the file."""
    return result.output.replace(str(path), "F").splitlines()


@pytest.mark.parametrize(
    ("change", "strict", "status", "verdict"),
    [
        (("api", "api"), [], 0, "vcycle: the configuration is right"),
        (("api", "api"), ["--strict"], 0, "vcycle: the configuration is right"),
        (("api = ", "a = b\napi = "), [], 0, "vcycle: 1 warning; it can be used"),
        (("api = ", "a = b\napi = "), ["--strict"], 2, "vcycle: 1 warning; it can be used"),
        (("api = demo", "api = ?"), [], 2, "vcycle: 1 error; this cannot be used as it is"),
        (
            ("api = demo", "a = b\nb = c\napi = ?\nmode = x"),
            [],
            2,
            "vcycle: 2 errors; this cannot be used as it is",
        ),
        (
            ("api = demo", "a = b\nb = c\napi = demo\nmode = x"),
            [],
            2,
            "vcycle: 1 error and 2 warnings; this cannot be used as it is",
        ),
    ],
)
@pytest.mark.usefixtures("installed")
def test_check_ends_with_a_verdict(
    tmp_path: Path, change: tuple[str, str], strict: list[str], status: int, verdict: str
) -> None:
    """Errors are status 2, warnings alone 0, or 2 if they are not accepted."""
    result = run("check", *strict, "--config", deck(tmp_path, change))
    assert (result.exit_code, result.output.splitlines()[-1]) == (status, verdict)


@pytest.mark.usefixtures("installed")
def test_check_prints_every_problem(tmp_path: Path) -> None:
    """One line each, as editors and people find their way by; warnings are marked."""
    path = deck(tmp_path, ("api = demo", "api = broken\nmax_processors = 1"))
    assert texts(run("check", "--config", path), path)[:-1] == [
        f"F:4: {SPACE} api: the broken space cannot be loaded (No module named"
        " 'tests.no_such_library'); install the extra broken of vcycle",
        f"warning: F:5: {SPACE} max_processors: old name of processors_limit; processors_limit is"
        " set too (F:6) and counts; remove this",
    ]


@pytest.mark.usefixtures("installed")
def test_check_fetches_pipes_if_told_to(tmp_path: Path) -> None:
    """Else it takes the kept copies; what is fetched is judged and not kept."""
    with serving(Script((answer("200 OK", b'{"machinetypes": [{"suffix": "x"}]}'),))) as port:
        url = f"http://127.0.0.1:{port}/pipe.json"
        pipe = f"[vacuum_pipe cloud.example.com vo]\nvacuum_pipe_url = {url}\n"
        path = deck(tmp_path, more=pipe + "[vacuum_pipe cloud.example.com bad]\n")
        result = run("check", "--fetch", "--config", path)
    where = f"{url}: [machinetype cloud.example.com vo-x]"
    lines = texts(result, path)
    assert f"{where} user_data: is required: {USER_DATA}" in lines
    assert (result.exit_code, len(lines)) == (2, 5)
    assert not (tmp_path / "pipescache").exists()
    kept = texts(run("check", "--config", path), path)
    assert any("has not been fetched yet" in line for line in kept)
    again = texts(run("check", "--fetch", "--config", path), path)
    assert any("(Connection refused); it makes nothing" in line for line in again)


@pytest.mark.usefixtures("installed")
def test_show_names_the_pipe_of_a_value(tmp_path: Path) -> None:
    """Its URL stands where file and line of others do."""
    text = '{"machinetypes": [{"suffix": "x", "fizzle_seconds": 77}]}'
    url = "https://vo.example.com/pipe.json"
    Shelf(root=tmp_path).put("cloud.example.com", "vo", Copy(url=url, text=text, since=1))
    pipe = f"[vacuum_pipe cloud.example.com vo]\nvacuum_pipe_url = {url}\n"
    path = deck(tmp_path, more=pipe)
    result = run("show", "cloud.example.com", "vo-x", "--config", path)
    assert texts(result, path) == [
        "[machinetype cloud.example.com vo-x]",
        f"target_share = 0     ; {url}",
        f"fizzle_seconds = 77  ; {url}",
    ]


@pytest.mark.usefixtures("installed")
def test_check_speaks_json(tmp_path: Path) -> None:
    """Programs get the parts of each problem."""
    path = deck(tmp_path, ("api = demo", "api = demo\nspeed = x"))
    result = run("check", "--json", "--config", path)
    assert (result.exit_code, json.loads(result.output)) == (
        2,
        [
            {
                "file": str(path),
                "line": 5,
                "section": "space cloud.example.com",
                "option": "speed",
                "message": "must be a whole number, 0 or more, not 'x'",
                "is_warning": False,
            }
        ],
    )


@pytest.mark.usefixtures("installed")
def test_several_files_and_folders_can_be_named(tmp_path: Path) -> None:
    """Later ones win."""
    folder = tmp_path / "more.d"
    folder.mkdir()
    (folder / "a.conf").write_text("[space cloud.example.com]\nprocessors_limit = 7\n")
    shown = run("show", "cloud.example.com", "--config", deck(tmp_path), "--config", folder)
    assert f"processors_limit = 7  ; {folder}/a.conf:2" in shown.output


def test_the_usual_places_are_read_without_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As vcycled does."""
    monkeypatch.setattr(reader, "DEFAULT_PATHS", (tmp_path / "vcycle.conf",))
    result = run("check")
    assert result.exit_code == 2
    assert result.output.startswith(f"no configuration file in {tmp_path}/vcycle.conf\n")


@pytest.mark.usefixtures("installed")
def test_show_says_what_counts_and_where_it_stands(tmp_path: Path) -> None:
    """Old spellings are shown by their present names, what does nothing as that."""
    path = deck(
        tmp_path,
        ("api = demo\nprocessors_limit", "api = demo\nsome words = x\nmax_processors"),
        ("target_share = 1", "target_share = 1\nuser_data_option_a = 1\n  2"),
    )
    assert texts(run("show", "--config", path), path) == [
        "[vcycle]",
        f"root = {tmp_path}  ; F:2",
        "",
        SPACE,
        "api = demo              ; F:4",
        "processors_limit = 100  ; F:6",
        "some words = x          ; F:5 (not used)",
        "",
        PROD,
        "target_share = 1          ; F:8",
        "processors_limit = 50     ; F:11",
        "min_processors = 2        ; F:12",
        "backoff_seconds = 600     ; F:13",
        "fizzle_seconds = 60       ; F:14",
        "user_data = https://repo.example.com/user_data  ; F:15",
        "user_data_option_a = 1 2  ; F:9",
    ]


@pytest.mark.usefixtures("installed")
def test_show_can_be_narrowed_and_widened(tmp_path: Path) -> None:
    """To a space with all in it, to one machinetype; to the defaults too."""
    path = deck(tmp_path, ("[vcycle]\nroot = ROOT\n", ""), more="[space other]\napi = demo\n")
    titles = [
        [line for line in run("show", *names, "--config", path).output.splitlines() if "[" in line]
        for names in ([], ["cloud.example.com"], ["cloud.example.com", "prod"])
    ]
    assert titles == [["[vcycle]", SPACE, PROD, "[space other]"], [SPACE, PROD], [PROD]]
    shown = run("show", "other", "--defaults", "--config", path).output
    assert "speed = 1 " in shown
    assert "; default" in shown
    assert "speed" not in run("show", "other", "--config", path).output


@pytest.mark.usefixtures("installed")
def test_show_speaks_json(tmp_path: Path) -> None:
    """With the same facts."""
    path = deck(tmp_path)
    result = run("show", "cloud.example.com", "prod", "--json", "--config", path)
    (section,) = json.loads(result.output)
    assert section["title"] == "machinetype cloud.example.com prod"
    assert section["options"][0] == {
        "option": "target_share",
        "value": "1",
        "file": str(path),
        "line": 7,
        "is_used": True,
    }


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_no_secret_is_shown(tmp_path: Path, form: list[str]) -> None:
    """Neither what a table calls secret nor what sounds like it."""
    path = deck(
        tmp_path,
        ("[vcycle]", "[vcycle]\ndatabase = postgresql://u:sesame@h/d"),
        ("api = demo", "api = demo\ndemo_secret = sesame\ndb password = sesame"),
        ("target_share = 1", "user_data_option_token = sesame\nuser_data_file_key = shown.pem"),
    )
    result = run("show", *form, "--config", path)
    assert "sesame" not in result.output
    assert result.output.count("********") == 4
    assert "shown.pem" in result.output
    changed = run("set", SPACE, "demo_secret", "sesame2", "--config", path)
    assert changed.output == f"{path}:6: {SPACE} demo_secret = ********\n"


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["nowhere"], "vcycle: there is no section of nowhere\n"),
        (["cloud.example.com", "x"], "vcycle: there is no section of cloud.example.com x\n"),
    ],
)
def test_show_of_what_is_not_there(tmp_path: Path, names: list[str], said: str) -> None:
    """Is refused as other names that nothing has, with status 1."""
    path = str(deck(tmp_path))
    result = CliRunner().invoke(main, ["config", "show", *names, "--config", path])
    assert (result.exit_code, result.output) == (1, said)


def test_show_of_files_that_cannot_be_read(tmp_path: Path) -> None:
    """Says what is wrong with them instead."""
    path = deck(tmp_path, ("[vcycle]\n", ""))
    result = run("show", "--config", path)
    assert result.exit_code == 2
    assert "F:1: text before the first [section]" in texts(result, path)[0]


@pytest.mark.usefixtures("installed")
def test_set_says_what_was_and_what_is(tmp_path: Path) -> None:
    """With the place; new warnings follow."""
    path = deck(tmp_path)
    result = run("set", "space cloud.example.com", "processors_limit", "99", "--config", path)
    assert texts(result, path) == [f"F:5: {SPACE} processors_limit = 99 (was 100)"]
    result = run("set", "space cloud.example.com", "colour", "red", "--config", path)
    assert texts(result, path) == [
        f"F:6: {SPACE} colour = red (was not set)",
        f"warning: F:6: {SPACE} colour: unknown option; it does nothing",
    ]
    result = run("set", "space cloud.example.com", "mode", "manage", "--config", path)
    assert result.exit_code == 0


@pytest.mark.usefixtures("installed")
def test_set_refuses_what_would_be_wrong(tmp_path: Path) -> None:
    """Status 2, the reason, and the file as it was."""
    path = deck(tmp_path)
    before = path.read_bytes()
    result = run("set", "space cloud.example.com", "processors_limit", "many", "--config", path)
    assert result.exit_code == 2
    assert texts(result, path) == [
        "Error: nothing was changed:",
        f"F:5: {SPACE} processors_limit: must be a whole number of processors, 0 to 1000000000,"
        " not 'many'",
    ]
    assert path.read_bytes() == before


@pytest.mark.usefixtures("installed")
def test_set_tells_how_a_value_with_a_minus_is_given(tmp_path: Path) -> None:
    """It looks like an option; after -- it is judged as any other value."""
    path = deck(tmp_path)
    words = ("space cloud.example.com", "processors_limit", "-5")
    refused = run("set", *words, "--config", path)
    assert refused.exit_code == 2
    assert "If it is the value, put -- before SECTION." in refused.output
    judged = run("set", "--config", path, "--", *words)
    assert judged.exit_code == 2
    assert "not '-5'" in judged.output


@pytest.mark.usefixtures("installed")
def test_set_into_a_folder_that_takes_no_file(tmp_path: Path) -> None:
    """What the system says is passed on."""
    path = deck(tmp_path)
    (tmp_path / f".{path.name}.tmp").mkdir()
    result = run("set", "space cloud.example.com", "processors_limit", "9", "--config", path)
    assert result.exit_code == 2
    assert result.output.startswith("Error: nothing was changed: [Errno")


@pytest.mark.usefixtures("installed")
def test_spaces_are_found_by_their_entry_points() -> None:
    """Ours and those of other packages; one whose library lacks hurts only who asks for it."""
    spaces = InstalledSpaces()
    assert spaces["demo"] is DemoSpace
    assert {"demo", "broken", "local"} <= set(spaces)
    assert len(spaces) == len(set(spaces))
    with pytest.raises(NotInstalled, match=r"install the extra broken of vcycle"):
        find_space("broken", spaces)


def test_no_space_is_installed_at_all() -> None:
    """The message says so too."""
    with pytest.raises(NotInstalled, match=r"\(installed: none\)"):
        find_space("openstack", {})


def test_the_example_is_right() -> None:
    """What an administrator starts from gives neither errors nor warnings."""
    assert problems_of(read([TOP / "etc" / "vcycle.conf.example"])) == ()


def test_the_example_of_the_web_process_is_right() -> None:
    """It states only what is the default, but for the certificate."""
    options, warnings = load_web(TOP / "etc" / "vcycle-web.conf.example")
    assert warnings == ()
    assert options == WebOptions(certificate=options.certificate, key=options.key)


OLD_NAMES = {
    "deck.conf": [
        "tenancy_name",
        "max_processors",
        "processors limit",
        "processors per machine",
        "flavor names",
        "backoff seconds",
        "https x509dn",
        "user data",
        "user data option cvmfs proxy",
        "user data machine hostname",
        "user data manager hostname",
    ],
    "vcycle3.conf": [
        "tenancy_name",
        "max_processors",
        "processors_per_machine",
        "flavor_name",
        "x509dn",
        "hs06",
        "log_joboutputs",
        "log_machineoutputs",
        "machineoutputs_days",
        "joboutputs_days",
        "remote_joboutputs_url",
        "remote_joboutputs_cert",
        "user_data_proxy_cert",
        "max_machines",
        "cpu_per_machine",
        "flavor_name",
        "x509dn",
        "cvmfs_proxy_machinetype",
    ],
}
"""Options of the fixtures that are warned about, in the order of the lines."""


def old_file(tmp_path: Path, name: str) -> Path:
    """Return a copy of a fixture, with a password where the slides show none."""
    path = tmp_path / name
    text = (FIXTURES / name).read_bytes()
    path.write_bytes(text.replace(b"password_base64 = XYZ", b"password_base64 = WFla"))
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("file", OLD_NAMES)
def test_files_of_vcycle_3_go_on_working(tmp_path: Path, file: str) -> None:
    """Old names and what has no effect any more are warned about, once each; all else is fine."""
    registry: dict[str, type[Space]] = {**REGISTRY, "openstack": OpenStackSpace}
    problems = problems_of(read([old_file(tmp_path, file)]), registry=registry)
    assert [str(each) for each in problems if not each.is_warning] == []
    here = [each.option for each in problems if "there is no file" not in each.message]
    assert here == OLD_NAMES[file]


@pytest.mark.parametrize("file", OLD_NAMES)
def test_without_openstack_only_that_is_wrong_with_them(tmp_path: Path, file: str) -> None:
    """The one error names what to install; what only OpenStack knows is not complained about."""
    problems = problems_of(read([old_file(tmp_path, file)]), registry=REGISTRY)
    (error,) = (problem for problem in problems if not problem.is_warning)
    assert error.message == (
        "the openstack space is not installed; install the extra openstack of vcycle"
        " (installed: demo, image)"
    )
    warnings = [problem for problem in problems if problem.is_warning]
    here = [each.option for each in warnings if "there is no file" not in each.message]
    assert here == [name for name in OLD_NAMES[file] if name != "tenancy_name"]


@pytest.mark.parametrize("option", OTHER_APIS.split())
def test_options_of_apis_that_are_not_installed_are_no_misspellings(option: str) -> None:
    """None of them is similar enough to a common option to be taken for it."""
    grammar = space_grammar(None)
    known = {row.name for row in grammar.rows}
    assert option in known or grammar.nearest(option) is None, LIKELY


def test_the_reference_is_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/reference/options.md is what the tables give; run vcycled.config.reference if not."""
    monkeypatch.setattr("sys.argv", ["reference", str(tmp_path / "options.md")])
    monkeypatch.delitem(sys.modules, "vcycled.config.reference")
    runpy.run_module("vcycled.config.reference", run_name="__main__")
    committed = (TOP / "docs" / "reference" / "options.md").read_text(encoding="utf-8")
    assert (tmp_path / "options.md").read_text(encoding="utf-8") == committed


def test_the_reference_names_every_option() -> None:
    """With type, default, old names and a sentence."""
    text = page(REGISTRY)
    tables = [ManagerOptions, SpaceOptions, MachinetypeOptions, PipeOptions, WebOptions]
    for table in [*tables, *(space.Options for space in REGISTRY.values())]:
        for row in rows(table):
            assert f"### `{row.name}`\n\n*{row.kind.accepts}*; " in text
            assert row.help.endswith("."), row.name
            assert all(f"`{name}`" in text for name in row.old_names)
