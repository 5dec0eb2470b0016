"""What a cycle leaves in the store, the next one finds there."""

from __future__ import annotations

import dataclasses

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.store_kit import (
    SPACE,
    TERMS,
    TEXTS,
    OnBothDatabases,
    OnSqlite,
    by_uuid,
    facts,
    machine,
    presence,
    run,
)
from vcycled.errors import StoreError
from vcycled.model import (
    Changes,
    Drain,
    Event,
    Machine,
    MachinetypeMemory,
    Order,
    OrderKind,
    Records,
    RunInterval,
    ShutdownMessage,
    SpaceMemory,
    Stage,
    Terms,
)
from vcycled.store import Store, schema
from vcycled.testing.clock import START, FakeClock

many_examples = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
live_machines = facts(
    Machine,
    uuid=st.uuids().map(str),
    space=st.just(SPACE),
    stage=st.sampled_from([each for each in Stage if each is not Stage.GONE]),
    heartbeat_at=st.none(),
    is_heartbeat_known=st.just(True),
)


@pytest.mark.parametrize(
    ("fact", "table", "kept_otherwise"),
    [
        (Machine, schema.machines, {"terms", "message", "heartbeat_at", "is_heartbeat_known"}),
        (ShutdownMessage, schema.machines, {"code", "text", "written_at"}),
        (Terms, schema.terms, set()),
        (MachinetypeMemory, schema.machinetypes, set()),
        (SpaceMemory, schema.spaces, set()),
        (Drain, schema.drains, set()),
        (Order, schema.orders, set()),
        (Event, schema.events, set()),
        (RunInterval, schema.intervals, {"terms"}),
    ],
)
def test_every_field_has_its_column(
    fact: type[Machine], table: sa.Table, kept_otherwise: set[str]
) -> None:
    """A field that is added to the model and not to the store is noticed here."""
    names = {each.name for each in dataclasses.fields(fact)}
    assert names - kept_otherwise <= {each.name for each in table.columns}


