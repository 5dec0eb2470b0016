"""Records: what each field says, and that no run can make one which APEL refuses."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given

from tests.apel_runs import ANY_RUN, HOSTILE, NOW, RUN, TERMS
from vcycled.apel import envelope, validate
from vcycled.apel.record import (
    LARGEST_COUNT,
    global_user_name,
    record_of,
    records_in,
    stand_in_site,
    submit_host_name,
    text_of,
)
from vcycled.model import RunInterval

PLAIN = """\
APEL-individual-job-message: v0.3
Site: UKI-EXAMPLE-HEP
SubmitHost: vac01.example.com/vcycle-manager.example.com
MachineName: vcycle-example-0123456789
Queue: example
LocalJobId: 0f2f5fd4-7d1c-4b6b-9a3e-000000000001
LocalUserId: manager.example.com
GlobalUserName: /DC=com/DC=example/DC=vac01
FQAN: /gridpp/Role=NULL/Capability=NULL
WallDuration: 3000
CpuDuration: 24000
Processors: 8
NodeCount: 1
InfrastructureDescription: APEL-VCYCLE
InfrastructureType: grid
StartTime: 1799996000
EndTime: 1799999000
MemoryReal: 16777216
MemoryVirtual: 16777216
ServiceLevelType: HEPSPEC
ServiceLevel: 12.5
%%
"""


def test_a_plain_run_makes_this_message() -> None:
    """Every line of a record is as APEL and the technical note have it."""
    assert text_of([record_of(RUN)]) == PLAIN


def test_many_records_are_one_message() -> None:
    """One header, and each record ends with a separator."""
    text = text_of([record_of(RUN), record_of(replace(RUN, uuid="other"))])
    assert text == PLAIN + PLAIN.partition("\n")[2].replace(RUN.uuid, "other")
    assert [record.local_job_id for record in records_in(text)] == [RUN.uuid, "other"]


@pytest.mark.parametrize(
    ("power", "unit", "lines"),
    [
        pytest.param(12.5, "HEPSPEC", ("HEPSPEC", "12.5"), id="HEPSPEC"),
        pytest.param(23.456, "hepscore23", ("hepscore23", "23.456"), id="HEPscore23"),
        pytest.param(None, "HEPSPEC", ("HEPSPEC", "1.0"), id="no power, as Vcycle 3"),
        pytest.param(None, "hepscore23", ("hepscore23", "1.0"), id="no power, other unit"),
        pytest.param(10.0, "HS06", ("HEPSPEC", "10.0"), id="a unit that APEL refuses"),
        pytest.param(0.0, "HEPSPEC", ("HEPSPEC", "1.0"), id="zero is no power"),
        pytest.param(-1.0, "HEPSPEC", ("HEPSPEC", "1.0"), id="nor is less"),
        pytest.param(float("nan"), "HEPSPEC", ("HEPSPEC", "1.0"), id="nor NaN"),
        pytest.param(float("inf"), "HEPSPEC", ("HEPSPEC", "1.0"), id="nor infinity"),
        pytest.param(0.0004, "HEPSPEC", ("HEPSPEC", "0.001"), id="never rounded to zero"),
        pytest.param(1e9, "HEPSPEC", ("HEPSPEC", "9999999.999"), id="the column's largest"),
        pytest.param(12.34567, "HEPSPEC", ("HEPSPEC", "12.346"), id="three decimals"),
    ],
)
def test_the_power_of_a_processor(power: float | None, unit: str, lines: tuple[str, str]) -> None:
    """Unit and number are always both there, and the number is per processor."""
    terms = replace(TERMS, power_per_processor=power, power_unit=unit)
    text = text_of([record_of(replace(RUN, terms=terms))])
    assert f"\nServiceLevelType: {lines[0]}\nServiceLevel: {lines[1]}\n" in text


@pytest.mark.parametrize(
    ("started_at", "ended_at", "times"),
    [
        pytest.param(100, 101, (100, 101, 1), id="a second"),
        pytest.param(100, 100, (100, 100, 0), id="no time"),
        pytest.param(101, 100, (100, 100, 0), id="a clock that ran back"),
        pytest.param(-62_135_596_800, 100, (0, 100, 100), id="a start in the year 1"),
        pytest.param(5, 10**12, (5, 253_402_300_799, LARGEST_COUNT), id="an end past 9999"),
    ],
)
def test_start_and_end(started_at: int, ended_at: int, times: tuple[int, int, int]) -> None:
    """The end is kept, the start is never after it, and the wall time is what lies between."""
    record = record_of(replace(RUN, started_at=started_at, ended_at=ended_at))
    assert (record.started_at, record.ended_at, record.wall_seconds) == times


@pytest.mark.parametrize(
    ("processors", "counted", "cpu_seconds"),
    [(0, 1, 3000), (1, 1, 3000), (2, 2, 6000), (10**6, 10**6, LARGEST_COUNT)],
)
def test_cpu_time_is_wall_time_on_every_processor(
    processors: int, counted: int, cpu_seconds: int
) -> None:
    """A machine has a processor at least, and the sum stays in what the server takes."""
    record = record_of(replace(RUN, processors=processors))
    assert (record.processors, record.cpu_seconds) == (counted, cpu_seconds)


@pytest.mark.parametrize(
    ("memory_mb", "memory_kb"), [(-1, None), (0, None), (1, 1024), (2**21, LARGEST_COUNT)]
)
def test_memory_in_whole_kilobytes(memory_mb: int, memory_kb: int | None) -> None:
    """Memory that is not known is left out, never written as None or 0."""
    record = record_of(replace(RUN, memory_mb=memory_mb))
    assert record.memory_kb == memory_kb
    assert ("Memory" in text_of([record])) == (memory_kb is not None)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        pytest.param("Zürich", "Z?rich", id="not ASCII"),
        pytest.param("a\nSite: b", "a?Site: b", id="a line end"),
        pytest.param("a\x0b\x1c\x85\u2028b", "a????b", id="other line ends"),
        pytest.param("50%% off %%%", "50%? off %?%", id="a separator"),
        pytest.param("  a  ", "a", id="blanks around it"),
        pytest.param("a:b: c", "a:b: c", id="colons may stay"),
        pytest.param("None", "", id="what APEL takes for absent"),
        pytest.param("nULL", "", id="in any case"),
        pytest.param("x" * 255, "x" * 255, id="as wide as the column"),
        pytest.param("x" * 256, "x" * 252 + "...", id="wider than the column"),
    ],
)
def test_text_that_could_break_a_message(value: str, written: str) -> None:
    """It is made harmless in the same way each time, and what is lost can be seen."""
    assert envelope.plain(value) == written
    assert envelope.plain(written) == written


def test_a_queue_is_at_most_100_characters() -> None:
    """The column would take 255, but the procedure that fills it does not."""
    assert record_of(replace(RUN, machinetype="q" * 100)).queue == "q" * 100
    assert record_of(replace(RUN, machinetype="q" * 101)).queue == "q" * 97 + "..."


def test_what_is_absent_has_no_line() -> None:
    """A null value is left out instead of being written as `None`."""
    terms = replace(TERMS, fqan="", global_user="none")
    lines = text_of([record_of(replace(RUN, machinetype="null", terms=terms))]).splitlines()
    assert not {"FQAN", "GlobalUserName", "Queue"} & {line.partition(":")[0] for line in lines}


@pytest.mark.parametrize(
    ("changes", "site"),
    [
        ({}, "UKI-EXAMPLE-HEP"),
        ({"terms": replace(TERMS, site="")}, "example.com"),
        ({"terms": replace(TERMS, site="none"), "space": "lonely"}, "lonely"),
        ({"terms": replace(TERMS, site=""), "space": " "}, "unknown"),
    ],
)
def test_a_record_always_has_a_site(changes: dict[str, object], site: str) -> None:
    """The configured one, else the space's domain, else a word."""
    assert record_of(replace(RUN, **changes)).site == site  # type: ignore[arg-type]


