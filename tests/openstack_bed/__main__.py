"""Bring the bed up and down from a command line; see the package."""

from __future__ import annotations

import sys

import click

from tests.openstack_bed import lifecycle
from tests.openstack_bed.places import usual_bed
from tests.openstack_bed.processes import BedError


@click.group()
def main() -> None:
    """A real OpenStack control plane on this host, for tests."""


@main.command()
def up() -> None:
    """Start whatever does not run yet; installs packages if this user is root."""
    try:
        lifecycle.up(usual_bed(), click.echo)
    except BedError as error:
        click.echo(f"openstack bed: {error}", err=True)
        sys.exit(1)


@main.command()
@click.option("--wipe", is_flag=True, help="Also remove databases, logs and all else it kept.")
def down(wipe: bool) -> None:
    """Stop what was started."""
    lifecycle.down(usual_bed(), click.echo, wipe=wipe)


@main.command()
def status() -> None:
    """Say what runs; ends with 1 unless the bed is up."""
    running = lifecycle.status(usual_bed())
    for name, is_running in running.items():
        click.echo(f"{name:20}{'runs' if is_running else 'ended'}")
    sys.exit(0 if running and all(running.values()) else 1)


main(prog_name="python -m tests.openstack_bed")
