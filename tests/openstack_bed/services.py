"""The services of a bed: the command line of each."""

from __future__ import annotations

from tests.openstack_bed.places import ADDRESS, PORTS, Bed
from tests.openstack_bed.processes import SYSTEM_PYTHON, Service


def mariadb(bed: Bed) -> Service:
    """The database of all."""
    return Service(
        name="mariadb",
        command=("mariadbd", f"--defaults-file={bed.etc / 'mariadb.cnf'}"),
        end_s=30,
    )


def epmd(_: Bed) -> Service:
    """Erlang's list of nodes. RabbitMQ would start one itself, on all addresses and for ever."""
    return Service(name="epmd", command=("epmd", "-address", ADDRESS, "-port", str(PORTS["epmd"])))


def rabbitmq(bed: Bed) -> Service:
    """The broker of messages between the services."""
    return Service(
        name="rabbitmq",
        # The program behind Debian's wrapper, which wants the account `rabbitmq`.
        command=("/usr/lib/rabbitmq/bin/rabbitmq-server",),
        environment={
            "HOME": str(bed.var / "rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": str(bed.etc / "rabbitmq.env"),
            "ERL_EPMD_ADDRESS": ADDRESS,
            "ERL_CRASH_DUMP": str(bed.log / "rabbitmq.dump"),
        },
        end_s=20,
    )


def keystone(bed: Bed) -> Service:
    """Identity."""
    return _uwsgi(
        "keystone",
        "/usr/bin/keystone-wsgi-public",
        processes=2,
        OS_KEYSTONE_CONFIG_FILES=str(bed.etc / "keystone.conf"),
    )


def placement(bed: Bed) -> Service:
    """What hosts have and what of it is taken."""
    return _uwsgi(
        "placement", "/usr/bin/placement-api", processes=1, OS_PLACEMENT_CONFIG_DIR=str(bed.etc)
    )


def glance(bed: Bed) -> Service:
    """Images."""
    return _daemon(bed, "glance-api", "glance-api.conf")


def neutron(bed: Bed) -> Service:
    """Networks."""
    usual = _daemon(bed, "neutron-server", "neutron.conf", "ml2.ini")
    return Service(
        name=usual.name, command=usual.command, environment={"PYTHONPATH": str(bed.python)}
    )


def nova(bed: Bed) -> tuple[Service, ...]:
    """Machines: what runs beside the hosts, one host, and a second API (see settings)."""
    parts = ("nova-conductor", "nova-scheduler", "nova-api")
    soft = _daemon(bed, "nova-api-soft", "nova-soft.conf", program="nova-api")
    usual = _daemon(bed, "nova-compute", "nova.conf")
    script = str(bed.python / "compute_service.py")
    compute = Service(name=usual.name, command=(SYSTEM_PYTHON, script, *usual.command[1:]))
    return (*(_daemon(bed, name, "nova.conf") for name in parts), compute, soft)


def cinder(bed: Bed) -> tuple[Service, ...]:
    """Volumes."""
    parts = ("cinder-api", "cinder-scheduler", "cinder-volume")
    return tuple(_daemon(bed, name, "cinder.conf") for name in parts)


def _daemon(bed: Bed, name: str, *confs: str, program: str = "") -> Service:
    files = (f"--config-file={bed.etc / conf}" for conf in confs)
    log = f"--log-file={bed.log / name}.log"
    return Service(name=name, command=(program or name, *files, log))


def _uwsgi(name: str, application: str, *, processes: int, **environment: str) -> Service:
    """Return a WSGI application in a server of its own, as the packages do it."""
    command = (
        "uwsgi_python3",
        f"--http-socket={ADDRESS}:{PORTS[name]}",
        f"--wsgi-file={application}",
        f"--processes={processes}",
        "--threads=4",
        "--master",
        "--need-app",
        "--lazy-apps",
        "--enable-threads",
        "--thunder-lock",
        "--die-on-term",
        "--disable-logging",
        "--buffer-size=65535",
        "--add-header=Connection: close",
    )
    return Service(name=name, command=command, environment=environment)
