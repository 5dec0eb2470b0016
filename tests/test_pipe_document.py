"""Documents of vacuum pipes: what is taken, what is passed over, what is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcycled.config.pipe_document import (
    MOST_ENTRIES,
    Entry,
    PipeDocument,
    PipeError,
    Remark,
    parse_pipe,
)


def document(*entries: object, **more: object) -> PipeDocument:
    """Parse a document with these entries."""
    return parse_pipe(json.dumps({"machinetypes": entries, **more}))


def only(**options: object) -> Entry:
    """Return what an entry comes to that states these options and a suffix."""
    (entry,) = document({"suffix": "prod", **options}).entries
    return entry


def test_an_entry_is_taken_with_its_options_as_texts() -> None:
    """As they would stand in a file, names in any case."""
    entry = only(
        target_share=0.5,
        Fizzle_Seconds=600,
        backoff_seconds="900",
        user_data_proxy=True,
        user_data="https://vo.example.com/user_data",
        user_data_option_queue="a\nb ; c",
        user_data_file_key="key.pem",
        image_signing_dn="/CN=signer",
        heartbeat_file="heartbeat",
    )
    assert entry == Entry(
        suffix="prod",
        share=0.5,
        options={
            "fizzle_seconds": "600",
            "backoff_seconds": "900",
            "user_data_proxy": "True",
            "user_data": "https://vo.example.com/user_data",
            "user_data_option_queue": "a\nb ; c",
            "user_data_file_key": "key.pem",
            "cernvm_signing_dn": "/CN=signer",
            "heartbeat_file": "heartbeat",
        },
        remarks=(),
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (600, "600"),
        (600.0, "600"),
        (-1.0, "-1"),
        (0.5, "0.5"),
        (1e300, "1e+300"),
        (False, "False"),
    ],
)
def test_numbers_are_written_as_in_files(value: object, text: str) -> None:
    """A whole number may have come as a decimal one."""
    assert only(fizzle_seconds=value).options == {"fizzle_seconds": text}


def test_what_is_meant_for_vac_is_passed_over_in_silence() -> None:
    """A community keeps one pipe for all kinds of sites."""
    entry = only(
        machine_model="cernvm3",
        root_device="vda",
        scratch_device="vdb",
        cvmfs_repositories="x",
        tmp_binds=["/a"],
        container_command={},
        disk_gb_per_processor=20,
        cache_seconds=1,
    )
    assert (entry.options, entry.remarks) == ({}, ())


@pytest.mark.parametrize(
    "option",
    [
        "processors_limit",
        "https_x509dn",
        "flavor_names",
        "root_public_key",
        "user_data_space",
        "x",
    ],
)
def test_what_a_site_decides_is_not_taken(option: str) -> None:
    """Limits, flavors, who may write and log in: with a warning."""
    entry = only(**{option: "1"})
    assert entry.options == {}
    (remark,) = entry.remarks
    assert (remark.option, remark.is_warning) == (option, True)
    assert remark.message.startswith("is not taken from a vacuum pipe")


@pytest.mark.parametrize(
    ("option", "value", "why"),
    [
        ("user_data", "../../etc/shadow", "no /../"),
        ("user_data", "/etc/shadow", "no / in a vacuum pipe unless"),
        ("user_data", "file:///etc/shadow", "no / in a vacuum pipe unless"),
        ("user_data", "https://vo.example.com/a/../b", "no /../"),
        ("root_image", "/dev/sda", "no / in a vacuum pipe unless"),
        ("root_image", "http://vo.example.com/../b", "no /../"),
        ("user_data_file_key", "../x509key.pem", "no / in a vacuum pipe: the file"),
        ("heartbeat_file", "a/b", "no / in a vacuum pipe: the file"),
        ("user_data", None, "must be a text"),
        ("user_data_option_x", ["a"], "must be a text"),
        ("user_data_option_x", {"a": 1}, "must be a text"),
        ("user_data_option_x", "a\0b", "must be a text"),
        ("user_data_option_x", "\ud800", "must be a text"),
    ],
)
def test_what_could_reach_into_the_host_spoils_its_entry(
    option: str, value: object, why: str
) -> None:
    """It is not taken, and the machinetype cannot be used as it is; no other is concerned."""
    bad, good = document(
        {"suffix": "bad", option: value}, {"suffix": "good", "user_data": "template"}
    ).entries
    assert bad.options == {}
    (remark,) = bad.remarks
    assert (remark.option, remark.is_warning) == (option, False)
    assert why in remark.message
    assert (good.options, good.remarks) == ({"user_data": "template"}, ())


@pytest.mark.parametrize(
    ("value", "share", "left"),
    [
        (2, 2.0, {}),
        (0, 0.0, {}),
        ("0.5", 0.5, {}),
        (-1, 0.0, {"target_share": "-1"}),
        ("lots", 0.0, {"target_share": "lots"}),
        (True, 0.0, {"target_share": "True"}),
        ([1], 0.0, {"target_share": "[1]"}),
        (1e6, 1e6, {}),
        (1e6 + 1, 0.0, {"target_share": "1000001.0"}),
        ("1e999", 0.0, {"target_share": "1e999"}),
        (10**400, 0.0, {"target_share": "1" + "0" * 39}),
    ],
    ids=repr,
)
def test_a_share_is_a_number_or_stays_to_be_refused(
    value: object, share: float, left: dict[str, str]
) -> None:
    """A wrong one counts as none in the sum, and the section's check says what is wrong."""
    entry = only(target_share=value)
    assert (entry.share, entry.options) == (share, left)


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (1, "it is no JSON object"),
        ({}, "it needs a suffix"),
        ({"suffix": 7}, "it needs a suffix"),
        ({"suffix": "Prod"}, "it needs a suffix"),
        ({"suffix": "a/b"}, "it needs a suffix"),
        ({"suffix": "-a"}, "it needs a suffix"),
        ({"suffix": "a" * 41}, "it needs a suffix"),
        ({"suffix": "here"}, "there is another one with the suffix here"),
        ({"suffix": "a", "machine_model": "docker"}, "a has another machine_model than"),
        ({"suffix": "a", "machine_model": []}, "a has another machine_model than"),
    ],
)
def test_what_makes_no_machinetype_is_passed_over(entry: object, why: str) -> None:
    """And told by its number; the others stay."""
    made = document({"suffix": "here"}, entry)
    assert [each.suffix for each in made.entries] == ["here"]
    (remark,) = made.remarks
    assert remark.startswith(f"machinetype number 2 is passed over: {why}")


