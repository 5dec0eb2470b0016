"""Bringing a bed up and down again."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager

from tests.openstack_bed import accounts, furniture, packages, schemas, services, settings
from tests.openstack_bed.places import NETWORKED, Bed
from tests.openstack_bed.processes import (
    Service,
    await_port,
    is_running,
    recorded,
    running_group,
    start,
    stop,
)
from vcycled.clock import SystemClock

Say = Callable[[str], None]


def up(bed: Bed, say: Say) -> None:
    """Start whatever does not run yet, and prove that a machine can be made.

    Raises:
        BedError: it does not come up; what was started goes on running, for a look at it.
    """
    clock = SystemClock()
    began = clock.monotonic()

    def tell(what: str) -> None:
        say(f"{clock.monotonic() - began:5.1f} s  {what}")

    with _locked(bed):
        names = packages.missing()
        if names:
            tell(f"installing {len(names)} packages and what they need")
            packages.install(bed, names)
        settings.write_all(bed)
        tell("starting the database and the broker")
        _start_foundation(bed)
        tell("making tables, starting services")
        _start_services(bed, tell)
        tell("booting a first machine")
        furniture.boot_one(bed)
        tell(f"up; clouds vcycle, vcycle-bare, vcycle-soft, admin in {bed.clouds}")


def down(bed: Bed, say: Say, *, wipe: bool = False) -> None:
    """Stop what was started, and with `wipe` remove what it kept."""
    if not bed.folder.exists():
        say("there is no bed")
        return
    with _locked(bed):
        foundation = [services.mariadb(bed), services.epmd(bed), services.rabbitmq(bed)]
        names = {each.name for each in foundation}
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda name: stop(bed, name), set(recorded(bed)) - names))
        for service in reversed(foundation):
            stop(bed, service.name, service.end_s)
        say("stopped")
        if wipe:
            for folder in (bed.etc, bed.var, bed.log, bed.run, bed.python):
                shutil.rmtree(folder, ignore_errors=True)
            bed.clouds.unlink(missing_ok=True)
            say(f"removed what was kept in {bed.folder}")


def status(bed: Bed) -> dict[str, bool]:
    """Return whether each recorded process runs, by name."""
    return {name: is_running(bed, name) for name in recorded(bed)}


@contextmanager
def held(bed: Bed, name: str) -> Iterator[None]:
    """Let a service do nothing meanwhile; what others ask of it waits, so let it be short.

    Raises:
        BedError: it does not run.
    """
    with _locked(bed):  # or somebody else could let it go on
        group = running_group(bed, name)
        os.killpg(group, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(group, signal.SIGCONT)


@contextmanager
def _locked(bed: Bed) -> Iterator[None]:
    """Let nobody else bring this bed up or down meanwhile; waits for whoever does."""
    for folder in (bed.etc, bed.var, bed.log, bed.run):
        folder.mkdir(parents=True, exist_ok=True)
    with (bed.folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _start_foundation(bed: Bed) -> None:
    schemas.make_server(bed)
    for service in (services.mariadb(bed), services.epmd(bed), services.rabbitmq(bed)):
        start(bed, service)
    schemas.make_keys(bed)
    await_port(bed, "mariadb")
    schemas.make_account(bed)


def _start_services(bed: Bed, tell: Say) -> None:
    """Start them side by side, as far as one does not need another.

    Raises:
        BedError: one of them fails; the others were awaited.
    """
    with ThreadPoolExecutor(max_workers=7) as pool:
        broker = pool.submit(await_port, bed, "rabbitmq")
        keystone = pool.submit(_keystone, bed)
        placement = pool.submit(_placement, bed)
        nova = pool.submit(_nova, bed, broker, keystone, placement)
        neutron = pool.submit(_neutron, bed, broker, keystone)
        glance = pool.submit(_glance, bed, keystone)
        cinder = pool.submit(_cinder, bed, broker)
        parts = {
            "keystone": keystone,
            "placement": placement,
            "glance": glance,
            "cinder": cinder,
            "neutron": neutron,
            "nova": nova,
        }
        names = {part: name for name, part in parts.items()}
        for part in as_completed(names):
            part.result()
            tell(f"{names[part]} is up")


def _keystone(bed: Bed) -> None:
    schemas.make_tables(bed, "keystone")
    _serve(bed, services.keystone(bed))
    accounts.make_identities(bed)


def _placement(bed: Bed) -> None:
    schemas.make_tables(bed, "placement")
    _serve(bed, services.placement(bed))


def _nova(bed: Bed, *needs: Future[None]) -> None:
    schemas.make_tables(bed, "nova")
    _await_all(needs)
    for service in services.nova(bed):
        start(bed, service)
    for name in ("nova-api", "nova-api-soft"):
        await_port(bed, name)
    furniture.make_flavors(bed)


def _neutron(bed: Bed, *needs: Future[None]) -> None:
    schemas.make_tables(bed, "neutron")
    _await_all(needs)
    _serve(bed, services.neutron(bed))
    with accounts.connection(bed, NETWORKED) as cloud:
        furniture.make_network(cloud)


def _glance(bed: Bed, keystone: Future[None]) -> None:
    schemas.make_tables(bed, "glance")
    _serve(bed, services.glance(bed))
    keystone.result()
    furniture.make_image(bed)


def _cinder(bed: Bed, broker: Future[None]) -> None:
    schemas.make_tables(bed, "cinder")
    broker.result()
    for service in services.cinder(bed):
        start(bed, service)
    await_port(bed, "cinder-api")


def _await_all(needs: Iterable[Future[None]]) -> None:
    for need in needs:
        need.result()


def _serve(bed: Bed, service: Service) -> None:
    start(bed, service)
    await_port(bed, service.name)
