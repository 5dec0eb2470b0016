"""What the worlds of clouds that are served on the loopback share, whatever the cloud."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from tests.auditor import Ran, Window
from tests.fakes.openstack.simulated import Living, SimulatedCloud
from tests.world import FIZZLE, AnyWorld
from vcycled.config import MachinetypeConfig
from vcycled.spaces.base import Space

T = TypeVar("T", bound=Living)
W = TypeVar("W", bound="ServedWorld")


class ServedWorld(AnyWorld):
    """One that closes its cloud, and all views of it, with itself."""

    def __init__(
        self,
        root: Path,
        *kinds: MachinetypeConfig,
        **options: Any,  # noqa: ANN401 - of the space; replace() refuses wrong names
    ) -> None:
        """Build it; `options` are those of the space."""
        self._open = ExitStack()
        super().__init__(root, *kinds, **options)

    @abstractmethod
    def make_space(self) -> Space:
        """Return one more view of the cloud."""

    @abstractmethod
    def finish_all(self) -> None:
        """Let every machine of ours say that its work is done, and shut down."""

    def left(self) -> set[str]:
        """Return what the cloud holds that was made by a manager, machines and all else."""
        return set(self.ours().values())

    def new_space(self) -> Space:
        """Return one more view of it, as a new process has it."""
        space = self.make_space()
        self._open.callback(space.close)
        return space

    def close(self) -> None:
        """Close the database, the views and the cloud."""
        super().close()
        self._open.close()


class TruthfulWorld(ServedWorld, Generic[T]):
    """One whose cloud is our own, which knows the truth of every machine."""

    cloud: SimulatedCloud[T]

    @property
    def here(self) -> tuple[T, ...]:
        """What the cloud holds of ours."""
        return tuple(each for each in self.cloud.here if each.is_ours)

    def ours(self) -> Mapping[str, str]:
        """Return the names of what the cloud holds of ours, by its id."""
        return {each.id: each.name for each in self.here}

    def runs(self) -> Sequence[Ran]:
        """Return how each machine of ours ran that did and is gone."""
        return [
            Ran(
                uuid=each.uuid,
                processors=each.processors,
                started=Window(earliest=each.created_at, latest=each.launched_at + self.unseen),
                ended=Window(
                    earliest=each.ended_at - self.unseen, latest=each.ended_at + self.unseen
                ),
                fizzle_seconds=FIZZLE,
            )
            for each in self.cloud.truth
            if each.is_ours
            and each.gone_at is not None
            and each.launched_at is not None
            and each.ended_at is not None
        ]


@contextmanager
def building(world: Callable[..., W], root: Path) -> Iterator[Callable[..., W]]:
    """Give a function that builds worlds at `root`; they are closed at the end."""
    with ExitStack() as stack:

        def build(*kinds: MachinetypeConfig, **options: Any) -> W:  # noqa: ANN401 - the world's
            made = world(root, *kinds, **options)
            stack.callback(made.close)
            return made

        yield build


def wind_up(world: ServedWorld) -> None:
    """Let all work end, make nothing more, and hold that nothing is left and all is on record."""
    wind_up_unseen(world)
    assert world.audit() == []


def wind_up_unseen(world: ServedWorld) -> None:
    """The same where the auditor cannot tell two machines of one UUID apart."""
    for each in world.config.machinetypes:
        world.set_kind(each.name, target_share=0.0)
    for _ in range(12):
        world.finish_all()
        world.cycle()
        world.clock.advance(60)
        if not world.machines and not world.ours():
            break
    world.cycles(3, seconds=1300)
    assert world.left() == set()
    assert world.machines == ()
