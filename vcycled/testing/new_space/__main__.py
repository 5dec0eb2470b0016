"""The command: `python -m vcycled.testing.new_space NAME [FOLDER]`."""

from __future__ import annotations

import re
from pathlib import Path

import click

from vcycled.testing.new_space import make


def _name(_context: click.Context, _parameter: click.Parameter, text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", text):
        raise click.BadParameter("must be a letter a-z, then letters, digits and _")
    return text


@click.command()
@click.argument("name", callback=_name)
@click.argument("folder", type=click.Path(path_type=Path), required=False)
def main(name: str, folder: Path | None) -> None:
    """Make a package with a space of the API NAME in FOLDER, or in vcycle-space-NAME."""
    folder = folder or Path(f"vcycle-space-{name}")
    try:
        made = make(name, folder)
    except OSError as error:
        raise click.ClickException(str(error)) from error
    for path in made:
        click.echo(path)


if __name__ == "__main__":
    main()
