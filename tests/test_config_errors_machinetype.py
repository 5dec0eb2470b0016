"""Errors of machinetypes, and the very words that say each."""

from pathlib import Path

import pytest

from tests.config_support import PROD, TEMPLATE, USER_DATA, deck, said
from vcycled.machinedir.layout import OUTPUT_NAMES
from vcycled.options import SECONDS

ERRORS = [
    pytest.param(
        ("min_processors = 2", "min_processors = 2\nroot_public_key = ssh-rsa AAAAB3Nz me@host"),
        [
            f"F:10: {PROD} root_public_key: must be the path of a file on this host, not its text"
            " or a URL, not the text of a public key"
        ],
        id="a key where the path of its file belongs",
    ),
    pytest.param(
        ("min_processors = 2", "min_processors = 2\nuser_data_file_ca = -----BEGIN CERTIFICATE--"),
        [
            f"F:10: {PROD} user_data_file_ca: must be the path of a file on this host, not its"
            " text or a URL, not the text of a PEM file"
        ],
        id="a certificate where the path of its file belongs",
    ),
    pytest.param(
        ("user_data = https://repo.example.com/user_data", "user_data = #cloud-config"),
        [f"F:12: {PROD} user_data: must be {USER_DATA}, not '#cloud-config'"],
        id="a template where its path belongs",
    ),
    pytest.param(
        ("min_processors = 2", "min_processors = 2\nroot_image = file:///images/a.qcow2"),
        [
            f"F:10: {PROD} root_image: must be image:NAME-OR-ID, a path, or a URL,"
            " not 'file:///images/a.qcow2'"
        ],
        id="a URL of another kind where http or a path belongs",
    ),
    pytest.param(
        ("target_share = 1", "target_share = lots"),
        [f"F:7: {PROD} target_share: must be a number, 0 to 1e+06, not 'lots'"],
        id="a share that is no number",
    ),
    pytest.param(
        ("target_share = 1", "target_share = 1e308"),
        [f"F:7: {PROD} target_share: must be a number, 0 to 1e+06, not '1e308'"],
        id="a share that no sum can hold",
    ),
    pytest.param(
        ("backoff_seconds = 600\nfizzle_seconds = 60\n", ""),
        [
            f"F:6: {PROD} backoff_seconds: is required: {SECONDS.accepts}",
            f"F:6: {PROD} fizzle_seconds: is required: {SECONDS.accepts}",
        ],
        id="both times are missing, and both are named",
    ),
    pytest.param(
        ("user_data = https://repo.example.com/user_data\n", ""),
        [f"F:6: {PROD} user_data: is required: {USER_DATA}"],
        id="no user_data",
    ),
    pytest.param(
        (TEMPLATE, "user_data = template:minima"),
        [f"F:12: {PROD} user_data: must be {USER_DATA}, not 'template:minima'"],
        id="a template that does not come with Vcycle",
    ),
    pytest.param(
        (TEMPLATE, "user_data = template:htcondor-worker\nuser_data_file_token = /etc/hostname"),
        [
            f"F:12: {PROD} user_data: template:htcondor-worker needs user_data_option_pool,"
            " which is not set"
        ],
        id="a template without an option that it needs",
    ),
    pytest.param(
        (TEMPLATE, "user_data = template:minimal\nuser_data_option_work_second = 1"),
        [
            f"F:13: {PROD} user_data_option_work_second: template:minimal has no such option;"
            " did you mean user_data_option_work_seconds?"
        ],
        id="an option of a template, misspelt",
    ),
    pytest.param(
        (TEMPLATE, "user_data = template:minimal\nheartbeat_file = beat"),
        [
            f"F:13: {PROD} heartbeat_file: is beat, but machines of this template call it"
            " heartbeat: they would be deleted; set user_data_option_heartbeat_file to the same"
        ],
        id="a heartbeat that the template puts elsewhere",
    ),
    pytest.param(
        ("api = demo", "api = image"),
        [f"F:6: {PROD} root_image: is required: machines of this API boot an image"],
        id="no image where machines boot one",
    ),
    pytest.param(
        ("target_share = 1", "root_image = image:"),
        [f"F:7: {PROD} root_image: must be image:NAME-OR-ID, a path, or a URL, not 'image:'"],
        id="an image of no name",
    ),
    pytest.param(
        ("target_share = 1", "heartbeat_file = a/b"),
        [
            f"F:7: {PROD} heartbeat_file: must be a name that vcycle-web takes: {OUTPUT_NAMES},"
            " not 'a/b'"
        ],
        id="a heartbeat file in a folder",
    ),
    pytest.param(
        ("target_share = 1", "heartbeat_file = .."),
        [
            f"F:7: {PROD} heartbeat_file: must be a name that vcycle-web takes: {OUTPUT_NAMES},"
            " not '..'"
        ],
        id="a heartbeat file outside of its folder",
    ),
    pytest.param(
        ("target_share = 1", "heartbeat_file = beat!"),
        [
            f"F:7: {PROD} heartbeat_file: must be a name that vcycle-web takes: {OUTPUT_NAMES},"
            " not 'beat!'"
        ],
        id="a heartbeat file that the web site would refuse",
    ),
    pytest.param(
        ("target_share = 1", "hs06 = 0"),
        [f"F:7: {PROD} hs06: must be a number above 0, at most 1000000, not '0'"],
        id="a power of nothing, under its old name",
    ),
    pytest.param(
        ("min_processors = 2", "min_processors = 2\nmax_processors = 1"),
        [f"F:9: {PROD} min_processors: is 2 and max_processors is 1 (F:10); no flavor can fit"],
        id="no flavor can have more processors than it may",
    ),
    pytest.param(
        ("min_processors = 2", "min_processors = 51"),
        [
            f"F:9: {PROD} min_processors: is 51 and processors_limit is 50 (F:8);"
            " no machine can be created"
        ],
        id="a machine larger than its machinetype's limit",
    ),
    pytest.param(
        ("processors_limit = 50\nmin_processors = 2", "min_processors = 101"),
        [
            f"F:8: {PROD} min_processors: is 101 and processors_limit is 100 (F:5);"
            " no machine can be created"
        ],
        id="a machine larger than the space's limit",
    ),
    pytest.param(
        ("min_processors = 2", "min_processors = 2\nmax_starting_processors = 1"),
        [
            f"F:9: {PROD} min_processors: is 2 and max_starting_processors is 1 (F:10);"
            " no machine can be created"
        ],
        id="a machine larger than what may start",
    ),
    pytest.param(
        ("fizzle_seconds = 60", "fizzle_seconds = 86401"),
        [
            f"F:11: {PROD} fizzle_seconds: is 86401 and max_wallclock_seconds is 86400 by default;"
            " every machine would be deleted before it is accounted"
        ],
        id="machines die before they have fizzled",
    ),
    pytest.param(
        ("fizzle_seconds = 60", "fizzle_seconds = 60\nmin_wallclock_seconds = 86401"),
        [
            f"F:12: {PROD} min_wallclock_seconds: is 86401 and max_wallclock_seconds is 86400 by"
            " default; no machine can be created"
        ],
        id="no machine may run as long as it must",
    ),
    pytest.param(
        ("target_share = 1", "user_data_option_x = 1\nuser_data_file_x = y"),
        [
            f"F:8: {PROD} user_data_file_x: user_data_option_x fills the same pattern;"
            " keep one of them"
        ],
        id="a pattern that is filled twice",
    ),
    pytest.param(
        ("target_share = 1", "user_data_proxy = yes\nuser_data_option_x509_proxy = x"),
        [
            f"F:8: {PROD} user_data_option_x509_proxy: user_data_proxy fills the same pattern;"
            " keep one"
        ],
        id="a proxy beside a text of its name",
    ),
    pytest.param(
        ("target_share = 1", "user_data_proxy = yes\nuser_data_file_x509_proxy = x"),
        [
            f"F:8: {PROD} user_data_file_x509_proxy: user_data_proxy fills the same pattern;"
            " keep one"
        ],
        id="a proxy beside a file of its name",
    ),
    pytest.param(
        ("target_share = 1", "user_data_option_a-b = 1"),
        [
            f"F:7: {PROD} user_data_option_a-b: the name of a substitution must be made of"
            " a-z 0-9 _"
        ],
        id="a substitution of a bad name",
    ),
    pytest.param(
        ("target_share = 1", "user_data_opton_proxy = x"),
        [
            f"F:7: {PROD} user_data_opton_proxy: unknown option (its value is 'x');"
            " did you mean user_data_option_proxy?"
        ],
        id="a misspelled substitution",
    ),
    pytest.param(
        ("target_share = 1", "user_data_option = x"),
        [
            f"F:7: {PROD} user_data_option: unknown option (its value is 'x');"
            " did you mean user_data_option_XXX?"
        ],
        id="a substitution without a name",
    ),
]


@pytest.mark.parametrize(("change", "expected"), ERRORS)
def test_an_error_is_said_with_its_place(
    tmp_path: Path, change: tuple[str, str], expected: list[str]
) -> None:
    """The errors of a configuration are these and no others."""
    assert said(deck(tmp_path, change), warnings=False) == expected
