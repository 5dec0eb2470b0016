"""`vcycle drain`, `undrain`, `delete`: what they leave in the store, and what they promise."""

from __future__ import annotations

import os

import pytest

from tests.builders import NOW
from tests.cli_kit import CONF, OTHER, SECOND_SPACE, SPACE, OnASite, Site, ended, machine, managed
from vcycled.cli import session
from vcycled.model import GRACE_SECONDS, Drain, MachineState, Order, OrderKind, Stage

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


class TestDrain(WithSudo):
    """Nothing more is created; machines end by themselves, or by a time."""

    @pytest.mark.parametrize(
        ("words", "space", "machinetype"),
        [
            ([SPACE], SPACE, ""),
            ([SPACE, "prod"], SPACE, "prod"),
            (["test"], SPACE, "test"),
            (["extra"], OTHER, "extra"),
        ],
    )
    def test_a_target_is_a_space_or_a_machinetype(
        self, site: Site, words: list[str], space: str, machinetype: str
    ) -> None:
        """A machinetype of one space needs no space."""
        site.configure(CONF + SECOND_SPACE)
        site.ok("drain", *words)
        order = Order(kind=OrderKind.DRAIN, space=space, machinetype=machinetype, at=NOW, who=ME)
        assert orders(site, space) == (order,)

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["prod"], f"prod is a machinetype of several spaces ({SPACE}, {OTHER}): say which"),
            (
                ["exstra"],
                "there is no space, machinetype or machine 'exstra'; did you mean extra?",
            ),
            (
                ["othar.example.com"],
                "there is no space, machinetype or machine 'othar.example.com'; did you mean"
                f" {OTHER}?",
            ),
            ([SPACE, "extra"], "there is no machinetype 'extra'; there are: prod, test"),
            (["nowhere", "prod"], f"there is no space 'nowhere'; there are: {SPACE}, {OTHER}"),
        ],
    )
    def test_what_is_unclear_is_refused(self, site: Site, words: list[str], message: str) -> None:
        """And nothing is ordered."""
        site.configure(CONF + SECOND_SPACE)
        assert site.refused("drain", *words) == f"vcycle: {message}\n"
        assert orders(site) == ()

    def test_three_words_are_wrong_usage(self, site: Site) -> None:
        """So are none."""
        said = site.refused("drain", "a", "b", "c", status=2)
        assert "name a space, a machinetype, a space and a machinetype of it, or machines" in said
        assert "Missing argument" in site.refused("drain", status=2)

    def test_what_will_come_of_it_is_told(self, site: Site) -> None:
        """With the machines that it concerns."""
        site.save(machine(), machine("vcycle-test-1", machinetype="test"))
        title = f"prod of {SPACE}"
        assert site.ok("drain", "prod") == (
            f"{title}: nothing more is created; 1 machine left to end by themselves.\n"
        )

    @pytest.mark.parametrize(
        ("by", "seconds", "promise"),
        [
            pytest.param(
                "+2h", 7200, "Those left are deleted in 2 h (10:00:00 UTC).", id="far away"
            ),
            pytest.param(
                "2027-01-15T09:00",
                3600,
                "Those left are deleted in 1 h (09:00:00 UTC).",
                id="a time of day",
            ),
            pytest.param(
                f"{NOW + GRACE_SECONDS}",
                GRACE_SECONDS,
                "Those left are deleted in 10 min (08:10:00 UTC).",
                id="just as far as promised",
            ),
        ],
    )
    def test_a_time_can_be_given(self, site: Site, by: str, seconds: int, promise: str) -> None:
        """As people write times; machines are told in time."""
        assert site.ok("drain", SPACE, "--by", by).splitlines()[1:] == [promise]
        assert orders(site)[0].by == NOW + seconds

    @pytest.mark.parametrize("seconds", [0, GRACE_SECONDS - 1])
    def test_a_time_nearer_than_promised_is_moved(self, site: Site, seconds: int) -> None:
        """The order says what was asked; the manager keeps its promise, and it is told here."""
        assert site.ok("drain", SPACE, "--by", str(NOW + seconds)).splitlines()[1:] == [
            "Machines are promised 10 min between the news of an earlier end and that end, so the"
            " time becomes 08:10:00 UTC.",
            "Those left are deleted in 10 min (08:10:00 UTC).",
        ]
        assert orders(site)[0].by == NOW + seconds

    @pytest.mark.parametrize("by", [str(NOW - 1), "-1h", "2027-01-14"])
    def test_a_time_that_is_over_is_refused(self, site: Site, by: str) -> None:
        """It is a slip, and would delete everything in ten minutes."""
        said = site.refused("drain", SPACE, "--by", by, status=2)
        assert "machines can be told only of times to come" in said
        assert orders(site) == ()

    def test_one_that_drains_already_is_told(self, site: Site) -> None:
        """Also if the order before has not been carried out yet."""
        site.ok("drain", SPACE)
        site.clock.advance(60)
        assert site.ok("drain", SPACE).startswith(
            f"{SPACE} drained already, since 08:00:00 UTC; this replaces it.\n"
        )

    def test_without_a_manager_the_order_waits(self, site: Site) -> None:
        """One that runs takes it up at once."""
        (site.root / "vcycled.lock").touch()
        assert site.ok("drain", SPACE).endswith(WAITS)
        with managed(site):
            assert WAITS not in site.ok("drain", SPACE)


