"""`vcycle import-vcycle3`: what it tells, and when it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.builders import NOW
from tests.cli_kit import CONF, OTHER, SPACE, OnASite, Site, managed, new_site
from tests.store_kit import OnPostgresql, presence
from tests.test_cli import MANUAL_TEXT
from tests.vcycle3_tree import Vcycle3Tree
from vcycled.clock import SystemClock
from vcycled.model import Stage
from vcycled.store import Store, Wishes

NAME = "vcycle-prod-abcdefghij"


def site_json(text: str) -> Any:  # noqa: ANN401 - any document
    """Return the document that was printed."""
    return json.loads(text)


def old(site: Site, space: str = SPACE) -> Vcycle3Tree:
    """Return the tree that Vcycle 3 left in the manager's folder."""
    return Vcycle3Tree(site.root, space)


class TestImport(OnASite):
    """On a site where vcycled has run."""

    def test_it_takes_over_and_tells(self, site: Site) -> None:
        """How many, and what could not be read."""
        tree = old(site)
        tree.machine(NAME, uuid="id-1")
        tree.machine("vcycle-prod-1111111111", uuid="id-2", stopped=NOW - 700)
        tree.machine("vcycle-prod-2222222222", uuid="id-3", place="deleted")
        tree.machine("vcycle-prod-3333333333", uuid="id-4", stopped=NOW - 700, place="deleted")
        tree.half_made("vcycle-test-4444444444", kind="test")
        tree.damage(NAME, "started")
        tree.record("vcycle-prod-1111111111", uuid="id-2", started=NOW - 3600, ended=NOW - 700)
        assert site.ok("import-vcycle3", str(site.root)).splitlines() == [
            "5 machines taken over from Vcycle 3",
            "  1  run on; they are known by the cloud's ids",
            "  1  have no id in the tree and are known by their exact names",
            "  1  were lost sight of; they are looked for, and accounted if they are gone",
            "  2  had ended and are accounted; what is left of them is deleted",
            "  1  records of this month and the last were written; they count in sync messages",
            "Not readable, and done without:",
            f"  shared/spaces/{SPACE}/current/{NAME}/started  empty",
        ]
        with site.store() as store:
            stages = {each.uuid: each.stage for each in store.machines(include_gone=True)}
        assert stages["id-1"] is Stage.LISTED
        assert stages["id-4"] is Stage.ASKED

    def test_its_machines_are_shown_from_then_on(self, site: Site) -> None:
        """With where they are from, and what they were promised."""
        old(site).machine(NAME, uuid="id-1", hs06=10.0)
        site.ok("import-vcycle3", str(site.root))
        page = site.ok("machine", NAME)
        assert "taken over: from Vcycle 3, id id-1" in page
        assert "  size             1 processor, 2048 MiB\n" in page
        (machine,) = site.json("machine", NAME)
        assert machine["terms"]["site"] == "EXAMPLE-SITE"
        assert machine["terms"]["fqan"] == "/vo.example.com/Role=pilot"
        assert machine["terms"]["power_per_processor"] == 10.0

    def test_a_second_import_finds_nothing_new(self, site: Site) -> None:
        """And says so."""
        old(site).machine(NAME)
        site.ok("import-vcycle3", str(site.root))
        assert site.ok("import-vcycle3", str(site.root)).splitlines() == [
            "0 machines taken over from Vcycle 3",
            "  1  were known already",
        ]

    def test_a_rehearsal_writes_nothing(self, site: Site) -> None:
        """While Vcycle 3 is at work, and of a copy of its tree."""
        copy = Vcycle3Tree(site.folder / "copy", SPACE)
        copy.machine(NAME, seen=NOW)
        said = site.ok("import-vcycle3", "--dry-run", str(copy.root))
        assert said.startswith("1 machine would be taken over from Vcycle 3\n")
        assert said.endswith("Nothing was written.\n")
        with site.store() as store:
            assert store.machines() == ()

    def test_what_is_left_out_is_told_and_ends_with_1(self, site: Site) -> None:
        """The others are taken over."""
        old(site).machine(NAME)
        old(site, OTHER).machine("vcycle-prod-1111111111")
        result = site.vcycle("import-vcycle3", str(site.root))
        assert result.exit_code == 1
        why = f"[space {OTHER}] is not configured: 1 machine is left out"
        assert result.stdout.splitlines()[-2:] == ["Left out:", f"  shared/spaces/{OTHER}  {why}"]
        with site.store() as store:
            assert [each.name for each in store.machines()] == [NAME]

    def test_what_is_of_no_machinetype_is_told_to_drain(self, site: Site) -> None:
        """It is taken over all the same; what has ended already, or is to come, is not told of."""
        tree = old(site)
        for name in ("a", "b"):
            tree.machine(f"vcycle-was-{name * 10}", uuid=f"id-{name}", kind="was")
        tree.machine("vcycle-was-cccccccccc", uuid="id-c", kind="was", stopped=NOW - 700)
        tree.machine("vcycle-lhcb1-dddddddddd", uuid="id-d", kind="lhcb1")
        tree.machine("vcycle-odd-eeeeeeeeee", uuid="id-e", kind="odd")
        tree.machine("vcycle-lhcb-x-ffffffffff", uuid="id-f", kind="lhcb-x")
        site.configure(
            f"{CONF}\n[machinetype {SPACE} odd]\ntarget_share = much\n"
            f"[vacuum_pipe {SPACE} lhcb]\nvacuum_pipe_url = https://pipe.example.org/\n"
            "target_share = 1\n"
        )
        told = [
            f"[machinetype {SPACE} {name}] is not configured, so it drains: {count} to run on"
            " until the end, and no new ones"
            for name, count in (("lhcb1", "1 machine"), ("was", "2 machines"))
        ]
        words = ("import-vcycle3", "--dry-run", str(site.root))
        page = [each for each in site.ok(*words).splitlines() if "not configured" in each]
        assert page == told
        one, was = json.loads(site.ok(*words, "--json"))["draining"]
        assert one == {"space": SPACE, "machinetype": "lhcb1", "machines": 1}
        assert was == {"space": SPACE, "machinetype": "was", "machines": 2}

    @pytest.mark.parametrize("words", [(), ("--dry-run",)])
    def test_a_folder_without_anything_of_it_is_refused(
        self, site: Site, words: tuple[str, ...]
    ) -> None:
        """An empty one, or one above or below the right one; what was looked for is said."""
        said = site.refused("import-vcycle3", *words, str(site.root))
        assert said.startswith(
            f"vcycle: there is nothing of Vcycle 3 under {site.root}: no shared/"
        )

    @pytest.mark.parametrize("sign", ["abort", "heartbeat list", "record"])
    def test_a_vcycle_3_without_machines_left_its_signs(self, site: Site, sign: str) -> None:
        """Its folder is the right one, though nothing runs."""
        tree = old(site)
        match sign:
            case "abort":
                tree.abort("prod", at=NOW - 700)
            case "heartbeat list":
                tree.heartbeat_list("prod", at=NOW - 700)
            case _:
                tree.record(NAME, uuid="id-9", started=NOW - 3600, ended=NOW - 700)
        said = site.ok("import-vcycle3", str(site.root))
        assert said.startswith("0 machines taken over from Vcycle 3\n")

    def test_every_key_of_its_document_is_in_the_manual(self, site: Site) -> None:
        """By its name, those of the counts too."""
        old(site).machine(NAME, kind="was")
        old(site, OTHER).machine("vcycle-prod-1111111111")
        result = site.vcycle("import-vcycle3", "--json", "--dry-run", str(site.root))
        assert result.exit_code == 1
        found = site_json(result.stdout)
        assert found["counts"] == {"listed": 1, "by-name": 0, "lost": 0, "ended": 0}
        keys = {*found, *found["counts"], *found["troubles"][0], *found["draining"][0]}
        assert {key for key in keys if f"`{key}`" not in MANUAL_TEXT} == set()

    @pytest.mark.parametrize(
        ("ago", "is_refused"),
        [pytest.param(300, True, id="at work"), pytest.param(301, False, id="stopped")],
    )
    def test_it_is_refused_while_vcycle_3_is_at_work(
        self, site: Site, ago: int, is_refused: bool
    ) -> None:
        """On any host that shares the tree."""
        old(site).machine(NAME, seen=NOW - 3600)
        old(site).heartbeat_list("prod", at=NOW - ago)
        if is_refused:
            assert site.refused("import-vcycle3", str(site.root)) == (
                "vcycle: a manager was at work 5 min ago "
                f"(shared/spaces/{SPACE}/heartbeatlists/prod): stop Vcycle 3 on every host that "
                "shares this folder, and try again 5 min after that\n"
            )
        else:
            site.ok("import-vcycle3", str(site.root))

    def test_it_is_refused_while_vcycled_runs(self, site: Site) -> None:
        """Which would see its machines change under its hands."""
        with managed(site):
            said = site.refused("import-vcycle3", str(site.root))
        assert said == "vcycle: vcycled is running: stop it first (machines run on)\n"

    def test_it_is_refused_for_another_folder(self, site: Site) -> None:
        """Nobody would read there what the machines write."""
        copy = Vcycle3Tree(site.folder / "copy", SPACE)
        copy.machine(NAME)
        said = site.refused("import-vcycle3", str(copy.root))
        assert f"root in [vcycle] is {site.root}" in said


