"""What a sandboxed machine sees, what it can do, and what it can not."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.local_host import NAME, LocalHost, asked, ended, needs_sandbox, until, wait_for
from vcycled.model import MachineState
from vcycled.spaces.local import LocalOptions, LocalSpace, sandbox

OTHER_UID = 65534
IS_ROOT = os.geteuid() == 0


@pytest.fixture
def host(tmp_path: Path) -> Iterator[LocalHost]:
    """Give a host that can run sandboxes; end whatever the test left on it."""
    needs_sandbox()
    host = LocalHost(tmp_path)
    yield host
    host.end()


@pytest.fixture
def space(host: LocalHost) -> LocalSpace:
    """Return a connected space."""
    return host.space()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Give a folder that every user may enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def script(*lines: str) -> str:
    """Return a script that goes on whatever fails, with all it says on one stream."""
    return "\n".join(["#!/bin/bash", "exec 2>&1", *lines, ""])


def can(*commands: str) -> str:
    """Return a script that says of each command whether it succeeds."""
    return script(*(f"({each}) >/dev/null 2>&1 && echo yes || echo no" for each in commands))


def test_everything_but_its_own_folders_is_read_only(space: LocalSpace, host: LocalHost) -> None:
    """Also after it tried to mount again, by itself or with namespaces of its own."""
    attempts = (
        "touch /x",
        "touch /usr/x",
        "touch /bin/x",
        "touch /opt/x",
        "touch /sys/x",
        "echo 1 > /proc/sys/kernel/panic",
        "mount -o remount,rw /usr && touch /usr/x",
        "mount -t tmpfs none /usr",
        "umount /usr/bin/systemctl",
        "unshare -Urm mount -o remount,bind,rw /usr",
        "unshare -Urm umount /etc",
    )
    assert ended(space, host, can(*attempts)).split() == ["no"] * len(attempts)


def test_what_a_machine_writes_is_its_own(space: LocalSpace, host: LocalHost) -> None:
    """In /etc, /var, /tmp, /root, /home and /run it may do everything."""
    before = Path("/etc/passwd").read_bytes()
    attempts = (
        "echo x >> /etc/passwd",
        "touch /etc/new && mkdir /etc/a && rm -r /etc/a",
        "for f in /etc/*.d; do touch $f/new; done",
        "touch /var/new /var/log/new /var/tmp/new /var/lib/new /var/spool/joboutputs/new",
        "touch /var/run/new /var/lock/new /run/new",
        "touch /tmp/new $TMPDIR/new ~/new /root/new /home/new",
        "touch /dev/shm/new",
        "test $HOME = /root -a $TMPDIR = /tmp",
    )
    assert ended(space, host, can(*attempts)).split() == ["yes"] * len(attempts)
    assert Path("/etc/passwd").read_bytes() == before


def test_a_machine_sees_nothing_of_the_host_that_is_not_shown(
    space: LocalSpace, host: LocalHost, open_folder: Path
) -> None:
    """No home, no mount, no other machine, no secret in /etc, no other process."""
    (open_folder / "secret").write_text("x", encoding="utf-8")
    said = ended(
        space,
        host,
        script(
            f"ls -A /root /home /tmp /run; ls -d {open_folder} {host.folder} /srv /mnt /boot",
            "cat /etc/shadow; ls /etc/ssl/private",
            "echo /proc/[0-9]*",
            f"kill -0 {os.getpid()}",
            "ls /dev",
        ),
    )
    said, devices = said.split("No such process\n")
    assert "secret" not in said
    assert "root:x" not in said
    assert "cat: /etc/shadow: No such file" in said
    for line in (f"cannot access '{open_folder}'", f"cannot access '{host.folder}'", "/srv"):
        assert line in said
    processes = next(line for line in said.splitlines() if line.startswith("/proc/"))
    assert len(processes.split()) <= 4
    links = {"fd", "stdin", "stdout", "stderr"}
    assert set(devices.split()) == {*sandbox.DEVICES, "shm", *links}


def test_a_machine_is_root_without_a_right(space: LocalSpace, host: LocalHost) -> None:
    """It is named as the cloud would name it, and cannot end its first process but by the stub."""
    said = ended(
        space,
        host,
        script(
            "id -u; hostname; grep -h -E 'Cap(Eff|Bnd)|NoNewPrivs' /proc/self/status",
            "kill -9 1; echo still here",
        ),
    )
    assert said.split() == [
        *("0", NAME),
        *("CapEff:", "0000000000000000", "CapBnd:", "0000000000000000", "NoNewPrivs:", "1"),
        *("still", "here"),
    ]


@pytest.mark.skipif(not IS_ROOT, reason="others are the same user outside")
def test_roots_machines_are_another_user_on_the_host(space: LocalSpace, host: LocalHost) -> None:
    """So that no file of root's, or of a group of root's, is theirs, and no process either."""
    groups = os.getgroups()
    os.setgroups([0, 4])
    try:
        space.create(asked())
    finally:
        os.setgroups(groups)
    wait_for(space, NAME, MachineState.RUNNING)
    until(lambda: len(host.processes(f"VCYCLE_MACHINE={NAME}")) >= 3)
    inside = {*host.processes(f"VCYCLE_MACHINE={NAME}")} - {host.shim_pid(NAME)}
    assert {Path(f"/proc/{pid}").stat().st_uid for pid in inside} == {OTHER_UID}
    facts = [Path(f"/proc/{pid}/status").read_text(encoding="utf-8") for pid in inside]
    assert all(re.search(r"^Groups:[\t ]*$", each, re.MULTILINE) for each in facts)


def test_host_folders_can_be_read_and_not_written(host: LocalHost, open_folder: Path) -> None:
    """Wherever they are, also below a folder that machines have for themselves."""
    (open_folder / "data").write_text("shown\n", encoding="utf-8")
    options = LocalOptions(host_folders=(str(open_folder), "/no/such/folder"))
    said = ended(
        host.space(options=options),
        host,
        script(f"cat {open_folder}/data; touch {open_folder}/new; touch /tmp/new && echo fine"),
    )
    assert said.splitlines()[0] == "shown"
    assert "Read-only file system" in said
    assert said.splitlines()[-1] == "fine"


def test_a_machine_reaches_the_loopback_network(space: LocalSpace, host: LocalHost) -> None:
    """It is where the manager's web site is."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_greet, args=(server,))
        thread.start()
        port = server.getsockname()[1]
        said = ended(space, host, script(f"cat </dev/tcp/127.0.0.1/{port}"))
        thread.join(timeout=60)
    assert said == "welcome\n"


