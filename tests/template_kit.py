"""Templates of Vcycle, rendered for a machine of a real web site, and run on the local space."""

from __future__ import annotations

import functools
import http.server
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.local_host import LocalHost, asked, needs_sandbox, wait_for
from tests.web_site import ONE, SPACE, TOKENS, Site
from vcycled import mjf
from vcycled.spaces.base import MachineState
from vcycled.spaces.local import LocalOptions, LocalSpace
from vcycled.templates import packaged
from vcycled.userdata import Recipe, Subject, make
from vcycled.userdata.declared import DeclaredOption, declared

PROGRAMS = "/var/lib/image/bin"
"""Where the image of a machine has what a test puts into it."""
NEEDED: dict[str, Mapping[str, str]] = {
    "dirac-pilot": {"pilot_url": "http://127.0.0.1:9/"},
    "htcondor-worker": {"pool": "pool.example.org", "token": "the.pool.token"},
    "minimal": {},
    "squid": {},
}
"""What must be set, for each template."""
SUBJECT = Subject(
    name=ONE,
    uuid="uuid-of-the-machine",
    site="EXAMPLE-SITE",
    manager_host="manager.example.org",
    urls=mjf.urls(https_host="localhost", https_port=1, space=SPACE, machine=ONE),
    token=TOKENS[ONE],
    ca_certificates="-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n",
)


def rendered(name: str, options: Mapping[str, str] | None = None, site: Site | None = None) -> str:
    """Return the user_data that a template becomes, with what it needs and `options`."""
    subject = SUBJECT if site is None else _subject_of(site)
    recipe = Recipe(
        space=SPACE,
        machinetype="prod",
        template=f"{packaged.PREFIX}{name}",
        folder=Path("/nowhere"),
        options={**NEEDED.get(name, {}), **(options or {})},
    )
    return make(recipe, subject).content.decode()


def _subject_of(site: Site) -> Subject:
    return Subject(
        name=ONE,
        uuid=SUBJECT.uuid,
        site=SUBJECT.site,
        manager_host=SUBJECT.manager_host,
        urls=mjf.urls(https_host="localhost", https_port=site.port, space=SPACE, machine=ONE),
        token=TOKENS[ONE],
        ca_certificates=site.authority.read_text(),
    )


def _all_options(name: str) -> Mapping[str, str]:
    """Return every option, of a text that is hard to quote where any text will do."""
    said = declared(packaged.text(name), packaged.parts())
    tricky = {each.name: 'It\'s "x"' for each in said.options if not each.default}
    return {**tricky, **WORDS} if name == "dirac-pilot" else tricky


WORDS: Mapping[str, str] = {
    "pilot_url": "https://a.example.org/ https://b.example.org/it's",
    "pilot_options": "--debug -o '/LocalSite/Tag=a b'",
    "cvmfs_repositories": "lhcb.cern.ch grid.cern.ch",
    "x509_proxy": "-----BEGIN CERTIFICATE-----\n\nabc\n",
}
"""Options whose texts are words of their own."""

VARIANTS: Mapping[str, Callable[[str], Mapping[str, str]]] = {
    "few options": lambda name: NEEDED[name],
    "all options": _all_options,
    "X.509": lambda name: {"credential": "x509", "x509_proxy": "-----BEGIN\n\nabc\n"},
}
"""Sets of options that every template is tried with."""


def shell_of(user_data: str) -> str:
    """Return the script in user_data of a template."""
    if user_data.startswith("#!"):
        return user_data
    script = yaml.safe_load(user_data)["write_files"][0]["content"]
    assert isinstance(script, str)
    return script


def options_table(name: str) -> str:
    """Return the table of options that the page of a template has; `shared`: that of all."""
    parts = packaged.parts()
    shared = declared(parts["machine.sh.j2"], parts).options
    told = {each.name for each in (*shared, *declared(parts["cloud-config.j2"], {}).options)}
    options = shared
    if name != "shared":
        text = packaged.text(name)
        own = {each.name for each in declared(text, {}).options}
        options = tuple(
            each
            for each in declared(text, parts).options
            if each.name in own or each.name not in told
        )
    rows = (
        f"| `user_data_option_{each.name}` | {_default(each)} | {each.help} |" for each in options
    )
    return "\n".join(["| option | if not set | |", "| --- | --- | --- |", *rows, ""])


def _default(option: DeclaredOption) -> str:
    if option.default is None:
        return "**required**"
    return f"`{option.default}`" if option.default else ""


def with_programs(user_data: str, programs: Mapping[str, str]) -> str:
    """Return a cloud-config for an image that has these shell scripts as programs."""
    lines = [f"mkdir -p {PROGRAMS}"]
    for name, script in programs.items():
        lines += [f"cat >{PROGRAMS}/{name} <<'EOF'", script, "EOF", f"chmod +x {PROGRAMS}/{name}"]
    return f"{user_data}bootcmd:\n  - |\n{textwrap.indent(chr(10).join(lines), '    ')}\n"


@dataclass(slots=True)
class Run:
    """One machine on the local space, with its sandbox."""

    host: LocalHost
    space: LocalSpace
    site: Site

    def start(self, user_data: str) -> None:
        """Start it."""
        self.space.create(asked(ONE, user_data))

    def to_its_end(self, user_data: str) -> str:
        """Run it until it has shut down; return how that came about."""
        self.start(user_data)
        return self.wait()

    def wait(self) -> str:
        """Wait until it has shut down; return how that came about: power-off, or its status."""
        wait_for(self.space, ONE, MachineState.SHUTDOWN)
        return (self.host.of(ONE) / "exit").read_text().strip()

    def output(self, name: str) -> str:
        """Return what it put as `name`; empty if it did not."""
        path = self.site.outputs() / name
        return path.read_text() if path.exists() else ""


@contextmanager
def local_run(folder: Path, site: Site, *, has_sandbox: bool = True) -> Iterator[Run]:
    """Give a host for one machine of `site`."""
    if has_sandbox:
        needs_sandbox()
    bare = LocalOptions(sandbox="none", allow_root_without_sandbox=True)
    host = LocalHost(folder)
    try:
        yield Run(host, host.space(options=None if has_sandbox else bare), site)
    finally:
        host.end()


@contextmanager
def serving_folder(folder: Path) -> Iterator[str]:
    """Serve the files of a folder by HTTP on loopback; give the URL."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
