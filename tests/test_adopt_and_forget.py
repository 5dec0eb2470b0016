"""What operators say of machines that the manager cannot know of: ours after all, or no more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.builders import NOW, SPACE, machine, memory
from tests.world import FIZZLE, World, kind
from vcycled.apel.commands import listing
from vcycled.errors import Unavailable
from vcycled.model import (
    EndSource,
    ListedMachine,
    Machine,
    MachineState,
    Order,
    OrderKind,
    Records,
    Stage,
)
from vcycled.remember import CloudView, match, releases

NAME = "vcycle-prod-abcdefghij"
INSTALLATION = "installation"


def order(of: OrderKind = OrderKind.ADOPT, **changes: object) -> Order:
    """Return an order of alice's."""
    plain = Order(kind=of, space=SPACE, at=NOW, who="alice", machine=NAME, id=1)
    return replace(plain, **changes)  # type: ignore[arg-type] # tests name real fields


def listed(cloud_id: str = "id-1", name: str = NAME, **tags: str) -> ListedMachine:
    """Return a running machine as a cloud shows it."""
    state = MachineState.RUNNING
    return ListedMachine(name=name, cloud_id=cloud_id, state=state, processors=1, tags=tags)


class TestClaims:
    """Which listed machine an order to adopt means."""

    def claim(self, given: Order, *shown: ListedMachine) -> str:
        """Return what is adopted as what, or why nothing is."""
        records = Records(memory=memory(), machines=(machine("known"),), orders=(given,))
        matched = match(records, shown, installation=INSTALLATION, now=NOW)
        (claim,) = matched.claims
        foreign = matched.memory.foreign_machines
        assert foreign == len(shown) - (claim.listed is not None)
        if claim.listed is None:
            return claim.refusal
        return f"{claim.listed.cloud_id} as {claim.machinetype}, uuid {claim.uuid}"

    def test_a_machine_without_tags_is_known_by_its_name(self) -> None:
        """Its machinetype is told by the name, its uuid is the cloud's id."""
        assert self.claim(order(), listed()) == "id-1 as prod, uuid id-1"

    def test_its_tags_tell_more(self) -> None:
        """Those of an installation whose mark the cloud does not show."""
        shown = listed(vcycle_uuid="u", machinetype="test")
        assert self.claim(order(), shown) == "id-1 as test, uuid u"

    def test_one_with_the_mark_of_another_installation_is_taken_by_force_alone(self) -> None:
        """That may look after it still: two managers would delete and account it."""
        shown = listed(vcycle_installation="other", vcycle_uuid="u", machinetype="test")
        why = "it bears the mark of another installation, other, which may look after it"
        assert self.claim(order(), shown) == why
        assert self.claim(order(is_forced=True), shown) == "id-1 as test, uuid u"

    def test_no_force_takes_what_is_not_there(self) -> None:
        """So nobody is told that it would."""
        records = Records(memory=memory(), orders=(order(),))
        (claim,) = match(records, (), installation=INSTALLATION, now=NOW).claims
        assert claim.is_final

    def test_the_operator_knows_best(self) -> None:
        """What the order says counts before tags and name."""
        shown = listed(machinetype="test")
        assert self.claim(order(machinetype="my"), shown) == "id-1 as my, uuid id-1"

    def test_of_several_of_one_name_the_id_tells(self) -> None:
        """Without it none is taken."""
        both = listed("id-2"), listed("id-1")
        why = "several machines have this name; say which: id-1, id-2"
        assert self.claim(order(), *both) == why
        assert self.claim(order(machine="id-2"), *both) == "id-2 as prod, uuid id-2"

    def test_an_unknown_machinetype_must_be_said(self) -> None:
        """A name that is not made like ours tells none."""
        given = order(machine="login-node")
        assert self.claim(given, listed(name="login-node")) == (
            "nothing tells its machinetype: say it"
        )

    def test_what_is_not_listed_or_ours_already_is_refused(self) -> None:
        """There is nothing to take."""
        why = "no foreign machine of this name or id is listed"
        assert self.claim(order()) == why
        assert self.claim(order(machine="other"), listed()) == why
        assert self.claim(order(machine="known"), listed()) == "it is ours already"

    def test_two_of_one_name_would_share_a_folder(self) -> None:
        """So the second is not taken while the first is there."""
        shown = listed(name="known")
        why = "a machine of ours has its name, and so its folder"
        assert self.claim(order(machine="known", machinetype="prod"), shown) == why

    def test_two_orders_for_one_machine_take_it_once(self) -> None:
        """The second finds it taken."""
        records = Records(memory=memory(), orders=(order(), order(id=2)))
        first, second = match(records, [listed()], installation=INSTALLATION, now=NOW).claims
        assert first.listed is not None
        assert second.listed is None


