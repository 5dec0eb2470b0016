"""The demo's folder: configuration, certificates, user_data, as an operator would write them."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from vcycled import files
from vcycled.demo.ca import papers

SPACE = "demo.example.org"

_CONF = """\
# Made by `make demo`. Times are short so that two minutes show a day's work.

[vcycle]
root = {root}
log_file = {folder}/vcycled.log
manager_hostname = manager.example.org

[space {space}]
api = local
local_dir = {folder}/machines
flavors = small:1:1024
processors_limit = 12
max_creations_per_cycle = 3
cycle_seconds = 3
start_delay_seconds = 2
gocdb_sitename = DEMO-SITE
https_host = localhost
https_port = {port}
https_ca_certificates = {folder}/ca.pem

# Two communities with work, one of which owns twice as much of the space ...
[machinetype {space} simulation]
target_share = 2
{usual}
user_data_option_work_seconds = 25

[machinetype {space} analysis]
target_share = 1
{usual}
user_data_option_work_seconds = 15

# ... and one whose queue is empty: its machines find nothing to do, so it is backed off, and what
# it cannot use goes to the other two.
[machinetype {space} idle]
target_share = 1
{usual}
user_data_option_work_seconds = 0
"""

_USUAL = """\
fizzle_seconds = 8
backoff_seconds = 25
max_wallclock_seconds = 300
heartbeat_file = heartbeat
heartbeat_seconds = 20
hepscore23_per_processor = 15.5
accounting_fqan = /vo.example.org/Role=pilot
user_data = {folder}/worker.sh"""

_WEB_CONF = """\
# Made by `make demo`.

[web]
root = {root}
listen = 127.0.0.1
port = {port}
certificate = {folder}/web.pem
key = {folder}/web-key.pem
hostname = manager.example.org
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where the demo's things are."""

    folder: Path
    root: Path
    conf: Path
    web_conf: Path
    log: Path
    web_log: Path


def set_up(folder: Path, *, now: int) -> Scene:
    """Write all that the demo needs into a new `folder` and return where it is.

    Raises:
        FileExistsError: the folder is there already.
    """
    folder.mkdir(mode=0o755)
    scene = Scene(
        folder=folder,
        root=folder / "vcycle",
        conf=folder / "vcycle.conf",
        web_conf=folder / "vcycle-web.conf",
        log=folder / "vcycled.log",
        web_log=folder / "vcycle-web.log",
    )
    ours = papers(now=now)
    files.write(folder / "ca.pem", ours.authority)
    files.write(folder / "web.pem", ours.certificate)
    files.write(folder / "web-key.pem", ours.key, mode=files.PRIVATE)
    worker = resources.files("vcycled.templates").joinpath("demo", "worker.sh")
    files.write(folder / "worker.sh", worker.read_text(encoding="utf-8"))
    port = _free_port()
    usual = _USUAL.format(folder=folder)
    conf = _CONF.format(folder=folder, root=scene.root, space=SPACE, port=port, usual=usual)
    files.write(scene.conf, conf)
    files.write(scene.web_conf, _WEB_CONF.format(folder=folder, root=scene.root, port=port))
    return scene


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
