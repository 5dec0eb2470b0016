"""The JSON API: what it tells and takes, and its own description."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import threading
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from tests.admin_kit import HOLDER, TOKEN, Served, served
from tests.builders import NOW
from tests.cli_kit import (
    BACKOFF,
    CONF,
    PROD,
    SPACE,
    STARTING,
    OnASite,
    Site,
    ended,
    event,
    machine,
    report,
    run_of,
)
from vcycled.admin.answers import Unreadable
from vcycled.admin.api_routes import DOS, LOOKS
from vcycled.admin.openapi import document
from vcycled.admin.readings import Readings
from vcycled.cli.asking import BLOCKS, PREFIX
from vcycled.cli.printing import Json
from vcycled.cli.session import Session
from vcycled.model import Drain, Limits, Machine, Share, SpaceMemory
from vcycled.store import APEL

MANUAL = (Path(__file__).parents[1] / "docs" / "reference" / "api.md").read_text()
GONE = "vcycle-prod-0000000009"


def busy(site: Site) -> None:
    """Let the site have some of everything that can be asked for."""
    gone = ended(GONE)
    told = (event("machine-created", PROD), event("machine-stopped", GONE))
    memory = SpaceMemory(space=SPACE, listed_at=NOW - 20, foreign_processors=3)
    drains = (Drain(space=SPACE, machinetype="test", since=NOW - 60, who="root"),)
    site.save(
        machine(),
        STARTING,
        gone,
        intervals=(run_of(gone),),
        events=told,
        memory=memory,
        drains=drains,
    )
    with site.store() as store:
        store.unexported(APEL)
    share = Share(machinetype="prod", wanted=0.75, had=0.5, processors=2, machines=2)
    site.report(
        report(limits=Limits(processors=50, machines=9), shares=(share,), holds=(BACKOFF,))
    )


def strict(schema: Any) -> Any:  # noqa: ANN401 - any part of a document
    """Return a schema that takes no key that it does not name."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: strict(value) for key, value in schema.items()}
    if "properties" in schema and isinstance(schema["properties"], dict):
        found["additionalProperties"] = False
    return found


@cache
def components() -> Any:  # noqa: ANN401 - as above
    """Return the schemas of the documents, strict."""
    return strict(json.loads(json.dumps(document()))["components"])