@pytest.mark.parametrize("suffix", ["a", "a-b", "7", "a" * 40])
def test_names_that_a_machinetype_may_have(suffix: str) -> None:
    """As in files, and short enough for the name of a host."""
    assert document({"suffix": suffix}).entries[0].suffix == suffix


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (3600, 3600),
        (60, 60),
        (59, 60),
        (0, 60),
        (-5, 60),
        (86_400, 86_400),
        (86_401, 86_400),
        (90.5, 90),
        ("60", 3600),
        (None, 3600),
        ([], 3600),
    ],
    ids=repr,
)
def test_how_long_a_copy_may_be_used(value: object, seconds: int) -> None:
    """Between a minute and a day; an hour if the document does not say."""
    assert document(cache_seconds=value).cache_seconds == seconds


def test_no_number_of_seconds_is_no_crash() -> None:
    """Infinity is no JSON, but Python reads it."""
    assert parse_pipe('{"machinetypes": [], "cache_seconds": Infinity}').cache_seconds == 3600


@pytest.mark.parametrize("count", [MOST_ENTRIES, MOST_ENTRIES + 1])
def test_a_pipe_has_a_hundred_machinetypes_at_most(count: int) -> None:
    """What is beyond is told and left out."""
    made = document(*({"suffix": f"n{each}"} for each in range(count)))
    assert len(made.entries) == MOST_ENTRIES
    assert len(made.remarks) == count - MOST_ENTRIES


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", r"it is no JSON \(line 1\)"),
        ("<html>\n</html>", r"it is no JSON \(line 1\)"),
        ('{"machinetypes": [\n}', r"it is no JSON \(line 2\)"),
        ("[]", "it is no JSON object"),
        ("{}", "it has no list of machinetypes"),
        ('{"machinetypes": {}}', "it has no list of machinetypes"),
        ("[" * 200_000, "it is nested too deep"),
        ("9" * 5000, "it is no JSON"),
    ],
    ids=["empty", "a page", "cut", "a list", "nothing", "no list", "deep", "a long number"],
)
def test_what_is_no_document_is_refused_whole(text: str, why: str) -> None:
    """So that a page of some proxy never replaces a good copy."""
    with pytest.raises(PipeError, match=why):
        parse_pipe(text)


def test_a_name_that_would_break_a_log_line_is_shown_without_harm() -> None:
    """Names come from outside as well."""
    (remark,) = only(**{"evil\n\x1b[31m" + "x" * 100: 1}).remarks
    assert remark == Remark(
        option="evil???31m" + "x" * 70, message=remark.message, is_warning=True
    )


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children),
    max_leaves=10,
)
names = st.sampled_from(
    ["suffix", "target_share", "user_data", "machine_model", "user_data_option_x", "cache_seconds"]
)


@settings(max_examples=50)
@given(values | st.dictionaries(st.just("machinetypes"), st.lists(st.dictionaries(names, values))))
def test_no_document_breaks_the_reader(whatever: object) -> None:
    """Every text is a document or a PipeError, and what is taken is text."""
    try:
        made = parse_pipe(json.dumps(whatever))
    except PipeError:
        return
    for entry in made.entries:
        assert entry.share >= 0
        assert all(isinstance(value.encode(), bytes) for value in entry.options.values())