class TestRecords(OnBothDatabases):
    """Records of a space, as they come back."""

    def test_nothing_is_known_of_a_new_space(self, store: Store) -> None:
        """A space that was never saved has an empty memory."""
        assert store.records(SPACE) == Records(memory=SpaceMemory(space=SPACE))

    @many_examples
    @given(machines=st.lists(live_machines, max_size=4, unique_by=lambda each: each.uuid))
    def test_machines_come_back_in_every_field(
        self, store: Store, machines: list[Machine]
    ) -> None:
        """Whatever a machine is, it is read as it was saved, freshly and from memory."""
        gone = [
            dataclasses.replace(each, stage=Stage.GONE) for each in store.records(SPACE).machines
        ]
        store.save(Changes(space=SPACE, machines=(*gone, *machines)))
        assert by_uuid(store.records(SPACE).machines) == by_uuid(machines)
        assert by_uuid(store.records(SPACE).machines) == by_uuid(machines)
        known = store.known([each.uuid for each in machines])
        assert by_uuid(tuple(known.values())) == by_uuid(machines)

    @many_examples
    @given(
        memory=facts(SpaceMemory, space=st.just(SPACE)),
        machinetypes=st.lists(
            facts(MachinetypeMemory, space=st.just(SPACE)),
            max_size=3,
            unique_by=lambda each: each.machinetype,
        ),
        drains=st.lists(
            facts(Drain, space=st.just(SPACE)),
            max_size=3,
            unique_by=lambda each: each.machinetype,
        ),
    )
    def test_memories_and_drains_come_back_in_every_field(
        self,
        store: Store,
        memory: SpaceMemory,
        machinetypes: list[MachinetypeMemory],
        drains: list[Drain],
    ) -> None:
        """Drains are replaced as a whole, memories by key."""
        store.save(
            Changes(
                space=SPACE, memory=memory, machinetypes=tuple(machinetypes), drains=tuple(drains)
            )
        )
        records = store.records(SPACE)
        assert records.memory == memory
        assert set(machinetypes) <= set(records.machinetypes)
        assert set(records.drains) == set(drains)

    @many_examples
    @given(order=facts(Order, space=st.just(SPACE), id=st.just(0)))
    def test_an_order_waits_in_every_field_until_it_is_carried_out(
        self, store: Store, order: Order
    ) -> None:
        """Its number is given by the store, and it is seen until a cycle says it is done."""
        number = store.order(order)
        assert store.records(SPACE).orders == (dataclasses.replace(order, id=number),)
        store.save(Changes(space=SPACE, done_orders=(number,)))
        assert store.records(SPACE).orders == ()

    def test_orders_come_oldest_first_and_only_to_their_space(self, store: Store) -> None:
        """What was ordered first is carried out first."""
        numbers = [
            store.order(Order(kind=OrderKind.DRAIN, space=space, at=START, who="admin"))
            for space in (SPACE, "other", SPACE)
        ]
        assert [each.id for each in store.records(SPACE).orders] == [numbers[0], numbers[2]]

    def test_spaces_with_new_orders_are_told_once(self, store: Store) -> None:
        """Whoever asks with the number of the last one sees what came since."""
        assert store.spaces_with_orders(since=0) == (0, frozenset())
        drain = Order(kind=OrderKind.DRAIN, space="a", at=START, who="admin")
        first = store.order(drain)
        second = store.order(dataclasses.replace(drain, space="b"))
        assert store.spaces_with_orders(since=0) == (second, frozenset({"a", "b"}))
        assert store.spaces_with_orders(since=first) == (second, frozenset({"b"}))
        assert store.spaces_with_orders(since=second) == (second, frozenset())
        store.save(Changes(space="b", done_orders=(second,)))
        assert store.spaces_with_orders(since=0) == (first, frozenset({"a"}))

    def test_a_machine_that_is_gone_is_left_out_but_known(self, store: Store) -> None:
        """A cycle sees what may still count; the rest is found by uuid."""
        gone = machine(2, stage=Stage.GONE, gone_at=START)
        store.save(Changes(space=SPACE, machines=(machine(1), gone)))
        assert store.records(SPACE).machines == (machine(1),)
        assert store.known(["uuid-2", "never"]) == {"uuid-2": gone}

    def test_a_space_sees_only_its_own(self, store: Store) -> None:
        """Spaces share tables and nothing else."""
        mine = Changes(
            space=SPACE,
            machines=(machine(1),),
            machinetypes=(MachinetypeMemory(space=SPACE, machinetype="prod"),),
            drains=(Drain(space=SPACE, machinetype="", since=START),),
        )
        store.save(mine)
        store.save(Changes(space="other", drains=()))
        assert store.records("other") == Records(memory=SpaceMemory(space="other"))
        assert store.records(SPACE).drains == mine.drains

    def test_spaces_with_machines_are_those_with_one_that_is_not_gone(self, store: Store) -> None:
        """A space that left the configuration is looked after until it is empty."""
        store.save(Changes(space="a", machines=(machine(1, space="a"),)))
        store.save(Changes(space="b", machines=(machine(2, space="b", stage=Stage.GONE),)))
        assert store.spaces_with_machines() == {"a"}

    def test_an_unchanged_machine_is_the_same_object(self, store: Store) -> None:
        """Ten thousand machines are not made anew at each cycle, nor their terms."""
        store.save(Changes(space=SPACE, machines=(machine(1), machine(2))))
        first = {each.uuid: each for each in store.records(SPACE).machines}
        changed = dataclasses.replace(first["uuid-2"], fault="disk")
        store.save(Changes(space=SPACE, machines=(changed,)))
        second = {each.uuid: each for each in store.records(SPACE).machines}
        assert second["uuid-1"] is first["uuid-1"]
        assert second["uuid-2"] == changed
        assert second["uuid-1"].terms is second["uuid-2"].terms

    def test_equal_terms_are_kept_once(self, store: Store, url: str, clock: FakeClock) -> None:
        """Also when another process saves them."""
        with Store.open(url, clock=clock) as other:
            for number, each in enumerate((store, other, store)):
                each.save(Changes(space=SPACE, machines=(machine(number),)))
        with store._database.read() as connection:
            (count,) = connection.execute(sa.select(sa.func.count(schema.terms.c.id)))
        assert count == (1,)

    def test_a_heartbeat_is_not_kept(self, store: Store) -> None:
        """It is read from the machine's folder at every cycle."""
        store.save(Changes(space=SPACE, machines=(machine(1, heartbeat_at=START),)))
        assert store.records(SPACE).machines == (machine(1),)

    @many_examples
    @given(text=st.text(max_size=10), before=TEXTS)
    def test_no_text_can_block_a_cycle(self, store: Store, text: str, before: str) -> None:
        """What a machine wrote is kept, but for characters that a database cannot take."""
        said = ShutdownMessage(code=None, text=before + text, written_at=START)
        store.save(Changes(space=SPACE, machines=(machine(1, message=said),)))
        (found,) = store.records(SPACE).machines
        assert found.message is not None
        assert found.message.text.startswith(before)
        assert len(found.message.text) == len(said.text)

    def test_characters_that_a_database_cannot_take_are_replaced(self, store: Store) -> None:
        """A NUL and half a surrogate pair stand where a machine wrote them, as marks."""
        store.save(Changes(space=SPACE, machines=(machine(1, fault="a\0b\ud800c"),)))
        (found,) = store.records(SPACE).machines
        assert found.fault == "a\ufffdb?c"


