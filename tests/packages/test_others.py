"""What is written for systems that we do not have: an RPM, an image, a group of containers.

The RPM is built, with Debian's tools, and looked into. The rest is read by parsers.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import compose_spec
import dockerfile  # type: ignore[import-not-found] # it is not Python
import pytest

from tests.packages import MARKS, TOP, built

pytestmark = [*MARKS, pytest.mark.timeout(400)]

SPEC = TOP / "packaging" / "rpm" / "vcycle.spec"
CONTAINERFILE = TOP / "packaging" / "container" / "Containerfile"
COMPOSE = (TOP / "packaging" / "container" / "compose.yaml").read_text(encoding="utf-8")
PLACES = {
    "_unitdir": "/usr/lib/systemd/system",
    "_sysusersdir": "/usr/lib/sysusers.d",
    "_tmpfilesdir": "/usr/lib/tmpfiles.d",
    "_mandir": "/usr/share/man",
}
"""Macros that systemd and EL define, and Debian does not."""
UNITS = ("vcycled", "vcycle-web", "vcycle-admin")


def run(*command: str) -> str:
    """Run a program that must succeed; return all that it says."""
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def rpm() -> Iterator[str]:
    """Build the RPM from the source distribution; return its path."""
    with TemporaryDirectory() as folder:
        macros = {**PLACES, "_topdir": folder, "_sourcedir": str(built("*.tar.gz").parent)}
        defined = [
            part for name, text in macros.items() for part in ("--define", f"{name} {text}")
        ]
        # What EL calls its packages Debian does not have; the programs themselves are there.
        run("rpmbuild", "-bb", "--nodeps", *defined, str(SPEC))
        (path,) = Path(folder, "RPMS").rglob("*.rpm")
        yield str(path)


def listed(rpm: str, what: str) -> list[str]:
    """Return one line for each file in it."""
    return run("rpm", "--query", "--package", "--queryformat", f"[{what}\\n]", rpm).splitlines()


def test_the_rpm_has_programs_units_and_pages(rpm: str) -> None:
    """Each where EL looks for it."""
    files = set(listed(rpm, "%{FILENAMES}"))
    wanted = {f"/usr/lib/systemd/system/{unit}.service" for unit in UNITS}
    wanted |= {f"/usr/sbin/{unit}" for unit in UNITS}
    wanted |= {f"/usr/share/man/man8/{unit}.8" for unit in UNITS}
    wanted |= {"/usr/bin/vcycle", "/usr/lib/sysusers.d/vcycle.conf", "/opt/vcycle/bin/python3"}
    wanted |= {"/usr/share/zsh/site-functions/_vcycle", "/opt/vcycle/share/vcycle/bundled.txt"}
    assert wanted - files == set()


def test_only_the_manager_reads_the_configuration_of_the_rpm(rpm: str) -> None:
    """It may hold passwords."""
    rows = listed(rpm, "%{FILENAMES} %{FILEMODES:perms} %{FILEUSERNAME} %{FILEGROUPNAME}")
    assert "/etc/vcycle.conf -rw-r----- root vcycle" in rows


def test_no_file_of_the_rpm_names_where_it_was_built(rpm: str, tmp_path: Path) -> None:
    """First lines of programs, and the environment itself."""
    run("sh", "-c", f"cd {tmp_path} && rpm2cpio {rpm} | cpio --extract --make-directories --quiet")
    environment = tmp_path / "opt" / "vcycle"
    assert (environment / "bin" / "vcycled").read_text().startswith("#!/opt/vcycle/bin/python3\n")
    found = subprocess.run(
        ["grep", "-rlI", "BUILDROOT", str(environment)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout == ""


def test_rpmlint_finds_no_error() -> None:
    """In the spec."""
    assert " 0 errors" in run("rpmlint", str(SPEC))


def test_the_image_runs_the_manager_as_nobody_special() -> None:
    """The parser is that of Docker's builder."""
    steps = dockerfile.parse_file(str(CONTAINERFILE))
    last = {step.cmd: step.value for step in steps}
    assert (last["USER"], last["CMD"]) == (("vcycle",), ("vcycled",))
    assert last["VOLUME"] == ("/var/lib/vcycle",)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        pytest.param("", "", id="as it is"),
        pytest.param("stop_grace_period: 60s", "stop_grace_period: soon", id="a wrong span"),
        pytest.param("cap_drop", "cap_dropp", id="a wrong key"),
        pytest.param("secrets: [postgres_password]", "secrets: [other]", id="a wrong name"),
    ],
)
def test_the_containers_are_described_by_the_rules(right: str, wrong: str) -> None:
    """Those of the Compose specification; and what breaks them is refused."""
    if not right:
        compose_spec.PyCompose.from_yaml(COMPOSE).validate()
        return
    assert right in COMPOSE
    with pytest.raises(ValueError, match=r"services|secret"):
        compose_spec.PyCompose.from_yaml(COMPOSE.replace(right, wrong)).validate()
