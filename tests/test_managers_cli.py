"""`vcycle managers`, and what status, why and orders say where managers share a database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli_kit import CONF, SPACE, OnASite, Site, ended, new_site, report, run_of
from tests.lease_kit import BEAT, ONE, TWO, Office
from tests.store_kit import OnPostgresql, live_manager, presence
from vcycled.cli.managers import Staff, managers_blocks, managers_json, staff_line
from vcycled.cli.printing import Line, Table, Tone
from vcycled.cli.words import Words
from vcycled.model import Changes
from vcycled.store import APEL, Lease, Manager, Roster, Wishes
from vcycled.testing.clock import START

WISHES = Wishes(spaces=frozenset({SPACE}))
WORDS = Words(now=START)
HEAD = "[vcycle]\n"


def manager(name: str = ONE, *spaces: str, **changes: object) -> Manager:
    """Return a manager that beat a second ago, with `changes`."""
    usual = {"started_at": START - 100, "up_s": 100.0, "silent_s": 1.0, "skew": 0.4}
    return live_manager(name, *(spaces or (SPACE,)), **{**usual, **changes})


def staff(*managers: Manager, holder: str = "", unwritten: int = 0) -> Staff:
    """Return managers of which one, or none, holds the space."""
    lease = Lease(space=SPACE, holder=holder, epoch=7, taken_at=START - 60)
    return Staff(
        roster=Roster(
            managers={each.presence.name: each for each in managers}, leases={SPACE: lease}
        ),
        unwritten={ONE: unwritten} if unwritten else {},
    )


SILENT = manager(silent_s=300.0)
ENDED = manager(ended_at=START - 50)
OFF = manager(skew=-90.0)
BOTH = f"2 managers alive: {ONE} (1 space), {TWO} (0 spaces)"
IDLE = f"manager alive: {TWO} (0 spaces)"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        pytest.param(staff(manager(), holder=ONE), "", id="held"),
        pytest.param(staff(manager()), f"{ONE} is about to take it", id="free for a moment"),
        pytest.param(
            staff(SILENT, holder=ONE),
            f"{ONE}, which held it, has been silent for 5 min",
            id="its manager died",
        ),
        pytest.param(
            staff(ENDED, holder=ONE), f"{ONE}, which held it, has ended", id="its manager ended"
        ),
        pytest.param(
            staff(OFF), f"the clock of {ONE} is 1 min 30 s behind the database's", id="clock"
        ),
        pytest.param(
            staff(OFF, manager(TWO)), f"{TWO} is about to take it", id="one clock of two"
        ),
        pytest.param(
            staff(manager(silent_s=19.0)), f"{ONE} is about to take it", id="one that is late"
        ),
        pytest.param(
            staff(manager(TWO, "another")),
            "no manager that is alive has it in its configuration",
            id="not configured",
        ),
    ],
)
def test_why_nobody_holds_a_space(given: Staff, why: str) -> None:
    """So that a person knows what to do."""
    assert given.why_unheld(SPACE) == why
    assert bool(why) is (given.holder(SPACE) == "")


@pytest.mark.parametrize(
    ("given", "text", "tone"),
    [
        (staff(manager(), manager(TWO), holder=ONE), BOTH, Tone.GOOD),
        (staff(manager(TWO), SILENT), f"1 {IDLE}; {ONE} has been silent for 5 min", Tone.WARN),
        (staff(OFF), f"1 manager alive: {ONE} (0 spaces)", Tone.WARN),
        (staff(ENDED), f"No manager is alive; {ONE} has ended", Tone.BAD),
    ],
)
def test_the_managers_in_a_sentence(given: Staff, text: str, tone: Tone) -> None:
    """First in `vcycle status`, in the colour of how well that is."""
    assert staff_line(given) == Line(text, tone)


def test_the_page_tells_managers_spaces_and_what_to_do() -> None:
    """A dead one with records of its own, and one whose clock is wrong."""
    off = replace(OFF, presence=presence(TWO))
    clock = f"the clock of {TWO} is 1 min 30 s behind the database's"
    page = list(managers_blocks(staff(SILENT, off, unwritten=3), WORDS))
    tables = [block for block in page if isinstance(block, Table)]
    lines = [block.text for block in page if isinstance(block, Line) and block.text]
    assert [row[0] for row in tables[0].rows] == [ONE, TWO]
    assert tables[1].rows == ((SPACE, Line("nobody", Tone.BAD), "-", clock),)
    assert lines == [
        f"3 records can be written by {ONE} only. Start it again or, if it never comes back, "
        f"see to its apel-outgoing and run `vcycle managers forget {ONE}`.",
        f"{clock}: it holds nothing.",
    ]


def test_a_living_manager_with_records_is_no_trouble() -> None:
    """It writes them in a moment."""
    page = managers_blocks(staff(manager(), holder=ONE, unwritten=3), WORDS)
    assert not [each for each in page if isinstance(each, Line) and each.text]


def test_managers_that_hold_nothing_have_no_second_table() -> None:
    """They wait for a configuration."""
    none = replace(manager(), spaces=frozenset())
    idle = Staff(roster=Roster(managers={ONE: none}, leases={}), unwritten={})
    assert len(list(managers_blocks(idle, WORDS))) == 1


def test_the_document_tells_all() -> None:
    """Who holds what, and why nobody does."""
    told = managers_json(staff(manager(), holder=ONE, unwritten=2))
    assert told == {
        "managers": [
            {
                "name": ONE,
                "is_live": True,
                "silent_seconds": 1.0,
                "beat_seconds": BEAT,
                "started_at": START - 100,
                "ended_at": None,
                "clock_ahead_seconds": 0.4,
                "is_clock_off": False,
                "host": ONE,
                "root": "/var/lib/vcycle",
                "pid": 1234,
                "version": "4.0",
                "spaces": [SPACE],
                "unwritten_records": 2,
            }
        ],
        "spaces": [
            {
                "space": SPACE,
                "manager": ONE,
                "epoch": 7,
                "since": START - 60,
                "why_unheld": "",
            }
        ],
    }


class TestOne(OnASite):
    """With SQLite there is one manager."""

    def test_it_is_told_as_status_tells_it(self, site: Site) -> None:
        """The command is there all the same."""
        assert "vcycled has not run on this host" in site.ok("managers")
        assert site.json("managers") == {"is_shared": False, "managers": [], "spaces": []}

    def test_status_names_who_looked_after_a_space_last(self, site: Site) -> None:
        """As its report does."""
        assert site.json("status")["spaces"][0]["manager"] is None
        site.report(report(manager="m1.example.org"))
        assert site.json("status")["spaces"][0]["manager"] == "m1.example.org"

    def test_there_is_nobody_to_forget(self, site: Site) -> None:
        """Nor is it asked whether to."""
        assert f"there is no manager '{ONE}'" in site.refused("managers", "forget", ONE)


@pytest.mark.live
class TestShared(OnPostgresql):
    """With PostgreSQL there may be several, and any host tells of all."""

    @pytest.fixture
    def office(self, url: str) -> Iterator[Office]:
        """Return what makes managers."""
        with ExitStack() as stack:
            yield Office(url, stack)

    @pytest.fixture
    def site(self, url: str, tmp_path: Path) -> Site:
        """Return a host from which commands are given."""
        return new_site(tmp_path, text=CONF.replace(HEAD, f"{HEAD}database = {url}\n", 1))

    def test_any_host_tells_who_holds_what(self, site: Site, office: Office) -> None:
        """In the commands that people look with."""
        assert site.ok("managers") == "No manager has used this database yet.\n"
        one, two = office.desk(ONE), office.desk(TWO)
        assert one.beat(WISHES)
        two.beat(WISHES)
        one.leased.save_report(SPACE, report().to_json(), at=1)
        assert f"{SPACE}  {ONE}" in site.ok("managers")
        told = site.json("managers")
        assert told["is_shared"]
        assert [each["name"] for each in told["managers"]] == [ONE, TWO]
        assert told["spaces"][0]["manager"] == ONE
        assert site.json("status")["spaces"][0]["manager"] == ONE
        assert len(site.json("status")["managers"]) == 2
        assert f"2 managers alive: {ONE} (1 space), {TWO} (0 spaces)" in site.ok("status")
        assert site.ok("why", SPACE).startswith(f"{ONE} looks after it\n")
        assert site.json("why", SPACE)["manager"] == ONE

    def test_a_space_that_nobody_holds_is_told(self, site: Site, office: Office) -> None:
        """Where people look for why there are no machines, and where they leave orders."""
        one = office.desk(ONE)
        assert one.beat(WISHES)
        one.fall_silent(300)
        said = f"{ONE}, which held it, has been silent for 5 min"
        assert f"nothing is created or deleted in it: {said}." in site.ok("why", SPACE)
        assert f"no manager holds it: {said}" in site.ok("status")
        ordered = site.ok("drain", SPACE)
        assert f"No manager holds the space: {said}" in ordered
        assert "; the order waits." in ordered

    def test_a_database_that_is_away_is_told_with_what_follows(self, site: Site) -> None:
        """That is why there are no machines."""
        nowhere = "postgresql://vcycle@127.0.0.1:1/vcycle"
        site.configure(CONF.replace(HEAD, f"{HEAD}database = {nowhere}\n", 1))
        said = site.refused("why", SPACE)
        assert "connection failed" in said
        assert said.endswith("; a manager that cannot reach it creates and deletes nothing\n")

    def test_a_lost_manager_is_forgotten(self, site: Site, office: Office) -> None:
        """Not while it lives, and not without being asked."""
        one, two = office.desk(ONE), office.desk(TWO)
        assert one.beat(WISHES)
        one.store.unexported(APEL)
        gone = ended()
        one.leased.save(Changes(space=SPACE, machines=(gone,), intervals=(run_of(gone),)))
        one.leased.take(APEL, space=SPACE)
        assert "lives: it gave a sign of life" in site.refused("managers", "forget", ONE, "--yes")
        one.fall_silent()
        assert "1 record can be written by" in site.ok("managers")
        asked = site.vcycle("managers", "forget", ONE, answer="n\n")
        assert f"Forget {ONE}, and free 1 record that it took?" in asked.output
        assert two.store.roster().managers
        assert f"{ONE} is forgotten; 1 record freed" in site.ok("managers", "forget", ONE, "--yes")
        assert two.store.roster().managers == {}
        assert two.beat(WISHES)
        assert two.leased.take(APEL, space=SPACE) == (run_of(gone),)