def _greet(server: socket.socket) -> None:
    server.settimeout(60)
    guest, _ = server.accept()
    with guest:
        guest.sendall(b"welcome\n")


def test_devices_and_tools_are_there(space: LocalSpace, host: LocalHost) -> None:
    """What a job's scripts take for granted."""
    attempts = (
        "echo x > /dev/null",
        "test $(head -c 5 /dev/zero | wc -c) = 5",
        "test $(head -c 5 /dev/urandom | wc -c) = 5",
        "test $(cat <(echo a)) = a",
        "ls /sys/devices/system/cpu",
        "nproc",
        "getent passwd root",
        "cd /tmp && tar cf a.tar /etc/hostname && tar xf a.tar",
    )
    assert ended(space, host, can(*attempts)).split() == ["yes"] * len(attempts)


CLOUD_CONFIG = """#cloud-config
packages: [curl]
bootcmd:
  - echo 1 bootcmd
write_files:
  - path: /etc/profile.d/site.sh
    content: echo 3 script
    permissions: '0755'
runcmd:
  - [sh, -c, "echo 2 $0", runcmd]
  - /etc/profile.d/site.sh
  - shutdown -h now
  - sleep 600
"""


def test_cloud_config_is_carried_out(space: LocalSpace, host: LocalHost) -> None:
    """In order, with what is ignored noted first, up to its own power-off."""
    assert ended(space, host, CLOUD_CONFIG).splitlines() == [
        "vcycle: ignored: user_data: packages",
        "1 bootcmd",
        "2 runcmd",
        "3 script",
    ]


def test_a_script_is_gone_once_it_has_run(space: LocalSpace, host: LocalHost) -> None:
    """User_data holds secrets; the next part cannot read those of the one before."""
    text = "#cloud-config\nbootcmd: ['true']\nruncmd: ['ls /var/lib/cloud/instance/scripts']\n"
    assert ended(space, host, text) == "40-runcmd\n"


def test_what_everybody_may_read_is_copied(tmp_path: Path) -> None:
    """But for large files, and with what links into /run resolved where that is possible."""
    source = tmp_path / "etc"
    (source / "sub/closed").mkdir(parents=True)
    for name, mode in (("hosts", 0o644), ("tool", 0o755), ("shadow", 0o640), ("sub/deep", 0o444)):
        (source / name).write_text(name, encoding="utf-8")
        (source / name).chmod(mode)
    (source / "sub/closed").chmod(0o750)
    (source / "limit").write_bytes(bytes(sandbox.LARGEST_ETC_FILE))
    (source / "large").write_bytes(bytes(sandbox.LARGEST_ETC_FILE + 1))
    (source / "link").symlink_to("../usr/lib/os-release")
    (source / "lost").symlink_to("/run/no/such/file")
    os.mkfifo(source / "fifo", 0o666)
    target = tmp_path / "copy"
    target.mkdir()
    sandbox.copy_etc(str(source), str(target))
    found = {
        str(path.relative_to(target)): path.lstat().st_mode & 0o777
        for path in target.rglob("*")
        if path.is_file()
    }
    assert found == {"hosts": 0o644, "tool": 0o755, "limit": 0o644, "sub/deep": 0o644}
    assert (target / "sub/deep").read_text(encoding="utf-8") == "sub/deep"
    assert (target / "link").readlink() == Path("../usr/lib/os-release")
    assert {path.name for path in target.iterdir()} == {"hosts", "tool", "limit", "sub", "link"}
    assert [path.name for path in (target / "sub").iterdir()] == ["deep"]


