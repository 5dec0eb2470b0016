"""Our records before AUDITOR's own client, `python-auditor`, which is a part of AUDITOR itself.

It runs in a process of its own, as its calls let no other Python thread work meanwhile.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests import accounting_kit
from tests.fakes.auditor import Auditor
from vcycled.accounting.auditor import AuditorOptions, AuditorSink, record_of_auditor
from vcycled.accounting.base import record_id
from vcycled.testing.sinks import RUN, TERMS, TEXTS, give, runs

CLIENT = """
import json, sys
from datetime import datetime
from pyauditor import AuditorClientBuilder, Component, Meta, Record, Score

client = AuditorClientBuilder().address("127.0.0.1", int(sys.argv[1])).timeout(20).build_blocking()

def record(said):
    made = Record(said["record_id"], datetime.fromisoformat(said["start_time"]))
    made = made.with_stop_time(datetime.fromisoformat(said["stop_time"]))
    meta = Meta()
    for name, texts in said["meta"].items():
        meta.insert(name, texts)
    for each in said["components"]:
        component = Component(each["name"], each["amount"])
        for score in each["scores"]:
            component = component.with_score(Score(score["name"], score["value"]))
        made = made.with_component(component)
    return made.with_meta(meta)

given, names = json.load(sys.stdin)
records = list(map(record, given))
if records:
    client.bulk_insert(records)
found = map(client.get_single_record, names)
print(json.dumps([[each.to_json() for each in some] for some in (records, found)]))
"""


server = accounting_kit.server


def client(
    server: Auditor, *, send: Sequence[object] = (), find: Sequence[str] = ()
) -> tuple[list[Any], list[Any]]:
    """Let AUDITOR's client send some records and find others; return both as it has them."""
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, str(server.port)],
        input=json.dumps([send, find]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    sent, found = json.loads(done.stdout)
    return list(map(json.loads, sent)), list(map(json.loads, found))


def plain(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record without what AUDITOR reckons, and without order."""
    said = {key: value for key, value in dict(record).items() if key != "runtime"}
    return {**said, "components": sorted(said["components"], key=lambda each: str(each["name"]))}


def test_what_we_send_is_what_its_own_client_sends(server: Auditor) -> None:
    """The same records by both ways; what the stand-in takes of one it takes of the other."""
    ours = [json.loads(json.dumps(record_of_auditor(run))) for run in runs(3)]
    sent, _ = client(server, send=ours)
    assert [plain(each) for each in sent] == [plain(each) for each in ours]
    theirs = {name: plain(each) for name, each in server.records.items()}
    server.records.clear()
    sink = AuditorSink(
        "auditor", AuditorOptions(url=f"http://127.0.0.1:{server.port}"), root=Path("/none")
    )
    give(sink, runs(3))
    assert {name: plain(each) for name, each in server.records.items()} == theirs


def test_what_we_send_can_be_read_by_its_own_client(server: Auditor) -> None:
    """Strange names and numbers too; it knows a record by its name and reckons its runtime."""
    strange = [
        replace(RUN, uuid=f"{number}", name=text, terms=replace(TERMS, fqan=text, site=text))
        for number, text in enumerate(TEXTS)
    ]
    strange.append(replace(RUN, uuid="long", started_at=0, processors=2**40, memory_mb=2**62))
    sink = AuditorSink(
        "auditor", AuditorOptions(url=f"http://127.0.0.1:{server.port}"), root=Path("/none")
    )
    give(sink, strange)
    names = list(map(record_id, strange))
    _, found = client(server, find=names)
    assert [each["record_id"] for each in found] == names
    assert found[-1]["runtime"] == RUN.ended_at
