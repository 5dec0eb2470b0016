"""What can be used but is surely not meant, and the very words that say it."""

import os
from pathlib import Path

import pytest

from tests.config_support import PROD, REGISTRY, SPACE, TEMPLATE, deck, said
from vcycled.config import problems_of
from vcycled.config.reader import read

GROUP = 54_321
"""One that no host has a name for."""

WARNINGS = [
    pytest.param(
        ("api = demo", "api = demo\ncolour = red"),
        [f"F:5: {SPACE} colour: unknown option; it does nothing"],
        id="an option that nobody knows",
    ),
    pytest.param(
        ("api = demo", "api = demo\nfizzle_seconds = 1"),
        [
            f"F:5: {SPACE} fizzle_seconds: does nothing in this section;"
            " it belongs in [machinetype]"
        ],
        id="an option of another kind of section",
    ),
    pytest.param(
        ("api = demo", "api = demo\nuser_data_option_x = 1"),
        [
            f"F:5: {SPACE} user_data_option_x: does nothing in this section;"
            " it belongs in [machinetype]"
        ],
        id="a substitution outside of a machinetype",
    ),
    pytest.param(
        ("api = demo\nprocessors_limit = 100", "api = demo\nmax_processors = 100"),
        [f"F:5: {SPACE} max_processors: old name; write processors_limit"],
        id="an old name",
    ),
    pytest.param(
        ("api = demo", "api = demo\nmax_processors = 9"),
        [
            f"F:5: {SPACE} max_processors: old name of processors_limit; processors_limit is set"
            " too (F:6) and counts; remove this"
        ],
        id="an old name beside the present one",
    ),
    pytest.param(
        ("min_processors = 2", "cpu_per_machine = 2\nprocessors_per_machine = 3"),
        [
            f"F:9: {PROD} cpu_per_machine: old name of min_processors; processors_per_machine is"
            " set too (F:10) and counts; remove this",
            f"F:10: {PROD} processors_per_machine: old name; write min_processors",
        ],
        id="two old names",
    ),
    pytest.param(
        ("target_share = 1", "target share = 1"),
        [
            f"F:7: {PROD} target share: blanks in the name are read as underscores;"
            " write target_share"
        ],
        id="blanks in a name",
    ),
    pytest.param(
        ("min_processors = 2", "processors per machine = 2"),
        [
            f"F:9: {PROD} processors per machine: blanks in the name are read as underscores;"
            " write min_processors"
        ],
        id="blanks in an old name",
    ),
    pytest.param(
        ("target_share = 1", "target_share = 1\ntarget share = 2"),
        [
            f"F:8: {PROD} target share: blanks in a name; target_share is set too (F:7) and"
            " counts; remove this"
        ],
        id="blanks in a name that is there without them too",
    ),
    pytest.param(
        ("target_share = 1", "target_share = 1\nremote_joboutputs_key = k"),
        [
            f"F:8: {PROD} remote_joboutputs_key: does nothing any more; keep"
            " shared/spaces/SPACE/deleted on a remote volume instead"
        ],
        id="an option that Vcycle no longer has",
    ),
    pytest.param(
        ("target_share = 1", "target_share = 1\nuser_data_foo = k"),
        [f"F:8: {PROD} user_data_foo: unknown option; it does nothing"],
        id="a name that only begins like a substitution",
    ),
    pytest.param(
        ("target_share = 1", "target_share = 0"),
        [f"F:3: {SPACE} no machinetype has a target_share above 0, so no machine is created"],
        id="no share at all",
    ),
    pytest.param(
        ("target_share = 1", "target_share = 1\nheartbeat_seconds = 600"),
        [f"F:8: {PROD} heartbeat_seconds: does nothing without heartbeat_file"],
        id="a heartbeat of no file",
    ),
    pytest.param(
        ("target_share = 1", "target_share = 1\ncvmfs_proxy_machinetype = squid:3128"),
        [
            f"F:8: {PROD} cvmfs_proxy_machinetype: there is no machinetype squid in this space,"
            " so there are no addresses"
        ],
        id="web caches of a machinetype that is not there",
    ),
    pytest.param(
        ("https://repo.example.com/user_data", "template"),
        [
            f"F:12: {PROD} user_data: there is no file"
            " D/spaces/cloud.example.com/machinetypes/prod/files/template;"
            " nothing is created until it is there"
        ],
        id="a template that is not there yet",
    ),
    pytest.param(
        ("target_share = 1", "target_share = 1\nuser_data_proxy = True\nlegacy_proxy = True"),
        [
            f"F:8: {PROD} user_data_proxy: there is no file"
            " D/spaces/cloud.example.com/machinetypes/prod/x509cert.pem;"
            " nothing is created until it is there",
            f"F:9: {PROD} legacy_proxy: OpenSSL, and all that is built on it, accepts no such"
            " proxy",
        ],
        id="a proxy that nothing is there for, of a kind that few accept",
    ),
    pytest.param(
        ("target_share = 1", "target_share = 1\nuser_data_option_x509_proxy = x"),
        [],
        id="a proxy that the site makes itself",
    ),
    pytest.param(
        ("processors_limit = 100", "https_ca_certificates = /vcycle.conf/ca.pem"),
        [
            f"F:5: {SPACE} https_ca_certificates: there is no file /vcycle.conf/ca.pem;"
            " nothing is created until it is there"
        ],
        id="authorities that are not there",
    ),
    pytest.param(
        ("target_share = 1", "target_share = 1\nroot_image = /vcycle.conf/disk.img"),
        [
            f"F:8: {PROD} root_image: there is no file /vcycle.conf/disk.img;"
            " nothing is created until it is there, unless it was uploaded before"
        ],
        id="an image that is not there",
    ),
    pytest.param(
        ("target_share = 1", "target_share = 1\nroot_image = image:x\ncernvm_signing_dn = CN"),
        [
            f"F:9: {PROD} cernvm_signing_dn: does nothing for an image that the cloud has;"
            " only what is uploaded is looked at"
        ],
        id="a signer of an image of the cloud",
    ),
    pytest.param(
        (TEMPLATE, "user_data = template:minimal\nuser_data_option_colour = red"),
        [
            f"F:13: {PROD} user_data_option_colour: template:minimal has no such option;"
            " it does nothing"
        ],
        id="an option that a template does not have",
    ),
    pytest.param(
        (
            TEMPLATE,
            "user_data = template:minimal\nheartbeat_file = beat\n"
            "user_data_option_heartbeat_file = beat\nuser_data_machine_hostname = vm",
        ),
        [],
        id="a template whose options fit",
    ),
    pytest.param(
        ("https://repo.example.com/user_data", "/vcycle.conf/template"),
        [
            f"F:12: {PROD} user_data: there is no file /vcycle.conf/template;"
            " nothing is created until it is there"
        ],
        id="a template in a folder that is not there",
    ),
    pytest.param(
        ("https://repo.example.com/user_data", "/" + "x" * 300),
        [],
        id="a template of which nobody can say whether it is there",
    ),
    pytest.param(
        ("[vcycle]", "[DEFAULT]\ncolour = red\nlog_joboutputs = True\n[vcycle]"),
        [
            "F:2: [DEFAULT] colour: unknown option; it does nothing",
            "F:3: [DEFAULT] log_joboutputs: does nothing any more; outputs stay in the machine's"
            " folder for cleanup_hours of the space",
        ],
        id="defaults that nothing takes",
    ),
    pytest.param(
        ("processors_limit = 100", "processors_limit = 0"), [], id="a limit of 0 is meant so"
    ),
    pytest.param(
        ("target_share = 1", "target_share = 1\ncvmfs_proxy_machinetype = prod"),
        [],
        id="web caches of a machinetype that is there",
    ),
    pytest.param(
        ("[vcycle]", "[DEFAULT]\nmax_wallclock_seconds = 3600\n[vcycle]"),
        [],
        id="a default of some sections is no problem in the others",
    ),
]