class TestSave(OnBothDatabases):
    """One set of changes, all or nothing."""

    def test_saving_nothing_asks_for_no_transaction(
        self, store: Store, url: str, clock: FakeClock
    ) -> None:
        """A store that must not write is not even asked to."""
        with Store.open(url, clock=clock, read_only=True) as reader:
            reader.save(Changes(space=SPACE))
            with pytest.raises(StoreError, match="reading only"):
                reader.save(Changes(space=SPACE, drains=()))

    def test_what_is_not_among_the_changes_stays(self, store: Store) -> None:
        """Only what was learned is written."""
        drain = Drain(space=SPACE, machinetype="prod", since=START)
        memory = SpaceMemory(space=SPACE, listed_at=START)
        store.save(Changes(space=SPACE, machines=(machine(1),), drains=(drain,), memory=memory))
        store.save(Changes(space=SPACE, machines=(machine(2),)))
        records = store.records(SPACE)
        assert len(records.machines) == 2
        assert (records.drains, records.memory) == ((drain,), memory)

    def test_the_last_value_under_a_key_holds(self, store: Store) -> None:
        """Also within one set of changes."""
        twice = (machine(1, fault="old"), machine(1, fault="new"))
        store.save(Changes(space=SPACE, machines=twice))
        assert [each.fault for each in store.records(SPACE).machines] == ["new"]

    @pytest.mark.parametrize(
        "broken",
        [
            pytest.param({"events": (Event(at=2**63, space=SPACE, event="e"),)}, id="65-bit"),
            pytest.param(
                {"drains": (Drain(space=SPACE, machinetype="", since=-(2**63) - 1),)}, id="-65-bit"
            ),
        ],
    )
    def test_changes_that_cannot_be_written_leave_nothing(
        self, store: Store, broken: dict[str, tuple[Event, ...]]
    ) -> None:
        """The machines before the broken part are undone with it."""
        old = Drain(space=SPACE, machinetype="prod", since=START)
        store.save(Changes(space=SPACE, drains=(old,)))
        changes = Changes(space=SPACE, machines=(machine(1),), intervals=(run(1),), drains=())
        with pytest.raises(StoreError):
            store.save(dataclasses.replace(changes, **broken))  # type: ignore[arg-type]
        assert store.records(SPACE) == Records(memory=SpaceMemory(space=SPACE), drains=(old,))
        assert store.intervals() == ()

    def test_terms_of_changes_that_failed_are_kept_the_next_time(self, store: Store) -> None:
        """What was undone is not taken for known."""
        terms = dataclasses.replace(TERMS, fqan="/vo/Role=pilot")
        changes = Changes(space=SPACE, machines=(machine(1, terms=terms),))
        broken = dataclasses.replace(changes, events=(Event(at=2**63, space=SPACE, event="e"),))
        with pytest.raises(StoreError):
            store.save(broken)
        store.save(changes)
        assert store.records(SPACE).machines == changes.machines

    def test_a_thousand_machines_are_one_transaction(self, store: Store) -> None:
        """All are there, each as it was."""
        machines = tuple(machine(number, fault=str(number)) for number in range(1000))
        store.save(Changes(space=SPACE, machines=machines))
        assert by_uuid(store.records(SPACE).machines) == by_uuid(machines)
        assert len(store.known(each.uuid for each in machines)) == 1000


class TestInstallation(OnBothDatabases):
    """The mark by which machines are known as ours."""

    def test_it_is_minted_once(self, store: Store, url: str, clock: FakeClock) -> None:
        """Whoever asks later gets the same."""
        minted = store.installation_id()
        assert len(minted) == 36
        with Store.open(url, clock=clock) as again:
            assert again.installation_id() == store.installation_id() == minted

    def test_that_of_a_lost_database_is_adopted(self, store: Store) -> None:
        """An id that nothing was marked with gives way."""
        store.installation_id()
        store.adopt_installation_id("the-old-one")
        assert store.installation_id() == "the-old-one"

    def test_it_cannot_change_under_machines(self, store: Store) -> None:
        """They would become strangers, and be left running."""
        minted = store.installation_id()
        store.save(Changes(space=SPACE, machines=(machine(1, stage=Stage.GONE),)))
        store.adopt_installation_id(minted)
        with pytest.raises(StoreError, match=minted):
            store.adopt_installation_id("another")
        assert store.installation_id() == minted


class TestClaim(OnSqlite):
    """One manager for one database in a file."""

    def test_a_second_manager_is_refused_until_the_first_ends(
        self, store: Store, url: str, clock: FakeClock
    ) -> None:
        """The claim may be made again by who has it."""
        with Store.open(url, clock=clock) as other:
            store.leases.enrol(presence())
            store.leases.enrol(presence())
            with pytest.raises(StoreError, match="another vcycled"):
                other.leases.enrol(presence("m2.example.org"))
            other.order(Order(kind=OrderKind.DRAIN, space=SPACE, at=START, who="admin"))
            store.close()
            other.leases.enrol(presence("m2.example.org"))


class TestReadOnly(OnBothDatabases):
    """A store that is only looked at."""

    def test_it_reads_and_refuses_to_write(self, store: Store, url: str, clock: FakeClock) -> None:
        """Commands that show something cannot change anything."""
        store.save(Changes(space=SPACE, machines=(machine(1),)))
        with Store.open(url, clock=clock, read_only=True) as reader:
            assert reader.records(SPACE) == store.records(SPACE)
            with pytest.raises(StoreError, match="reading only"):
                reader.save(Changes(space=SPACE, machines=(machine(2),)))
            with pytest.raises(StoreError, match="reading only"):
                reader.installation_id()

    def test_it_makes_nothing(self, empty: str, clock: FakeClock) -> None:
        """A database that is not there is not made by looking at it."""
        for _ in range(2):
            with pytest.raises(StoreError, match="vcycled"):
                Store.open(empty, clock=clock, read_only=True)
