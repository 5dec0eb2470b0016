"""Asking and ordering for a command, here or elsewhere, and printing what was told."""

from __future__ import annotations

from collections.abc import Iterable

import click

from vcycled.cli.asking import Ordered, Question, Told
from vcycled.cli.commanding import Command, leave
from vcycled.cli.printing import Line, Tone, clean
from vcycled.cli.remote import Remote
from vcycled.cli.session import Session, user
from vcycled.errors import Misworded
from vcycled.model import Order


def ask(session: Session, question: Question) -> Told:
    """Return what is told, here or by --url.

    Raises:
        VcycleError: it cannot be told.
    """
    if session.access is not None:
        return Remote(session.access).ask(question)
    return question.answer(session)


def tell(session: Session, question: Question, *, as_json: bool) -> None:
    """Print what is told."""
    told = ask(session, question)
    if as_json:
        session.printer.json(told.document())
    else:
        session.printer.show(told.blocks())


def rehearse(session: Session, wish: Command) -> Ordered:
    """Return what would be ordered.

    Raises:
        VcycleError: it concerns nothing, or cannot be done.
    """
    return _given(session, wish, is_rehearsal=True)


def command(session: Session, wish: Command) -> None:
    """Give an order and print what will come of it."""
    _show(session, _given(session, wish, is_rehearsal=False))


def leave_orders(session: Session, orders: Iterable[Order], promise: Iterable[str]) -> None:
    """Leave the orders in the store and print what will come of them."""
    _show(session, leave(session, Ordered(orders=tuple(orders), promise=tuple(promise))))


def _given(session: Session, wish: Command, *, is_rehearsal: bool) -> Ordered:
    try:
        if session.access is not None:
            return Remote(session.access).order(wish, is_rehearsal=is_rehearsal)
        prepared = wish.prepare(session, user())
    except Misworded as error:
        raise click.UsageError(clean(str(error))) from error
    return prepared if is_rehearsal else leave(session, prepared)


def _show(session: Session, given: Ordered) -> None:
    session.printer.show(Line(each) for each in given.promise)
    session.printer.show(Line(each, Tone.WARN) for each in given.waits)