OLD_SPELLINGS = f"""\
[space {SPACE}]
api = local
local_dir = ROOT/cloud
flavors = small:1:2048
max_processors = 8
gocdb_sitename = OLD-SITE

[machinetype {SPACE} prod]
target_share = 2
backoff_seconds = 900
fizzle_seconds = 600
hs06 = 12.5
max_machines = 4
x509dn = /DC=org/DC=example/CN=vm
log_joboutputs = true
user_data = FOLDER/user_data
"""


class TestConfiguration(OnASite):
    """Vcycle 3's own files, in the places where it had them."""

    def test_its_old_spellings_are_understood(self, site: Site) -> None:
        """And a later file overrides an earlier one, folders among them."""
        site.configure(OLD_SPELLINGS)
        shared = site.root / "shared" / "vcycle.d"
        shared.mkdir(parents=True)
        site.conf.rename(shared / "space.conf")
        site.conf.write_text(
            f"[vcycle]\nroot = {site.root}\n"
            f"[machinetype {SPACE} prod]\naccounting_fqan = /vo/Role=pilot\n"
        )
        old(site).machine(NAME)
        words = ("--config", str(shared), "--config", str(site.conf))
        said = site.vcycle("import-vcycle3", *words, str(site.root))
        assert (said.exit_code, said.stderr) == (0, "")
        (found,) = json.loads(site.vcycle("machine", *words, NAME, "--json").stdout)
        terms = found["terms"]
        assert (terms["site"], terms["fqan"]) == ("OLD-SITE", "/vo/Role=pilot")
        assert (terms["power_per_processor"], terms["power_unit"]) == (12.5, "HEPSPEC")


