"""The configuration files of a bed's services, each as a function of nothing but the bed."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from tests.openstack_bed.places import (
    ADDRESS,
    BARE,
    NETWORKED,
    PASSWORD,
    PORTS,
    REGION,
    SERVICE,
    SOFT,
    Bed,
    url,
)

Value: TypeAlias = str | int | bool
Section: TypeAlias = Mapping[str, Value | Path]
Ini: TypeAlias = dict[str, Section]

PASTE = Path("/etc/glance/glance-api-paste.ini")
"""Glance finds this file only beside its configuration."""
_HOST = Path(__file__).parent / "host"

PAGE = 100
"""Most servers that Nova lists on one page, whatever is asked for; so there are pages."""


def write_all(bed: Bed) -> None:
    """Write every configuration file of the bed, and the modules that its services load."""
    for folder in (
        "rabbitmq",
        "keystone",
        "images",
        "staging",
        "tasks",
        "nova",
        "lock",
        "volumes",
    ):
        (bed.var / folder).mkdir(parents=True, exist_ok=True)
    for name, make in _FILES.items():
        (bed.etc / name).write_text(_text(make(bed)))
    (bed.etc / "rabbitmq.conf").write_text(_rabbitmq())
    (bed.etc / "rabbitmq.env").write_text(_rabbitmq_environment(bed))
    (bed.etc / "rabbitmq.plugins").write_text("[].\n")
    shutil.copy(PASTE, bed.etc)
    _write_modules(bed)
    bed.clouds.write_text(_clouds())
    bed.clouds.chmod(0o600)


def _write_modules(bed: Bed) -> None:
    """Put our port driver where neutron finds it: by an entry point of something installed."""
    bed.python.mkdir(exist_ok=True)
    for module in _HOST.glob("*.py"):
        shutil.copy(module, bed.python)
    package = bed.python / "vcycle_bed-1.dist-info"
    package.mkdir(exist_ok=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: vcycle-bed\nVersion: 1\n")
    (package / "entry_points.txt").write_text(
        "[neutron.ml2.mechanism_drivers]\nbed = port_driver:BedMechanismDriver\n"
    )


def _text(ini: Ini) -> str:
    lines = []
    for name, section in ini.items():
        lines += [
            f"[{name}]",
            *(f"{option} = {_word(value)}" for option, value in section.items()),
        ]
    return "\n".join([*lines, ""])


def _word(value: Value | Path) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# What several services share


def _database(name: str) -> Section:
    # `utf8` and not `utf8mb3`, which Debian's PyMySQL does not know.
    address = f"mysql+pymysql://openstack:{PASSWORD}@{ADDRESS}:{PORTS['mariadb']}/{name}"
    return {"connection": f"{address}?charset=utf8", "max_pool_size": 10, "max_overflow": 50}


def _login() -> Section:
    return {
        "auth_url": url("keystone"),
        "auth_type": "password",
        "username": SERVICE,
        "password": PASSWORD,
        "project_name": SERVICE,
        "user_domain_name": "Default",
        "project_domain_name": "Default",
        "region_name": REGION,
    }


def _token_check() -> Section:
    return {
        "www_authenticate_uri": url("keystone"),
        "service_token_roles_required": True,
        **_login(),
    }


def _messages() -> Section:
    return {"transport_url": f"rabbit://openstack:{PASSWORD}@{ADDRESS}:{PORTS['rabbitmq']}/"}


def _usual(bed: Bed) -> Ini:
    return {
        "oslo_concurrency": {"lock_path": bed.var / "lock"},
        # Not the folders in /etc, which belong to services of the host.
        "oslo_policy": {"policy_dirs": bed.etc / "policy"},
        "oslo_messaging_rabbit": {"heartbeat_in_pthread": False},
    }


# One function for each file


def _mariadb(bed: Bed) -> Ini:
    """A database that nobody would miss: it is never forced to the disk."""
    return {
        "mysqld": {
            "user": pwd.getpwuid(os.geteuid()).pw_name,
            "datadir": bed.var / "mariadb",
            "socket": bed.var / "mariadb.socket",
            "pid-file": bed.var / "mariadb.pid",
            "bind-address": ADDRESS,
            "port": PORTS["mariadb"],
            "skip-name-resolve": 1,
            "max_connections": 1000,
            "character-set-server": "utf8mb3",
            "innodb_buffer_pool_size": "256M",
            "innodb_flush_log_at_trx_commit": 0,
            "innodb_doublewrite": 0,
            "innodb_stats_persistent": 0,
            "sync_binlog": 0,
        }
    }


def _rabbitmq() -> str:
    return (
        f"listeners.tcp.1 = {ADDRESS}:{PORTS['rabbitmq']}\n"
        f"default_user = openstack\ndefault_pass = {PASSWORD}\nlog.file.level = warning\n"
    )


def _rabbitmq_environment(bed: Bed) -> str:
    """Everything in the bed's folders, on the loopback interface, and no busy waiting."""
    erlang = "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none"
    settings = {
        "NODENAME": "vcyclebed@localhost",
        "CONFIG_FILE": bed.etc / "rabbitmq.conf",
        "ENABLED_PLUGINS_FILE": bed.etc / "rabbitmq.plugins",
        "MNESIA_BASE": bed.var / "rabbitmq" / "mnesia",
        "LOG_BASE": bed.log,
        "DIST_PORT": PORTS["rabbitmq-nodes"],
        "SERVER_ADDITIONAL_ERL_ARGS": f'"{erlang}"',
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def _keystone(bed: Bed) -> Ini:
    return {
        "DEFAULT": {"log_file": bed.log / "keystone.log", "use_stderr": False},
        "database": _database("keystone"),
        "token": {"provider": "fernet", "expiration": 86400},
        "fernet_tokens": {"key_repository": bed.var / "keystone" / "tokens"},
        "fernet_receipts": {"key_repository": bed.var / "keystone" / "tokens"},
        "credential": {"key_repository": bed.var / "keystone" / "credentials"},
        "identity": {"password_hash_rounds": 4},
        "oslo_policy": _usual(bed)["oslo_policy"],
    }


def _placement(bed: Bed) -> Ini:
    return {
        "DEFAULT": {"log_file": bed.log / "placement.log", "use_stderr": False},
        "api": {"auth_strategy": "keystone"},
        "placement_database": _database("placement"),
        "keystone_authtoken": _token_check(),
        "oslo_policy": _usual(bed)["oslo_policy"],
    }


def _glance(bed: Bed) -> Ini:
    return {
        "DEFAULT": {
            "bind_host": ADDRESS,
            "bind_port": PORTS["glance-api"],
            "workers": 1,
            "log_file": bed.log / "glance-api.log",
            "use_stderr": False,
            "node_staging_uri": f"file://{bed.var / 'staging'}",
        },
        "paste_deploy": {"flavor": "keystone", "config_file": bed.etc / "glance-api-paste.ini"},
        "glance_store": {
            "stores": "file",
            "default_store": "file",
            "filesystem_store_datadir": bed.var / "images",
        },
        "task": {"work_dir": bed.var / "tasks"},
        "database": _database("glance"),
        "keystone_authtoken": _token_check(),
        **_usual(bed),
    }


def _nova(bed: Bed) -> Ini:
    fast = {"max_concurrent_builds": 10, "heal_instance_info_cache_interval": 0}
    ports = {"vif_plugging_is_fatal": False, "vif_plugging_timeout": 0}
    # The fake driver's one node has 1000 processors, 800 GB of memory, 600 TB of disk.
    host = {"cpu_allocation_ratio": 64, "ram_allocation_ratio": 128, "disk_allocation_ratio": 32}
    return {
        "DEFAULT": {
            "my_ip": ADDRESS,
            "host": "fake-host",
            "use_stderr": False,
            "state_path": bed.var / "nova",
            "instances_path": bed.var / "nova",
            "enabled_apis": "osapi_compute",
            "osapi_compute_listen": ADDRESS,
            "osapi_compute_listen_port": PORTS["nova-api"],
            "osapi_compute_workers": 2,
            "compute_driver": "fake.FakeDriver",
            "reserved_host_memory_mb": 0,
            **fast,
            **ports,
            **host,
            **_messages(),
        },
        "api": {"auth_strategy": "keystone", "max_limit": PAGE},
        "api_database": _database("nova_api"),
        "database": _database("nova"),
        "conductor": {"workers": 1},
        # So that the host is found without a command that is run once it has registered.
        "scheduler": {"workers": 1, "discover_hosts_in_cells_interval": 2},
        "quota": {"instances": 20000, "cores": 80000, "ram": -1, "key_pairs": 1000},
        "vnc": {"enabled": False},
        "spice": {"enabled": False},
        "glance": {"api_servers": url("glance-api")},
        "cinder": {"os_region_name": REGION},
        "neutron": _login(),
        "placement": _login(),
        "service_user": {"send_service_user_token": True, **_login()},
        "keystone_authtoken": _token_check(),
        **_usual(bed),
    }


def _nova_soft(bed: Bed) -> Ini:
    """A second API beside the first, whose deleted servers only seem gone for an hour."""
    nova = _nova(bed)
    more = {
        "osapi_compute_listen_port": PORTS["nova-api-soft"],
        "osapi_compute_workers": 1,
        "reclaim_instance_interval": 3600,
    }
    return nova | {"DEFAULT": {**nova["DEFAULT"], **more}}


def _neutron(bed: Bed) -> Ini:
    return {
        "DEFAULT": {
            "bind_host": ADDRESS,
            "bind_port": PORTS["neutron-server"],
            "use_stderr": False,
            "state_path": bed.var,
            "auth_strategy": "keystone",
            "core_plugin": "ml2",
            "service_plugins": "router",
            "api_workers": 2,
            "rpc_workers": 1,
            "rpc_state_report_workers": 0,
            "api_paste_config": "/etc/neutron/api-paste.ini",
            # Nobody would hear it: there are no agents, and Nova waits for no port.
            "dhcp_agent_notification": False,
            "notify_nova_on_port_status_changes": False,
            "notify_nova_on_port_data_changes": False,
            **_messages(),
        },
        "quotas": {"quota_network": -1, "quota_subnet": -1, "quota_port": -1},
        "nova": _login(),
        "database": _database("neutron"),
        "keystone_authtoken": _token_check(),
        **_usual(bed),
    }


def _ml2(_: Bed) -> Ini:
    return {
        "ml2": {
            "type_drivers": "local",
            "tenant_network_types": "local",
            "mechanism_drivers": "bed",
            "extension_drivers": "port_security",
        },
        "securitygroup": {"enable_security_group": True},
    }


def _cinder(bed: Bed) -> Ini:
    return {
        "DEFAULT": {
            "my_ip": ADDRESS,
            "host": "fake-host",
            "use_stderr": False,
            "state_path": bed.var / "volumes",
            "api_paste_config": "/etc/cinder/api-paste.ini",
            "resource_query_filters_file": "/etc/cinder/resource_filters.json",
            "auth_strategy": "keystone",
            "osapi_volume_listen": ADDRESS,
            "osapi_volume_listen_port": PORTS["cinder-api"],
            "osapi_volume_workers": 1,
            "glance_api_servers": url("glance-api"),
            "enabled_backends": "fake",
            "quota_volumes": 20000,
            "quota_gigabytes": -1,
            **_messages(),
        },
        "fake": {
            "volume_backend_name": "fake",
            "volume_driver": "cinder.tests.fake_driver.FakeLoggingVolumeDriver",
        },
        "coordination": {"backend_url": f"file://{bed.var / 'volumes'}"},
        "nova": _login(),
        "service_user": {"send_service_user_token": True, **_login()},
        "database": _database("cinder"),
        "keystone_authtoken": _token_check(),
        **_usual(bed),
    }


_FILES: dict[str, Callable[[Bed], Ini]] = {
    "mariadb.cnf": _mariadb,
    "keystone.conf": _keystone,
    "placement.conf": _placement,
    "glance-api.conf": _glance,
    "nova.conf": _nova,
    "nova-soft.conf": _nova_soft,
    "neutron.conf": _neutron,
    "ml2.ini": _ml2,
    "cinder.conf": _cinder,
}


def _clouds() -> str:
    """Return clouds.yaml; what its clouds are is told in `places`."""
    ours = "".join(_cloud(name, NETWORKED, name) for name in (NETWORKED, BARE))
    soft = f"    compute_endpoint_override: {url('nova-api-soft', '/v2.1')}\n"
    admin = _cloud("admin", "admin", "admin")
    return "clouds:\n" + admin + ours + _cloud(SOFT, NETWORKED, NETWORKED) + soft


def _cloud(name: str, user: str, project: str) -> str:
    return (
        f"  {name}:\n    region_name: {REGION}\n    auth:\n"
        f"      auth_url: {url('keystone', '/v3')}\n"
        f"      username: {user}\n      password: {PASSWORD}\n      project_name: {project}\n"
        "      user_domain_name: Default\n      project_domain_name: Default\n"
    )
