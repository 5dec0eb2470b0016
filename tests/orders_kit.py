"""What the tests of orders on the command line share: who gives them, and which wait."""

from __future__ import annotations

import pytest

from tests.cli_kit import SPACE, OnASite, Site
from vcycled.model import Order

ME = "alice"
WAITS = "vcycled is not running: the order waits until it does.\n"


def orders(site: Site, space: str = SPACE) -> tuple[Order, ...]:
    """Return the orders that wait in the store, without their numbers."""
    with site.store() as store:
        waiting = store.records(space).orders
    return tuple(
        Order(
            kind=each.kind,
            space=each.space,
            at=each.at,
            who=each.who,
            machinetype=each.machinetype,
            machine=each.machine,
            by=each.by,
        )
        for each in waiting
    )


class WithSudo(OnASite):
    """Orders are given by alice, with sudo."""

    @pytest.fixture(autouse=True)
    def alice(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let sudo say who it is."""
        monkeypatch.setenv("SUDO_USER", ME)