@pytest.mark.parametrize(("change", "expected"), WARNINGS)
def test_a_warning_is_said_with_its_place(
    tmp_path: Path, change: tuple[str, str], expected: list[str]
) -> None:
    """The warnings about a configuration that can be used are these and no others."""
    path = deck(tmp_path, change)
    assert said(path, warnings=True) == expected
    assert said(path, warnings=False) == []


@pytest.mark.parametrize(
    "change",
    [
        ("[vcycle]", "[vcycle]\ncall_timeout_seconds = 600"),
        ("min_processors = 2", "min_processors = 2\nmax_processors = 2"),
        ("min_processors = 2", "min_processors = 50"),
        ("processors_limit = 50\nmin_processors = 2", "min_processors = 100"),
        ("min_processors = 2", "min_processors = 2\nmax_starting_processors = 2"),
        ("min_processors = 2", "min_processors = 2\nmax_starting_processors = 0"),
        ("processors_limit = 50", "processors_limit = 0"),
        ("fizzle_seconds = 60", "fizzle_seconds = 86400"),
        ("fizzle_seconds = 60", "fizzle_seconds = 60\nmin_wallclock_seconds = 86400"),
        ("fizzle_seconds = 60", "fizzle_seconds = 0\nmax_wallclock_seconds = 0"),
    ],
    ids=lambda change: change[1].splitlines()[-1],
)
def test_values_that_just_fit_are_right(tmp_path: Path, change: tuple[str, str]) -> None:
    """At the very limit there is nothing to say, and a limit of 0 is meant so."""
    assert problems_of(read([deck(tmp_path, change)]), registry=REGISTRY) == ()


