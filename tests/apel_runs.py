"""Runs of machines for the tests of accounting: one that is plain, and any at all."""

from dataclasses import replace

from hypothesis import strategies as st

from vcycled.model import EndSource, RunInterval, Terms

NOW = 1_800_000_000
"""2027-01-15 08:00:00 UTC."""

SITE = "UKI-EXAMPLE-HEP"

TERMS = Terms(
    fizzle_seconds=600,
    max_wallclock_seconds=86_400,
    site=SITE,
    is_published=True,
    submit_host="vac01.example.com/vcycle-manager.example.com",
    manager_host="manager.example.com",
    global_user="/DC=com/DC=example/DC=vac01",
    fqan="/gridpp/Role=NULL/Capability=NULL",
    power_per_processor=12.5,
    power_unit="HEPSPEC",
)

RUN = RunInterval(
    uuid="0f2f5fd4-7d1c-4b6b-9a3e-000000000001",
    interval=0,
    space="vac01.example.com",
    machinetype="example",
    name="vcycle-example-0123456789",
    processors=8,
    memory_mb=16_384,
    started_at=NOW - 4000,
    ended_at=NOW - 1000,
    end_source=EndSource.CLOUD,
    is_final=True,
    terms=TERMS,
)


def run_of(number: int, **terms: object) -> RunInterval:
    """Return a run that differs from the others by its `number`."""
    return replace(
        RUN,
        uuid=f"0f2f5fd4-7d1c-4b6b-9a3e-{number:012d}",
        name=f"vcycle-example-{number:010d}",
        terms=replace(TERMS, **terms),  # type: ignore[arg-type]
    )


HOSTILE = ("", "None", "null", " ", "%%", "%%%", "a\nSite: x", "a\r\nb", "a: b", "\x1c\u2028\x85")
TEXTS = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(max_size=20),
    st.builds(lambda char, size: char * size, st.sampled_from("x%é "), st.integers(90, 260)),
)
INSTANTS = st.one_of(st.integers(NOW - 10**7, NOW), st.sampled_from((-62_135_596_800, 0, NOW)))
POWERS = st.one_of(st.none(), st.floats())
ANY_TERMS = st.builds(
    Terms,
    fizzle_seconds=st.just(600),
    max_wallclock_seconds=st.just(86_400),
    site=TEXTS,
    is_published=st.booleans(),
    submit_host=TEXTS,
    manager_host=TEXTS,
    global_user=TEXTS,
    fqan=TEXTS,
    power_per_processor=POWERS,
    power_unit=st.sampled_from(("HEPSPEC", "hepscore23", "HS06", "")),
)
ANY_RUN = st.builds(
    RunInterval,
    uuid=TEXTS,
    interval=st.integers(0, 3),
    space=TEXTS,
    machinetype=TEXTS,
    name=TEXTS,
    processors=st.one_of(st.integers(-1, 512), st.just(2**33)),
    memory_mb=st.one_of(st.integers(-1, 10**6), st.just(2**40)),
    started_at=INSTANTS,
    ended_at=INSTANTS,
    end_source=st.sampled_from(EndSource),
    is_final=st.just(True),
    terms=ANY_TERMS,
)
