"""Templates at work: machines of the local space, a real web site, stand-ins for the rest."""

from __future__ import annotations

import asyncio
import hashlib
import io
import logging
import os
import re
import signal
import subprocess
import tarfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import yaml

from tests.local_host import until
from tests.ports import free_port
from tests.template_kit import (
    PROGRAMS,
    Run,
    local_run,
    rendered,
    serving_folder,
    with_programs,
)
from tests.web_site import ONE, SPACE, running

FAST = {"heartbeat_every_seconds": "1"}
IN_IMAGE = {**FAST, "path": PROGRAMS}
PILOT = """\
import os, sys
print("arguments", *sys.argv[1:], sep="|")
print("at", os.environ["MACHINEFEATURES"], os.environ["JOBFEATURES"], os.environ["JOBOUTPUTS"])
print("proxy", open(os.environ["X509_USER_PROXY"]).read())
print("token", open(os.environ["BEARER_TOKEN_FILE"]).read())
print("reference", os.environ["PILOT_UUID"], os.path.exists("pilot.json"))
print("2026-11-23 NOTICE: Job request OK, but no match found : No match found")
print('2026-11-23 INFO: JobAgent will stop with message "Nothing to do for more than 10 cycles"')
"""
PILOT_OPTIONS = {
    **FAST,
    "user": "root",
    "work_folder": "/var/tmp/pilot",
    "site": "LCG.Example.org",
    "setup": "It's",
    "vo": "belle",
    "submit_pool": "Test",
    "ce_type": "Sudo",
    "max_cycles": "1",
    "release": "v9r0",
    "extensions": "Belle",
    "pilot_options": "--debug -o '/LocalSite/Tag=a b'",
    "x509_proxy": "-----BEGIN CERTIFICATE-----\n\nof the pilot\n",
    "token": "token of the pilot\n",
}


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[Run]:
    """Return a machine that is to be, in a sandbox."""
    async with running(tmp_path) as site:
        with local_run(tmp_path, site) as made:
            yield made


@pytest.fixture
async def bare_run(tmp_path: Path) -> AsyncIterator[Run]:
    """Return a machine that is to be, without a sandbox."""
    async with running(tmp_path) as site:
        with local_run(tmp_path, site, has_sandbox=False) as made:
            yield made


async def ended(run: Run, user_data: str) -> str:
    """Run a machine to its end; return its shutdown message."""
    assert await asyncio.to_thread(run.to_its_end, user_data) == "power-off"
    return run.output("shutdown_message").strip()


