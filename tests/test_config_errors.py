"""Everything that can be wrong with a configuration, and the very words that say so."""

import os
from pathlib import Path

import pytest

from tests.config_support import REGISTRY, deck
from vcycled.config import load, load_web, problems_of
from vcycled.config.reader import read
from vcycled.errors import ConfigError, Problem
from vcycled.machinedir.layout import OUTPUT_NAMES
from vcycled.options import SECONDS

SPACE = "[space cloud.example.com]"
PROD = "[machinetype cloud.example.com prod]"
USER_DATA = "template:NAME (dirac-pilot, htcondor-worker, minimal, squid), a path, or a URL"
GROUP = 54_321
"""One that no host has a name for."""
TEMPLATE = "user_data = https://repo.example.com/user_data"


def said(path: Path, *, warnings: bool) -> list[str]:
    """Return the problems of a kind, with `F` for the file and `D` for its folder."""
    problems = problems_of(read([path]), registry=REGISTRY)
    texts = [str(each) for each in problems if each.is_warning == warnings]
    return [text.replace(str(path), "F").replace(str(path.parent), "D") for text in texts]


ERRORS = [
    pytest.param(
        ("min_processors = 2", "min_processors = 2\nroot_public_key = ssh-rsa AAAAB3Nz me@host"),
        "",
        [
            f"F:10: {PROD} root_public_key: must be the path of a file on this host, not its text"
            " or a URL, not the text of a public key"
        ],
        id="a key where the path of its file belongs",
    ),
    pytest.param(
        ("min_processors = 2", "min_processors = 2\nuser_data_file_ca = -----BEGIN CERTIFICATE--"),
        "",
        [
            f"F:10: {PROD} user_data_file_ca: must be the path of a file on this host, not its"
            " text or a URL, not the text of a PEM file"
        ],
        id="a certificate where the path of its file belongs",
    ),
    pytest.param(
        ("user_data = https://repo.example.com/user_data", "user_data = #cloud-config"),
        "",
        [f"F:12: {PROD} user_data: must be {USER_DATA}, not '#cloud-config'"],
        id="a template where its path belongs",
    ),
    pytest.param(
        ("min_processors = 2", "min_processors = 2\nroot_image = file:///images/a.qcow2"),
        "",
        [
            f"F:10: {PROD} root_image: must be image:NAME-OR-ID, a path, or a URL,"
            " not 'file:///images/a.qcow2'"
        ],
        id="a URL of another kind where http or a path belongs",
    ),
    pytest.param(
        ("root = ROOT", "root = var"),
        "",
        ["F:2: [vcycle] root: must be an absolute path, not 'var'"],
        id="a relative path where it must be absolute",
    ),
    pytest.param(
        ("[vcycle]", "[vcycle]\ndatabase = mysql://u:hidden@h/d"),
        "",
        [
            "F:2: [vcycle] database: must be sqlite:////PATH or"
            " postgresql://USER:PASSWORD@HOST/NAME (never shown)"
        ],
        id="a database of another kind, whose URL is not repeated",
    ),
    pytest.param(
        ("[vcycle]", "[vcycle]\ncall_timeout_seconds = 601"),
        "",
        [
            "F:2: [vcycle] call_timeout_seconds: is 601 and cycle_timeout_seconds is 600 by"
            " default; one slow call would end the cycle"
        ],
        id="a call may take longer than a cycle",
    ),
    pytest.param(
        ("[vcycle]", "[vcycle]\ncycle_timeout_seconds = 89"),
        "",
        [
            "F:2: [vcycle] cycle_timeout_seconds: is 89 and call_timeout_seconds is 90 by"
            " default; one slow call would end the cycle"
        ],
        id="a cycle may take less than a call",
    ),
    pytest.param(
        ("[vcycle]", "[vcycle extra]"),
        "",
        ["F:1: [vcycle extra] must be written [vcycle]"],
        id="a word too many in a header",
    ),
    pytest.param(
        ("[vcycle]", "[vcycled]"),
        "",
        [
            "F:1: [vcycled] unknown kind of section; there are [vcycle], [space SPACE],"
            " [machinetype SPACE NAME], [vacuum_pipe SPACE PREFIX]; did you mean vcycle?"
        ],
        id="a section of a kind that is nearly known",
    ),
    pytest.param(
        ("[vcycle]", "[ ]"),
        "",
        [
            "F:1: unknown kind of section; there are [vcycle], [space SPACE],"
            " [machinetype SPACE NAME], [vacuum_pipe SPACE PREFIX]"
        ],
        id="a section without a name",
    ),
    pytest.param(
        ("[vcycle]", "[space under_score]"),
        "",
        [
            "F:1: [space under_score] the name of a space must be made of a-z 0-9 - and dots, like"
            " the name of a host, not 'under_score'"
        ],
        id="a bad name of a space",
    ),
    pytest.param(
        ("[vcycle]", "[space ..]"),
        "",
        [
            "F:1: [space ..] the name of a space must be made of a-z 0-9 - and dots, like"
            " the name of a host, not '..'"
        ],
        id="a name of a space that would leave its folder",
    ),
    pytest.param(
        ("[vcycle]", "[machinetype cloud.example.com p.q]"),
        "",
        [
            "F:1: [machinetype cloud.example.com p.q] the name of a machinetype must be made of"
            " a-z 0-9 and -, not 'p.q'"
        ],
        id="a bad name of a machinetype",
    ),
    pytest.param(
        ("[vcycle]", "[machinetype cloud.example.com]"),
        "",
        ["F:1: [machinetype cloud.example.com] must be written [machinetype SPACE NAME]"],
        id="a machinetype without a name",
    ),
    pytest.param(
        ("[vcycle]", "[machinetype cloud.example.org x]"),
        "",
        [
            "F:1: [machinetype cloud.example.org x] there is no [space cloud.example.org];"
            " did you mean [space cloud.example.com]?"
        ],
        id="a machinetype of no space",
    ),
    pytest.param(
        ("[vcycle]", "[vacuum_pipe other x]"),
        "",
        ["F:1: [vacuum_pipe other x] there is no [space other]"],
        id="a pipe of no space",
    ),
    pytest.param(
        ("api = demo\n", ""),
        "",
        [f"F:3: {SPACE} api: is required: the name of an API (a-z 0-9 _), such as openstack"],
        id="a space without api",
    ),
    pytest.param(
        ("api = demo", "api = Demo"),
        "",
        [
            f"F:4: {SPACE} api: must be the name of an API (a-z 0-9 _), such as openstack,"
            " not 'Demo'"
        ],
        id="an api in capitals",
    ),
    pytest.param(
        ("api = demo", "api = openstack"),
        "",
        [
            f"F:4: {SPACE} api: the openstack space is not installed;"
            " pip install 'vcycle[openstack]' (installed: demo, image)"
        ],
        id="an api that is one of ours and not installed",
    ),
    pytest.param(
        ("api = demo", "api = demmo"),
        "",
        [
            f"F:4: {SPACE} api: no installed package has a space 'demmo' (installed: demo, image);"
            " did you mean demo?"
        ],
        id="an api that is nearly known",
    ),
    pytest.param(
        ("api = demo", "api = occi"),
        "",
        [f"F:4: {SPACE} api: no installed package has a space 'occi' (installed: demo, image)"],
        id="an api that nobody knows",
    ),
    pytest.param(
        ("processors_limit = 100", "processor_limit = 100"),
        "",
        [
            f"F:5: {SPACE} processor_limit: unknown option (its value is '100');"
            " did you mean processors_limit?"
        ],
        id="a limit that would be lost by a misspelling",
    ),
    pytest.param(
        ("api = demo\nprocessors_limit = 100", "api = ec2\nprocessor_limit = 100\nurl = x"),
        "",
        [
            f"F:4: {SPACE} api: the ec2 space is not installed; pip install 'vcycle[ec2]'"
            " (installed: demo, image)",
            f"F:5: {SPACE} processor_limit: unknown option (its value is '100');"
            " did you mean processors_limit?",
        ],
        id="without the API its own options are not judged, misspelled common ones are",
    ),
    pytest.param(
        ("api = demo", "api = demo\ndemo_secrt = hidden"),
        "",
        [f"F:5: {SPACE} demo_secrt: unknown option; did you mean demo_secret?"],
        id="a misspelled secret, whose value is not repeated",
    ),
    pytest.param(
        ("api = demo", "api = demo\ndemo_secret ="),
        "",
        [f"F:5: {SPACE} demo_secret: must be a secret (never shown)"],
        id="an empty secret",
    ),
    pytest.param(
        ("api = demo", "api = demo\nspeed = fast"),
        "",
        [f"F:5: {SPACE} speed: must be a whole number, 0 or more, not 'fast'"],
        id="a wrong value of an option of the API",
    ),
    pytest.param(
        ("api = demo", "api = demo\nmode = watch"),
        "",
        [f"F:5: {SPACE} mode: must be manage or observe, not 'watch'"],
        id="a word that is none of the choices",
    ),
    pytest.param(
        ("api = demo", "api = demo\nmax_creations_per_cycle = 0%"),
        "",
        [
            f"F:5: {SPACE} max_creations_per_cycle: must be a whole number, 1 or more, or a"
            " percentage such as 10%, not '0%'"
        ],
        id="an amount of nothing",
    ),
    pytest.param(
        ("target_share = 1", "target_share = lots"),
        "",
        [f"F:7: {PROD} target_share: must be a number, 0 or more, not 'lots'"],
        id="a share that is no number",
    ),
    pytest.param(
        ("backoff_seconds = 600\nfizzle_seconds = 60\n", ""),
        "",
        [
            f"F:6: {PROD} backoff_seconds: is required: {SECONDS.accepts}",
            f"F:6: {PROD} fizzle_seconds: is required: {SECONDS.accepts}",
        ],
        id="both times are missing, and both are named",
    ),
    pytest.param(
        ("user_data = https://repo.example.com/user_data\n", ""),
        "",
        [f"F:6: {PROD} user_data: is required: {USER_DATA}"],
        id="no user_data",
    ),
    pytest.param(
        (TEMPLATE, "user_data = template:minima"),
        "",
        [f"F:12: {PROD} user_data: must be {USER_DATA}, not 'template:minima'"],
        id="a template that does not come with Vcycle",
    ),
    pytest.param(
        (TEMPLATE, "user_data = template:htcondor-worker\nuser_data_file_token = /etc/hostname"),
        "",
        [
            f"F:12: {PROD} user_data: template:htcondor-worker needs user_data_option_pool,"
            " which is not set"
        ],
        id="a template without an option that it needs",
    ),
    pytest.param(
        (TEMPLATE, "user_data = template:minimal\nuser_data_option_work_second = 1"),
        "",
        [
            f"F:13: {PROD} user_data_option_work_second: template:minimal has no such option;"
            " did you mean user_data_option_work_seconds?"
        ],
        id="an option of a template, misspelt",
    ),
    pytest.param(
        (TEMPLATE, "user_data = template:minimal\nheartbeat_file = beat"),
        "",
        [
            f"F:13: {PROD} heartbeat_file: is beat, but machines of this template call it"
            " heartbeat: they would be deleted; set user_data_option_heartbeat_file to the same"
        ],
        id="a heartbeat that the template puts elsewhere",
    ),
    pytest.param(
        ("api = demo", "api = image"),
        "",
        [f"F:6: {PROD} root_image: is required: machines of this API boot an image"],
        id="no image where machines boot one",
    ),
    pytest.param(
        ("target_share = 1", "root_image = image:"),
        "",
        [f"F:7: {PROD} root_image: must be image:NAME-OR-ID, a path, or a URL, not 'image:'"],
        id="an image of no name",
    ),
    pytest.param(
        ("target_share = 1", "heartbeat_file = a/b"),
        "",
        [
            f"F:7: {PROD} heartbeat_file: must be a name that vcycle-web takes: {OUTPUT_NAMES},"
            " not 'a/b'"
        ],
        id="a heartbeat file in a folder",
    ),
    pytest.param(
        ("target_share = 1", "heartbeat_file = .."),
        "",
        [
            f"F:7: {PROD} heartbeat_file: must be a name that vcycle-web takes: {OUTPUT_NAMES},"
            " not '..'"
        ],
        id="a heartbeat file outside of its folder",
    ),
    pytest.param(
        ("target_share = 1", "heartbeat_file = beat!"),
        "",
        [
            f"F:7: {PROD} heartbeat_file: must be a name that vcycle-web takes: {OUTPUT_NAMES},"
            " not 'beat!'"
        ],
        id="a heartbeat file that the web site would refuse",
    ),
    pytest.param(
        ("api = demo", "api = demo\nshutdown_time = 253402300800"),
        "",
        [
            f"F:5: {SPACE} shutdown_time: must be a whole number of Unix seconds, 0 to"
            " 253402300799, not '253402300800'"
        ],
        id="a time after the end of the calendar",
    ),
    pytest.param(
        ("target_share = 1", "hs06 = 0"),
        "",
        [f"F:7: {PROD} hs06: must be a number above 0, at most 1000000, not '0'"],
        id="a power of nothing, under its old name",
    ),
    pytest.param(
        ("min_processors = 2", "min_processors = 2\nmax_processors = 1"),
        "",
        [f"F:9: {PROD} min_processors: is 2 and max_processors is 1 (F:10); no flavor can fit"],
        id="no flavor can have more processors than it may",
    ),
    pytest.param(
        ("min_processors = 2", "min_processors = 51"),
        "",
        [
            f"F:9: {PROD} min_processors: is 51 and processors_limit is 50 (F:8);"
            " no machine can be created"
        ],
        id="a machine larger than its machinetype's limit",
    ),
    pytest.param(
        ("processors_limit = 50\nmin_processors = 2", "min_processors = 101"),
        "",
        [
            f"F:8: {PROD} min_processors: is 101 and processors_limit is 100 (F:5);"
            " no machine can be created"
        ],
        id="a machine larger than the space's limit",
    ),
    pytest.param(
        ("min_processors = 2", "min_processors = 2\nmax_starting_processors = 1"),
        "",
        [
            f"F:9: {PROD} min_processors: is 2 and max_starting_processors is 1 (F:10);"
            " no machine can be created"
        ],
        id="a machine larger than what may start",
    ),
    pytest.param(
        ("fizzle_seconds = 60", "fizzle_seconds = 86401"),
        "",
        [
            f"F:11: {PROD} fizzle_seconds: is 86401 and max_wallclock_seconds is 86400 by default;"
            " every machine would be deleted before it is accounted"
        ],
        id="machines die before they have fizzled",
    ),
    pytest.param(
        ("fizzle_seconds = 60", "fizzle_seconds = 60\nmin_wallclock_seconds = 86401"),
        "",
        [
            f"F:12: {PROD} min_wallclock_seconds: is 86401 and max_wallclock_seconds is 86400 by"
            " default; no machine can be created"
        ],
        id="no machine may run as long as it must",
    ),
    pytest.param(
        ("target_share = 1", "user_data_option_x = 1\nuser_data_file_x = y"),
        "",
        [
            f"F:8: {PROD} user_data_file_x: user_data_option_x fills the same pattern;"
            " keep one of them"
        ],
        id="a pattern that is filled twice",
    ),
    pytest.param(
        ("target_share = 1", "user_data_proxy = yes\nuser_data_option_x509_proxy = x"),
        "",
        [
            f"F:8: {PROD} user_data_option_x509_proxy: user_data_proxy fills the same pattern;"
            " keep one"
        ],
        id="a proxy beside a text of its name",
    ),
    pytest.param(
        ("target_share = 1", "user_data_proxy = yes\nuser_data_file_x509_proxy = x"),
        "",
        [
            f"F:8: {PROD} user_data_file_x509_proxy: user_data_proxy fills the same pattern;"
            " keep one"
        ],
        id="a proxy beside a file of its name",
    ),
    pytest.param(
        ("target_share = 1", "user_data_option_a-b = 1"),
        "",
        [
            f"F:7: {PROD} user_data_option_a-b: the name of a substitution must be made of"
            " a-z 0-9 _"
        ],
        id="a substitution of a bad name",
    ),
    pytest.param(
        ("target_share = 1", "user_data_opton_proxy = x"),
        "",
        [
            f"F:7: {PROD} user_data_opton_proxy: unknown option (its value is 'x');"
            " did you mean user_data_option_proxy?"
        ],
        id="a misspelled substitution",
    ),
    pytest.param(
        ("target_share = 1", "user_data_option = x"),
        "",
        [
            f"F:7: {PROD} user_data_option: unknown option (its value is 'x');"
            " did you mean user_data_option_XXX?"
        ],
        id="a substitution without a name",
    ),
    pytest.param(
        ("[vcycle]", "[vcycle]"),
        "[space empty.example.com]\napi = demo\n",
        [
            "F:13: [space empty.example.com] there is no machinetype in this space;"
            " write a section [machinetype empty.example.com NAME]"
        ],
        id="a space without machinetype",
    ),
    pytest.param(
        ("[vcycle]", "[vcycle]"),
        "[vacuum_pipe cloud.example.com vo]\ntarget_share = 1\n",
        [
            "F:13: [vacuum_pipe cloud.example.com vo] vacuum_pipe_url: is required: a URL that"
            " begins with http:// or https://"
        ],
        id="a pipe that leads nowhere",
    ),
    pytest.param(
        ("[vcycle]", "[DEFAULT]\nfizle_seconds = 1\n[vcycle]"),
        "",
        [
            "F:2: [DEFAULT] fizle_seconds: unknown option (its value is '1');"
            " did you mean fizzle_seconds?"
        ],
        id="a misspelled default, named once",
    ),
    pytest.param(
        ("[vcycle]", "[DEFAULT]\nmin_processors = none\n[vcycle]"),
        "[machinetype cloud.example.com more]\n"
        "backoff_seconds = 1\nfizzle_seconds = 1\nuser_data = http://h/u\n",
        [
            "F:2: [DEFAULT] min_processors: must be a whole number of processors, 1 to 1000000000,"
            " not 'none'"
        ],
        id="a wrong default, named once however many sections have it",
    ),
    pytest.param(
        ("[vcycle]", "lost\n[vcycle]\nroot\n= 1"),
        "",
        [
            "F:1: text before the first [section]",
            "F:3: neither a [section] nor option = value",
            "F:4: neither a [section] nor option = value",
        ],
        id="a file that cannot be read, with every line of it that is wrong",
    ),
]


