"""Whose the machines are: the number of the account, from AWS's Security Token Service."""

from __future__ import annotations

from collections.abc import Mapping

from vcycled.clock import Clock
from vcycled.errors import SpaceError
from vcycled.spaces.ec2.api import Api
from vcycled.spaces.ec2.options import Ec2Options

AGAIN_SECONDS = 3600
"""How long a service that did not answer is left alone: a network may have no way to it."""


class Owner:
    """The account that the credentials are of; asked for once for each time they are found."""

    def __init__(self, api: Api, options: Ec2Options, *, clock: Clock) -> None:
        self._api = api
        self._is_aws = options.is_aws
        self._region = options.region
        self._clock = clock
        self._number = ""
        self._asked_at_login = 0
        self._again_at = 0.0
        self.notice = ""
        """Why the account is not known, if that is worth knowing."""

    def account(self) -> Mapping[str, str]:
        """Return its number, unless it could not be had, and the region.

        Nothing of a cloud that is not AWS: not each has this service, and a region says little.
        """
        if not self._is_aws:
            return {}
        if self._api.logins != self._asked_at_login or (
            not self._number and self._clock.monotonic() >= self._again_at
        ):
            self._ask()
        known = {"account": self._number} if self._number else {}
        return {**known, "region": self._region}

    def _ask(self) -> None:
        self._asked_at_login = self._api.logins
        self._number = self.notice = ""
        try:
            self._number = self._api.ask("account", "sts", "get_caller_identity").text("Account")
        except SpaceError as error:
            self._again_at = self._clock.monotonic() + AGAIN_SECONDS
            self.notice = f"a change of the account would not be noticed: {error.detail}"
