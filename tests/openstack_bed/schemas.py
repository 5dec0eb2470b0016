"""The databases of a bed: a server of its own, and the tables of each service."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from cryptography.fernet import Fernet

from tests.openstack_bed.places import ADDRESS, PASSWORD, PORTS, REGION, Bed, url
from tests.openstack_bed.processes import SYSTEM_PYTHON, run
from vcycled import files


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The databases of a service, and what fills them."""

    service: str
    databases: tuple[str, ...]
    program: str
    """The module behind the service's `*-manage`."""
    confs: tuple[str, ...]
    runs: tuple[str, ...]
    """Its command lines."""


_KEYSTONE = url("keystone", "/v3")
SCHEMAS = (
    Schema(
        service="keystone",
        databases=("keystone",),
        program="keystone.cmd.manage",
        confs=("keystone.conf",),
        runs=(
            "db_sync",
            f"bootstrap --bootstrap-password={PASSWORD} --bootstrap-region-id={REGION}"
            f" --bootstrap-public-url={_KEYSTONE} --bootstrap-internal-url={_KEYSTONE}"
            f" --bootstrap-admin-url={_KEYSTONE}",
        ),
    ),
    Schema(
        service="nova",
        databases=("nova_api", "nova", "nova_cell0"),
        program="nova.cmd.manage",
        confs=("nova.conf",),
        # Nova keeps machines in cells: one, and one for those that found no host.
        runs=("api_db sync", "cell_v2 map_cell0", "cell_v2 create_cell --name=cell1", "db sync"),
    ),
    Schema(
        service="neutron",
        databases=("neutron",),
        program="neutron.db.migration.cli",
        confs=("neutron.conf", "ml2.ini"),
        runs=("upgrade heads",),
    ),
    Schema(
        service="placement",
        databases=("placement",),
        program="placement.cmd.manage",
        confs=("placement.conf",),
        runs=("db sync",),
    ),
    Schema(
        service="glance",
        databases=("glance",),
        program="glance.cmd.manage",
        confs=("glance-api.conf",),
        runs=("db_sync",),
    ),
    Schema(
        service="cinder",
        databases=("cinder",),
        program="cinder.cmd.manage",
        confs=("cinder.conf",),
        runs=("db sync",),
    ),
)


def make_server(bed: Bed) -> None:
    """Make the files of the database server, unless they are there."""
    done = bed.var / "mariadb.made"
    if done.exists():
        return
    shutil.rmtree(bed.var / "mariadb", ignore_errors=True)
    run(
        bed,
        "mariadb-install",
        "mariadb-install-db",
        f"--defaults-file={bed.etc / 'mariadb.cnf'}",
        "--skip-test-db",
        "--auth-root-authentication-method=normal",
    )
    done.touch()


def make_account(bed: Bed) -> None:
    """Make the account of the database server that all services use."""
    _sql(
        bed,
        f"CREATE USER IF NOT EXISTS 'openstack'@'%' IDENTIFIED BY '{PASSWORD}'",
        "GRANT ALL ON *.* TO 'openstack'@'%'",
    )


def make_keys(bed: Bed) -> None:
    """Make Keystone's keys, as `keystone-manage fernet_setup` would in some seconds."""
    for store in ("tokens", "credentials"):
        for name in ("0", "1"):  # the next key and the present one
            key = bed.var / "keystone" / store / name
            if not key.exists():
                key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                files.write(key, Fernet.generate_key(), mode=files.PRIVATE)


def make_tables(bed: Bed, service: str) -> None:
    """Make the tables of a service, from nothing unless that was done to the end before."""
    schema = next(each for each in SCHEMAS if each.service == service)
    done = bed.var / f"{schema.service}.made"
    if done.exists():
        return
    for name in schema.databases:
        _sql(
            bed,
            f"DROP DATABASE IF EXISTS {name}",
            f"CREATE DATABASE {name} CHARACTER SET utf8mb3",
        )
    confs = [f"--config-file={bed.etc / conf}" for conf in schema.confs]
    runs = [word for line in schema.runs for word in ("--", *line.split())]
    script = str(bed.python / "run_each.py")
    name = f"{schema.service}-manage"
    run(bed, name, SYSTEM_PYTHON, script, schema.program, "--", *confs, *runs)
    done.touch()


def _sql(bed: Bed, *orders: str) -> None:
    server = ("--no-defaults", f"--host={ADDRESS}", f"--port={PORTS['mariadb']}", "--user=root")
    run(bed, "mariadb", "mariadb", *server, f"--execute={'; '.join(orders)}")