def test_a_record_always_has_a_submit_host_and_an_id() -> None:
    """They key the sync record and the database, so a stand-in takes the place of nothing."""
    record = record_of(replace(RUN, uuid="null", terms=replace(TERMS, submit_host="")))
    assert record.submit_host == "vac01.example.com/vcycle-manager.example.com"
    assert record.local_job_id == RUN.name


def test_names_of_a_space_in_accounting() -> None:
    """Defaults are those of Vcycle 3, so that a site's history stays one user and one site."""
    assert global_user_name("vac01.example.com") == "/DC=com/DC=example/DC=vac01"
    assert global_user_name("vac01.example.com", "note") == "/DC=vac01/DC=example/DC=com"
    assert global_user_name("vac01.example.com.") == "/DC=com/DC=example/DC=vac01"
    assert submit_host_name("vac01.example.com", "h") == "vac01.example.com/vcycle-h"
    assert stand_in_site("vac01.example.com") == "example.com"
    assert stand_in_site("lonely") == "lonely"


@given(ANY_RUN)
def test_any_run_makes_a_record_that_apel_takes(run: RunInterval) -> None:
    """Whatever the names and numbers are, the message is valid and reads back the same."""
    record = record_of(run)
    text = text_of([record, record])
    assert validate.problems(text.encode("ascii"), now=NOW) == ()
    assert records_in(text) == (record, record)


