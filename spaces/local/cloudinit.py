"""Read user_data as cloud-init would, as far as a local machine can follow it.

Taken are `#!` scripts and cloud-config's `bootcmd`, `write_files` and `runcmd`, alone or as parts
of a MIME multipart, as they are or gzipped. Everything becomes scripts that run one after another
in cloud-init's order: bootcmd, write_files, shell scripts, runcmd. Anything else is noted as
ignored. Where several parts hold the same key, all of them count, in order.

Formats: cloud-init's pages "User-Data Formats" and the modules' reference.
"""

from __future__ import annotations

import base64
import binascii
import email
import posixpath
import re
import shlex
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import yaml

MOST_BYTES = 16 << 20
"""Of unpacked user_data; clouds take 64 KB at most."""
_GZIP = b"\x1f\x8b"
_MIME = re.compile(rb"(?i)(content-type|mime-version):")


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A program of a machine's boot."""

    name: str
    """Sorts in the order of running."""
    content: bytes
    """Begins with `#!`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """What user_data asks of a machine."""

    scripts: tuple[Script, ...]
    notes: tuple[str, ...]
    """What of the user_data is ignored, a line each."""
    has_config: bool
    """True if some of it is cloud-config, which only a sandbox may run."""


@dataclass(slots=True)
class _Parts:
    """What was found so far, in the order it stands in the user_data."""

    scripts: list[bytes] = field(default_factory=list)
    boot_commands: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    has_config: bool = False


def read(user_data: bytes) -> Boot:
    """Return what `user_data` asks for.

    Raises:
        ValueError: it is damaged, or nothing in it can be run; the text says what.
    """
    parts = _Parts()
    content = _unpack(user_data)
    if _MIME.match(content):
        _take_multipart(content, parts)
    else:
        _take(content, "user_data", parts)
    scripts = _in_order(parts)
    if not scripts:
        raise ValueError("; ".join(["nothing in the user_data can be run", *parts.notes]))
    return Boot(scripts=scripts, notes=tuple(parts.notes), has_config=parts.has_config)


def _unpack(content: bytes) -> bytes:
    if not content.startswith(_GZIP):
        return content
    unpacker = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacker.decompress(content, MOST_BYTES)
    except zlib.error as error:
        raise ValueError(f"damaged gzip: {error}") from error
    if not unpacker.eof:
        raise ValueError(f"damaged gzip, or more than {MOST_BYTES} bytes in it")
    return unpacked


def _take_multipart(content: bytes, parts: _Parts) -> None:
    for number, part in enumerate(email.message_from_bytes(content).walk()):
        if not part.is_multipart():
            payload = part.get_payload(decode=True)
            body = _unpack(payload if isinstance(payload, bytes) else b"")
            name = part.get_filename() or f"part {number}"
            _take(body, f"{name} ({part.get_content_type()})", parts)


def _take(content: bytes, name: str, parts: _Parts) -> None:
    """Sort one part by its first characters, which cloud-init wants in every part too."""
    if content.startswith(b"#!"):
        parts.scripts.append(content)
    elif content.startswith(b"#cloud-config"):
        _take_config(content, name, parts)
    else:
        parts.notes.append(f"ignored: {name}: neither a #! script nor #cloud-config")


def _take_config(content: bytes, name: str, parts: _Parts) -> None:
    try:
        config = yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise ValueError(f"{name}: not YAML: {error}") from error
    if not isinstance(config, dict):
        raise ValueError(f"{name}: cloud-config must be a mapping")  # noqa: TRY004 - bad data
    parts.has_config = True
    for key, value in config.items():
        match key:
            case "bootcmd":
                parts.boot_commands += _commands(key, value)
            case "runcmd":
                parts.commands += _commands(key, value)
            case "write_files":
                parts.writes += [_write(each, parts) for each in _items(key, value)]
            case _:
                parts.notes.append(f"ignored: {name}: {key}")


def _items(key: str, value: object) -> list[object]:
    if not isinstance(value, list):
        raise ValueError(f"{key} must be a list")  # noqa: TRY004 - bad data, not a bug
    return value


def _commands(key: str, value: object) -> list[str]:
    """Return lines of shell: a text is one as it is, a list is a command and its arguments."""
    lines = []
    for item in _items(key, value):
        words = item if isinstance(item, list) else [item]
        if not all(isinstance(word, str | int | float) for word in words):
            raise ValueError(f"{key}: {item!r} must be a text or a list of texts")
        texts = [str(word) for word in words]
        lines.append(shlex.join(texts) if isinstance(item, list) else texts[0])
    return lines


def _write(item: object, parts: _Parts) -> str:
    """Return shell that writes one file of write_files."""
    if not isinstance(item, dict) or not isinstance(item.get("path"), str):
        raise ValueError(f"write_files: {item!r} must be a mapping with a path")  # noqa: TRY004
    item = {key: value for key, value in item.items() if value is not None}
    path = item["path"]
    parts.notes += [
        f"ignored: write_files: {path}: {key}" for key in ("owner", "source") if key in item
    ]
    target = shlex.quote(path)
    text = base64.encodebytes(_content(item, path)).decode()
    return (
        f"mkdir -p -- {shlex.quote(posixpath.dirname(path) or '.')}\n"
        f"base64 -d {'>>' if item.get('append') is True else '>'}{target} <<'END'\n{text}END\n"
        f"chmod {_permissions(item.get('permissions', 0o644), path):o} -- {target}\n"
    )


def _content(item: Mapping[str, object], path: str) -> bytes:
    """Return what a file of write_files holds, decoded as its `encoding` says."""
    content = item.get("content", "")
    data = content if isinstance(content, bytes) else str(content).encode()
    encoding = str(item.get("encoding", "text/plain")).replace("gzip", "gz")
    if encoding not in {"text/plain", "b64", "base64", "gz", "gz+b64", "gz+base64"}:
        raise ValueError(f"write_files: {path}: encoding {encoding} is not known")
    try:
        if encoding.endswith(("b64", "base64")):
            data = base64.b64decode(data)
    except binascii.Error as error:
        raise ValueError(f"write_files: {path}: {error}") from error
    return _unpack(data) if encoding.startswith("gz") else data


def _permissions(value: object, path: str) -> int:
    # YAML reads 0644 as the number it means and '0644' as text.
    try:
        mode = value if isinstance(value, int) else int(str(value), 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o7777:
        raise ValueError(f"write_files: {path}: permissions {value!r} must be octal")
    return mode


def _in_order(parts: _Parts) -> tuple[Script, ...]:
    scripts = [
        _shell("10-bootcmd", parts.boot_commands),
        _shell("20-write-files", ["set -e", *parts.writes] if parts.writes else []),
        *(
            Script(name=f"30-part-{number:03}", content=content)
            for number, content in enumerate(parts.scripts, 1)
        ),
        _shell("40-runcmd", parts.commands),
    ]
    return tuple(each for each in scripts if each)


def _shell(name: str, lines: list[str]) -> Script | None:
    if not lines:
        return None
    return Script(name=name, content="\n".join(["#!/bin/sh", *lines, ""]).encode())
