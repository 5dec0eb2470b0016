"""Act: ask the cloud for machines.

# Note [Dying between two lines]

    intents saved      died here: nothing was asked for, the next cycle drops them
    trees written      the same; the folder is moved to deleted/
    ASKED saved        died here: the cloud may have them; they count until found or proven absent
    cloud called       the same
    outcomes saved     known

So whatever dies when, every machine in the cloud has a row, a folder and its tags.

# Note [One batch ahead]

Making fifty machines ready takes about as long as a call of the cloud. So the trees of the next
batch are written while this one is asked for. Its machines stay mere intents: only when the
outcomes of this batch are saved, and neither the cloud nor the time forbids it, are they ASKED.
"""

from __future__ import annotations

import itertools
import string
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

from vcycled.config import MachinetypeConfig, SpaceConfig
from vcycled.cycle.context import Context
from vcycled.cycle.contextualize import Rendered, render
from vcycled.cycle.facts import terms_of
from vcycled.cycle.handover import hand_over
from vcycled.cycle.tend import new_machine, settle
from vcycled.errors import NoCapacity, QuotaExceeded, SpaceError, UserDataError
from vcycled.machinedir import hash_of, new_token
from vcycled.model import (
    Changes,
    Create,
    Machine,
    MachineState,
    Reason,
    Records,
    Stage,
    Terms,
)
from vcycled.remember import Attempt, concluded, is_turned_away
from vcycled.spaces.base import CreateRequest

BATCH = 50
"""So many at a time are made ready and asked for: bounds memory and what a crash costs."""
FIRST_BATCH = 10
"""The first is smaller, because no call is under way while it is made ready."""
_ALPHABET = string.ascii_lowercase + string.digits


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A machine to be, with what its creation needs."""

    machine: Machine
    kind: MachinetypeConfig
    token: str
    image: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """What came of making a batch ready."""

    wanted: list[tuple[_Wanted, Rendered]] = field(default_factory=list)
    """Ready to be asked for, with the user_data that the cloud is given."""
    failed: list[Attempt] = field(default_factory=list)

    def given_up(self) -> list[Attempt]:
        """Return that none of them is asked for."""
        return [*self.failed, *(Attempt(machine=each.machine) for each, _ in self.wanted)]


class _Calls:
    """Calls of one cycle; one error can make further calls of its kind pointless."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._is_over = False
        self._unfit: set[tuple[str, str]] = set()

    def call(self, machine: Machine, request: CreateRequest) -> Callable[[], str]:
        """Return the call; it returns an empty id if the cloud was not asked any more."""

        def create() -> str:
            if self.is_over or (machine.flavor, machine.zone) in self._unfit:
                return ""
            try:
                return self._context.space.create(request)
            except SpaceError as error:
                self._heed(machine, error)
                raise

        return create

    def _heed(self, machine: Machine, error: SpaceError) -> None:
        """Let no further call begin that would be refused alike."""
        if isinstance(error, QuotaExceeded) or is_turned_away(error):
            self._is_over = True
        elif isinstance(error, NoCapacity):
            self._unfit.add((machine.flavor, machine.zone))

    @property
    def is_over(self) -> bool:
        """True once the quota is used up, the cloud asked us to wait, or the space may be lost."""
        return self._is_over or not self._context.may_act()


def create_all(
    context: Context,
    config: SpaceConfig,
    records: Records,
    creates: Sequence[Create],
    *,
    images: Mapping[str, str],
    is_late: Callable[[], bool],
) -> Records:
    """Ask for the planned machines, in batches, until all are asked for or `is_late()`.

    `images` are those of machinetypes whose root_image was uploaded, as `image:ID`.

    None is asked for if the cloud just answered a deletion with the wish to be left alone.
    """
    if (records.memory.paused_until or 0) > context.clock.now():
        return records
    wanted = list(_wanted(context, config, creates, images))
    if not wanted:
        return records
    intents = Changes(space=context.name, machines=tuple(each.machine for each in wanted))
    records = context.save(records, intents)
    return _create_in_batches(context, config, records, wanted, is_late)


def _create_in_batches(
    context: Context,
    config: SpaceConfig,
    records: Records,
    wanted: Sequence[_Wanted],
    is_late: Callable[[], bool],
) -> Records:
    """Ask for what is wanted; see Note [One batch ahead]."""
    make_ready = partial(_make_ready, context, config, records)
    calls, batches = _Calls(context), _in_batches(wanted)
    ready = make_ready(batches[0])
    for done, following in enumerate([*batches[1:], ()], start=1):
        if is_late() or calls.is_over:
            rest = [Attempt(machine=each.machine) for each in itertools.chain(*batches[done:])]
            return _conclude(context, config, records, [*ready.given_up(), *rest])
        with ThreadPoolExecutor(max_workers=1) as beside:
            coming = beside.submit(make_ready, following)
            records = _create_batch(context, config, records, ready, calls)
        ready = coming.result()
    return records


