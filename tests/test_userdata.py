"""user_data: what each pattern becomes, and that no value becomes a pattern."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vcycled import __version__, mjf
from vcycled.errors import UserDataError
from vcycled.userdata import DEFAULTS, Recipe, Subject, UserData, check_size, make

NONE: Mapping[str, str] = {}
SITE = "https://vac01.example.com:443"
MACHINE = f"{SITE}/machines/cloud.example.com/vcycle-prod-0123456789"
SUBJECT = Subject(
    name="vcycle-prod-0123456789",
    uuid="6f8d2b54-0000-4000-8000-000000000001",
    site="EXAMPLE-SITE",
    manager_host="vac01.example.com",
    urls=mjf.urls(
        https_host="vac01.example.com",
        https_port=443,
        space="cloud.example.com",
        machine="vcycle-prod-0123456789",
    ),
    token="the-machine-token",
    root_image="https://repo.example.com/cernvm3.iso",
)


def recipe(
    folder: Path,
    template: bytes,
    *,
    options: Mapping[str, str] = NONE,
    files: Mapping[str, str] = NONE,
    overrides: Mapping[str, str] = NONE,
) -> Recipe:
    """A machinetype whose template is a file with this content."""
    (folder / "user_data").write_bytes(template)
    return Recipe(
        space="cloud.example.com",
        machinetype="prod",
        template="user_data",
        folder=folder,
        options=options,
        files=files,
        overrides=overrides,
    )


def filled(folder: Path, template: str, **changes: Mapping[str, str]) -> str:
    """What `template` becomes."""
    return make(recipe(folder, template.encode(), **changes), SUBJECT).content.decode()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("space", "cloud.example.com"),
        ("machinetype", "prod"),
        ("machine_hostname", "vcycle-prod-0123456789"),
        ("machine_token", "the-machine-token"),
        ("manager_version", f"Vcycle {__version__}"),
        ("manager_hostname", "vac01.example.com"),
        ("site", "EXAMPLE-SITE"),
        ("uuid", "6f8d2b54-0000-4000-8000-000000000001"),
        ("machinefeatures_url", f"{MACHINE}/machinefeatures"),
        ("jobfeatures_url", f"{MACHINE}/jobfeatures"),
        ("joboutputs_url", f"{MACHINE}/joboutputs"),
        ("heartbeat_machines_url", f"{SITE}/heartbeatlists/cloud.example.com"),
        ("root_image_url", "https://repo.example.com/cernvm3.iso"),
        ("url", ""),
        ("vmtype", "prod"),
        ("vm_hostname", "vcycle-prod-0123456789"),
        ("vmlm_version", f"Vcycle {__version__}"),
        ("vmlm_hostname", "vac01.example.com"),
        ("manager_machinefeatures_url", f"{MACHINE}/machinefeatures"),
        ("manager_jobfeatures_url", f"{MACHINE}/jobfeatures"),
        ("manager_joboutputs_url", f"{MACHINE}/joboutputs"),
    ],
)
def test_each_default_has_its_value(tmp_path: Path, name: str, value: str) -> None:
    """Every name of compat.md 4, old ones too."""
    assert filled(tmp_path, f"<##user_data_{name}##>") == f"<{value}>"
    assert name in DEFAULTS


def test_every_default_is_known(tmp_path: Path) -> None:
    """The list that documents and the configuration use is complete: no pattern is unknown."""
    template = "".join(f"##user_data_{name}##" for name in DEFAULTS)
    assert make(recipe(tmp_path, template.encode()), SUBJECT).unknown == ()


def test_an_image_that_is_no_url_has_none(tmp_path: Path) -> None:
    """A machine cannot fetch what only the cloud or the manager can name."""
    subject = dataclasses.replace(SUBJECT, root_image="image:CentOS 7")
    made = make(recipe(tmp_path, b"<##user_data_root_image_url##>"), subject)
    assert made == UserData(b"<>", ())


def test_options_and_files_fill_their_patterns(tmp_path: Path) -> None:
    """A file fills its own old pattern and the option of its name; options fill one."""
    (tmp_path / "key.pem").write_bytes(b"KEY\n")
    text = filled(
        tmp_path,
        "##user_data_option_queue##,##user_data_option_key##,##user_data_file_key##",
        options={"queue": "long"},
        files={"key": "key.pem"},
    )
    assert text == "long,KEY\n,KEY\n"


def test_a_file_is_read_again_for_every_machine(tmp_path: Path) -> None:
    """A renewed key needs no restart."""
    wanted = recipe(tmp_path, b"##user_data_option_key##", files={"key": "key.pem"})
    for text in (b"old", b"new"):
        (tmp_path / "key.pem").write_bytes(text)
        assert make(wanted, SUBJECT).content == text


def test_files_and_templates_need_not_be_text(tmp_path: Path) -> None:
    """Every byte arrives as it was."""
    everything = bytes(range(256))
    (tmp_path / "blob").write_bytes(everything)
    template = everything + b"##user_data_file_blob##" + everything
    made = make(recipe(tmp_path, template, files={"blob": str(tmp_path / "blob")}), SUBJECT)
    assert made.content == everything * 3


@pytest.mark.parametrize("pattern", ["##user_data_option_ABC##", "##USER_DATA_space##"])
def test_case_counts_in_the_frame_but_not_in_the_name(tmp_path: Path, pattern: str) -> None:
    """Options have no case, so neither has their name in a pattern."""
    wanted = {"##user_data_option_ABC##": "x", "##USER_DATA_space##": "##USER_DATA_space##"}
    assert filled(tmp_path, pattern, options={"abc": "x"}) == wanted[pattern]


def test_an_unknown_pattern_is_removed_and_told(tmp_path: Path) -> None:
    """Each is named once."""
    template = b"a##user_data_option_b##c##user_data_nonsense##d##user_data_option_b##"
    assert make(recipe(tmp_path, template), SUBJECT) == UserData(b"acd", ("nonsense", "option_b"))


@pytest.mark.parametrize(
    "text",
    ["##user_data_##", "##user_data space##", "#user_data_space#", "##user_data_a\nb##", "####"],
)
def test_what_is_no_pattern_stays(tmp_path: Path, text: str) -> None:
    """Comments of shell scripts look similar."""
    assert filled(tmp_path, text) == text


def test_an_option_of_the_name_overrides_a_default(tmp_path: Path) -> None:
    """As in the seed deck; an old name follows its new one unless it is overridden itself."""
    template = "##user_data_machine_hostname## ##user_data_vm_hostname## ##user_data_url##"
    overrides = {"machine_hostname": "vm.example.com", "url": "https://x/"}
    assert filled(tmp_path, template, overrides=overrides) == (
        "vm.example.com vm.example.com https://x/"
    )
    overrides["vm_hostname"] = "old.example.com"
    assert filled(tmp_path, template, overrides=overrides) == (
        "vm.example.com old.example.com https://x/"
    )


@pytest.mark.parametrize(
    ("alive", "own", "text"),
    [
        ((), None, ""),
        ((), "DIRECT", "DIRECT"),
        (("http://192.0.2.1:280",), None, "http://192.0.2.1:280"),
        (("http://192.0.2.1:280",), "", "http://192.0.2.1:280"),
        (
            ("http://192.0.2.1:280", "http://192.0.2.2:280"),
            "http://squid.example.com:3128",
            "http://192.0.2.1:280|http://192.0.2.2:280;http://squid.example.com:3128",
        ),
    ],
)
def test_living_web_caches_stand_before_the_own_proxy(
    tmp_path: Path, alive: tuple[str, ...], own: str | None, text: str
) -> None:
    """Alternatives are separated by |, the fallback by ;."""
    options = {} if own is None else {"cvmfs_proxy": own}
    wanted = recipe(tmp_path, b"<##user_data_option_cvmfs_proxy##>", options=options)
    made = make(wanted, dataclasses.replace(SUBJECT, cvmfs_proxies=alive))
    assert made.content.decode() == f"<{text}>"


PIECES = st.sampled_from(
    ["##", "#", "user_data_", "##user_data_machine_token##", "machine_token", "{{ ", " }}", "\\1"]
)
VALUES = st.lists(PIECES | st.text(max_size=5), max_size=6).map("".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=VALUES, content=VALUES)
def test_no_value_becomes_a_pattern(tmp_path: Path, value: str, content: str) -> None:
    """Whatever stands in an option or file arrives literally and never brings the token."""
    (tmp_path / "file").write_bytes(content.encode(errors="replace"))
    template = b"[##user_data_option_a##|##user_data_file_b##|##user_data_space##]"
    text = value.encode(errors="replace").decode()
    made = make(recipe(tmp_path, template, options={"a": text}, files={"b": "file"}), SUBJECT)
    given_file = content.encode(errors="replace")
    assert made.content == b"[" + text.encode() + b"|" + given_file + b"|cloud.example.com]"
    assert b"the-machine-token" not in made.content


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_values_side_by_side_make_no_pattern(tmp_path: Path, order: tuple[str, str]) -> None:
    """Not even two options that each hold half of one."""
    options = dict(zip(order, ("##user_data_machine", "_token##"), strict=True))
    text = filled(tmp_path, "##user_data_option_a####user_data_option_b##", options=options)
    assert "the-machine-token" not in text


@pytest.mark.parametrize(
    ("make_it", "why"),
    [
        pytest.param(lambda path: None, "No such file or directory", id="missing"),
        pytest.param(lambda path: path.mkdir(), "it is not a plain file", id="a folder"),
        pytest.param(os.mkfifo, "it is not a plain file", id="a pipe that nobody writes"),
        pytest.param(
            lambda path: path.write_bytes(b"x" * (2**20 + 1)), "longer than 1048576", id="too long"
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, make_it: object, why: str) -> None:
    """The option, the path and the reason; nothing blocks."""
    assert callable(make_it)
    make_it(tmp_path / "wanted")
    wanted = Recipe(
        space="s", machinetype="m", template="wanted", folder=tmp_path, files={"key": "wanted"}
    )
    with pytest.raises(UserDataError, match=f"^user_data: {tmp_path}/wanted .*{why}"):
        make(wanted, SUBJECT)
    wanted = recipe(tmp_path, b"", files={"key": "wanted"})
    with pytest.raises(UserDataError, match=f"^user_data_file_key: {tmp_path}/wanted .*{why}"):
        make(wanted, SUBJECT)


@pytest.mark.parametrize(
    ("name", "content"),
    [("template", b""), ("template", b"\n \n"), ("template.j2", b"{% if false %}x{% endif %}\n")],
)
def test_an_empty_text_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    """No machine can do anything with it; often an editor is just writing the file anew."""
    (tmp_path / name).write_bytes(content)
    wanted = Recipe(space="s", machinetype="m", template=name, folder=tmp_path)
    with pytest.raises(UserDataError, match=f"^user_data: {tmp_path}/{name} gives an empty text$"):
        make(wanted, SUBJECT)


def test_a_file_at_the_limit_is_taken(tmp_path: Path) -> None:
    """1 MiB is not too long."""
    assert len(make(recipe(tmp_path, b"x" * 2**20), SUBJECT).content) == 2**20


def test_a_path_that_is_none_is_named(tmp_path: Path) -> None:
    """A NUL byte in a name is no crash."""
    wanted = recipe(tmp_path, b"", files={"key": "a\0b"})
    with pytest.raises(UserDataError, match=r"user_data_file_key: .* is no path"):
        make(wanted, SUBJECT)


@pytest.mark.parametrize(("size", "fits"), [(99, True), (100, True), (101, False)])
def test_user_data_longer_than_the_cloud_takes_is_refused(size: int, fits: bool) -> None:
    """Before the call, with both figures."""
    if fits:
        check_size(b"x" * size, most=100, machinetype="prod")
        return
    with pytest.raises(UserDataError, match=r"user_data of prod has 101 bytes .* takes 100"):
        check_size(b"x" * size, most=100, machinetype="prod")