def check(name: str, told: Json) -> None:
    """Check that a document is what its schema says, and has no key besides."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": components()}
    Draft202012Validator(schema).validate(told)


ASKED = {
    "/spaces": ("status",),
    f"/spaces/{SPACE}": ("status", SPACE),
    f"/spaces/{SPACE}/why": ("why", SPACE),
    f"/spaces/{SPACE}/why?machinetype=prod": ("why", SPACE, "prod"),
    f"/stories/{GONE}": ("machine", GONE),
    "/events": ("events",),
    f"/events?machine={PROD}&since={NOW - 9}&limit=1": ("events", "--machine", PROD),
    "/managers": ("managers",),
    "/accounting": ("usage",),
    "/accounting?month=202701": ("usage", "202701"),
    "/disk": ("disk",),
}
"""Paths, and the commands whose documents they have."""


WRONG = (
    ("/spaces/nowhere", 404, f"there is no space 'nowhere'; there are: {SPACE}"),
    (f"/spaces/{SPACE}/why?machinetype=prd", 404, "did you mean prod?"),
    (f"/spaces/{SPACE}/plan?dry=1", 400, "'dry' is not known here; there are no param"),
    ("/machines/none", 404, "there is no machine with uuid 'none'"),
    ("/stories/none", 404, "there is no machine 'none', nor was there one"),
    ("/machines?limit=0", 400, "limit must be a whole number, 1 to 1000, not '0'"),
    ("/machines?limit=1001", 400, "limit must be a whole number, 1 to 1000, not '1001'"),
    ("/machines?limit=1&limit=2", 400, "limit is given twice"),
    ("/machines?state=well", 400, "state must be one of starting, running, "),
    ("/machines?gone=1", 400, "gone must be true or false, not '1'"),
    ("/machines?space=", 400, "space must be 1 to 200 of printable ASCII, not ''"),
    ("/machines?cursor=x", 400, "cursor must be text like ^[0-9]{1,12}~"),
    ("/machines?cursor=1~%00", 400, "cursor must be text like"),
    ("/machines?space=other", 404, "there is no space 'other'"),
    ("/events?since=-1", 400, "since must be a whole number, 0 to 253402200000"),
    ("/events?machine=%C3%A9", 400, "machine must be 1 to 200 of printable ASCII"),
    ("/accounting?month=202613", 400, "month must be like 202611, by ^(19[7-9]|2"),
    ("/accounting?month=2026-11", 400, "month must be like 202611, by ^(19[7-9]|2"),
    ("/accounting?month=299912", 409, "299912 lies in the future"),
)
"""Paths that are not answered, with which status, and what is said of them."""


def still(told: Any) -> Any:  # noqa: ANN401 - any document
    """Return a document without the room on this disk, which changes by itself."""
    return {**told, "disks": []} if isinstance(told, dict) else told


class TestLooks(OnASite):
    """What is told."""

    async def test_documents_are_those_of_the_commands(self, site: Site) -> None:
        """With --json; one source."""
        busy(site)
        async with served(site) as admin:
            for path, words in ASKED.items():
                answer = await admin.ask(PREFIX + path)
                assert answer.status == 200, answer.text
                assert answer.headers["Content-Type"] == "application/json"
                assert still(answer.json) == still(site.json(*words)), path

    async def test_every_document_is_as_it_is_described(self, site: Site) -> None:
        """Each key, and none besides."""
        busy(site)
        named = {"space": SPACE, "uuid": f"uuid-{GONE}", "name": GONE}
        async with served(site) as admin:
            for look in LOOKS:
                answer = await admin.ask(PREFIX + look.path.format(**named))
                assert answer.status == 200, answer.text
                check(look.document, answer.json)
                blocks = {"Accept": BLOCKS}
                answer = await admin.ask(PREFIX + look.path.format(**named), headers=blocks)
                assert answer.status == 200, answer.text
                assert answer.headers["Content-Type"] == BLOCKS
                check("Blocks", answer.json)

    async def test_machines_come_in_parts(self, site: Site) -> None:
        """Each once, the youngest first, whatever is asked for with them."""
        names = [f"vcycle-prod-{number:010d}" for number in range(7)]
        made: list[Machine] = [
            machine(name, created_at=NOW - 10 - at // 3) for at, name in enumerate(names)
        ]
        site.save(*made, ended(GONE))
        async with served(site) as admin:
            assert await self.parts(admin, "limit=3&state=running") == [3, 3, 1]
            assert await self.parts(admin, "limit=7&gone=false") == [7]
            assert await self.parts(admin, f"limit=4&gone=true&space={SPACE}") == [4, 4]
            assert await self.parts(admin, "state=gone") == [1]
            assert await self.parts(admin, "machinetype=test") == [0]

    async def parts(self, admin: Served, query: str) -> list[int]:
        """Return how many machines each part has, all of which differ."""
        sizes, seen, cursor = [], [], ""
        while True:
            answer = await admin.ask(f"{PREFIX}/machines?{query}{cursor}")
            assert answer.status == 200, answer.text
            sizes.append(len(answer.json["machines"]))
            seen += [(-each["created_at"], each["uuid"]) for each in answer.json["machines"]]
            if answer.json["next"] is None:
                break
            cursor = f"&cursor={answer.json['next']}"
        assert seen == sorted(set(seen))
        return sizes

    async def test_what_is_wrong_is_told_with_what_is_right(self, site: Site) -> None:
        """As documents of RFC 9457."""
        site.report(report())
        async with served(site) as admin:
            for path, status, why in WRONG:
                answer = await admin.ask(PREFIX + path)
                assert answer.status == status, path
                assert answer.headers["Content-Type"] == "application/problem+json"
                check("Failure", answer.json)
                assert answer.json["status"] == status
                assert why in answer.json["detail"]

    async def test_a_cloud_that_does_not_answer_is_no_fault_of_ours(self, site: Site) -> None:
        """502; a database that does not is 503, and told once."""
        site.save(machine())
        site.close()
        async with served(site) as admin:
            (site.folder / "root" / "cloud").write_text("no folder")
            answer = await admin.ask(f"{PREFIX}/spaces/{SPACE}/plan")
            assert (answer.status, answer.json["type"]) == (502, "urn:vcycle:problem:cloud")
            (site.root / "vcycle.db").rename(site.root / "away.db")
            answer = await admin.ask(f"{PREFIX}/spaces")
            assert answer.status == 503
            assert answer.headers["Retry-After"] == "15"
            assert "there is no database yet" in answer.json["detail"]

    async def test_what_is_wrong_with_the_configuration_is_told(self, site: Site) -> None:
        """Errors and warnings apart, each with its place."""
        wrong = CONF.replace("[space", "old_option = 1\n[space").replace("= 2", "= many")
        async with served(site, text=wrong) as admin:
            answer = await admin.ask(f"{PREFIX}/configuration")
        check("Configuration", answer.json)
        (error,), (warning,) = answer.json["errors"], answer.json["warnings"]
        assert (error["option"], error["section"]) == ("target_share", f"machinetype {SPACE} prod")
        assert (warning["option"], warning["line"]) == ("old_option", 6)
        assert list(answer.json["unusable"]) == [f"machinetype {SPACE} prod"]


BODIES: tuple[tuple[str, object, int, str], ...] = (
    ("drain", {"target": [SPACE], "by": NOW - 1}, 409, "that was 1 s ago"),
    ("drain", {"target": [SPACE], "by": 2.5}, 400, "by must be null or Unix seconds"),
    ("drain", {"target": [SPACE], "by": True}, 400, "by must be null or Unix seconds"),
    ("drain", {"target": [SPACE], "by": 253402200001}, 400, "0 to 253402200000"),
    ("drain", {"target": []}, 400, "target must be a list of 1 to 100 names"),
    ("drain", {"target": ["x"] * 101}, 400, "target must be a list of 1 to 100 names"),
    ("drain", {"target": [1]}, 400, "target must be a list"),
    ("drain", {"target": ["\n"]}, 400, "target must be a list"),
    ("drain", {}, 400, "target must be a list"),
    ("drain", {"target": ["nowhere"]}, 404, "there is no space, machinetype or machine 'nowhere'"),
    ("drain", {"target": ["a", "b", "c"]}, 409, "name a space, a machinetype"),
    ("undrain", {"target": [SPACE]}, 409, f"{SPACE} is not draining"),
    ("undrain", {"target": [SPACE], "by": 1}, 400, "'by' is not known here; there are: "),
    ("hold", {"target": [SPACE], "until": NOW}, 409, "a hold must end later than now"),
    ("hold", {"target": [SPACE], "reason": "é"}, 400, "reason must be up to 200 characters"),
    ("hold", {"target": [SPACE], "reason": 1}, 400, "reason must be up to 200 characters"),
    ("hold", {"target": [PROD]}, 404, f"there is no space or machinetype '{PROD}'"),
    ("release", {"target": [SPACE]}, 409, f"{SPACE} is not held"),
    ("delete", {"target": [GONE]}, 409, f"{GONE} is gone already"),
    ("delete", {"target": [PROD], "is_rehearsal": 1}, 400, "is_rehearsal must be true"),
    ("delete", [PROD], 400, "the body must be a JSON object"),
    ("drain", {"target": [SPACE], "by": NOW + 9000}, 202, ""),
)
"""Orders, their bodies, with which status they are answered, and what is said."""


class TestOrders(OnASite):
    """What is taken."""

    async def test_an_order_stands_in_the_store_with_who_gave_it(self, site: Site) -> None:
        """And with what will come of it; twice is once."""
        site.save(machine())
        async with served(site) as admin:
            first = await admin.ask(
                f"{PREFIX}/drain", "POST", token=TOKEN, json={"target": [SPACE, "prod"]}
            )
            again = await admin.ask(
                f"{PREFIX}/drain", "POST", token=TOKEN, json={"target": ["prod"], "by": None}
            )
        assert (first.status, again.status) == (202, 202)
        check("Ordered", first.json)
        (order,) = first.json["orders"]
        assert order["who"] == HOLDER
        assert [each["id"] for each in again.json["orders"]] == [order["id"]]
        with site.store() as store:
            (kept,) = store.records(SPACE).orders
        assert (kept.id, kept.kind, kept.machinetype) == (order["id"], "drain", "prod")
        assert first.json["promise"] == [
            f"prod of {SPACE}: nothing more is created; 1 machine left to end by themselves."
        ]
        assert first.json["waits"] == []

    async def test_a_rehearsal_orders_nothing(self, site: Site) -> None:
        """But tells what would be."""
        site.save(machine())
        async with served(site) as admin:
            body = {"target": [PROD], "is_rehearsal": True}
            answer = await admin.ask(f"{PREFIX}/delete", "POST", token=TOKEN, json=body)
        assert answer.status == 200
        check("Ordered", answer.json)
        assert answer.json["stakes"] == [f"{PROD} ({SPACE}, running, runs for 1 h)"]
        assert answer.json["orders"][0]["id"] is None
        with site.store() as store:
            assert store.records(SPACE).orders == ()

    async def test_bodies_are_read_with_care(self, site: Site) -> None:
        """Nothing that is not understood is passed over."""
        site.save(machine(), ended(GONE))
        async with served(site) as admin:
            for name, body, status, why in BODIES:
                answer = await admin.ask(f"{PREFIX}/{name}", "POST", token=TOKEN, json=body)
                assert answer.status == status, (name, body)
                if why:
                    check("Failure", answer.json)
                    assert why in answer.json["detail"]

    async def test_bodies_that_are_none(self, site: Site) -> None:
        """Too long, too deep, or of another kind; and what nobody is known to have sent."""
        async with served(site) as admin:
            for content, kind, status in (
                (b"{", "application/json", 400),
                (b"[" * 60_000, "application/json", 400),
                (b"\xff", "application/json", 400),
                (b"x" * 70_000, "application/json", 413),
                (b"{}", "text/plain", 415),
                (b'{"target": [NaN]}', "application/json", 400),
                (b'{"target": ["prod"], "by": Infinity}', "application/json", 400),
                (b'{"is_rehearsal": true, "is_rehearsal": false}', "application/json", 400),
            ):
                answer = await admin.ask(
                    f"{PREFIX}/drain",
                    "POST",
                    token=TOKEN,
                    data=content,
                    headers={"Content-Type": kind},
                )
                assert answer.status == status, answer.text
                if b"false" in content:
                    assert "'is_rehearsal' is given twice; must be" in answer.json["detail"]
            without = await admin.ask(f"{PREFIX}/drain", "POST", json={"target": [SPACE]})
            assert without.status == 401


class TestDescription(OnASite):
    """The OpenAPI document."""

    async def test_it_is_right_and_complete(self, site: Site) -> None:
        """Every path that is registered stands in it, and no other."""
        async with served(site) as admin:
            told = (await admin.ask(f"{PREFIX}/openapi.json")).json
            router = admin.app.router
            served_here = {
                (each.method.lower(), str(each.resource.canonical))
                for each in router.routes()
                if each.resource is not None and each.resource.canonical.startswith("/api/")
            }
        validate(told)
        described = {
            (method, path) for path, methods in told["paths"].items() for method in methods
        }
        assert described | {("head", path) for _, path in described if _ == "get"} == served_here
        assert len(described) == len(LOOKS) + len(DOS) + 1
        names = [
            each["operationId"] for paths in told["paths"].values() for each in paths.values()
        ]
        assert len(set(names)) == len(names)


class TestReadings(OnASite):
    """What reads for requests."""

    async def test_what_hangs_holds_nobody_else(self, site: Site) -> None:
        """It is given up in its time, as is what waits for it; other readers go on."""
        site.report(report())
        over = threading.Event()
        slow, quick = (
            Readings(lambda: Session(site.clock, [site.conf]), patience_s=patience)
            for patience in (0.2, 60.0)
        )
        stuck = asyncio.create_task(slow.read(lambda _: over.wait(60)))
        for task in (stuck, asyncio.create_task(slow.read(lambda session: session.now))):
            with pytest.raises(Unreadable, match=re.escape("no answer within 0.2 s")):
                await task
        assert await quick.read(lambda session: session.now) == NOW
        over.set()
        slow._patience_s = 60.0
        assert await slow.read(lambda session: session.now) == NOW


class TestManual(OnASite):
    """docs/reference/api.md."""

    def test_every_path_has_its_row(self) -> None:
        """With its parameters, or what its body says; and no other has."""
        rows = re.findall(r"^\| `(GET|POST) (\S+)` \|.*\|([^|]*)\|$", MANUAL, re.MULTILINE)
        told = {(method, path): names for method, path, names in rows}
        assert len(told) == len(rows)
        wanted = {
            **{("GET", PREFIX + each.path): [name.name for name in each.query] for each in LOOKS},
            **{("POST", PREFIX + each.path): ["target", *each.times, *each.texts] for each in DOS},
            ("GET", f"{PREFIX}/openapi.json"): [],
        }
        assert set(told) == set(wanted)
        for key, names in wanted.items():
            assert re.findall(r"`([a-z_]+)`", told[key].replace("`null`", "")) == names, key

    async def test_the_examples_work(self, site: Site) -> None:
        """Every curl of the page, as it stands there."""
        site.save(machine())
        commands = re.findall(r"^\$ ((?:echo .+ \| )?curl .+)$", MANUAL, re.MULTILINE)
        assert len(commands) == 4
        assert not any("TOKEN" in each.partition("curl ")[2] for each in commands), "seen by ps"
        async with served(site) as admin:
            token = f"TOKEN=$(cut -d ' ' -f 1 {site.root}/admin-token)"
            (site.root / "admin-token").write_text(f"{TOKEN} {HOLDER}\n")
            assert token.replace(str(site.root), "/var/lib/vcycle") in MANUAL
            for each in commands:
                text = each.replace("http://localhost:8444", admin.url)
                done = await asyncio.to_thread(
                    subprocess.run,
                    ["sh", "-c", f"{token}; {text} --fail-with-body"],
                    capture_output=True,
                    text=True,
                    check=False,
                )
                assert done.returncode == 0, done.stdout + done.stderr
                assert json.loads(done.stdout) is not None