def test_what_a_proxy_is_made_from_must_be_there_and_kept_from_others(tmp_path: Path) -> None:
    """The key after the certificate, and its mode."""
    path = deck(tmp_path, ("target_share = 1", "target_share = 1\nuser_data_proxy = True"))
    folder = tmp_path / "spaces/cloud.example.com/machinetypes/prod"
    folder.mkdir(parents=True)
    (folder / "x509cert.pem").touch()
    where = f"F:8: {PROD} user_data_proxy:"
    key = "D/spaces/cloud.example.com/machinetypes/prod/x509key.pem"
    assert said(path, warnings=True) == [
        f"{where} there is no file {key}; nothing is created until it is there"
    ]
    (folder / "x509key.pem").touch(mode=0o644)
    assert said(path, warnings=True) == [
        f"{where} every user of this host can read {key}; chmod o-r it"
    ]
    (folder / "x509key.pem").chmod(0o640)
    assert said(path, warnings=True) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to any group")
@pytest.mark.parametrize(
    ("mode", "shared", "is_told"),
    [
        pytest.param(0o600, GROUP + 1, False, id="nobody else"),
        pytest.param(0o640, GROUP + 1, True, id="a group that is neither's"),
        pytest.param(0o640, GROUP, False, id="the group that manager and web share"),
        pytest.param(0o644, GROUP, True, id="everybody, whatever the group"),
    ],
)
def test_a_key_that_another_group_can_read_is_pointed_out(
    tmp_path: Path, mode: int, shared: int, is_told: bool
) -> None:
    """The group of the tree may read it, and so may the manager's."""
    path = deck(tmp_path, ("target_share = 1", "target_share = 1\nuser_data_proxy = True"))
    folder = tmp_path / "spaces/cloud.example.com/machinetypes/prod"
    folder.mkdir(parents=True)
    (folder / "x509cert.pem").touch()
    key = folder / "x509key.pem"
    key.touch()
    key.chmod(mode)
    os.chown(key, -1, GROUP)
    (tmp_path / "shared/spaces").mkdir(parents=True)
    os.chown(tmp_path / "shared/spaces", -1, shared)
    problems = said(path, warnings=True)
    assert bool(problems) == is_told
    if is_told and mode == 0o640:
        assert f"the group {GROUP}, not that of the manager, can read D/" in problems[0]


MACHINETYPE = "spaces/cloud.example.com/machinetypes/prod"
WRITE = "write into it, and so decide what the manager does"


