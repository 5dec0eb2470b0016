"""User_data is read as cloud-init reads it, as far as a local machine can follow."""

from __future__ import annotations

import base64
import contextlib
import gzip
import subprocess
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcycled.spaces.local import cloudinit
from vcycled.spaces.local.cloudinit import Boot


def config(text: str) -> bytes:
    """Return a cloud-config."""
    return f"#cloud-config\n{text}\n".encode()


def multipart(*parts: tuple[str, str]) -> bytes:
    """Return a MIME multipart of (subtype, text)."""
    message = MIMEMultipart()
    for number, (subtype, text) in enumerate(parts):
        part = MIMEText(text, subtype)
        part.add_header("Content-Disposition", f'attachment; filename="part{number}"')
        message.attach(part)
    return message.as_bytes()


def run(boot: Boot, folder: Path) -> str:
    """Run the scripts of a boot in `folder` and return what they say."""
    said = ""
    for script in boot.scripts:
        done = subprocess.run(
            ["/bin/sh"], input=script.content, cwd=folder, capture_output=True, check=False
        )
        said += (done.stdout + done.stderr).decode()
    return said


@pytest.mark.parametrize(
    ("user_data", "names", "has_config"),
    [
        pytest.param(b"#!/bin/sh\ntrue\n", ["30-part-001"], False, id="a script"),
        pytest.param(gzip.compress(b"#!/bin/sh\n", mtime=0), ["30-part-001"], False, id="gzipped"),
        pytest.param(config("runcmd: [a]"), ["40-runcmd"], True, id="runcmd"),
        pytest.param(config("bootcmd: [a]"), ["10-bootcmd"], True, id="bootcmd"),
        pytest.param(config("write_files: [{path: /x}]"), ["20-write-files"], True, id="files"),
        pytest.param(
            config("runcmd: [a]\nwrite_files: [{path: /x}]\nbootcmd: [b]"),
            ["10-bootcmd", "20-write-files", "40-runcmd"],
            True,
            id="all, in cloud-init's order",
        ),
        pytest.param(
            multipart(("x-shellscript", "#!/bin/sh\n1"), ("x-shellscript", "#!/bin/sh\n2")),
            ["30-part-001", "30-part-002"],
            False,
            id="two scripts",
        ),
        pytest.param(
            multipart(
                ("cloud-config", "#cloud-config\nruncmd: [a]"), ("x-shellscript", "#!/bin/sh")
            ),
            ["30-part-001", "40-runcmd"],
            True,
            id="scripts before runcmd",
        ),
        pytest.param(
            gzip.compress(multipart(("plain", "#!/bin/sh\n1")), mtime=0),
            ["30-part-001"],
            False,
            id="a gzipped multipart, sorted by what stands in it",
        ),
    ],
)
def test_becomes_scripts_in_order(user_data: bytes, names: list[str], has_config: bool) -> None:
    """One for each thing to do, named so that they sort as they run."""
    boot = cloudinit.read(user_data)
    assert [each.name for each in boot.scripts] == names == sorted(names)
    assert all(each.content.startswith(b"#!") for each in boot.scripts)
    assert boot.has_config is has_config


def test_a_script_is_taken_to_the_byte() -> None:
    """Whatever is in it."""
    script = b"#!/usr/bin/python3\n\xff\x00\r\nprint('$x')"
    assert cloudinit.read(script).scripts[0].content == script
    part = gzip.compress(script)
    head = b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n"
    head += b"Content-Type: application/gzip\nContent-Transfer-Encoding: base64\n\n"
    message = head + base64.encodebytes(part) + b"--b--\n"
    assert cloudinit.read(message).scripts[0].content == script


def test_parts_of_one_kind_add_up() -> None:
    """Nothing of an earlier part is lost."""
    boot = cloudinit.read(
        multipart(
            ("cloud-config", "#cloud-config\nruncmd: [echo one]\nbootcmd: [a]"),
            ("cloud-config", "#cloud-config\nruncmd: [echo two]"),
        )
    )
    assert boot.scripts[1].content == b"#!/bin/sh\necho one\necho two\n"


def test_commands_are_run_as_text_or_as_words(tmp_path: Path) -> None:
    """A text is a line of shell, a list is a command whose arguments nobody looks into."""
    text = 'runcmd: ["echo $((1 + 1))", [echo, "$HOME", "it\'s", 3, 1.5], "false", "echo on"]'
    assert run(cloudinit.read(config(text)), tmp_path) == "2\n$HOME it's 3 1.5\non\n"


PACKED = base64.b64encode(gzip.compress(b"packed", mtime=0)).decode()


