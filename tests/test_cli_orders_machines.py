"""`vcycle delete`, and `drain` and `undrain` of single machines: what they order and promise."""

from __future__ import annotations

import pytest

from tests.builders import NOW
from tests.cli_kit import SPACE, Site, ended, machine
from tests.orders_kit import ME, WithSudo, orders
from vcycled.model import Drain, MachineState, Order, OrderKind, Stage


class TestDrainMachines(WithSudo):
    """Single machines are told to leave, or that they may stay."""

    NAMES = ("vcycle-prod-0000000001", "vcycle-prod-0000000002")
    LINES = tuple(f"{name} ({SPACE}, running, runs for 1 h)" for name in NAMES)

    @pytest.fixture(autouse=True)
    def machines(self, site: Site) -> None:
        """Let there be two that run and one that is gone."""
        site.save(*(machine(name) for name in self.NAMES), ended())

    def waiting(self, kind: OrderKind, *names: str, by: int | None = None) -> tuple[Order, ...]:
        """Return the orders that should wait."""
        return tuple(
            Order(kind=kind, space=SPACE, machinetype="prod", machine=each, at=NOW, who=ME, by=by)
            for each in names
        )

    @pytest.mark.parametrize(
        ("more", "by", "told"),
        [
            ([], None, "in 10 min (08:10:00 UTC)"),
            (["--by", "+2h"], NOW + 7200, "in 2 h (10:00:00 UTC)"),
        ],
    )
    def test_they_are_told_to_leave(
        self, site: Site, more: list[str], by: int | None, told: str
    ) -> None:
        """By a time, or as soon as machines are promised."""
        said = site.ok("drain", *self.NAMES, *more)
        assert said.splitlines() == [
            f"{line} is told to leave, and deleted {told} if it is there." for line in self.LINES
        ]
        assert orders(site) == self.waiting(OrderKind.DRAIN, *self.NAMES, by=by)

    def test_a_time_nearer_than_promised_is_moved(self, site: Site) -> None:
        """As for a space."""
        said = site.ok("drain", self.NAMES[0], "--by", "+5m").splitlines()
        assert "promised 10 min" in said[0]
        assert said[1].endswith("deleted in 10 min (08:10:00 UTC) if it is there.")

    @pytest.mark.parametrize(
        ("word", "message"),
        [
            ("vcycle-prod-0000000009", "vcycle-prod-0000000009 is gone already"),
            (SPACE, f"there is no machine '{SPACE}'; there are: {', '.join(NAMES)}"),
        ],
    )
    def test_a_name_of_no_machine_beside_others_stops_all(
        self, site: Site, word: str, message: str
    ) -> None:
        """Machines and spaces are not drained in one command."""
        assert site.refused("drain", self.NAMES[0], word) == f"vcycle: {message}\n"
        assert orders(site) == ()

    def test_their_drain_is_lifted(self, site: Site) -> None:
        """Also one that no cycle has carried out yet."""
        site.save(machine(self.NAMES[0], drain_by=NOW + 900))
        site.ok("drain", self.NAMES[1])
        said = site.ok("undrain", *self.NAMES)
        assert said.splitlines() == [f"{line} may stay for its time." for line in self.LINES]
        assert orders(site)[1:] == self.waiting(OrderKind.UNDRAIN, *self.NAMES)

    def test_what_ends_it_besides_is_told(self, site: Site) -> None:
        """A drain of its machinetype or space goes on; one of another does not concern it."""
        drains = (
            Drain(space=SPACE, machinetype="prod", since=NOW),
            Drain(space=SPACE, machinetype="", since=NOW, by=NOW + 7200),
            Drain(space=SPACE, machinetype="test", since=NOW, by=NOW + 3600),
        )
        site.save(machine(self.NAMES[0], drain_by=NOW + 900), drains=drains)
        assert site.ok("undrain", self.NAMES[0]).endswith(
            "may stay for its time, but its drain with others ends it in 2 h (10:00:00 UTC).\n"
        )

    def test_without_a_drain_of_its_own_there_is_nothing_to_lift(self, site: Site) -> None:
        """And nothing is ordered."""
        said = site.refused("undrain", self.NAMES[0])
        assert said == f"vcycle: {self.NAMES[0]} is not drained by itself\n"
        assert orders(site) == ()


