"""Calls to Resource Manager: counted and translated; the SDK is imported when it is used."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vcycled.clock import Clock
from vcycled.errors import SpaceError, Unavailable
from vcycled.pace import Pace, pace_of
from vcycled.spaces.azure.options import AzureOptions

if TYPE_CHECKING:
    from azure.mgmt.compute import ComputeManagementClient

    from vcycled.spaces.azure.connection import Connection
    from vcycled.spaces.azure.wire import Wire


class Api:
    """Resource Manager as one login sees it; may be called from many threads."""

    def __init__(self, options: AzureOptions, *, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._lock = threading.Lock()
        self._wire: Wire | None = None
        self._connection: Connection | None = None

    def connect(self) -> None:
        """Log in, unless there is a token that holds.

        Raises:
            Unavailable: the login service does not answer.
            Refused: it does not let us in.
        """
        try:
            self._connected().log_in()
        except SpaceError:
            # What was wrong may be put right in a file, which only a new login reads.
            self._forget()
            raise

    @contextmanager
    def asking(self, operation: str) -> Iterator[ComputeManagementClient]:
        """Give the SDK's client for one operation, and translate what goes wrong.

        Raises:
            SpaceError: what came of it; `errors.Missing` and `errors.Exists` among them.
        """
        from azure.core.exceptions import AzureError  # noqa: PLC0415 - slow to import

        from vcycled.spaces.azure.errors import Expired, of_error  # noqa: PLC0415

        client = self._connected().client
        wire = self._wired()
        try:
            with wire.count.doing(operation):
                yield client
        except AzureError as error:
            found = of_error(operation, error)
            if isinstance(found, Expired):
                self._forget()
            if isinstance(found, Unavailable) and found.retry_after_s:
                wire.pace.pause(found.retry_after_s)
            raise found from None
        except json.JSONDecodeError:
            raise Unavailable(operation, "an answer is not JSON: is there a proxy?") from None

    @property
    def calls(self) -> Counter[str]:
        """How many requests were sent, logins among them."""
        return self._wire.count.made() if self._wire else Counter()

    def close(self) -> None:
        """Close the connections and forget the token; the next call logs in anew."""
        self._forget()
        if self._wire:
            self._wire.shut()

    def _forget(self) -> None:
        with self._lock:
            self._connection = None

    def _connected(self) -> Connection:
        from vcycled.spaces.azure.connection import Connection  # noqa: PLC0415 - slow to import

        wire = self._wired()
        with self._lock:
            if self._connection is None:
                self._connection = Connection(self._options, wire)
            return self._connection

    def _wired(self) -> Wire:
        from vcycled.spaces.azure.wire import Wire  # noqa: PLC0415 - slow to import

        with self._lock:
            if self._wire is None:
                timeout_s = self._options.api_timeout_seconds
                self._wire = Wire(
                    self._pace(), read_timeout_s=timeout_s, ca_file=self._options.ca_file
                )
            return self._wire

    def _pace(self) -> Pace:
        options = self._options
        account = ("azure", options.url, options.subscription, options.client_id)
        rate, burst = options.api_calls_per_second, options.api_burst
        return pace_of(account, rate, burst, clock=self._clock)