async def test_the_minimal_one_beats_works_and_says_why_it_ends(
    bare_run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """And its outputs are put, by its token, over TLS that is verified."""
    caplog.set_level(logging.INFO)
    options = {**FAST, "work_seconds": "6", "message": "300 Nobody's here"}
    user_data = rendered("minimal", options, bare_run.site)
    assert await ended(bare_run, user_data) == "300 Nobody's here"
    puts = re.findall(r"/joboutputs/(\w+) status=20[14]", caplog.text)
    assert puts[: puts.index("shutdown_message")].count("heartbeat") >= 2
    assert bare_run.output("result") != ""


async def test_a_machine_that_is_switched_off_says_so(bare_run: Run) -> None:
    """As the host, or the cloud, asks for it."""
    user_data = rendered("minimal", {**FAST, "work_seconds": "600"}, bare_run.site)
    await asyncio.to_thread(bare_run.start, user_data)
    await asyncio.to_thread(until, (bare_run.site.outputs() / "heartbeat").exists)
    os.kill(bare_run.host.shim_pid(ONE), signal.SIGTERM)
    assert await asyncio.to_thread(bare_run.wait) == "power-off"
    assert bare_run.output("shutdown_message") == "100 Shut down as the host asked\n"


@pytest.mark.parametrize(("early_s", "is_over"), [(-200, False), (200, True)])
async def test_a_machine_ends_by_itself_before_its_time_is_over(
    bare_run: Run, early_s: int, is_over: bool
) -> None:
    """Also if that time moved while it lived."""
    options = {**FAST, "work_seconds": "3", "stop_before_seconds": "1000"}
    features = bare_run.site.tree.layout.machine(SPACE, ONE) / "jobfeatures"
    at = bare_run.site.clock.now() + 1000 - early_s
    (features / "shutdowntime_job").write_text(str(at))
    message = await ended(bare_run, rendered("minimal", options, bare_run.site))
    over, done = "100 The time of this machine is over", "200 Intended work completed ok"
    assert message == (over if is_over else done)


def serve_pilot(folder: Path, program: str, checksum: str = "") -> Path:
    """Put a pilot that does what `program` says into a folder, as a DIRAC server has it."""
    folder.mkdir()
    (folder / "pilot.json").write_text("{}")
    with tarfile.open(folder / "pilot.tar", "w") as archive:
        member = tarfile.TarInfo("dirac-pilot.py")
        member.size = len(program)
        archive.addfile(member, io.BytesIO(program.encode()))
    content = (folder / "pilot.tar").read_bytes()
    wanted = checksum or hashlib.sha512(content).hexdigest()
    (folder / "checksums.sha512").write_text(f"{wanted}  pilot.tar\n{'0' * 128}  other\n")
    return folder


async def test_a_dirac_pilot_is_fetched_and_run_with_its_options(run: Run, tmp_path: Path) -> None:
    """From the second server, as what the first one gives is not what it should be."""
    serve_pilot(tmp_path / "bad", "import nothing\n", checksum="0" * 128)
    serve_pilot(tmp_path / "good", PILOT)
    with serving_folder(tmp_path) as url:
        options = {**PILOT_OPTIONS, "pilot_url": f"{url}/gone {url}/bad/ {url}/good"}
        message = await ended(run, rendered("dirac-pilot", options, run.site))
    assert message == "300 No jobs for us in the queue"
    log = run.output("dirac-pilot.log")
    reference = f"vm://{SPACE}/uuid-of-the-machine"
    given = (
        "|--debug|-o|/LocalSite/Tag=a b"
        f"|--Name|{SPACE}|--Queue|default|--pilotUUID|{reference}|--name|LCG.Example.org"
        "|--setup|It's|--wnVO|belle|--release|v9r0|--extraPackages|Belle|--CEType|Sudo"
        "|--MaxCycles|1|-o|/LocalSite/SubmitPool=Test"
    )
    machine = f"{run.site.url}/machines/{SPACE}/{ONE}"
    assert f"arguments{given}\n" in log
    assert f"at {machine}/machinefeatures {machine}/jobfeatures {machine}/joboutputs\n" in log
    assert "proxy -----BEGIN CERTIFICATE-----\n\nof the pilot\n\n" in log
    assert "token token of the pilot\n" in log
    assert f"reference {reference} True\n" in log


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "600 The files of the pilot cannot be had"),
        (
            {"cvmfs_repositories": "no.example.org", "cvmfs_proxy": "http://192.0.2.1:3128"},
            "500 CernVM-FS does not show no.example.org",
        ),
        ({"work_folder": "/proc/pilot"}, "500 The pilot cannot work in /proc/pilot"),
    ],
)
async def test_a_machine_without_a_pilot_says_what_it_lacks(
    run: Run, options: Mapping[str, str], message: str
) -> None:
    """So that the manager backs off."""
    user_data = rendered("dirac-pilot", {**PILOT_OPTIONS, **options}, run.site)
    assert await ended(run, user_data) == message


STOP = "INFO: JobAgent will stop with message"


@pytest.mark.parametrize(
    ("log", "status", "message"),
    [
        ("", 0, "300 The pilot ended without a job"),
        ("", 1, "600 The pilot failed before any job, with status 1"),
        ("INFO: Received JobID=7, JobType=User", 0, "200 Jobs done"),
        (
            "INFO: Received JobID=7, JobType=User",
            9,
            "700 The pilot failed after a job, with status 9",
        ),
        (f'{STOP} "Filling Mode is Disabled"', 0, "200 Jobs done"),
        (f'{STOP} "No more time left"', 0, "200 Jobs done, no time for another"),
        (f'{STOP} "Nothing to do for more than 3 cycles"', 0, "300 No jobs for us in the queue"),
        ("Job request OK, but no match found", 0, "300 No jobs for us in the queue"),
        (
            f'no match found\nReceived JobID=1\n{STOP} "Filling Mode is Disabled"',
            0,
            "200 Jobs done",
        ),
        (
            f'{STOP} "Node is being drained by an operator"',
            0,
            "100 Drained by an operator",
        ),
        (f'{STOP} "Matcher Failed"', 0, "600 The job agent failed"),
        (f'{STOP} "Payload execution failed with error code 1"', 0, "600 The job agent failed"),
        (
            "ERROR: Pilot version does not match the production version",
            0,
            "600 DIRAC wants another version of the pilot",
        ),
        (
            "Could not locate a proxy via X509_USER_PROXY",
            1,
            "500 The credential of the pilot was not accepted",
        ),
    ],
)
def test_what_a_pilot_wrote_last_decides(
    tmp_path: Path, log: str, status: int, message: str
) -> None:
    """And its exit status, if it wrote nothing that tells."""
    config = yaml.safe_load(rendered("dirac-pilot"))
    (tmp_path / "machine").write_text(config["write_files"][0]["content"])
    (tmp_path / "log").write_text(f"before\n{log}\nafter\n")
    script = f". '{tmp_path}/machine'; log='{tmp_path}/log'; verdict {status}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == f"{message}\n"


