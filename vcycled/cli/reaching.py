"""The options of `vcycle` by which the vcycle-admin of another host is reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click

from vcycled.cli.access import Access, checked_url, token_in
from vcycled.errors import OperatorError

F = TypeVar("F", bound=Callable[..., object])

REMOTE = (
    "status",
    "machines",
    "machine",
    "why",
    "events",
    "usage",
    "managers",
    "disk",
    "plan",
    "drain",
    "undrain",
    "hold",
    "release",
    "delete",
)
"""Commands that --url takes."""
_FILE = click.Path(path_type=Path)


def remote_options(command: F) -> F:
    """Give `vcycle` the options --url, --token-file, --cert, --key and --ca."""
    for option in (
        click.option(
            "--ca",
            type=_FILE,
            envvar="VCYCLE_CA",
            help="PEM file of the authority of its certificate.",
        ),
        click.option(
            "--key", type=_FILE, envvar="VCYCLE_KEY", help="PEM file with the key of --cert."
        ),
        click.option(
            "--cert",
            type=_FILE,
            envvar="VCYCLE_CERT",
            help="PEM file with your certificate or proxy.",
        ),
        click.option(
            "--token-file",
            type=_FILE,
            envvar="VCYCLE_TOKEN_FILE",
            help="File with a token of its admin_token_file.",
        ),
        click.option(
            "--url",
            metavar="URL",
            envvar="VCYCLE_URL",
            help="Ask this vcycle-admin, not this host: https://HOST:8444.",
        ),
    ):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What is shown to it, as the options say."""

    token_file: Path | None
    cert: Path | None
    key: Path | None
    ca: Path | None


def access_of(url: str, shown: Shown, command: str) -> Access:
    """Return how another host is reached.

    Raises:
        click.UsageError: the URL is none, or the command is for the manager's host only.
        OperatorError: the token cannot be read.
    """
    if command and command not in REMOTE:
        raise click.UsageError(
            f"{command} works on the manager's host only; with --url there are: "
            f"{', '.join(REMOTE)}"
        )
    try:
        good = checked_url(url)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--url") from error
    token = "" if shown.token_file is None else _token(shown.token_file)
    return Access(url=good, token=token, cert=shown.cert, key=shown.key, ca=shown.ca)


def _token(path: Path) -> str:
    try:
        return token_in(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OperatorError(f"--token-file {path}: {error}") from error