@pytest.mark.parametrize(("change", "more", "expected"), ERRORS)
def test_an_error_is_said_with_its_place(
    tmp_path: Path, change: tuple[str, str], more: str, expected: list[str]
) -> None:
    """The errors of a configuration are these and no others."""
    assert said(deck(tmp_path, change, more=more), warnings=False) == expected


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


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    """Errors of every section are in one ConfigError, by file and line."""
    path = deck(
        tmp_path,
        ("root = ROOT", "root = here"),
        ("api = demo", "api = x-y"),
        ("target_share = 1", "target_share = -1"),
    )
    with pytest.raises(ConfigError) as caught:
        load([path], registry=REGISTRY)
    assert [problem.line for problem in caught.value.problems] == [2, 4, 7]


def test_the_web_file_holds_only_its_section(tmp_path: Path) -> None:
    """What is wrong with the web process's file is said at once, strange sections too."""
    path = tmp_path / "web.conf"
    path.write_text("[web]\nport = 0\ncolour = red\n[space x]\n")
    with pytest.raises(ConfigError) as caught:
        load_web(path)
    assert [str(problem).replace(str(path), "F") for problem in caught.value.problems] == [
        "F:1: [web] certificate: is required: an absolute path",
        "F:1: [web] key: is required: an absolute path",
        "F:2: [web] port: must be a whole number, 1 to 65535, not '0'",
        "F:3: [web] colour: unknown option; it does nothing",
        "F:4: [space x] only a section [web] may be in this file",
    ]


def test_a_web_file_without_section_names_the_file(tmp_path: Path) -> None:
    """What is required is missed in the file itself."""
    path = tmp_path / "web.conf"
    path.write_text("")
    with pytest.raises(ConfigError, match="certificate: is required") as caught:
        load_web(path)
    assert {problem.file for problem in caught.value.problems} == {str(path)}


def test_problems_sort_by_place() -> None:
    """A person goes through a file from top to bottom."""
    problems = [
        Problem(file="b", line=1, section="", option="", message=""),
        Problem(file="a", line=10, section="", option="", message=""),
        Problem(file="a", line=9, section="", option="", message=""),
    ]
    assert [(each.file, each.line) for each in sorted(problems)] == [("a", 9), ("a", 10), ("b", 1)]