@given(ANY_RUN)
def test_durations_follow_from_the_times(run: RunInterval) -> None:
    """Wall time is end minus start, CPU time that on every processor, as far as they fit."""
    record = record_of(run)
    assert record.ended_at == max(0, run.ended_at)
    assert record.wall_seconds == record.ended_at - record.started_at
    assert record.cpu_seconds == min(record.wall_seconds * record.processors, LARGEST_COUNT)


@pytest.mark.parametrize("value", HOSTILE)
def test_no_name_can_add_a_field_or_a_record(value: str) -> None:
    """The message of a run with hostile names has the keys of any other."""
    terms = replace(
        TERMS, site=value, submit_host=value, manager_host=value, global_user=value, fqan=value
    )
    hostile = replace(RUN, uuid=value, name=value, space=value, machinetype=value, terms=terms)
    keys = {line.partition(":")[0] for line in text_of([record_of(hostile)]).splitlines()}
    assert keys <= {line.partition(":")[0] for line in PLAIN.splitlines()}


VCYCLE_3 = """\
APEL-individual-job-message: v0.3
Site: example.com
SubmitHost: vac01.example.com/vcycle-manager
LocalJobId: 0f2f5fd4
LocalUserId: vcycle-example-0123456789
Queue: example
GlobalUserName: /DC=com/DC=example/DC=vac01
WallDuration: 3000
CpuDuration: 3000
NodeCount: 1
InfrastructureDescription: APEL-VCYCLE
InfrastructureType: grid
StartTime: 1799996000
EndTime: 1799999000
ServiceLevelType: HEPSPEC
ServiceLevel: 1.0
%%
"""


def test_a_record_of_vcycle_3_can_be_read() -> None:
    """A site's old archive stays readable; what it did not say is empty."""
    (record,) = records_in(VCYCLE_3)
    assert (record.site, record.machine_name, record.fqan) == ("example.com", "", "")
    assert (record.processors, record.memory_kb, record.wall_seconds) == (0, None, 3000)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param("v0.3", "v0.4", "not a job message", id="another version"),
        pytest.param("Site: example.com\n", "", "no Site", id="a field that is not there"),
        pytest.param("3000\nN", "3000.0\nN", "invalid literal", id="a fraction of a second"),
        pytest.param("Queue: example", "\n", "without a colon", id="a blank line"),
        pytest.param(VCYCLE_3, "", "no header", id="an empty file"),
    ],
)
def test_what_is_no_record_is_not_read(old: str, new: str, message: str) -> None:
    """Damage is reported, never taken for a record."""
    with pytest.raises(ValueError, match=message):
        records_in(VCYCLE_3.replace(old, new))


def test_each_field_is_in_the_reference() -> None:
    """The page says what each line of a record holds, and nothing else."""
    page = Path(__file__).parents[1] / "docs" / "reference" / "accounting.md"
    table = (
        page.read_text()
        .partition("## What a record of APEL says")[2]
        .partition("\n\nThe format")[0]
    )
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    told = [name for cell in cells for name in re.findall("`(.*?)`", cell)]
    written = [line.partition(":")[0] for line in PLAIN.splitlines()[1:-1]]
    assert sorted(told) == sorted(written)
