"""Reading for requests: away from the event loop, so many at once, and no longer than so.

Each kind of request has readers of its own, so that what waits for a cloud, or hangs with the
database, keeps nothing else from its answer, and /healthz least of all, which reads nothing.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

from vcycled import kvlog
from vcycled.admin.answers import Unreadable
from vcycled.cli.session import NoStore, Session
from vcycled.errors import OperatorError, SpaceError, VcycleError

T = TypeVar("T")

_LOG = kvlog.get(__name__)


class Readings:
    """Reads configuration and database afresh for each request.

    Args:
        new_session: gives what they are read with.
        patience_s: how long a reading may take, with its wait for others.
        most: so many at once.
    """

    def __init__(
        self, new_session: Callable[[], Session], *, patience_s: float, most: int = 1
    ) -> None:
        self._new_session = new_session
        self._patience_s = patience_s
        self._free = asyncio.Semaphore(most)
        self._trouble = ""

    async def read(self, make: Callable[[Session], T]) -> T:
        """Return what `make` does.

        Raises:
            Unreadable: nothing can be read, or not in time, which is logged when it is new.
            OperatorError, SpaceError: `make` says so.
        """
        trouble = ""
        try:
            async with asyncio.timeout(self._patience_s):
                return await self._run(lambda: make(self._new_session()))
        except TimeoutError as error:
            trouble = f"no answer within {self._patience_s:g} s"
            raise Unreadable(trouble) from error
        except (VcycleError, OSError) as error:
            if _is_answer(error):
                raise
            trouble = str(error)
            raise Unreadable(trouble) from error
        finally:
            self._note(trouble)

    async def _run(self, call: Callable[[], T]) -> T:
        """Return what `call` does in a thread, which holds its place until it has returned.

        It is a daemon: what hangs does not keep this process from its end.
        """
        await self._free.acquire()
        loop, told = asyncio.get_running_loop(), Future[T]()
        told.set_running_or_notify_cancel()

        def work() -> None:
            try:
                told.set_result(call())
            except BaseException as error:  # noqa: BLE001 - handed to the request, which raises it
                told.set_exception(error)
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._free.release)

        threading.Thread(target=work, name="admin-reading", daemon=True).start()
        return await asyncio.wrap_future(told)

    def _note(self, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            _LOG.warning("admin-read-failed", error=trouble)
        self._trouble = trouble


def _is_answer(error: VcycleError | OSError) -> bool:
    """Return whether an error answers what was asked, rather than that nothing can be read."""
    return isinstance(error, (OperatorError, SpaceError)) and not isinstance(error, NoStore)
