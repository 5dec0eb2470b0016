"""A kind of space that only configurations know, and a small configuration that is right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from vcycled.config import problems_of
from vcycled.config.reader import read
from vcycled.options import SECRET, Secret, option, optional, whole
from vcycled.spaces.base import Space

SPACE = "[space cloud.example.com]"
PROD = "[machinetype cloud.example.com prod]"
USER_DATA = "template:NAME (dirac-pilot, htcondor-worker, minimal, squid), a path, or a URL"
"""What the option takes, as errors say it."""
TEMPLATE = "user_data = https://repo.example.com/user_data"

DECK = """\
[vcycle]
root = ROOT
[space cloud.example.com]
api = demo
processors_limit = 100
[machinetype cloud.example.com prod]
target_share = 1
processors_limit = 50
min_processors = 2
backoff_seconds = 600
fizzle_seconds = 60
user_data = https://repo.example.com/user_data
"""
"""Right in every way; ROOT is the folder it is written to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """Options of a space that no cloud has."""

    speed: int = option(whole(0), default=1, help="How fast it would be.")
    demo_secret: Secret | None = optional(SECRET, help="What nobody may see.")


class DemoSpace(Space):
    """Never made: configurations look only at the class."""

    Options: ClassVar[type] = DemoOptions
    needs_image = False


class ImageSpace(DemoSpace):
    """One that boots images."""

    needs_image = True


REGISTRY: Mapping[str, type[Space]] = {
    "demo": DemoSpace,  # type: ignore[type-abstract] # looked at, never made
    "image": ImageSpace,  # type: ignore[type-abstract]
}


def deck(folder: Path, *changes: tuple[str, str], more: str = "") -> Path:
    """Write DECK with some lines changed and some added at the end; return the file."""
    text = DECK
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "vcycle.conf"
    path.write_text(text.replace("ROOT", str(folder)) + more, encoding="utf-8")
    path.chmod(0o600)
    return path


def said(path: Path, *, warnings: bool) -> list[str]:
    """Return the problems of a kind, with `F` for the file and `D` for its folder."""
    problems = problems_of(read([path]), registry=REGISTRY)
    texts = [str(each) for each in problems if each.is_warning == warnings]
    return [text.replace(str(path), "F").replace(str(path.parent), "D") for text in texts]
