"""`vcycle drain`, `undrain`, `hold` of spaces and machinetypes: what they order and promise."""

from __future__ import annotations

import os

import pytest

from tests.builders import NOW
from tests.cli_kit import CONF, OTHER, SECOND_SPACE, SPACE, OnASite, Site, machine, managed
from tests.orders_kit import ME, WAITS, WithSudo, orders
from vcycled.cli import session
from vcycled.model import GRACE_SECONDS, Drain, Order, OrderKind


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

    @pytest.mark.parametrize(("what", "is_hold"), [("undrain", False), ("release", True)])
    def test_what_has_no_section_any_more_is_not_said_to_grow(
        self, site: Site, what: str, *, is_hold: bool
    ) -> None:
        """Neither a machinetype that is left in its machines, nor a space."""
        said = (
            "machines that are there may stay for their time; none is created, as no section of"
            " the configuration makes any."
        )
        drains = [
            Drain(space=name, machinetype=kind, since=NOW, is_hold=is_hold)
            for name, kind in ((SPACE, "old"), (OTHER, ""))
        ]
        site.save(machine(machinetype="old"), drains=(drains[0],))
        site.save(machine("x", space=OTHER), drains=(drains[1],), space=OTHER)
        assert site.ok(what, "old") == f"old of {SPACE}: {said}\n"
        assert site.ok(what, OTHER).splitlines()[0] == f"{OTHER}: {said}"

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


class TestInTurn(OnASite):
    """Several orders that wait for one cycle."""

    def test_what_was_lifted_in_between_is_ordered_anew(self, site: Site) -> None:
        """The manager carries them out one by one, so the last word counts."""
        for words in (("drain", "prod"), ("undrain", "prod"), ("drain", "prod")):
            site.ok(*words)
        assert [each.kind for each in orders(site)] == ["drain", "undrain", "drain"]

    def test_a_time_that_was_moved_in_between_is_ordered_anew(self, site: Site) -> None:
        """And back again."""
        times = (NOW + 4000, NOW + 5000, NOW + 4000)
        for by in times:
            site.ok("drain", "prod", "--by", str(by))
        assert tuple(each.by for each in orders(site)) == times

    def test_the_same_of_others_in_between_changes_nothing(self, site: Site) -> None:
        """What waits is not ordered again."""
        site.save(machine(), machine("vcycle-prod-1"))
        for name in (machine().name, "vcycle-prod-1", machine().name):
            site.ok("delete", "--yes", name)
        assert [each.machine for each in orders(site)] == [machine().name, "vcycle-prod-1"]


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
