"""What a URL path means, and all that it does not."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vcycled.machinedir import hash_of
from vcycled.machinedir.layout import is_output_name
from vcycled.web.auth import Decision, Owner, Peer, Wish, decide
from vcycled.web.target import (
    Feature,
    Folder,
    HeartbeatList,
    Index,
    Nothing,
    Output,
    Page,
    Target,
    target_of,
)

SPACE = "cloud.example.com"
NAME = "vcycle-prod-0000000001"
MACHINE = f"/machines/{SPACE}/{NAME}"


def put_paths() -> list[str]:
    """The corpus of paths that name no output."""
    text = (Path(__file__).parent / "corpus" / "put_paths.txt").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [line.replace("OUT", f"{MACHINE}/joboutputs", 1) for line in lines]


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/", Index()),
        ("/?x", Index()),
        (f"{MACHINE}/machinefeatures", Folder("machinefeatures")),
        (f"{MACHINE}/jobfeatures/", Feature(SPACE, NAME, "jobfeatures", "")),
        (f"{MACHINE}/jobfeatures/job_id?x=/../y", Feature(SPACE, NAME, "jobfeatures", "job_id")),
        (f"{MACHINE}/machinefeatures/a/b", Nothing()),
        (f"{MACHINE}/machinefeatures/../zone", Nothing()),
        (f"{MACHINE}/machinefeatures/.hidden", Nothing()),
        (f"{MACHINE}/joboutputs", Folder("joboutputs")),
        (f"{MACHINE}/joboutputs/", Output(SPACE, NAME, "")),
        (f"{MACHINE}/joboutputs/log", Output(SPACE, NAME, "log")),
        (f"{MACHINE}/joboutputs/%6Cog%2etxt", Output(SPACE, NAME, "log.txt")),
        (f"{MACHINE}/joboutputs/a%2Fb", Output(SPACE, NAME, "a/b")),
        (f"{MACHINE}/joboutputs/%ff", Output(SPACE, NAME, "%ff")),
        (f"{MACHINE}/zone", Nothing()),
        (MACHINE, Nothing()),
        (f"/machines/{SPACE}/../joboutputs/log", Nothing()),
        ("/machines", Nothing()),
        (f"/heartbeatlists/{SPACE}/prod", HeartbeatList(SPACE, "prod")),
        (f"/heartbeatlists/{SPACE}/..", Nothing()),
        (f"/heartbeatlists/{SPACE}", Nothing()),
        ("/HNSciCloud/pilotkek2/user_data", Page(("HNSciCloud", "pilotkek2", "user_data"))),
        ("/%C3%A9t%C3%A9", Page(("été",))),
        ("/a/", Nothing()),
        ("/a//b", Nothing()),
        ("/a/../b", Nothing()),
        ("/.ssh/id_rsa", Nothing()),
        ("/%2essh", Nothing()),
        ("/a%2fb", Nothing()),
        ("/a%00", Nothing()),
        ("/%ff", Nothing()),
        ("/a%", Nothing()),
        ("/a b", Nothing()),
        ("/é", Nothing()),
        ("", Nothing()),
        ("*", Nothing()),
        ("http://host/user_data", Nothing()),
    ],
)
def test_a_path_means_one_thing(path: str, target: Target) -> None:
    """Each kind of path, and its next of kin that means nothing."""
    assert target_of(path) == target


@pytest.mark.parametrize("path", put_paths())
def test_no_path_of_the_corpus_names_an_output(path: str) -> None:
    """Not even its owner may write there."""
    target = target_of(path)
    if isinstance(target, Output) and (target.space, target.machine) == (SPACE, NAME):
        wish = Wish(method="PUT", file=target.file)
        decision = decide(wish, Peer(tokens=("x",)), Owner(token_hash=hash_of("x")))
        assert decision in {Decision.BAD_NAME, Decision.METHOD}


PARTS = st.sampled_from(
    ["..", ".", "", "%2e%2e", "%2f", "/", "%5c", "\\", "log", "%00", "%", "é", "%c3%a9", "~", "?"]
)


@given(rest=st.lists(PARTS | st.text(max_size=3), max_size=6).map("".join))
@example("%2e%2e%2fzone")
def test_an_output_that_may_be_written_is_one_plain_name(rest: str) -> None:
    """Whatever follows joboutputs/, a name that is accepted has no path in it."""
    target = target_of(f"{MACHINE}/joboutputs/{rest}")
    if isinstance(target, Output) and is_output_name(target.file):
        assert Path(target.file).name == target.file
        assert not target.file.startswith(".")
        assert len(target.file.encode()) <= 255
        assert (target.space, target.machine) == (SPACE, NAME)


@given(path=st.text(max_size=40) | st.text("/.%25ef", max_size=40))
def test_a_page_never_leaves_its_folder(path: str) -> None:
    """Parts of a page's path are plain visible names."""
    target = target_of(f"/{path}")
    if isinstance(target, Page):
        assert target.parts
        for part in target.parts:
            assert part
            assert "/" not in part
            assert "\0" not in part
            assert not part.startswith(".")


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("x" * 255, True), ("x" * 256, False), ("a.b", True), (".a", False), ("-a", True)],
)
def test_names_of_outputs_have_bounds(name: str, is_one: bool) -> None:
    """255 bytes fit into a directory."""
    assert is_output_name(name) is is_one