class TestReleases:
    """Which machine may be forgotten, and why another may not."""

    @pytest.mark.parametrize(
        ("changes", "shown", "is_forced", "refusal"),
        [
            pytest.param(
                {"missing_listings": 2}, (), False,
                "2 of 3 listings lack it, after which it is looked for", id="just absent",
            ),
            pytest.param({"missing_listings": 3}, (), False, "", id="absent for long"),
            pytest.param({"missing_listings": 2}, (), True, "", id="just absent, forced"),
            pytest.param({"stopped_at": NOW}, (), False, "", id="ended"),
            pytest.param(
                {}, (listed(),), False,
                "the cloud shows it as running, where it would run on as foreign",
                id="shown without tags",
            ),
            pytest.param({}, (listed(),), True, "", id="shown without tags, forced"),
            pytest.param(
                {}, (listed(vcycle_installation=INSTALLATION),), True,
                "the cloud shows it as running with our tags: delete it instead",
                id="shown with our tags, forced",
            ),
            pytest.param(
                {}, None, False, "the cloud answered 3599 s ago and may be back", id="an outage"
            ),
            pytest.param({}, None, True, "", id="an outage, forced"),
        ],
    )  # fmt: skip
    def test_a_machine_is_forgotten_unless_something_speaks_for_it(
        self,
        changes: dict[str, int],
        shown: tuple[ListedMachine, ...] | None,
        is_forced: bool,
        refusal: str,
    ) -> None:
        """A running machine of a cloud that answers only if it must be."""
        known = replace(machine(NAME, cloud_id="id-1"), **changes)  # type: ignore[arg-type]
        records = Records(
            memory=memory(listed_at=NOW - 3599),
            machines=(known,),
            orders=(order(OrderKind.FORGET, is_forced=is_forced),),
        )
        by_id = None if shown is None else {each.cloud_id: each for each in shown}
        view = CloudView(listed=by_id, installation=INSTALLATION)
        (release,) = releases(records, view, now=NOW)
        assert release.refusal == refusal
        assert (release.machine is None) == bool(refusal)

    def test_a_cloud_that_is_silent_for_an_hour_may_be_gone(self) -> None:
        """Its machines may be forgotten without force."""
        given = Records(
            memory=memory(listed_at=NOW - 3600),
            machines=(machine(NAME),),
            orders=(order(OrderKind.FORGET),),
        )
        (release,) = releases(given, CloudView(listed=None, installation=INSTALLATION), now=NOW)
        assert release.machine is not None

    def test_who_was_never_there_cannot_be_forgotten(self) -> None:
        """Nor forgotten twice."""
        twice = (order(OrderKind.FORGET, is_forced=True), order(OrderKind.FORGET, id=2))
        given = Records(memory=memory(), machines=(machine(NAME),), orders=twice)
        found = releases(given, CloudView(listed={}, installation=INSTALLATION), now=NOW)
        assert [each.refusal for each in found] == ["", "no such machine now"]

    @pytest.mark.parametrize(("word", "uuids"), [(NAME, [None]), ("u2", ["u2"]), ("u1", ["u1"])])
    def test_of_two_machines_of_one_name_a_uuid_tells_which(
        self, word: str, uuids: list[str | None]
    ) -> None:
        """Their name alone is refused; force does not help."""
        given = Records(
            memory=memory(),
            machines=(machine(NAME, uuid="u1"), machine(NAME, uuid="u2")),
            orders=(order(OrderKind.FORGET, machine=word, is_forced=True),),
        )
        (found,) = releases(given, CloudView(listed={}, installation=INSTALLATION), now=NOW)
        assert [found.machine and found.machine.uuid] == uuids
        assert found.is_final == (found.machine is None)
        assert found.refusal == "" or "several machines have this name" in found.refusal


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Return a space of four processors that is full."""
    world = World(tmp_path / "root", processors_limit=4)
    yield world
    world.close()


def give(world: World, of: OrderKind, name: str, **changes: object) -> None:
    """Leave an order."""
    space, at = world.config.name, world.clock.now()
    world.store.order(order(of, space=space, at=at, machine=name, **changes))


def told(world: World, event: str) -> list[str]:
    """Return the details of the events of this name, oldest first."""
    events = world.store.events(oldest_first=True)
    return [each.detail for each in events if each.event == event]


def only(world: World, name: str) -> Machine:
    """Return the one machine that ever bore `name`."""
    (found,) = world.store.machine(name)
    return found


class TestAdopting:
    """In the whole manager."""

    def test_an_adopted_machine_is_managed_and_accounted(self, world: World) -> None:
        """From the start that the cloud states, with a folder of its own."""
        world.set(processors_limit=1)
        cloud_id = world.cloud.add_foreign(NAME)
        began = world.clock.now()
        assert world.cycle().report.foreign_processors == 1
        world.clock.advance(600)
        give(world, OrderKind.ADOPT, NAME)
        report = world.cycle().report
        assert (report.foreign_processors, report.processors) == (0, 1)
        assert told(world, "order-adopt") == [f"by alice: {cloud_id} is ours from now on, as prod"]
        assert (world.folder(NAME) / "jobfeatures" / "job_id").read_text() == cloud_id
        world.cloud.finish(NAME)
        world.cycles(3)
        (entry,) = listing(world.queue, now=world.clock.now())
        (record,) = entry.records
        assert (record.local_job_id, record.started_at) == (cloud_id, began)
        assert (record.queue, record.wall_seconds) == ("prod", 600)

    def test_it_lives_by_the_rules_of_its_machinetype(self, world: World) -> None:
        """Its age counts from its start, not from its adoption."""
        world.set(processors_limit=0)
        world.cloud.add_foreign(NAME)
        world.clock.advance(10_000)
        give(world, OrderKind.ADOPT, NAME)
        world.cycle()
        assert world.cloud.calls["delete"] == 0
        world.clock.advance(1)
        world.cycle()
        assert only(world, NAME).delete_reason == "max-wallclock"

    def test_a_refusal_is_told_once(self, world: World) -> None:
        """The order is carried out, and changes nothing."""
        give(world, OrderKind.ADOPT, NAME)
        world.cycles(2)
        why = "refused: no foreign machine of this name or id is listed"
        assert told(world, "order-adopt") == [f"by alice: {why}"]

    def test_one_that_we_gave_up_goes_on_in_a_new_run(self, world: World) -> None:
        """What ran before is accounted and stays so."""
        world.set(processors_limit=0)
        cloud_id = world.cloud.add_foreign(NAME)
        give(world, OrderKind.ADOPT, NAME)
        world.cycle()
        world.clock.advance(FIZZLE)
        world.cycle()
        give(world, OrderKind.FORGET, NAME, is_forced=True)
        assert world.cycle().report.processors == 0
        give(world, OrderKind.ADOPT, cloud_id)
        world.cycle()
        assert (only(world, NAME).interval, only(world, NAME).stage) == (1, Stage.LISTED)

    def test_one_with_the_uuid_of_another_gets_its_own(self, world: World) -> None:
        """Somebody's copy of a machine of ours bears the same tags."""
        world.set(processors_limit=1)
        world.cycles(2)
        (ours,) = world.machines
        cloud_id = world.cloud.add_foreign(NAME)
        tags = {"vcycle_installation": "other", "vcycle_uuid": ours.uuid, "machinetype": "prod"}
        world.cloud.change(NAME, lambda was: replace(was, tags=tags))
        give(world, OrderKind.ADOPT, NAME, is_forced=True)
        world.cycle()
        taken = only(world, NAME)
        assert (taken.cloud_id, taken.delete_reason) == (cloud_id, "")
        assert taken.uuid not in {ours.uuid, cloud_id}
        assert {each.uuid for each in world.machines} == {ours.uuid, taken.uuid}

    def test_an_observing_space_adopts_nothing_yet(self, world: World) -> None:
        """It shows what it would do; the order waits."""
        world.set(mode="observe", processors_limit=1)
        world.cloud.add_foreign(NAME)
        give(world, OrderKind.ADOPT, NAME)
        assert world.cycle().report.foreign_processors == 0
        assert told(world, "order-adopt") == []
        world.set(mode="manage")
        world.cycle()
        assert [each.name for each in world.machines] == [NAME]

    def test_the_machinetype_of_the_order_holds(self, tmp_path: Path) -> None:
        """Also for the limits of that machinetype."""
        world = World(tmp_path / "two", kind("prod"), kind("test"), processors_limit=0)
        world.cloud.add_foreign("login-node")
        give(world, OrderKind.ADOPT, "login-node", machinetype="test")
        world.cycle()
        assert [each.machinetype for each in world.machines] == ["test"]
        world.close()

    def test_a_name_that_no_folder_can_have_is_replaced(self, world: World) -> None:
        """People name machines as they like."""
        world.set(processors_limit=0)
        cloud_id = world.cloud.add_foreign("somebody's ../../machine")
        give(world, OrderKind.ADOPT, cloud_id, machinetype="prod")
        world.cycle()
        (found,) = world.machines
        assert found.name.startswith("machine-")
        assert world.folder(found.name).exists()

    def test_a_machine_of_ours_that_was_renamed_is_known_by_its_first_name(
        self, world: World
    ) -> None:
        """After the database was lost: by it goes its folder, and no name breaks the cycle."""
        world.cycles(3)
        names = {each.name for each in world.machines}
        for name in names:
            world.cloud.change(name, lambda was: replace(was, name="it's mine"))
        world.lose_database()
        world.cycle()
        assert {each.name for each in world.machines} == names
        assert world.cloud.calls["delete"] == 0


