"""`python -m vcycled.demo`: what `make demo` runs."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live

from vcycled.cli.live import frame, snapshot
from vcycled.clock import SystemClock
from vcycled.demo.play import Stage, running, watch, wind_down
from vcycled.demo.scene import set_up
from vcycled.demo.summary import summary
from vcycled.errors import VcycleError


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), default=Path("demo"), show_default=True)
@click.option("--seconds", type=click.IntRange(1, 3600), default=110, show_default=True)
def main(folder: Path, seconds: int) -> None:
    """Run the manager, its web site and some machines on this host for SECONDS, and show them."""
    console, clock = Console(), SystemClock()
    folder = folder.absolute()
    shutil.rmtree(folder, ignore_errors=True)
    scene = set_up(folder, now=clock.now())
    try:
        with running(scene, clock) as stage:
            _perform(stage, console, seconds)
    except VcycleError as error:
        console.print(f"vcycle demo: {error}", style="red")
        sys.exit(1)
    console.print(summary(scene, now=clock.now()))


def _perform(stage: Stage, console: Console, seconds: int) -> None:
    """Show the manager at work, then how it ends; Ctrl-C goes on to the end at once."""
    with Live(console=console, auto_refresh=False, screen=console.is_terminal) as live:

        def show() -> None:
            now = stage.clock.now()
            live.update(frame(snapshot(stage.store), now), refresh=True)

        try:
            watch(stage, seconds, show)
        except KeyboardInterrupt:
            console.print("ending the machines ...")
        wind_down(stage, show)


if __name__ == "__main__":
    main()