def test_a_link_into_run_is_copied_as_a_file(tmp_path: Path) -> None:
    """As resolv.conf is on many hosts: in the machine the link would lead nowhere."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run/stub.conf").write_text("nameserver 127.0.0.53\n", encoding="utf-8")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/resolv.conf").symlink_to("../run/stub.conf")
    (tmp_path / "copy").mkdir()
    sandbox.copy_etc(str(tmp_path / "etc"), str(tmp_path / "copy"))
    copy = tmp_path / "copy/resolv.conf"
    assert not copy.is_symlink()
    assert copy.read_text(encoding="utf-8") == "nameserver 127.0.0.53\n"


CONNECT = """
import sys
from vcycled.clock import SystemClock
from vcycled.errors import Refused
from vcycled.spaces.local import LocalOptions, LocalSpace
for sandbox in ("require", "auto"):
    options = LocalOptions(local_dir=sys.argv[1], sandbox=sandbox)
    space = LocalSpace("test.local", options, clock=SystemClock())
    try:
        space.connect()
        print(space.isolation.no_sandbox)
    except Refused as error:
        print(error)
"""
LIMITED = f'echo 0 >/proc/sys/user/max_user_namespaces; exec {sys.executable} -c "$0" $1'


@pytest.mark.parametrize(
    ("user", "required", "auto"),
    [
        pytest.param(
            ["--map-user=1000", "--keep-caps"],
            r"connect: no sandbox here: .*\(unshare .*user\.max_user_namespaces",
            r"No space left on device \(unshare \d+\)",
            id="a user",
        ),
        pytest.param(
            ["--map-root-user"],
            r"connect: no sandbox here: Invalid argument",
            r"connect: no machine runs as root without a sandbox \(Invalid argument",
            id="root of a container that has no other user",
        ),
    ],
)
def test_a_kernel_that_gives_no_namespaces_is_named(
    tmp_path: Path, user: list[str], required: str, auto: str
) -> None:
    """As the cause, with what to do, or as the reason why there is no sandbox."""
    needs_sandbox()
    done = subprocess.run(
        ["unshare", "--user", *user, "--", "/bin/sh", "-c", LIMITED, CONNECT, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert re.match(required, first)
    assert re.match(auto, second)


AS_ANYBODY = """
import sys
from pathlib import Path
from tests.local_host import *
host = LocalHost(Path(sys.argv[1]))
try:
    space = host.space(options=LocalOptions(sandbox="require"))
    print(ended(space, host, "#!/bin/sh\\nid -u\\ntouch /etc/x /usr/x\\nshutdown -h now\\n"))
    space.create(asked("y", "#!/bin/sh\\nmkdir -p /tmp/a/b; chmod 0 /tmp/a\\n"))
    wait_for(space, "y", MachineState.SHUTDOWN)
    until(lambda: not (host.of("y") / "fs").exists())
    space.delete("y")
    until(lambda: space.find("y") is None)
    print(sorted(each.name for each in host.of("x").parent.iterdir()))
finally:
    host.end()
"""


@pytest.mark.skipif(not IS_ROOT, reason="already nobody in particular")
def test_it_all_works_for_a_user_without_rights(open_folder: Path) -> None:
    """Nothing here needs root."""
    needs_sandbox()
    become = ["setpriv", f"--reuid={OTHER_UID}", f"--regid={OTHER_UID}", "--clear-groups", "--"]
    python = _python_for(become)
    os.chown(open_folder, OTHER_UID, OTHER_UID)
    done = subprocess.run(
        [*become, *python, "-c", AS_ANYBODY, str(open_folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        env={"PYTHONPATH": ":".join(["", *sys.path]), "PATH": os.environ["PATH"]},
        cwd=Path(__file__).parent.parent,
    )
    assert done.returncode == 0, done.stderr
    said, after = done.stdout.split("\n\n")
    assert said.splitlines()[0] == "0"
    assert "cannot touch '/usr/x'" in said
    assert "/etc/x" not in said
    assert after.strip() == "['.lock']"


def _python_for(become: list[str]) -> list[str]:
    """Return a Python that an ordinary user may run; ours may be in root's home."""
    check = "import os, sys, yaml, pytest; assert sys.version_info >= (3, 11)"
    check += "; assert os.access(sys.executable, os.X_OK)"
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            found = subprocess.run(
                [*become, python, "-c", check],
                capture_output=True,
                check=False,
                timeout=100,
                env={"PYTHONPATH": ":".join(sys.path), "PATH": os.environ["PATH"]},
                cwd="/",
            )
        except FileNotFoundError:
            continue
        if found.returncode == 0:
            return [python]
    pytest.skip("no Python here that an ordinary user may run")


def test_the_space_option_none_is_no_sandbox(host: LocalHost) -> None:
    """Even where there could be one: the machine is a plain process beside all others."""
    options = replace(LocalOptions(sandbox="none"), allow_root_without_sandbox=True)
    said = ended(host.space(options=options), host, script("pwd; id -u; echo $TMPDIR"))
    fs = host.of(NAME) / "fs"
    assert said.split() == [f"{fs}/root", str(os.geteuid()), f"{fs}/tmp"]
    until(lambda: host.processes() == [])
