"""`vcycle apel`: list, check and send again accounting records, and sync messages."""

from __future__ import annotations

import click

from vcycled.apel import commands
from vcycled.apel.commands import Entry
from vcycled.apel.queue import Queue
from vcycled.apel.sync import Month, counts_of, read_month
from vcycled.cli.accounts import (
    check_blocks,
    entry_blocks,
    entry_json,
    of_machines,
    resent_blocks,
    sync_blocks,
    sync_json,
)
from vcycled.cli.ownership import hand_over
from vcycled.cli.params import (
    config_option,
    json_option,
    month_argument,
    pass_session,
    yes_option,
)
from vcycled.cli.session import Session
from vcycled.cli.words import several
from vcycled.errors import OperatorError
from vcycled.model import RunInterval
from vcycled.store import APEL


def _digits(context: click.Context, option: click.Parameter, text: str | None) -> str | None:
    """Refuse what is not the digits of a day or month; a callback of click."""
    form = str(option.metavar)
    if text is not None and not (text.isascii() and text.isdigit() and len(text) == len(form)):
        raise click.BadParameter(f"{text!r} is not written {form}", context, option)
    return text


_MONTH = click.option(
    "--month",
    metavar="YYYYMM",
    callback=_digits,
    help="Only those that ended in this month (UTC).",
)
_DAY = click.option(
    "--day", metavar="YYYYMMDD", callback=_digits, help="Only those that ended on this day (UTC)."
)


@click.group()
def apel() -> None:
    """List, check and send accounting records."""


@apel.command("list")
@_MONTH
@_DAY
@config_option
@json_option
@pass_session
def list_command(session: Session, *, month: str | None, day: str | None, as_json: bool) -> None:
    """List the records, and which of them wait to be sent."""
    entries = _entries(session, month, day, ())
    if as_json:
        session.printer.json([entry_json(entry) for entry in entries])
    else:
        session.printer.show(entry_blocks(entries, session.words))


@apel.command()
@month_argument(required=True)
@click.option("--dry-run", is_flag=True, help="Show the counts only.")
@config_option
@json_option
@pass_session
def sync(session: Session, month: str, *, dry_run: bool, as_json: bool) -> None:
    """Tell APEL how many records there are of a month.

    They are those of machines that ended in it (UTC); APEL's portal compares them with its own.
    The message goes to apel-outgoing, from where ssmsend takes it.
    """
    asked = read_month(month, now=session.now)
    intervals = _published(session, asked)
    path = None
    if not dry_run:
        path = commands.sync(Queue(session.root), intervals, asked).path
        if path is not None:
            hand_over(session.root, [path])
    counts = counts_of(intervals, asked)
    if as_json:
        session.printer.json(sync_json(counts, path=path))
    else:
        session.printer.show(sync_blocks(counts, path=path, is_rehearsal=dry_run))


@apel.command()
@click.argument("machine", nargs=-1)
@_MONTH
@_DAY
@yes_option
@config_option
@pass_session
@click.pass_context
def resend(
    context: click.Context,
    session: Session,
    *,
    machine: tuple[str, ...],
    month: str | None,
    day: str | None,
    yes: bool,
) -> None:
    """Send records once more.

    Those of machines (names or uuids), of a month, or of a day; what is given must all hold.
    APEL replaces a record that it has by its equal, so nothing is counted twice. Records of sites
    that are not in the configuration are not sent (exit status 1).
    """
    if not (machine or month or day):
        raise click.UsageError("say which: machines, --month or --day")
    entries = _entries(session, month, day, machine)
    if not entries:
        raise OperatorError("no record in apel-archive is of that")
    if not yes:
        session.printer.show(entry_blocks(entries, session.words))
        click.confirm(f"Send {several(len(entries), 'message')} again?", abort=True)
    resent = commands.resend(
        Queue(session.root),
        day or month or "",
        sites={space.options.gocdb_sitename or "" for space in session.config.spaces},
        job_ids={each.local_job_id for entry in entries for each in entry.records},
        now=session.now,
    )
    outgoing = Queue(session.root).outgoing
    hand_over(session.root, [outgoing / element for element in resent.sent])
    session.printer.show(resent_blocks(resent))
    context.exit(1 if resent.held else 0)


@apel.command()
@config_option
@json_option
@pass_session
@click.pass_context
def check(context: click.Context, session: Session, *, as_json: bool) -> None:
    """Look for what APEL would refuse or ssmsend never send.

    Exit status: 0 if all is well, 1 if something is wrong.
    """
    found = sorted(commands.check(Queue(session.root), now=session.now))
    if as_json:
        session.printer.json([{"file": str(path), "problem": why} for path, why in found])
    else:
        session.printer.show(check_blocks(found))
    context.exit(1 if found else 0)


def _entries(
    session: Session, month: str | None, day: str | None, names: tuple[str, ...]
) -> tuple[Entry, ...]:
    if month and day:
        raise click.UsageError("give a month or a day, not both")
    listed = commands.listing(Queue(session.root), day or month or "", now=session.now)
    return of_machines(sorted(listed, key=_by_end), names)


def _by_end(entry: Entry) -> tuple[str, int, str]:
    """Return the day, the end of its first run, and the name of a message, which is chance."""
    day = entry.element.partition("/")[0]
    return day, min((each.ended_at for each in entry.records), default=0), entry.element


def _published(session: Session, month: Month) -> list[RunInterval]:
    """Return the runs of a month whose records were written: those that can be counted."""
    with session.store() as store:
        runs = store.intervals(month=(month.year, month.month))
    return [run.interval for run in runs if any(sink == APEL for sink, _ in run.exports)]