@pytest.mark.parametrize(
    ("place", "mode", "told"),
    [
        pytest.param(".", 0o777, WRITE, id="ROOT, by everybody"),
        pytest.param(".", 0o1777, WRITE, id="also if none may remove what is another's"),
        pytest.param(".", 0o775, "", id="ROOT, by its group, which is the manager's"),
        pytest.param("apel-outgoing", 0o757, WRITE, id="what lies in ROOT"),
        pytest.param("shared/spaces", 0o757, WRITE, id="what the machines see"),
        pytest.param("spaces/cloud.example.com", 0o757, WRITE, id="above a machinetype's folder"),
        pytest.param(MACHINETYPE, 0o757, WRITE, id="where keys are"),
        pytest.param(f"{MACHINETYPE}/files", 0o757, WRITE, id="where user_data is"),
        pytest.param(f"{MACHINETYPE}/files", 0o755, "", id="to be read only"),
        pytest.param("apel-outgoing/day", 0o777, "", id="deeper down nothing is looked at"),
        pytest.param("vcycle.conf", 0o602, "change the configuration", id="the configuration"),
    ],
)
def test_what_others_can_write_is_pointed_out(
    tmp_path: Path, place: str, mode: int, told: str
) -> None:
    """With the command that mends it; each place is told of once."""
    path = deck(tmp_path)
    if place != "vcycle.conf":
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
    (tmp_path / place).chmod(mode)
    where = str(Path("D") / place).replace("D/vcycle.conf", "F")
    sentence = f"{where}: every user of this host can {told}; chmod o-w it"
    assert said(path, warnings=True) == [sentence] * bool(told)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to any group")
@pytest.mark.parametrize(("mode", "is_told"), [(0o775, True), (0o755, False)])
def test_what_another_group_can_write_is_pointed_out(
    tmp_path: Path, mode: int, *, is_told: bool
) -> None:
    """One that is neither the manager's nor that of the tree."""
    path = deck(tmp_path)
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o755)
    os.chown(folder, -1, GROUP)
    folder.chmod(mode)
    sentence = f"D/shared: the group {GROUP}, not that of the manager, can {WRITE}; chmod g-w it"
    assert said(path, warnings=True) == [sentence] * is_told


@pytest.mark.parametrize("name", ["vcycle.db", "lastgood.json", "admin-token"])
def test_what_is_secret_below_root_is_pointed_out_if_others_can_read_it(
    tmp_path: Path, name: str
) -> None:
    """As a copy that was put back may be."""
    path = deck(tmp_path)
    secret = tmp_path / name
    secret.touch(mode=0o600)
    assert said(path, warnings=True) == []
    secret.chmod(0o604)
    assert said(path, warnings=True) == [
        f"D/{name}: holds secrets, but every user of this host can read D/{name}; chmod o-r it"
    ]


def test_tokens_that_others_can_write_are_pointed_out(tmp_path: Path) -> None:
    """Who can add one can have any machine deleted."""
    path = deck(tmp_path)
    token = tmp_path / "admin-token"
    token.touch(mode=0o600)
    token.chmod(0o602)
    assert said(path, warnings=True) == [
        "D/admin-token: every user of this host can write into it, and so give orders by "
        "vcycle-admin; chmod o-w it"
    ]


def test_powers_of_only_some_machinetypes_are_pointed_out(tmp_path: Path) -> None:
    """A space whose machinetypes do not all state a power is warned that it does not count."""
    more = (
        "[machinetype cloud.example.com other]\nhepscore23_per_processor = 11\n"
        "backoff_seconds = 1\nfizzle_seconds = 1\nuser_data = http://h/u\n"
    )
    assert said(deck(tmp_path, more=more), warnings=True) == [
        f"F:3: {SPACE} not every machinetype states its power, so shares are of processors"
    ]


def test_no_space_at_all_is_pointed_out(tmp_path: Path) -> None:
    """A configuration that manages nothing is a warning."""
    path = tmp_path / "vcycle.conf"
    path.write_text("# nothing yet\n")
    assert said(path, warnings=True) == [
        "there is no [space SPACE] section, so there is nothing to manage"
    ]


@pytest.mark.parametrize("mode", [0o640, 0o644])
def test_a_secret_that_others_can_read_is_pointed_out(tmp_path: Path, mode: int) -> None:
    """A file with a secret is warned about once if every user of the host can read it."""
    path = deck(tmp_path, ("api = demo", "api = demo\ndemo_secret = x\ndb_password = y"))
    path.chmod(mode)
    expected = [
        f"F:5: {SPACE} demo_secret: is a secret in a file that every user of this host can read;"
        " chmod o-r F"
    ]
    unknown = [f"F:6: {SPACE} db_password: unknown option; it does nothing"]
    assert said(path, warnings=True) == (expected if mode == 0o644 else []) + unknown
