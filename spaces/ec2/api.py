"""Calls to the services of one account and region: paced, counted and translated."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vcycled.clock import Clock
from vcycled.pace import Pace, pace_of
from vcycled.spaces.counting import CallCount
from vcycled.spaces.ec2.answers import Doc
from vcycled.spaces.ec2.options import Ec2Options
from vcycled.spaces.ec2.rejections import LOGIN_CODES, Rejected

if TYPE_CHECKING:
    from vcycled.spaces.ec2.login import Login


class Api:
    """The services of one region, asked as one user; may be called from many threads.

    One call is one request and one token of the account's pace; none is repeated. The SDK, which
    is slow to import, is first needed by `connect`.
    """

    def __init__(self, options: Ec2Options, *, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._lock = threading.Lock()
        self._login: Login | None = None
        self._paces: tuple[Pace, Pace] | None = None
        self._count = CallCount()
        self._logins = 0

    def connect(self) -> None:
        """Find the credentials, unless that has been done.

        Raises:
            Refused: there are none, or the options about them are wrong.
        """
        self._logged_in()

    def call(self, operation: str, method: str, /, **parameters: object) -> Doc:
        """Make one call to EC2 and return its answer; see `ask`."""
        return self.ask(operation, "ec2", method, **parameters)

    def ask(self, operation: str, service: str, method: str, /, **parameters: object) -> Doc:
        """Make one call to a service and return its answer.

        Args:
            operation: the verb of the contract that this is for.
            service: as the SDK calls it.
            method: of the SDK's client for it, such as describe_instances.
            parameters: of the method; checked by the SDK against its model of the API.

        Raises:
            SpaceError: what else came of it; those of `rejections` among them.
        """
        login = self._logged_in()
        self._pace(method).take(operation)
        self._count.add(operation)
        try:
            return Doc(operation, login.send(operation, service, method, parameters))
        except Rejected as error:
            if error.code in LOGIN_CODES:
                self.close()  # the files of the SDK may hold better ones by the next cycle
            raise

    def pages(self, operation: str, method: str, /, **parameters: object) -> Iterator[Doc]:
        """Yield every page of a listing of EC2; one that fails ends it with its error."""
        token = ""
        while True:
            more: dict[str, object] = {"NextToken": token} if token else {}
            page = self.call(operation, method, **parameters, **more)
            yield page
            token = page.text("NextToken")
            if not token:
                return

    @property
    def calls(self) -> Counter[str]:
        """How many calls were made, by operation."""
        return self._count.made()

    @property
    def logins(self) -> int:
        """How often credentials were found; those of another time may be another account's."""
        return self._logins

    def close(self) -> None:
        """Close the connections and forget the credentials; the next call finds them anew."""
        with self._lock:
            login, self._login = self._login, None
        if login:
            login.close()

    def _logged_in(self) -> Login:
        with self._lock:
            if self._login is None:
                from vcycled.spaces.ec2.login import Login  # noqa: PLC0415 - slow to import

                self._login = Login(self._options)
                self._logins += 1
            return self._login

    def _pace(self, method: str) -> Pace:
        """Return the pace of a call: AWS counts launches apart, and lets few of them pass."""
        if self._paces is None:
            options, clock = self._options, self._clock
            who = (options.url, options.region, options.access_key, options.profile)
            account = ("ec2", *who, options.role_arn)
            usual = (options.api_calls_per_second, options.api_burst)
            launch = (options.launches_per_second, options.launch_burst)
            self._paces = (
                pace_of(account, *usual, clock=clock),
                pace_of((*account, "launch"), *launch, clock=clock),
            )
        return self._paces[method == "run_instances"]
