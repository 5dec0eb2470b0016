"""Forget machines on an operator's word, whether the cloud answers or not."""

from __future__ import annotations

from collections.abc import Sequence

from vcycled.config import SpaceConfig
from vcycled.cycle.context import Context
from vcycled.cycle.remembering import words_of
from vcycled.cycle.tend import settle
from vcycled.model import ListedMachine, Records
from vcycled.remember import CloudView, forgotten, releases


def release_all(
    context: Context,
    config: SpaceConfig,
    records: Records,
    listing: Sequence[ListedMachine] | None,
    *,
    now: int,
) -> Records:
    """Carry out the open orders to forget machines; return the records after them.

    Args:
        context: of the space.
        config: as it is now.
        records: with all that `listing` taught.
        listing: what the cloud shows now; None if it did not answer.
        now: when it was asked.
    """
    listed = None if listing is None else {each.cloud_id: each for each in listing}
    view = CloudView(listed=listed, installation=context.installation)
    released = releases(records, view, now=now)
    if not released:
        return records
    machines = [release.machine for release in released if release.machine is not None]
    words = {machine.uuid: words_of(context, machine) for machine in machines}
    return settle(context, config, records, forgotten(records, released, words, now=now))
