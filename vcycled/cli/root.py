"""`vcycle`: the command line. What a command does stands in a module for each group of them."""

from __future__ import annotations

import errno
from pathlib import Path

import click

from vcycled.cli import (
    custody_commands,
    disk_commands,
    image_commands,
    import_command,
    look_commands,
    manager_commands,
    order_commands,
    plan_commands,
    probe_command,
    store_commands,
)
from vcycled.cli.accounting_commands import accounting
from vcycled.cli.apel_commands import apel
from vcycled.cli.config_commands import config
from vcycled.cli.printing import clean
from vcycled.cli.reaching import Shown, access_of, remote_options
from vcycled.cli.session import Session
from vcycled.cli.template_commands import templates
from vcycled.cli.words import several
from vcycled.clock import Clock, SystemClock
from vcycled.errors import ConfigError, VcycleError

EXIT_FAILED = 1
EXIT_CONFIG = 2


class _Commands(click.Group):
    """A group whose commands may raise our errors; each has its exit status."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the commands in the order in which they were added, which is that of use."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command and turn what it raises into a message and an exit status."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            for problem in error.problems:
                click.echo(clean(str(problem)), err=True)
            number = several(len(error.problems), "problem")
            click.echo(f"vcycle: {number}, nothing done", err=True)
            ctx.exit(EXIT_CONFIG)
        except VcycleError as error:
            click.echo(clean(f"vcycle: {error}"), err=True)
            ctx.exit(EXIT_FAILED)
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader has seen enough; click knows what to do
                raise
            click.echo(clean(f"vcycle: {error}"), err=True)
            ctx.exit(EXIT_FAILED)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vcycle", prog_name="vcycle")
@click.option(
    "--config",
    "paths",
    multiple=True,
    type=click.Path(path_type=Path),
    help="File or folder of *.conf files; repeatable. Without it, the usual places are read.",
)
@remote_options
@click.pass_context
def main(
    context: click.Context,
    /,
    paths: tuple[Path, ...],
    url: str | None,
    **shown: Path | None,
) -> None:
    """See and steer what vcycled does.

    Exit status: 0 if it was done, 1 if it could not be, 2 if the command or the configuration is
    wrong.
    """
    clock: Clock | None = context.obj
    if url and paths:
        raise click.UsageError("--config and --url exclude each other")
    access = access_of(url, Shown(**shown), context.invoked_subcommand or "") if url else None
    context.obj = Session(clock or SystemClock(), paths or None, access=access)
    # The commands of `config` read files of their own choice; they get ours unless told otherwise.
    defaults = {"paths": tuple(map(str, paths))} if paths else {}
    context.default_map = {"config": dict.fromkeys(config.commands, defaults)}


for _command in (
    look_commands.status,
    look_commands.top,
    look_commands.machines,
    look_commands.machine,
    look_commands.why,
    look_commands.events,
    look_commands.usage,
    manager_commands.managers,
    image_commands.images,
    disk_commands.disk,
    probe_command.check,
    plan_commands.plan,
    plan_commands.user_data,
    order_commands.drain,
    order_commands.undrain,
    order_commands.hold,
    order_commands.release,
    order_commands.delete,
    custody_commands.adopt,
    custody_commands.forget,
    accounting,
    apel,
    config,
    templates,
    store_commands.backup,
    store_commands.restore,
    import_command.import_vcycle3,
):
    main.add_command(_command)