class TestFirst:
    """Before vcycled has ever run."""

    def test_it_makes_the_database(self, tmp_path: Path) -> None:
        """The first start of vcycled then finds it."""
        site = new_site(tmp_path, text=CONF)
        old(site).machine(NAME)
        rehearsed = site.vcycle("import-vcycle3", "--dry-run", str(site.root))
        assert rehearsed.exit_code == 0
        assert "1 machine would be taken over" in rehearsed.stdout
        assert rehearsed.stderr.startswith(
            "note: what the database knows is not counted: there is"
        )
        assert not (site.root / "vcycle.db").exists()
        site.ok("import-vcycle3", str(site.root))
        with site.store() as store:
            assert [each.name for each in store.machines()] == [NAME]
        site.close()


@pytest.mark.live
class TestShared(OnPostgresql):
    """A database that managers share."""

    @pytest.fixture
    def site(self, tmp_path: Path, url: str) -> Site:
        """Return a site with that database, in which nothing was ever made."""
        site = new_site(tmp_path, text=CONF.replace("[vcycle]", f"[vcycle]\ndatabase = {url}"))
        site.conf.chmod(0o600)  # it holds the database's password, or might
        old(site).machine(NAME)
        return site

    def test_its_tables_are_made(self, site: Site, url: str) -> None:
        """As the first manager would make them."""
        assert site.vcycle("import-vcycle3", "--dry-run", str(site.root)).exit_code == 0
        said = site.vcycle("import-vcycle3", str(site.root))
        assert (said.exit_code, said.stderr) == (0, "")
        with Store.open(url, clock=site.clock) as store:
            assert [each.name for each in store.machines()] == [NAME]

    def test_a_space_that_another_manager_holds_is_refused(self, site: Site, url: str) -> None:
        """On whatever host it runs; nothing is written then."""
        # One whose clock differs from the database's would hold nothing.
        with Store.open(url, clock=SystemClock()) as store:
            store.leases.enrol(presence("other.example.org"))
            store.leases.beat(Wishes(spaces=frozenset({SPACE})))
            said = site.vcycle("import-vcycle3", str(site.root))
            assert said.exit_code == 1
            assert "only other.example.org, which holds it, may write of it" in said.stderr
            assert store.machines() == ()
