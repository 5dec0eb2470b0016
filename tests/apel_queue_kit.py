"""What the tests of the queue of ssmsend share: one that is empty, and what stands in it.

A module takes the fixture by its name: `queue = apel_queue_kit.queue`.
"""

from pathlib import Path

import pytest

from tests.apel_runs import NOW, run_of
from tests.ssmsend import files_below
from vcycled.apel import validate
from vcycled.apel.queue import Queue, elements_of
from vcycled.apel.record import record_of, text_of
from vcycled.model import RunInterval

ELEMENT = "20270115/4d0118eafbeb60"
PRIVATE_SITE = {"is_published": False}


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    """A queue whose folders do not exist yet."""
    return Queue(tmp_path / "vcycle")


def first_place(run: RunInterval) -> str:
    """Return where the record of `run` stands unless another one is there."""
    return next(elements_of(run))


def text(run: RunInterval) -> str:
    """Return the message of `run`."""
    return text_of([record_of(run)])


def messages_in(tree: Path) -> list[str]:
    """Return the messages that can be seen in `tree`, each of which must be whole."""
    elements = [path for path in files_below(tree) if not path.name.endswith(".tmp")]
    messages = [path.read_text() for path in elements]
    assert [validate.problems(each.encode(), now=NOW) for each in messages] == [()] * len(messages)
    return messages


RUNS = (run_of(1), run_of(2, **PRIVATE_SITE), run_of(3))
SENT = [text(run_of(1)), text(run_of(3))]