def _in_batches(wanted: Sequence[_Wanted]) -> list[Sequence[_Wanted]]:
    starts = range(FIRST_BATCH, len(wanted), BATCH)
    return [wanted[:FIRST_BATCH], *(wanted[start : start + BATCH] for start in starts)]


def _create_batch(
    context: Context, config: SpaceConfig, records: Records, ready: _Ready, calls: _Calls
) -> Records:
    asked = [replace(each.machine, stage=Stage.ASKED) for each, _ in ready.wanted]
    records = context.save(records, Changes(space=context.name, machines=tuple(asked)))
    requests = [_request(context, config, each, rendered) for each, rendered in ready.wanted]
    jobs = [calls.call(*pair) for pair in zip(asked, requests, strict=True)]
    attempts = list(ready.failed)
    for outcome in context.calls.run_all("create", jobs):
        machine = asked[outcome.number]
        attempts.append(
            Attempt(machine=machine, cloud_id=outcome.value or "", error=outcome.error)
        )
    return _conclude(context, config, records, attempts)


def _conclude(
    context: Context, config: SpaceConfig, records: Records, attempts: Sequence[Attempt]
) -> Records:
    changes = concluded(records, attempts, now=context.clock.now())
    return settle(context, config, records, changes)


def _wanted(
    context: Context, config: SpaceConfig, creates: Sequence[Create], images: Mapping[str, str]
) -> Iterator[_Wanted]:
    kinds = {kind.name: kind for kind in config.machinetypes}
    terms = {name: terms_of(config, kind, host=context.host) for name, kind in kinds.items()}
    for create in creates:
        token = new_token()
        kind = kinds[create.machinetype]
        machine = _intent(context, create, kind, terms[kind.name], token)
        image = images.get(kind.name, kind.options.root_image or "")
        told = _told_at_birth(machine, config)
        yield _Wanted(machine=told, kind=kind, token=token, image=image)


def _intent(
    context: Context, create: Create, kind: MachinetypeConfig, terms: Terms, token: str
) -> Machine:
    processors = create.flavor.processors
    suffix = "".join(context.rng.choices(_ALPHABET, k=10))
    return Machine(
        uuid=str(uuid.UUID(int=context.rng.getrandbits(128), version=4)),
        name=f"vcycle-{create.machinetype}-{suffix}",
        space=context.name,
        machinetype=create.machinetype,
        stage=Stage.INTENDED,
        state=MachineState.STARTING,
        processors=processors,
        memory_mb=create.flavor.memory_mb or kind.options.mb_per_processor * processors,
        flavor=create.flavor.name,
        terms=terms,
        created_at=context.clock.now(),
        zone=create.zone,
        token_hash=hash_of(token),
    )


def _told_at_birth(machine: Machine, config: SpaceConfig) -> Machine:
    """Return `machine` with the end that its features show from the start."""
    end = config.options.shutdown_time
    if end is None:
        return machine
    return replace(machine, leave_by=end, leave_why=Reason.SHUTDOWN_TIME)


def _make_ready(
    context: Context, config: SpaceConfig, records: Records, batch: Sequence[_Wanted]
) -> _Ready:
    """Render user_data and write the trees."""
    ready = _Ready()
    for each in batch:
        try:
            rendered = render(
                context, config, each.kind, each.machine, each.token, others=records.machines
            )
            handed = hand_over(context, each.kind, each.machine.name, rendered)
            tree = new_machine(context, config, each.machine, user_data=rendered.user_data)
            context.tree.prepare(replace(tree, user_data_hash=handed.token_hash))
        except UserDataError as error:
            ready.failed.append(Attempt(machine=each.machine, error=error))
        except OSError as error:
            problem = UserDataError(f"the machine's folder cannot be written: {error}")
            ready.failed.append(Attempt(machine=each.machine, error=problem))
        else:
            ready.wanted.append((each, replace(rendered, user_data=handed.content)))
    return ready


def _request(
    context: Context, config: SpaceConfig, wanted: _Wanted, rendered: Rendered
) -> CreateRequest:
    machine = wanted.machine
    return CreateRequest(
        name=machine.name,
        uuid=machine.uuid,
        machinetype=machine.machinetype,
        flavor=machine.flavor,
        zone=machine.zone,
        user_data=rendered.user_data,
        tags={
            "name": machine.name,
            "machinetype": machine.machinetype,
            "machinefeatures": rendered.urls.machinefeatures,
            "jobfeatures": rendered.urls.jobfeatures,
            "joboutputs": rendered.urls.joboutputs,
            "vcycle_installation": context.installation,
            "vcycle_uuid": machine.uuid,
            "vcycle_space": machine.space,
        },
        image=wanted.image,
        public_key=rendered.public_key,
        volume_gb=config.options.volume_gb_per_processor * machine.processors,
    )