class TestDelete(WithSudo):
    """Machines are deleted at the next cycle."""

    NAMES = ("vcycle-prod-0000000001", "vcycle-prod-0000000002")

    @pytest.fixture(autouse=True)
    def machines(self, site: Site) -> None:
        """Let there be one that runs and one that is not listed yet."""
        asked = machine(
            self.NAMES[1], stage=Stage.ASKED, state=MachineState.STARTING, started_at=None
        )
        site.save(machine(), asked, ended())

    @pytest.mark.parametrize("command", ["delete", "drain", "undrain"])
    def test_a_name_of_several_machines_is_refused(self, site: Site, command: str) -> None:
        """As when the cloud made two of one request; each is told of with its uuid."""
        twin = machine(self.NAMES[0], uuid="uuid-2", state=MachineState.FAILED, drain_by=NOW + 900)
        site.save(twin)
        assert site.refused(command, self.NAMES[0]) == (
            f"vcycle: {self.NAMES[0]} is the name of 2 machines: say which by its uuid:"
            f" uuid-2 ({SPACE}, failed); uuid-{self.NAMES[0]} ({SPACE}, running)\n"
        )
        assert orders(site) == ()
        site.ok(command, "uuid-2", *["--yes"] * (command == "delete"))
        (order,) = orders(site)
        assert order.machine == "uuid-2"

    def test_a_machine_that_is_named_twice_is_ordered_once(self, site: Site) -> None:
        """By its name and by its uuid."""
        said = site.ok("delete", f"uuid-{self.NAMES[0]}", self.NAMES[0], "--yes")
        assert said.count("is deleted at the next cycle") == 1
        assert len(orders(site)) == 1

    def test_a_uuid_of_one_that_is_gone_is_told_so(self, site: Site) -> None:
        """As its name is."""
        gone = ended()
        for word in (gone.name, gone.uuid):
            assert site.refused("delete", word, "--yes") == f"vcycle: {word} is gone already\n"

    def test_they_are_ordered_to_go(self, site: Site) -> None:
        """One order for each, once, also if it is named twice."""
        said = site.ok("delete", *self.NAMES, self.NAMES[0], "--yes")
        assert said.splitlines() == [
            f"{self.NAMES[0]} ({SPACE}, running, runs for 1 h) is deleted at the next cycle",
            f"{self.NAMES[1]} ({SPACE}, not listed yet, asked) is deleted at the next cycle",
        ]
        assert orders(site) == tuple(
            Order(
                kind=OrderKind.DELETE,
                space=SPACE,
                machinetype="prod",
                machine=name,
                at=NOW,
                who=ME,
            )
            for name in self.NAMES
        )

    def test_the_operator_is_asked_first(self, site: Site) -> None:
        """With all that is at stake on the screen."""
        said = site.ok("delete", *self.NAMES, answer="y\n")
        assert f"  {self.NAMES[0]} ({SPACE}, running, runs for 1 h)\n" in said
        assert "Delete 2 machines now? [y/N]: y\n" in said
        assert len(orders(site)) == 2

    @pytest.mark.parametrize("answer", ["n\n", "\n", ""])
    def test_without_a_yes_nothing_is_ordered(self, site: Site, answer: str) -> None:
        """Also where nobody is there to answer."""
        result = site.vcycle("delete", *self.NAMES, answer=answer)
        assert result.exit_code == 1
        assert orders(site) == ()

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("vcycle-prod-0000000009", "vcycle-prod-0000000009 is gone already"),
            (
                "vcycle-prod-00000001",
                "there is no machine 'vcycle-prod-00000001'; did you mean vcycle-prod-0000000001?",
            ),
        ],
    )
    def test_a_name_of_nothing_stops_all(self, site: Site, name: str, message: str) -> None:
        """Half an order would be worse than none."""
        said = site.refused("delete", self.NAMES[0], name, "--yes")
        assert said == f"vcycle: {message}\n"
        assert orders(site) == ()