class TestUndrain(WithSudo):
    """Machines are created again."""

    def test_a_drain_is_lifted(self, site: Site) -> None:
        """By an order, too."""
        site.save(drains=(Drain(space=SPACE, machinetype="", since=NOW - 60),))
        assert site.ok("undrain", SPACE) == (
            f"{SPACE}: machines are created again as its share allows.\n"
        )
        assert orders(site) == (Order(kind=OrderKind.UNDRAIN, space=SPACE, at=NOW, who=ME),)

    def test_a_drain_just_ordered_can_be_lifted(self, site: Site) -> None:
        """Before any cycle has carried it out."""
        site.ok("drain", "prod")
        site.ok("undrain", "prod")
        assert [each.kind for each in orders(site)] == [OrderKind.DRAIN, OrderKind.UNDRAIN]

    def test_the_drain_of_the_whole_space_goes_on(self, site: Site) -> None:
        """Which is told, or one would wait in vain."""
        site.save(
            drains=(
                Drain(space=SPACE, machinetype="", since=NOW),
                Drain(space=SPACE, machinetype="prod", since=NOW),
            )
        )
        assert site.ok("undrain", "prod").endswith(
            f"But {SPACE} drains as a whole, so this changes nothing until then.\n"
        )

    def test_the_drains_of_machinetypes_go_on(self, site: Site) -> None:
        """They are told when that of their space is lifted; one lifted already is not."""
        drained = [
            Drain(space=SPACE, machinetype=kind, since=NOW) for kind in ("", "prod", "test")
        ]
        site.save(drains=tuple(drained))
        site.ok("undrain", "prod")
        plain = f"{SPACE}: machines are created again as its share allows."
        assert site.ok("undrain", SPACE).splitlines() == [
            plain,
            "Still drained by orders of their own: test.",
        ]

    def test_nothing_else_is_told_of_the_drain_of_a_space_alone(self, site: Site) -> None:
        """There is nothing left that would hold a machinetype."""
        site.save(drains=(Drain(space=SPACE, machinetype="", since=NOW),))
        assert site.ok("undrain", SPACE).count("\n") == 1

    def test_where_the_whole_space_drains_it_is_said_what_would_lift_that(
        self, site: Site
    ) -> None:
        """The drain of a machinetype alone there is none."""
        site.save(drains=(Drain(space=SPACE, machinetype="", since=NOW),))
        assert site.refused("undrain", "prod") == (
            f"vcycle: prod of {SPACE} is not draining, but {SPACE} as a whole is:"
            f" vcycle undrain {SPACE}\n"
        )
        assert orders(site) == ()

    @pytest.mark.parametrize("words", [[SPACE], ["prod"]])
    def test_without_a_drain_there_is_nothing_to_lift(self, site: Site, words: list[str]) -> None:
        """The drain of a machinetype is not that of its space, nor the other way round."""
        site.save(drains=(Drain(space=SPACE, machinetype="test", since=NOW),))
        said = site.refused("undrain", *words)
        hint = f"; test of it is: vcycle undrain {SPACE} test" if words == [SPACE] else ""
        assert said.endswith(f"is not draining{hint}\n")
        assert orders(site) == ()


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