class TestForgetting:
    """In the whole manager."""

    def test_a_cloud_that_is_gone_holds_nothing_any_more(self, world: World) -> None:
        """Its machines are accounted up to the last sighting, and count no more."""
        world.cycles(5)
        seen = world.clock.now()
        names = [each.name for each in world.machines]
        for _ in range(8):
            world.cloud.fail_next("connect", Unavailable("connect", "no such host"))
            world.clock.advance(600)
            world.cycle()
        for name in names:
            give(world, OrderKind.FORGET, name)
        world.cloud.fail_next("connect", Unavailable("connect", "no such host"))
        report = world.cycle().report
        assert world.machines == ()
        assert report.records == 4
        assert {only(world, name).stopped_at for name in names} == {seen}
        assert {only(world, name).end_source for name in names} == {EndSource.SIGHTING}
        assert not (world.folder(names[0])).exists()

    def test_an_outage_forgets_nothing(self, world: World) -> None:
        """The order says why not."""
        world.cycles(3)
        name = world.machines[0].name
        give(world, OrderKind.FORGET, name)
        world.cloud.fail_next("connect", Unavailable("connect", "no such host"))
        world.cycle()
        assert len(world.machines) == 4
        why = "the cloud answered 0 s ago and may be back"
        assert told(world, "order-forget") == [f"by alice: refused: {why}"]

    def test_it_is_no_abort_of_its_machinetype(self, world: World) -> None:
        """However short it ran: we ended it, not want of work."""
        world.cycles(2)
        name = world.machines[0].name
        world.cloud.vanish(name)
        give(world, OrderKind.FORGET, name, is_forced=True)
        world.clock.advance(60)
        world.cycle()
        gone = only(world, name)
        assert (gone.stage, gone.is_aborted, gone.delete_reason) == (Stage.GONE, False, "ordered")
        memories = world.store.records(world.config.name).machinetypes
        assert [each.last_abort_at for each in memories] == [None]

    def test_one_that_turns_up_again_is_adopted(self, world: World) -> None:
        """It bears our tags; its record has left, so it runs in a new interval."""
        world.cycles(4)
        name = world.machines[0].name
        world.cloud.listing = replace(world.cloud.listing, omitted={name})
        give(world, OrderKind.FORGET, name, is_forced=True)
        world.cycle()
        assert only(world, name).stage is Stage.GONE
        world.cloud.listing = replace(world.cloud.listing, omitted=set())
        world.cycle()
        assert (only(world, name).stage, only(world, name).interval) == (Stage.LISTED, 1)
        assert world.cloud.calls["delete"] == 0

    def test_what_was_accounted_stays_as_it_is(self, world: World) -> None:
        """A machine that ended and cannot be deleted is closed with the end it had."""
        world.cloud.delete_seconds = None
        world.cycles(4)
        name = world.machines[0].name
        world.cloud.finish(name)
        at = world.clock.now()
        world.cycle()
        world.cloud.listing = replace(world.cloud.listing, omitted={name})
        give(world, OrderKind.FORGET, name)
        world.cycle()
        assert (only(world, name).stage, only(world, name).stopped_at) == (Stage.GONE, at)
