"""Machines that an operator takes on or gives up: what is said before it is done. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from vcycled.cli.names import demand
from vcycled.cli.words import Words, span
from vcycled.config import SpaceConfig
from vcycled.errors import OperatorError
from vcycled.model import ListedMachine, Order
from vcycled.remember import Claim, Release


def orders_for(order: Order, names: Iterable[str]) -> tuple[Order, ...]:
    """Return such an order for each name; a name that stands twice is meant once."""
    return tuple(replace(order, machine=name) for name in dict.fromkeys(names))


def adopted_lines(claims: Sequence[Claim], config: SpaceConfig, words: Words) -> Iterator[str]:
    """Return what is about to be adopted, for the question.

    Raises:
        OperatorError: one of them cannot be.
    """
    for claim in claims:
        if claim.listed is None:
            raise _refused(claim)
        kinds = {kind.name: kind.options for kind in config.machinetypes}
        demand("machinetype", claim.machinetype, kinds)
        yield _adopted_line(claim.listed, claim.machinetype, words)
        if claim.other:
            yield f"  It bears the mark of another installation, {claim.other}:"
            yield "  if that is still at work, both will delete and account it."
        options = kinds[claim.machinetype]
        began = claim.listed.started_at
        if began is not None and words.now - began > options.max_wallclock_seconds:
            age = span(options.max_wallclock_seconds)
            yield f"  It runs for longer than {age}, so it is deleted at once."
        if options.heartbeat_file:
            file = options.heartbeat_file
            yield f"  It is deleted as silent unless {file} in its joboutputs is kept fresh."


def _adopted_line(listed: ListedMachine, machinetype: str, words: Words) -> str:
    began = listed.started_at
    runs = f" for {span(words.now - began)}" if began is not None else ""
    size = f"{listed.processors} processors"
    return f"{listed.name} ({listed.cloud_id}, {listed.state}{runs}, {size}) as {machinetype}"


def forgotten_lines(released: Sequence[Release]) -> Iterator[str]:
    """Return what is about to be forgotten, for the question.

    Raises:
        OperatorError: one of them cannot be.
    """
    for release in released:
        machine = release.machine
        if machine is None:
            raise _refused(release)
        yield f"{release.order.machine} ({machine.state} when last seen)"


def _refused(outcome: Claim | Release) -> OperatorError:
    """Return the error that tells why an order is refused, and whether force overrules that."""
    hint = "" if outcome.is_final else " (--force does it all the same)"
    return OperatorError(f"{outcome.order.machine}: {outcome.refusal}{hint}")