class TestUser(OnASite):
    """Who gives an order."""

    def test_without_sudo_it_is_the_user(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """By the name of the login."""
        monkeypatch.delenv("SUDO_USER", raising=False)
        monkeypatch.setenv("LOGNAME", "bob")
        assert session.user() == "bob"

    def test_a_user_without_a_name_is_a_number(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As in a container."""

        def nobody() -> str:
            raise KeyError

        monkeypatch.delenv("SUDO_USER", raising=False)
        monkeypatch.setattr("getpass.getuser", nobody)
        assert session.user() == f"uid {os.getuid()}"


class TestHold(OnASite):
    """`vcycle hold` and `vcycle release`."""

    def test_a_hold_tells_until_when_and_why(self, site: Site) -> None:
        """In the promise, in the order, and in status once it is carried out."""
        site.save(machine())
        told = site.ok("hold", SPACE, "prod", "--until", "+1h", "--reason", " the queue\nmoves ")
        assert told == (
            f"prod of {SPACE}: nothing more is created until 09:00:00 UTC; 1 machine there, "
            "told nothing.\n"
        )
        with site.store() as store:
            (order,) = store.records(SPACE).orders
        assert (order.kind, order.machinetype, order.by) == ("hold", "prod", NOW + 3600)
        assert order.reason == "the queue moves"
        held = Drain(
            space=SPACE,
            machinetype="prod",
            since=NOW,
            who="alice",
            is_hold=True,
            until=NOW + 3600,
            reason="the queue moves",
        )
        site.save(drains=(held,), done_orders=(order.id,))
        assert (
            "prod is held since 08:00:00 UTC by alice, over in 1 h (09:00:00 UTC): the queue moves"
        ) in site.ok("status")
        again = site.ok("hold", SPACE, "prod")
        assert f"prod of {SPACE} was held already, since 08:00:00 UTC; this replaces it." in again
        assert "nothing more is created until it is released" in again

    def test_holds_and_drains_are_lifted_each_by_its_own(self, site: Site) -> None:
        """And what holds it besides is said."""
        hold = Drain(space=SPACE, machinetype="prod", since=NOW, is_hold=True)
        whole = Drain(space=SPACE, machinetype="", since=NOW)
        site.save(drains=(hold, whole))
        assert site.refused("undrain", SPACE, "prod") == (
            f"vcycle: prod of {SPACE} is not draining but held: see vcycle release\n"
        )
        assert site.refused("release", SPACE) == (
            f"vcycle: {SPACE} is not held but drains: see vcycle undrain\n"
        )
        assert site.refused("hold", SPACE) == (
            f"vcycle: {SPACE} drains already, which is more than a hold\n"
        )
        assert site.refused("release", SPACE, "test") == f"vcycle: test of {SPACE} is not held\n"
        assert "was held, since 08:00:00 UTC; this replaces it" in site.ok("drain", SPACE, "prod")
        site.save(drains=(hold, whole), done_orders=(1,))
        assert f"But {SPACE} as a whole is held or drains" in site.ok("release", SPACE, "prod")

    def test_what_is_over_or_too_long_is_refused(self, site: Site) -> None:
        """Before anything is ordered."""
        assert "a hold must end later than now" in site.refused("hold", SPACE, "--until", str(NOW))
        told = site.refused("hold", SPACE, "--reason", "x" * 201, status=2)
        assert "may have 200 characters, not 201" in told
        assert site.ok("hold", SPACE, "--until", str(NOW + 1), "--reason", "x" * 200)