@pytest.mark.parametrize(
    ("item", "content", "mode"),
    [
        pytest.param("content: hello", b"hello", 0o644, id="text"),
        pytest.param("permissions: '0600'", b"", 0o600, id="empty, permissions as text"),
        pytest.param("{content: , encoding: , permissions: }", b"", 0o644, id="nothing stated"),
        pytest.param("permissions: 0755", b"", 0o755, id="permissions as YAML's octal"),
        pytest.param("content: 7", b"7", 0o644, id="a number is text"),
        pytest.param("{encoding: b64, content: aGk=}", b"hi", 0o644, id="b64"),
        pytest.param("{encoding: base64, content: !!binary YUdrPQ==}", b"hi", 0o644, id="binary"),
        pytest.param(f"{{encoding: gz+b64, content: {PACKED}}}", b"packed", 0o644, id="gz+b64"),
        pytest.param(f"{{encoding: gzip+base64, content: {PACKED}}}", b"packed", 0o644, id="gzip"),
        pytest.param(f"{{encoding: gzip, content: !!binary {PACKED}}}", b"packed", 0o644, id="gz"),
        pytest.param(r'content: "END\n  $x `y` \\"', b"END\n  $x `y` \\", 0o644, id="no shell"),
    ],
)
def test_files_are_written_as_asked(tmp_path: Path, item: str, content: bytes, mode: int) -> None:
    """With folders made on the way, whatever is in name or content."""
    path = tmp_path / "new folder" / "it's $HOME"
    inner = item.removeprefix("{").removesuffix("}") if item.startswith("{") else item
    text = f'write_files: [{{path: "{path}", {inner}}}]'
    assert run(cloudinit.read(config(text)), tmp_path) == ""
    assert (path.read_bytes(), path.stat().st_mode & 0o7777) == (content, mode)


def test_a_file_can_be_appended_to(tmp_path: Path) -> None:
    """With append, and only then."""
    text = """write_files:
    - {path: there, content: "a", append: true}
    - {path: there, content: "b", append: true}
    - {path: other, content: "a"}
    - {path: other, content: "b", append: false}
    """
    run(cloudinit.read(config(text)), tmp_path)
    assert (tmp_path / "there").read_text(encoding="utf-8") == "ab"
    assert (tmp_path / "other").read_text(encoding="utf-8") == "b"


@given(content=st.binary(max_size=2000))
def test_any_content_survives(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """To the byte: secrets and keys are among them."""
    folder = tmp_path_factory.getbasetemp()
    item = (
        f"write_files: [{{path: f, encoding: b64, content: {base64.b64encode(content).decode()}}}]"
    )
    run(cloudinit.read(config(item)), folder)
    assert (folder / "f").read_bytes() == content


@pytest.mark.parametrize(
    ("user_data", "notes"),
    [
        (config("runcmd: [a]\npackages: [curl]\nusers: [x]"), ["packages", "users"]),
        (config("write_files: [{path: /x, owner: me, source: {}}]"), ["/x: owner", "/x: source"]),
        (
            multipart(("cloud-boothook", "#cloud-boothook\n"), ("x-shellscript", "#!/bin/sh")),
            ["part0 (text/cloud-boothook)"],
        ),
        (b"#!/bin/sh\n", []),
    ],
)
def test_what_cannot_be_followed_is_noted(user_data: bytes, notes: list[str]) -> None:
    """Each thing once, by its name, so that the console can show it."""
    found = cloudinit.read(user_data).notes
    assert len(found) == len(notes)
    for line, note in zip(found, notes, strict=True):
        assert line.startswith("ignored: ")
        assert note in line


@pytest.mark.parametrize(
    ("user_data", "message"),
    [
        (b"", "nothing in the user_data can be run"),
        (b"<html>404</html>", "neither a #! script nor #cloud-config"),
        (b"#include\nhttp://x/y\n", "nothing in the user_data"),
        (config("packages: [curl]"), "packages"),
        (config("a: [b"), "not YAML"),
        (config("- a"), "must be a mapping"),
        (config("runcmd: a"), "runcmd must be a list"),
        (config("runcmd: [{a: b}]"), "must be a text or a list of texts"),
        (config("runcmd: [[a, [b]]]"), "must be a text or a list of texts"),
        (config("bootcmd: {a: b}"), "bootcmd must be a list"),
        (config("write_files: [x]"), "must be a mapping with a path"),
        (config("write_files: [{content: x}]"), "must be a mapping with a path"),
        (config("write_files: [{path: x, encoding: rot13}]"), "encoding rot13"),
        (config("write_files: [{path: x, encoding: b64, content: a}]"), "write_files: x:"),
        (config("write_files: [{path: x, permissions: '9'}]"), "must be octal"),
        (config("write_files: [{path: x, permissions: 4096}]"), "must be octal"),
        (config("write_files: [{path: x, permissions: -1}]"), "must be octal"),
        (gzip.compress(b"#!/bin/sh", mtime=0)[:-9], "damaged gzip"),
        (b"\x1f\x8bnonsense", "damaged gzip"),
        (
            gzip.compress(b"#!" + bytes(cloudinit.MOST_BYTES), mtime=0),
            "damaged gzip, or more than",
        ),
        (b"Content-Type: multipart/mixed; boundary=b\n\n--b--\n", "nothing in the user_data"),
    ],
)
def test_says_what_is_wrong(user_data: bytes, message: str) -> None:
    """What cannot be understood is an error, never half a boot."""
    with pytest.raises(ValueError, match=r".") as error:
        cloudinit.read(user_data)
    assert message in str(error.value)


@given(st.binary(max_size=300))
def test_nothing_but_value_error_ever_leaves(user_data: bytes) -> None:
    """Whatever a VO publishes as its user_data."""
    for prefix in (b"", b"#cloud-config\n", b"Content-Type: multipart/mixed; boundary=b\n\n--b\n"):
        with contextlib.suppress(ValueError):
            assert cloudinit.read(prefix + user_data).scripts
