"""What is wrong with a template, found without a machine: for `vcycle templates lint`.

It is filled in as for a machine that does not exist, with `example` for options that nobody sets.
"""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from vcycled.download import Patience
from vcycled.errors import UserDataError
from vcycled.mjf import urls
from vcycled.templates import packaged
from vcycled.userdata.declared import Declared, declared, without_comments
from vcycled.userdata.delivery import Room
from vcycled.userdata.fetch import PATIENCE
from vcycled.userdata.jinja import render
from vcycled.userdata.source import Template, read_template
from vcycled.userdata.substitute import substitute
from vcycled.userdata.values import DEFAULTS, Subject, default_values, with_options

EXAMPLE = "example"
"""Value of an option that nobody sets."""
_VARIABLE = re.compile(r"\buser_data_(\w+)", re.ASCII)
_OPTION = re.compile(r"(?:option|file)_(.+)")
_FORMS = (b"#!", b"#cloud-config", b"#include", b"#cloud-boothook", b"## template:")
_MIME = re.compile(rb"(?i)(content-type|mime-version):")
_SCHEMA_S = 60
_NAME = "vcycle-example-0example00"


class Weight(StrEnum):
    """How much a finding matters."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something to be told about a template."""

    weight: Weight
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that was found."""

    findings: tuple[Finding, ...]
    size: int | None = None
    """Bytes of user_data; None if it could not be made."""
    packed_size: int | None = None
    """The same after gzip."""

    @property
    def is_right(self) -> bool:
        """Whether there is no error."""
        return all(each.weight is not Weight.ERROR for each in self.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What is to be tried."""

    source: str
    """template:NAME, a path or a URL."""
    options: Mapping[str, str] = field(default_factory=dict)
    """XXX -> text, as user_data_option_XXX."""
    rooms: Mapping[str, Room] = field(default_factory=dict)
    """What clouds take, by the name of their API."""


def lint(trial: Trial, *, patience: Patience = PATIENCE) -> Report:
    """Return what is to be said of a template.

    Raises:
        UserDataError: it cannot be read.
    """
    template = read_template(trial.source, Path.cwd(), patience)
    text = template.content.decode(errors="replace")
    said = declared(text, packaged.parts()) if template.is_jinja else Declared()
    used = _used(text, template) | {f"option_{each.name}" for each in said.options}
    # In a Jinja2 template it may be plain text; if it is not, rendering says so.
    unknown = Weight.WARNING if template.is_jinja else Weight.ERROR
    findings = list(_of_names(used, said, trial.options, unknown))
    try:
        content = _filled(template, used, said, trial.options)
    except UserDataError as error:
        findings.append(Finding(weight=Weight.ERROR, text=str(error)))
        return Report(findings=tuple(findings))
    packed = len(gzip.compress(content, mtime=0))
    findings += [*_of_form(content), *_of_size(len(content), packed, trial.rooms)]
    return Report(findings=tuple(findings), size=len(content), packed_size=packed)


def _used(text: str, template: Template) -> set[str]:
    """Return the names of all substitutions in the text, without `user_data_`."""
    if template.is_jinja:
        return set(_VARIABLE.findall(without_comments(text)))
    return {name.lower() for name in substitute(template.content, {})[1]}


def _of_names(
    used: Iterable[str], said: Declared, options: Mapping[str, str], unknown: Weight
) -> Iterator[Finding]:
    for name in sorted(used):
        if name not in DEFAULTS and not _OPTION.fullmatch(name):
            text = f"nothing fills user_data_{name}"
            yield Finding(weight=unknown, text=text)
    wanted = {match[1] for name in used if (match := _OPTION.fullmatch(name))}
    for name in sorted(wanted - set(said.defaults) - set(options) - set(_MADE)):
        text = f"user_data_option_{name} must be set; {EXAMPLE!r} stands for it here"
        yield Finding(weight=Weight.NOTE, text=text)
    for name in sorted(set(options) - wanted):
        yield Finding(weight=Weight.WARNING, text=f"it does not use user_data_option_{name}")


_MADE = ("x509_proxy", "cvmfs_proxy")
"""Options that user_data_proxy and cvmfs_proxy_machinetype fill."""


def _filled(
    template: Template, used: Iterable[str], said: Declared, options: Mapping[str, str]
) -> bytes:
    names = {match[1] for name in used if (match := _OPTION.fullmatch(name))}
    examples = dict.fromkeys(names - set(said.defaults), EXAMPLE) | dict(options)
    host = "vcycle.example.org"
    subject = Subject(
        name=_NAME,
        uuid="00000000-0000-4000-8000-000000000000",
        site="EXAMPLE",
        manager_host=host,
        urls=urls(https_host=host, https_port=443, space="space.example.org", machine=_NAME),
        token=EXAMPLE * 6,
        ca_certificates=f"-----BEGIN CERTIFICATE-----\n{EXAMPLE}\n-----END CERTIFICATE-----\n",
    )
    defaults = default_values("space.example.org", EXAMPLE, subject, {})
    files = {name: text.encode() for name, text in examples.items()}
    values = with_options({**defaults, "url": template.url}, {}, files, ())
    if template.is_jinja:
        return render(template.label, template.content, values)
    return substitute(template.content, values)[0]


def _of_form(content: bytes) -> Iterator[Finding]:
    if not content.startswith(_FORMS) and not _MIME.match(content):
        text = "cloud-init knows user_data by its first line, and this is none that it knows"
        yield Finding(weight=Weight.WARNING, text=text)
    if content.startswith(b"#cloud-config"):
        yield from _of_schema(content)


def _of_schema(content: bytes) -> Iterator[Finding]:
    """Ask cloud-init itself what it thinks of a cloud-config."""
    program = shutil.which("cloud-init")
    if program is None:
        text = "cloud-init is not installed here, so its schema was not asked"
        yield Finding(weight=Weight.NOTE, text=text)
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        command = [program, "schema", "--config-file", file.name]
        try:
            done = subprocess.run(  # noqa: S603 - found by us, no argument from outside
                command, capture_output=True, text=True, timeout=_SCHEMA_S, check=False
            )
        except subprocess.TimeoutExpired:
            text = "cloud-init did not answer, so its schema was not asked"
            yield Finding(weight=Weight.NOTE, text=text)
            return
    said = " ".join(f"{done.stdout} {done.stderr}".replace(file.name, "it").split())
    if done.returncode:
        yield Finding(weight=Weight.ERROR, text=f"cloud-init: {said}")
    else:
        yield Finding(weight=Weight.NOTE, text="cloud-init finds it right")


def _of_size(size: int, packed: int, rooms: Mapping[str, Room]) -> Iterator[Finding]:
    for api, room in sorted(rooms.items()):
        if room.most is None or size <= room.most:
            continue
        text = f"{api} takes {room.most} bytes and this has {size}: "
        if room.takes_gzip and packed <= room.most:
            text += f"it is packed, to {packed}, unless user_data_delivery says otherwise"
            yield Finding(weight=Weight.NOTE, text=text)
        else:
            text += "cloud-init fetches it from vcycle-web, unless user_data_delivery = direct"
            yield Finding(weight=Weight.WARNING, text=text)
