"""Our messages before APEL's own loader, where its source is at hand.

`APEL_SRC=FOLDER pytest tests/test_apel_upstream.py`, with a checkout of APEL 2 in FOLDER and its
`future` and `iso8601` installed, adds the tests below. APEL is on no package index, so they are
not collected otherwise: the same rules are tested by test_apel_validate.py everywhere.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.apel_runs import ANY_RUN, NOW, RUN
from vcycled.apel import validate
from vcycled.apel.record import record_of, text_of
from vcycled.apel.sync import counts_of, month_of, sync_text
from vcycled.model import RunInterval

# It is told another present time, as ends in our tests lie in the future of a real clock.
LOAD = """
import datetime, json, sys
sys.path.insert(0, sys.argv[1])
from apel.db.loader.record_factory import RecordFactory
from apel.db.records import job

class Fixed(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.utcfromtimestamp(int(sys.argv[2]))

job.datetime = Fixed

def load(message):
    try:
        return [len(r.get_db_tuple('/CN=signer')) for r in RecordFactory().create_records(message)]
    except Exception as error:
        return str(error)

json.dump([load(message) for message in json.load(sys.stdin)], sys.stdout)
"""


def loaded(source: str, messages: list[str]) -> list[object]:
    """Return what APEL makes of each message: the widths of its rows, or why it refuses."""
    command = (sys.executable, "-W", "ignore", "-c", LOAD, source, str(NOW))
    run = subprocess.run(
        command, input=json.dumps(messages), capture_output=True, text=True, check=True
    )
    return list(json.loads(run.stdout))


SOURCE = os.environ.get("APEL_SRC", "")

if SOURCE:

    @settings(max_examples=20)
    @given(st.lists(ANY_RUN, min_size=1, max_size=40))
    def test_apel_takes_a_record_of_any_run(runs: list[RunInterval]) -> None:
        """One by one, and all in one message."""
        records = [record_of(run) for run in runs]
        messages = [*(text_of([record]) for record in records), text_of(records)]
        assert loaded(SOURCE, messages) == [*([24] for _ in runs), [24] * len(runs)]

    @settings(max_examples=10)
    @given(st.lists(ANY_RUN, min_size=1, max_size=20))
    def test_apel_takes_sync_messages_of_any_runs(runs: list[RunInterval]) -> None:
        """One record for each site and submit host."""
        months = {month_of(record_of(run).ended_at) for run in runs}
        counts = [counts for month in months if (counts := counts_of(runs, month))]
        messages = [sync_text(each) for each in counts]
        assert [len(rows) for rows in loaded(SOURCE, messages) if isinstance(rows, list)] == [
            message.count("NumberOfJobs") for message in messages
        ]

    def test_the_loader_is_really_asked() -> None:
        """It refuses what our validator refuses, so that the tests above can fail."""
        late = text_of([record_of(replace(RUN, ended_at=NOW + 2 * 86_400 + 1))])
        assert validate.problems(late.encode(), now=NOW)
        (answer,) = loaded(SOURCE, [late])
        assert "is in the future" in str(answer)
