"""What machines say: heartbeats, shutdown messages, and the site that receives them."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.scarcity import few_files
from vcycled.machinedir import Heartbeat, MachineDir
from vcycled.model import ShutdownMessage
from vcycled.testing.clock import START, FakeClock

SPACE = "cloud.example.com"
NAME = "vcycle-prod-0123456789"


@pytest.fixture
def tree(tmp_path: Path) -> MachineDir:
    """A tree on a clock that stands still."""
    tree = MachineDir(tmp_path, clock=FakeClock())
    tree.make_ready()
    return tree


@pytest.fixture
def outputs(tree: MachineDir) -> Path:
    """The joboutputs of a machine."""
    folder = tree.layout.outputs(SPACE, NAME)
    folder.mkdir(parents=True)
    return folder


def say(path: Path, content: bytes, at: int = START) -> None:
    """Let a machine have written `content` at an instant."""
    path.write_bytes(content)
    os.utime(path, (at, at))


def test_a_heartbeat_is_as_new_as_its_file(tree: MachineDir, outputs: Path) -> None:
    """The time is when the file was last written."""
    say(outputs / "heartbeat", b"", START - 42)
    assert tree.heartbeat(SPACE, NAME, "heartbeat") == Heartbeat(START - 42, is_known=True)


def test_a_missing_heartbeat_is_known_to_be_missing(tree: MachineDir, outputs: Path) -> None:
    """The folder is there, the file is not: that tells something."""
    assert tree.heartbeat(SPACE, NAME, "heartbeat") == Heartbeat(None, is_known=True)


def test_without_folder_nothing_is_known_of_heartbeats(tree: MachineDir) -> None:
    """A folder that cannot be looked into proves nothing."""
    assert tree.heartbeat(SPACE, NAME, "heartbeat") == Heartbeat(None, is_known=False)


def test_a_folder_that_is_no_folder_proves_nothing(tree: MachineDir, outputs: Path) -> None:
    """Any other failure of stat means that we do not know."""
    outputs.rmdir()
    outputs.write_text("")
    assert tree.heartbeat(SPACE, NAME, "heartbeat") == Heartbeat(None, is_known=False)


@pytest.mark.parametrize("name", ["../zone", "..", ".", "", "a/b", "a\0b"])
def test_a_heartbeat_file_outside_is_not_looked_at(
    tree: MachineDir, outputs: Path, name: str
) -> None:
    """A pipe or a typo cannot make us stat other files."""
    (outputs.parent / "zone").write_text("x")
    assert tree.heartbeat(SPACE, NAME, name) == Heartbeat(None, is_known=False)


def test_links_and_folders_are_no_heartbeats(
    tree: MachineDir, outputs: Path, tmp_path: Path
) -> None:
    """A link to a file that others keep fresh keeps no machine alive."""
    (tmp_path / "fresh").write_text("")
    (outputs / "link").symlink_to(tmp_path / "fresh")
    (outputs / "folder").mkdir()
    for name in ("link", "folder"):
        assert tree.heartbeat(SPACE, NAME, name) == Heartbeat(None, is_known=True)


@pytest.mark.parametrize(
    ("content", "code", "text"),
    [
        (b"200 Intended work completed ok", 200, "200 Intended work completed ok"),
        (b"300 Nothing to do\n", 300, "300 Nothing to do"),
        (b"99 too low", None, "99 too low"),
        (b"100 lowest", 100, "100 lowest"),
        (b"999 highest", 999, "999 highest"),
        (b"1000 too high", None, "1000 too high"),
        (b"099 not three digits", None, "099 not three digits"),
        (b"700", 700, "700"),
        (b"642: finer code", 642, "642: finer code"),
        (b"  300 indented", 300, "300 indented"),
        (b"\n\n400 after blank lines", 400, "400 after blank lines"),
        (b"300 first\n200 second", 300, "300 first"),
        (b"all is well", None, "all is well"),
        (b"200 \xe9 \x1b[31m\x00", 200, "200 \N{REPLACEMENT CHARACTER}  [31m"),
        (b"500 " + b"x" * 10_000, 500, "500 " + "x" * 246),
    ],
)
def test_a_shutdown_message_is_its_first_line(
    tree: MachineDir, outputs: Path, content: bytes, code: int | None, text: str
) -> None:
    """The code counts if it is 100 to 999 and stands first; text is made printable and short."""
    say(outputs / "shutdown_message", content, START - 7)
    assert tree.shutdown_message(SPACE, NAME) == ShutdownMessage(
        code=code, text=text, written_at=START - 7
    )


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\x00\x01"])
def test_a_blank_message_says_nothing(tree: MachineDir, outputs: Path, content: bytes) -> None:
    """An empty file is no message."""
    say(outputs / "shutdown_message", content)
    assert tree.shutdown_message(SPACE, NAME) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(content=st.binary(max_size=300) | st.text().map(str.encode))
def test_no_message_breaks_its_reader(tree: MachineDir, content: bytes) -> None:
    """Whatever a machine writes, the answer is one short printable line or nothing."""
    outputs = tree.layout.outputs(SPACE, NAME)
    outputs.mkdir(parents=True, exist_ok=True)
    say(outputs / "shutdown_message", content)
    message = tree.shutdown_message(SPACE, NAME)
    assert message is None or (message.text.isprintable() and 0 < len(message.text) <= 250)


def test_no_message_is_none(tree: MachineDir, outputs: Path) -> None:
    """Neither a missing file nor a missing folder is an error."""
    assert tree.shutdown_message(SPACE, NAME) is None
    outputs.rmdir()
    assert tree.shutdown_message(SPACE, NAME) is None


def test_links_folders_and_pipes_are_no_messages(
    tree: MachineDir, outputs: Path, tmp_path: Path
) -> None:
    """Nothing outside is read and nothing blocks the manager."""
    path = outputs / "shutdown_message"
    (tmp_path / "other").write_text("200 not mine")
    path.symlink_to(tmp_path / "other")
    assert tree.shutdown_message(SPACE, NAME) is None
    path.unlink()
    path.mkdir()
    assert tree.shutdown_message(SPACE, NAME) is None
    path.rmdir()
    os.mkfifo(path)
    assert tree.shutdown_message(SPACE, NAME) is None


def test_an_unreadable_message_is_not_taken_for_none(tree: MachineDir, outputs: Path) -> None:
    """It is there, and what it says decides: the caller must know."""
    say(outputs / "shutdown_message", b"300 x")
    with few_files(0), pytest.raises(OSError, match="Too many open files"):
        tree.shutdown_message(SPACE, NAME)


def test_the_manager_leaves_its_reason_where_the_machine_left_none(
    tree: MachineDir, outputs: Path
) -> None:
    """It can be read back, and nothing else is left in the folders."""
    assert tree.leave_message(SPACE, NAME, "700 Failed to start") is True
    assert (outputs / "shutdown_message").read_text() == "700 Failed to start"
    assert [each.name for each in outputs.iterdir()] == ["shutdown_message"]
    assert [each.name for each in outputs.parent.iterdir()] == ["joboutputs"]


def test_what_the_machine_said_is_never_overwritten(tree: MachineDir, outputs: Path) -> None:
    """Not even an empty message or a planted link."""
    path = outputs / "shutdown_message"
    path.write_text("200 Success")
    assert tree.leave_message(SPACE, NAME, "700 Exceeded max_wallclock_seconds") is False
    assert path.read_text() == "200 Success"
    path.unlink()
    path.symlink_to(outputs.parent / "victim")
    assert tree.leave_message(SPACE, NAME, "700 Exceeded max_wallclock_seconds") is False
    assert not (outputs.parent / "victim").exists()


MARKER = "web01.example.com"


def mark(tree: MachineDir, name: str, content: str, seen_at: int) -> None:
    """Let a web process have given its last sign of life at an instant."""
    path = tree.layout.web_up / name
    path.write_text(content)
    os.utime(path, (seen_at, seen_at))


@pytest.mark.parametrize(
    ("seen_at", "since"),
    [
        pytest.param(START, START - 900, id="just now"),
        pytest.param(START - 60, START - 900, id="60 s ago is fresh"),
        pytest.param(START - 61, None, id="61 s ago is not"),
        pytest.param(START + 60, START - 900, id="a clock a little ahead"),
        pytest.param(START + 61, None, id="a clock far ahead proves nothing"),
    ],
)
def test_a_receiver_is_up_while_its_marker_is_fresh(
    tree: MachineDir, seen_at: int, since: int | None
) -> None:
    """A sign of life within 60 s."""
    mark(tree, MARKER, str(START - 900), seen_at)
    assert tree.receiver_up_since(START) == since


def test_the_longest_of_several_receivers_counts(tree: MachineDir) -> None:
    """One that was up all the time is enough; stale and damaged markers count for nothing."""
    mark(tree, "a", str(START - 10), START)
    mark(tree, "b", f"{START - 500}\n", START - 1)
    mark(tree, "stale", str(START - 9000), START - 500)
    mark(tree, "torn", "", START)
    mark(tree, "garbage", "yesterday", START)
    mark(tree, ".b.tmp", "1", START)
    os.mkfifo(tree.layout.web_up / "pipe")
    assert tree.receiver_up_since(START) == START - 500


def test_a_receiver_says_when_its_certificate_ends(tree: MachineDir) -> None:
    """Or that it cannot read that; with what is no instant it says nothing at all."""
    mark(tree, "a", f"{START - 10} {START + 99}", START)
    mark(tree, "b", f"{START - 20} -1\n", START)
    mark(tree, "c", str(START - 30), START)
    mark(tree, "stale", f"{START - 40} {START}", START - 61)
    mark(tree, "garbage", f"{START - 50} tomorrow", START)
    mark(tree, "more", f"{START - 50} {START} {START}", START)
    found = {each.host: each.certificate_ends_at for each in tree.web_marks(START)}
    assert found == {"a": START + 99, "b": -1, "c": None}


def test_without_receivers_nobody_is_up(tree: MachineDir) -> None:
    """Neither an empty folder nor a missing one is an error."""
    assert tree.receiver_up_since(START) is None
    tree.layout.web_up.rmdir()
    assert tree.receiver_up_since(START) is None


def test_markers_that_cannot_be_read_count_for_nothing(tree: MachineDir) -> None:
    """No machine is taken for silent because we ran out of open files."""
    mark(tree, MARKER, str(START - 900), START)
    with few_files(0):
        assert tree.receiver_up_since(START) is None
    assert tree.receiver_up_since(START) == START - 900