CONDOR = f"""\
#!/bin/sh
[ "$*" = -f ] || exit 9
cat /etc/condor/config.d/90-vcycle
ls -l /etc/condor/tokens.d
cat /etc/condor/tokens.d/vcycle
echo started >{PROGRAMS}/MasterLog
END"""
CONFIG_VAL = f'#!/bin/sh\n[ "$*" = LOG ] && echo {PROGRAMS}'


@pytest.mark.parametrize(
    ("end", "message"),
    [
        ("exit 0", "300 No job of the pool came"),
        (f"echo job >{PROGRAMS}/startd_history", "200 Jobs done, and no more came"),
        ("exit 4", "500 condor_master ended with status 4"),
        ("kill -KILL $PPID", "600 The work ended with status 137 and no word"),
    ],
)
async def test_a_worker_joins_its_pool_and_ends_when_it_is_idle(
    run: Run, end: str, message: str
) -> None:
    """By its token, with a configuration of its own on top of the image's."""
    programs = {"condor_master": CONDOR.replace("END", end), "condor_config_val": CONFIG_VAL}
    options = {**IN_IMAGE, "condor_config": "A = 1\nB = 2\n", "start": "TARGET.x == 1"}
    user_data = with_programs(rendered("htcondor-worker", options, run.site), programs)
    assert await ended(run, user_data) == message
    log = run.output("condor_master.log")
    assert "CONDOR_HOST = pool.example.org\n" in log
    assert "STARTD_NOCLAIM_SHUTDOWN = 600\n" in log
    assert "A = 1\nB = 2\nSTART = (TARGET.x == 1) && time() < 1800082800\n" in log
    assert "-rw-------" in log
    assert "the.pool.token\n" in log
    assert (run.output("MasterLog") == "started\n") == ("no word" not in message)


async def test_a_worker_without_htcondor_says_so(run: Run) -> None:
    """The image is the site's affair."""
    user_data = rendered("htcondor-worker", FAST, run.site)
    assert await ended(run, user_data) == "500 There is no condor_master in this image"


SQUID = """\
#!/bin/sh
echo "squid $*"
cat /etc/squid/vcycle.conf
[ "$2" = -z ] && exit
exec python3 -m http.server --bind 127.0.0.1 PORT
"""


async def test_a_web_cache_beats_while_it_answers(run: Run) -> None:
    """The machines of its space are told of those that beat."""
    port = free_port()
    options = {**IN_IMAGE, "packages": "", "port": str(port), "servers": ".example.org"}
    user_data = rendered("squid", options, run.site)
    programs = {"squid": SQUID.replace("PORT", str(port))}
    await asyncio.to_thread(run.start, with_programs(user_data, programs))
    await asyncio.to_thread(until, (run.site.outputs() / "heartbeat").exists)
    os.kill(run.host.shim_pid(ONE), signal.SIGTERM)
    await asyncio.to_thread(run.wait)
    assert run.output("shutdown_message") == "100 Shut down as the host asked\n"
    said = run.host.console(ONE)
    assert "squid -N -z -f /etc/squid/vcycle.conf\n" in said
    assert "squid -N -f /etc/squid/vcycle.conf\n" in said
    assert f"http_port {port}\n" in said
    assert "acl servers dstdomain .example.org\n" in said


async def test_a_web_cache_that_does_not_answer_does_not_beat(run: Run) -> None:
    """And one whose program ends says so."""
    port = free_port()
    options = {**IN_IMAGE, "packages": "", "port": str(port)}
    programs = {"squid": '#!/bin/sh\n[ "$2" = -z ] && exit\nsleep 3\nexit 1'}
    user_data = with_programs(rendered("squid", options, run.site), programs)
    assert await ended(run, user_data) == "500 The web cache ended with status 1"
    assert run.output("heartbeat") == ""
