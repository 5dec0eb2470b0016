"""The local space: machines are process groups on this host."""

from __future__ import annotations

import fcntl
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vcycled import files
from vcycled.spaces.base import (
    Clock,
    CreateRequest,
    Flavor,
    Limits,
    ListedMachine,
    MachineState,
    NoCapacity,
    QuotaExceeded,
    Refused,
    Space,
    Unavailable,
)
from vcycled.spaces.local import cloudinit, launch, machine, process
from vcycled.spaces.local.drafts import clear_leftovers, discard, draft
from vcycled.spaces.local.launch import Isolation
from vcycled.spaces.local.machine import LocalMachine, Request
from vcycled.spaces.local.options import LocalOptions

_ENDED = {MachineState.SHUTDOWN, MachineState.FAILED}
_ENVIRONMENT = {
    "machinefeatures": "MACHINEFEATURES",
    "jobfeatures": "JOBFEATURES",
    "joboutputs": "JOBOUTPUTS",
}


class LocalSpace(Space):
    """A cloud whose hardware is this host and whose memory is a folder for each machine."""

    Options = LocalOptions
    needs_image = False

    def __init__(
        self,
        name: str,
        options: LocalOptions,
        *,
        clock: Clock,
        rng: random.Random | None = None,
    ) -> None:
        self._name = name
        self._options = options
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311 - chance, not secrecy
        self._root = Path(options.local_dir).absolute() / name
        self._isolation: Isolation | None = None

    def connect(self) -> None:
        """Make the space's folder and find out, until there is one, whether there is a sandbox."""
        with _translated("connect"):
            if not machine.is_folder_name(self._name):
                raise Refused("connect", f"{self._name!r} cannot be the name of a folder")
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            clear_leftovers(self._root)
            self._isolation = launch.choose_isolation(self._options, self._root)

    @property
    def isolation(self) -> Isolation | None:
        """How machines are kept from this host; None before `connect`."""
        return self._isolation

    def limits(self) -> Limits:
        """Return the quota of the options."""
        return Limits(
            processors=self._options.quota_processors, machines=self._options.quota_machines
        )

    def flavors(self) -> tuple[Flavor, ...]:
        """Return the flavors of the options."""
        return self._options.flavors

    def machines(self) -> tuple[ListedMachine, ...]:
        """Return every machine that has a folder here."""
        with _translated("machines"):
            found = [self._look(name) for name in self._names()]
            return tuple(self._listed(each) for each in found if each)

    def find(self, name: str, cloud_id: str = "") -> ListedMachine | None:
        """Return the machine with this cloud id or, without one, this name."""
        with _translated("find"):
            found = self._find(name, cloud_id)
            return self._listed(found) if found else None

    def create(self, request: CreateRequest) -> str:
        """Start a machine; its user_data runs once its shim has come up."""
        with _translated("create"):
            if not machine.is_folder_name(request.name):
                raise Refused("create", f"{request.name!r} cannot be the name of a machine")
            if here := self._look(request.name):
                return here.request.cloud_id
            wanted = self._request(request)
            made = self._make(wanted, self._boot(request.user_data))
            if made.cloud_id == wanted.cloud_id and not made.is_doomed:
                self._start(made)
            return made.cloud_id

    def delete(self, name: str, cloud_id: str = "") -> None:
        """Power a machine off; its folder goes once nothing of it runs."""
        with _translated("delete"):
            if found := self._find(name, cloud_id):
                self._end(found)
                self._look(found.request.name)

    def _end(self, found: LocalMachine) -> None:
        with suppress(FileNotFoundError):
            machine.mark_deleting(self._root / found.request.name)
        if found.is_alive:
            process.terminate(found.shim)
        elif not found.outcome:
            # Its shim was killed: what it would have ended may still be there.
            process.kill_marked(f"VCYCLE_MACHINE_ID={found.request.cloud_id}".encode())

    def _all(self) -> list[LocalMachine]:
        """Return the machines as they are, without removing any."""
        found = (machine.read(self._root / name, self._clock) for name in self._names())
        return [each for each in found if each]

    def _names(self) -> list[str]:
        try:
            with os.scandir(self._root) as entries:
                return [each.name for each in entries if machine.is_folder_name(each.name)]
        except FileNotFoundError:
            return []

    def _find(self, name: str, cloud_id: str) -> LocalMachine | None:
        """Return the machine of a cloud id, which begins with its name, or of a name."""
        found = self._look(cloud_id.rpartition("-")[0] if cloud_id else name)
        return found if found and cloud_id in {"", found.request.cloud_id} else None

    def _look(self, name: str) -> LocalMachine | None:
        """Return the machine of this name; remove it first if it is due."""
        if not machine.is_folder_name(name):
            return None
        found = machine.read(self._root / name, self._clock)
        delay_s = self._options.delete_delay_seconds
        if found and found.is_due(now=self._clock.now(), delete_delay_s=delay_s):
            self._remove(found)
            return None
        return found

    def _listed(self, found: LocalMachine) -> ListedMachine:
        request = found.request
        state, fault = self._verdict(found)
        return ListedMachine(
            name=request.name,
            cloud_id=request.cloud_id,
            state=state,
            processors=request.processors,
            memory_mb=request.memory_mb,
            flavor=request.flavor,
            zone=request.zone,
            address="127.0.0.1",
            created_at=found.created_at,
            started_at=found.started_at,
            stopped_at=found.stopped_at,
            fault=fault,
            tags=request.tags,
        )

    def _verdict(self, found: LocalMachine) -> tuple[MachineState, str]:
        delay_s = self._options.start_delay_seconds
        return found.verdict(now=self._clock.now(), start_delay_s=delay_s)

    def _request(self, request: CreateRequest) -> Request:
        flavor = next((each for each in self.flavors() if each.name == request.flavor), None)
        if flavor is None:
            raise Refused("create", f"there is no flavor {request.flavor!r}")
        return Request(
            name=request.name,
            cloud_id=f"{request.name}-{os.urandom(4).hex()}",
            flavor=flavor.name,
            processors=flavor.processors,
            memory_mb=flavor.memory_mb,
            zone=request.zone,
            tags=dict(request.tags),
            creator=process.own(),
            is_doomed=self._rng.random() < self._options.failure_share,
        )

    def _boot(self, user_data: bytes) -> cloudinit.Boot:
        try:
            boot = cloudinit.read(user_data)
        except ValueError as error:
            raise Refused("create", f"user_data: {error}") from error
        isolation = self._connected()
        if boot.has_config and not isolation.is_sandbox:
            why = isolation.no_sandbox
            raise Refused("create", f"cloud-config runs only in a sandbox: {why}")
        return boot

    def _connected(self) -> Isolation:
        if self._isolation is None:
            self.connect()
        assert self._isolation is not None
        return self._isolation

    def _make(self, wanted: Request, boot: cloudinit.Boot) -> Request:
        """Make the folder of a machine at one stroke; return the request that stands there."""
        place = self._root / wanted.name
        with draft(self._root) as folder:
            launch.prepare(folder, boot.scripts, self._connected(), place)
            notes = "".join(f"vcycle: {note}\n" for note in boot.notes)
            files.write(folder / "console.log", notes, mode=files.PRIVATE, durable=False)
            wanted.write(folder)
            with self._locked():
                if here := machine.read(place, self._clock):
                    return here.request
                self._check_room(wanted)
                folder.rename(place)
        return wanted

    def _check_room(self, wanted: Request) -> None:
        """Hold the quota and the capacity; called with the lock, so that no other fits too."""
        options = self._options
        limits = (options.quota_machines, options.quota_processors, options.capacity_processors)
        if limits == (None, None, None):
            return
        here = self._all()
        running = [each for each in here if self._verdict(each)[0] not in _ENDED]
        asked = _processors(here) + wanted.processors
        busy = _processors(running) + wanted.processors
        if options.quota_machines is not None and len(here) >= options.quota_machines:
            raise QuotaExceeded("create", f"quota_machines = {options.quota_machines} reached")
        if options.quota_processors is not None and asked > options.quota_processors:
            detail = f"quota_processors = {options.quota_processors}, {asked} with this machine"
            raise QuotaExceeded("create", detail)
        if options.capacity_processors is not None and busy > options.capacity_processors:
            detail = (
                f"capacity_processors = {options.capacity_processors}, {busy} with this machine"
            )
            raise NoCapacity("create", detail)

    def _start(self, made: Request) -> None:
        folder = self._root / made.name
        marks = {"VCYCLE_MACHINE": made.name, "VCYCLE_MACHINE_ID": made.cloud_id}
        marks |= {name: made.tags[tag] for tag, name in _ENVIRONMENT.items() if tag in made.tags}
        delay_s = self._real_seconds(self._options.start_delay_seconds)
        try:
            launch.start(folder, made.name, delay_s, self._connected(), marks)
        except OSError:
            if found := machine.read(folder, self._clock):
                self._end(found)
                self._remove(found)
            raise

    def _real_seconds(self, seconds: int) -> float:
        """Return how long `seconds` of our clock are for the kernel's, which the shim waits by."""
        span = 1_000_000
        start = float(self._clock.now())
        return seconds * span / (self._clock.of_stamp(start + span) - self._clock.of_stamp(start))

    def _remove(self, found: LocalMachine) -> None:
        """Take a machine's folder away at one stroke, and then apart."""
        place = self._root / found.request.name
        gone = self._root / f".gone-{found.request.cloud_id}"
        with self._locked():
            here = machine.read(place, self._clock)
            if here is None or here.request.cloud_id != found.request.cloud_id:
                return
            place.rename(gone)
        discard(gone)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep all other threads and processes from putting folders in or taking them away."""
        handle = os.open(self._root / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _processors(machines: list[LocalMachine]) -> int:
    return sum(each.request.processors for each in machines)


@contextmanager
def _translated(operation: str) -> Iterator[None]:
    """Turn what the system says into what a space may raise."""
    try:
        yield
    except PermissionError as error:
        raise Refused(operation, str(error)) from error
    except OSError as error:
        raise Unavailable(operation, str(error)) from error
    except machine.DamagedError as error:
        raise Refused(operation, f"{error}; remove that folder if nothing of it runs") from error
