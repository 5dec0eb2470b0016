"""Machine and job features: the right keys, the right sums, and those that move."""

import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcycled import mjf

NOW = 1_800_000_000
DAY = 86_400

FACTS = mjf.MachineFacts(
    uuid="6f8d2b54-0000-4000-8000-000000000001",
    processors=8,
    memory_mb=16_384,
    max_wallclock_seconds=DAY,
    jobstart_at=NOW,
    grace_seconds=600,
    power_per_processor=10.5,
)


def test_a_machine_is_told_all_that_is_known() -> None:
    """Each key of HSF-TN-2016-02, and the older spellings, with its own value."""
    assert mjf.features(FACTS) == mjf.Features(
        machine={
            "total_cpu": "8",
            "phys_cores": "8",
            "log_cores": "8",
            "jobslots": "1",
            "grace_secs": "600",
            "hs06": "84",
            "shutdowntime": str(NOW + DAY),
        },
        job={
            "allocated_cpu": "8",
            "allocated_CPU": "8",
            "grace_secs_job": "600",
            "job_id": "6f8d2b54-0000-4000-8000-000000000001",
            "wall_limit_secs": "86400",
            "cpu_limit_secs": "691200",
            "max_rss_bytes": "17179869184",
            "hs06_job": "84",
            "shutdowntime_job": str(NOW + DAY),
            "jobstart_secs": str(NOW),
        },
    )


def test_what_is_not_known_is_left_out() -> None:
    """No power and no memory: no key, rather than a wrong number."""
    features = mjf.features(dataclasses.replace(FACTS, power_per_processor=None, memory_mb=0))
    assert "hs06" not in features.machine
    assert not {"hs06_job", "max_rss_bytes"} & set(features.job)


@pytest.mark.parametrize(
    ("shutdown_time", "told"),
    [
        pytest.param(None, NOW + DAY, id="the wallclock limit alone"),
        pytest.param(NOW + DAY + 1, NOW + DAY, id="the space goes later"),
        pytest.param(NOW + DAY, NOW + DAY, id="both at once"),
        pytest.param(NOW + DAY - 1, NOW + DAY - 1, id="the space goes earlier"),
        pytest.param(NOW - 5, NOW - 5, id="the space should have gone"),
    ],
)
def test_the_shutdown_time_is_the_nearer_one(shutdown_time: int | None, told: int) -> None:
    """Whichever comes first ends the machine, and both folders say so."""
    features = mjf.features(dataclasses.replace(FACTS, shutdown_time=shutdown_time))
    assert features.machine["shutdowntime"] == features.job["shutdowntime_job"] == str(told)


def test_a_start_moves_the_times_and_nothing_else() -> None:
    """A machine that took 300 s to boot has its whole wallclock time from then."""
    before = mjf.features(FACTS)
    started = dataclasses.replace(FACTS, jobstart_at=NOW + 300)
    after = mjf.features(started)
    moved = mjf.moving(started)
    assert after.machine == {**before.machine, **moved.machine}
    assert after.job == {**before.job, **moved.job}
    assert moved.job == {
        "jobstart_secs": str(NOW + 300),
        "shutdowntime_job": str(NOW + 300 + DAY),
    }


@pytest.mark.parametrize(
    ("power", "text"), [(10.0, "80"), (0.0, "0"), (12.3456, "98.765"), (125_000.0, "1000000")]
)
def test_power_is_a_plain_decimal(power: float, text: str) -> None:
    """No exponent and no trailing zeros: shell scripts read it."""
    assert mjf.features(dataclasses.replace(FACTS, power_per_processor=power)).job["hs06_job"] == (
        text
    )


@given(
    processors=st.integers(1, 512),
    memory_mb=st.integers(0, 2**22),
    power=st.none() | st.floats(0, 1e5),
    wall=st.integers(1, 10**7),
)
def test_every_value_is_one_printable_word(
    processors: int, memory_mb: int, power: float | None, wall: int
) -> None:
    """Whatever the figures, a value needs no quoting and the CPU limit is for all processors."""
    facts = dataclasses.replace(
        FACTS,
        processors=processors,
        memory_mb=memory_mb,
        power_per_processor=power,
        max_wallclock_seconds=wall,
    )
    features = mjf.features(facts)
    for value in (*features.machine.values(), *features.job.values()):
        assert re.fullmatch(r"[0-9a-f.-]+", value)
    assert int(features.job["cpu_limit_secs"]) == wall * processors


@pytest.mark.parametrize(
    ("host", "site"),
    [
        ("vcycle.example.com", "https://vcycle.example.com:8443"),
        ("::1", "https://[::1]:8443"),
        ("[::1]", "https://[::1]:8443"),
    ],
)
def test_urls_have_no_trailing_slash(host: str, site: str) -> None:
    """The URLs of compat.md 4, with brackets around IPv6 addresses."""
    urls = mjf.urls(https_host=host, https_port=8443, space="s.example.com", machine="vcycle-a-1")
    assert urls == mjf.Urls(
        machinefeatures=f"{site}/machines/s.example.com/vcycle-a-1/machinefeatures",
        jobfeatures=f"{site}/machines/s.example.com/vcycle-a-1/jobfeatures",
        joboutputs=f"{site}/machines/s.example.com/vcycle-a-1/joboutputs",
        user_data=f"{site}/machines/s.example.com/vcycle-a-1/user_data",
        heartbeat_machines=f"{site}/heartbeatlists/s.example.com",
    )
