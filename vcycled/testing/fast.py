"""Runs one of our commands on a faster clock, so that tests of real processes need not wait.

    python -m vcycled.testing.fast --origin 1800000000 --speed 60 vcycled --config test.conf

Time runs `--speed` times as fast since `--origin`, a real Unix time in the past that all the
processes of one test are given. With `--settings FILE` it is set wrong now and then, as that file
says: see WrongClock. Not an installed command: operators have no use for it.
"""

from __future__ import annotations

import importlib
from pathlib import Path

import click

from vcycled.testing.clock import FastClock, WrongClock

COMMANDS = {
    "vcycled": "vcycled.daemon",
    "vcycle": "vcycled.cli",
    "vcycle-web": "vcycled.web",
    "vcycle-admin": "vcycled.admin",
}


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--origin", type=float, required=True)
@click.option("--speed", type=click.FloatRange(1.0, 1000.0), required=True)
@click.option("--settings", type=click.Path(path_type=Path), help="when it is set to what")
@click.argument("command", type=click.Choice(sorted(COMMANDS)))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def main(
    origin: float, speed: float, settings: Path | None, command: str, arguments: tuple[str, ...]
) -> None:
    """Run COMMAND with ARGUMENTS on a clock that runs SPEED times as fast since ORIGIN."""
    clock = FastClock(origin, speed)
    if settings is not None:
        clock = WrongClock(origin, speed, settings=settings)
    entry = importlib.import_module(COMMANDS[command]).main
    entry.main(args=list(arguments), prog_name=command, obj=clock)


if __name__ == "__main__":
    main()
