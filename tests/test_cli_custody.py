"""`vcycle adopt` and `vcycle forget`: what they ask, promise and refuse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from tests.builders import NOW
from tests.cli_kit import CONF, SPACE, OnASite, Site, machine
from vcycled.cli.custody import adopted_lines
from vcycled.cli.words import Words
from vcycled.config import load
from vcycled.errors import OperatorError
from vcycled.model import ListedMachine, MachineState, Order, OrderKind, Stage
from vcycled.remember import Claim
from vcycled.spaces.base import CreateRequest
from vcycled.spaces.local import LocalSpace
from vcycled.spaces.local.options import LocalOptions

NO_SANDBOX = "sandbox = none\nallow_root_without_sandbox = true"
NAME = "vcycle-test-abcdefghij"


@contextmanager
def in_cloud(site: Site, **tags: str) -> Iterator[str]:
    """Give the id of a machine that runs in the cloud, with these tags; end it at last."""
    site.configure(CONF.replace("api = local", f"api = local\n{NO_SANDBOX}"))
    options = LocalOptions(
        local_dir=str(site.root / "cloud"), sandbox="none", allow_root_without_sandbox=True
    )
    space = LocalSpace(SPACE, options, clock=site.clock)
    request = CreateRequest(
        name=NAME,
        uuid="uuid-1",
        machinetype="test",
        flavor="small",
        zone="",
        user_data=b"#!/bin/sh\nexec sleep 600\n",
        tags=tags,
    )
    space.connect()
    cloud_id = space.create(request)
    try:
        yield cloud_id
    finally:
        space.delete(NAME, cloud_id)


def orders(site: Site) -> list[tuple[OrderKind, str, str, bool]]:
    """Return kind, machine, machinetype and force of each order that was left."""
    with site.store() as store:
        left = store.records(SPACE).orders
    return [(each.kind, each.machine, each.machinetype, each.is_forced) for each in left]


class TestAdopt(OnASite):
    """Machines that are not ours yet."""

    def test_it_shows_what_it_will_take_and_asks(self, site: Site) -> None:
        """Only a yes leaves the order."""
        with in_cloud(site, machinetype="test") as cloud_id:
            result = site.vcycle("adopt", SPACE, NAME, answer="n\n")
            assert result.exit_code == 1
            assert f"  {NAME} ({cloud_id}, " in result.output
            assert "Adopt 1 machine? [y/N]" in result.output
            assert orders(site) == []
            said = site.ok("adopt", SPACE, NAME, answer="y\n")
        assert f"{NAME} is ours from the next cycle on\n" in said
        assert orders(site) == [(OrderKind.ADOPT, NAME, "", False)]

    def test_one_with_the_mark_of_another_installation_takes_force(self, site: Site) -> None:
        """Which it is, is told before and in the question."""
        with in_cloud(site, vcycle_installation="theirs", machinetype="test"):
            said = site.refused("adopt", SPACE, NAME, "--yes")
            assert said == (
                f"vcycle: {NAME}: it bears the mark of another installation, theirs,"
                " which may look after it (--force does it all the same)\n"
            )
            assert orders(site) == []
            said = site.ok("adopt", SPACE, NAME, "--force", answer="y\n")
        assert "  It bears the mark of another installation, theirs:\n" in said
        assert "both will delete and account it" in said
        assert orders(site) == [(OrderKind.ADOPT, NAME, "", True)]

    def test_the_machinetype_can_be_said(self, site: Site) -> None:
        """One that there is."""
        with in_cloud(site) as cloud_id:
            site.ok("adopt", SPACE, cloud_id, "--machinetype", "prod", "--yes")
            said = site.refused("adopt", SPACE, cloud_id, "--machinetype", "prd", "--yes")
        assert "did you mean prod?" in said
        assert orders(site) == [(OrderKind.ADOPT, cloud_id, "prod", False)]

    def test_what_cannot_be_adopted_is_told_at_once(self, site: Site) -> None:
        """Before anything is ordered."""
        with in_cloud(site):
            said = site.refused("adopt", SPACE, NAME, "vcycle-test-0000000000", "--yes")
        assert said == (
            "vcycle: vcycle-test-0000000000: no foreign machine of this name or id is listed\n"
        )
        assert orders(site) == []


def lines(site: Site, **changes: object) -> list[str]:
    """Return what the question says of a machine of test that runs for an hour."""
    config = load([site.conf]).space(SPACE)
    assert config is not None
    listed = ListedMachine(
        name=NAME,
        cloud_id="id-1",
        state=MachineState.RUNNING,
        processors=4,
        started_at=NOW - 3600,
    )
    order = Order(kind=OrderKind.ADOPT, space=SPACE, at=NOW, who="alice", machine=NAME)
    claim = Claim(order=order, listed=listed, machinetype="test")
    changed = replace(claim, **changes)  # type: ignore[arg-type] # tests name real fields
    return list(adopted_lines([changed], config, Words(now=NOW)))


class TestQuestion(OnASite):
    """By machinetype and age."""

    def test_a_machine_is_described(self, site: Site) -> None:
        """By all that tells it from another."""
        assert lines(site) == [f"{NAME} (id-1, running for 1 h, 4 processors) as test"]

    def test_a_machinetype_with_heartbeats_is_warned_of(self, site: Site) -> None:
        """The machine may send its own elsewhere."""
        (_, warning) = lines(site, machinetype="prod")
        assert warning == (
            "  It is deleted as silent unless heartbeat in its joboutputs is kept fresh."
        )

    @pytest.mark.parametrize(("age", "is_told"), [(86_400, False), (86_401, True)])
    def test_one_that_is_too_old_is_warned_of(self, site: Site, age: int, is_told: bool) -> None:
        """It would be deleted in the cycle that adopts it."""
        listed = ListedMachine(
            name=NAME,
            cloud_id="id-1",
            state=MachineState.RUNNING,
            processors=1,
            started_at=NOW - age,
        )
        told = "  It runs for longer than 1 d, so it is deleted at once."
        assert (told in lines(site, listed=listed)) == is_told

    def test_a_machinetype_that_is_not_configured_is_refused(self, site: Site) -> None:
        """As tags of others may name it."""
        with pytest.raises(OperatorError, match="there is no machinetype 'gone'"):
            lines(site, machinetype="gone")


class TestForget(OnASite):
    """Machines that are not found any more."""

    def test_a_machine_that_is_absent_for_long_is_forgotten(self, site: Site) -> None:
        """The cloud answers and does not have it."""
        site.save(machine(NAME, missing_listings=3))
        said = site.ok("forget", SPACE, NAME, answer="y\n")
        assert f"  {NAME} (running when last seen)\n" in said
        assert f"{NAME} is forgotten at the next cycle\n" in said
        assert orders(site) == [(OrderKind.FORGET, NAME, "", False)]

    def test_force_must_be_said(self, site: Site) -> None:
        """Where the machine may only be late."""
        site.save(machine(NAME, missing_listings=1))
        said = site.refused("forget", SPACE, NAME, "--yes")
        why = "1 of 3 listings lack it, after which it is looked for"
        assert said == f"vcycle: {NAME}: {why} (--force does it all the same)\n"
        site.ok("forget", SPACE, NAME, "--force", "--yes")
        assert orders(site) == [(OrderKind.FORGET, NAME, "", True)]

    def test_what_runs_with_our_tags_is_not_forgotten(self, site: Site) -> None:
        """Not by force either: the next listing would bring it back."""
        with site.store() as store:
            ours = store.installation_id()
        with in_cloud(site, vcycle_installation=ours, vcycle_uuid="uuid-1") as cloud_id:
            site.save(machine(NAME, cloud_id=cloud_id))
            said = site.refused("forget", SPACE, NAME, "--force", "--yes")
        assert said.endswith(" with our tags: delete it instead\n")

    def test_a_cloud_that_does_not_answer_is_no_error(self, site: Site) -> None:
        """It may be gone for ever; but only after an hour of silence."""
        site.configure(CONF.replace("ROOT/cloud", "/dev/null/cloud"))
        site.save(machine(NAME, created_at=NOW - 60))
        assert "the cloud answered 60 s ago and may be back" in site.refused(
            "forget", SPACE, NAME, "--yes"
        )
        site.save(machine(NAME, created_at=NOW - 3600))
        site.ok("forget", SPACE, NAME, "--yes")

    def test_an_unknown_name_is_refused_with_the_nearest(self, site: Site) -> None:
        """As everywhere."""
        site.save(machine(NAME))
        said = site.refused("forget", SPACE, "vcycle-test-abcdefghi", "--yes")
        assert f"did you mean {NAME}?" in said

    def test_one_that_is_gone_is_told_apart(self, site: Site) -> None:
        """It is not waited for any more; but one of another space is not known in this one."""
        site.save(machine(NAME, stage=Stage.GONE, gone_at=NOW))
        said = site.refused("forget", SPACE, NAME, "--yes")
        assert said == f"vcycle: {NAME} is gone already\n"
        other = "vcycle-test-0000000000"
        site.save(machine(other, space="other.example.org"))
        assert f"there is no machine '{other}'" in site.refused("forget", SPACE, other, "--yes")
