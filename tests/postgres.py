"""A PostgreSQL server of our own, for tests marked `live`: in a folder of its own, on a socket."""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
from functools import cache
from itertools import count
from pathlib import Path

import psycopg
import pytest

_DEBIAN = Path("/usr/lib/postgresql")
_USER = "vcycle"


class Postgres:
    """A running server; trusts whoever can open its socket."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._home = Path(tempfile.mkdtemp(prefix="vcycle-pg-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._names = (f"vcycle_{number}" for number in count())

    def start(self) -> None:
        """Make the server's files and start it, to end with this process, however that ends."""
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            os.chown(self._home, *_account())
        data = str(self._home / "data")
        initdb = self._command("initdb", "-D", data, "-U", _USER, "-A", "trust", "--no-sync")
        subprocess.run([*initdb, "-E", "UTF8"], check=True, timeout=100, capture_output=True)
        server = self._command("postgres", "-D", data, "-F", "-c", "listen_addresses=")
        server += ["-c", f"unix_socket_directories={self._home}"]
        with (self._home / "log").open("wb") as log:
            self._process = subprocess.Popen(server, cwd=self._home, stdout=log, stderr=log)
        self._wait()

    def _wait(self) -> None:
        pause = threading.Event()
        for _ in range(2400):
            try:
                psycopg.connect(self._dsn("postgres")).close()
            except psycopg.OperationalError:
                pause.wait(0.05)
            else:
                return
        message = f"PostgreSQL does not start: {(self._home / 'log').read_text()}"
        raise RuntimeError(message)

    def stop(self) -> None:
        """Stop the server and remove its files."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)  # at once; nobody needs the data
            self._process.wait(timeout=60)
        shutil.rmtree(self._home)

    def break_connections(self) -> None:
        """End every connection, as a restart of the server does; return when all are gone."""
        with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )

    def new_database(self, template: str = "template1") -> str:
        """Make a database, as a copy of `template`, and return its name."""
        name = next(self._names)
        with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        return name

    def speed_up(self, name: str, *, origin: float, speed: float) -> None:
        """Let the clock of a new database go `speed` times as fast since `origin`."""
        elapsed = f"(extract(epoch FROM pg_catalog.clock_timestamp()) - {origin}) * {speed}"
        statements = (
            "CREATE SCHEMA fast",
            "CREATE FUNCTION fast.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS"
            f" $$ SELECT to_timestamp({origin} + {elapsed}) $$",
            f"ALTER DATABASE {name} SET search_path = fast, pg_catalog",
        )
        with psycopg.connect(self._dsn(name), autocommit=True) as connection:
            for each in statements:
                connection.execute(each.encode())

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self._home / ".s.PGSQL.5432"

    def url(self, name: str) -> str:
        """Return the URL of the database `name`."""
        return f"postgresql://{_USER}@/{name}?host={self._home}"

    def _dsn(self, name: str) -> str:
        return f"host={self._home} user={_USER} dbname={name}"

    def _command(self, program: str, *arguments: str) -> list[str]:
        """Return how to run `program` as somebody who is not root, until this process ends."""
        command = ["setpriv", "--pdeathsig", "QUIT"]
        if os.geteuid() == 0:
            user, group = _account()
            command += [f"--reuid={user}", f"--regid={group}", "--clear-groups"]
        return [*command, str(self._programs / program), *arguments]


def _account() -> tuple[int, int]:
    """Return user and group of an account that is not root's."""
    try:
        found = pwd.getpwnam("postgres")
    except KeyError:
        found = pwd.getpwnam("nobody")
    return found.pw_uid, found.pw_gid


def programs() -> Path | None:
    """Return the folder of initdb and postgres; None if PostgreSQL is not installed."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    versions = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda each: float(each.parts[-3]))
    return versions[-1].parent if versions else None


def running() -> Postgres:
    """Return the server that all tests of this run share; fail if PostgreSQL is not installed."""
    if (found := server()) is None:
        pytest.fail("PostgreSQL (initdb, postgres) is not installed; .ci/run installs it")
    return found


@cache
def server() -> Postgres | None:
    """Return the server that all tests of this run share; None if PostgreSQL is not installed."""
    folder = programs()
    if folder is None:
        return None
    postgres = Postgres(folder)
    postgres.start()
    atexit.register(postgres.stop)
    return postgres
