"""Where and at which price a machine may be made: subnets, on-demand and spot.

A place without room for an instance type is tried last for a while. No place is left out: the
manager itself remembers that a zone has none, and when it asks again, it is to be tried.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from vcycled.clock import Clock
from vcycled.errors import Refused
from vcycled.spaces.ec2.api import Api
from vcycled.spaces.ec2.options import Ec2Options
from vcycled.spaces.ec2.rejections import Missing
from vcycled.spaces.kept import Kept

LAST_SECONDS = 600
"""How long a place that had no room is tried after the others."""
KEPT_SECONDS = 3600
"""How long it holds which subnet is in which zone: for ever, but for mistakes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one attempt is made."""

    zone: str = ""
    """Empty if the subnet tells, or EC2 chooses."""
    subnet: str = ""
    is_spot: bool = False


class Places:
    """The places of a space, in the order of preference."""

    def __init__(self, api: Api, options: Ec2Options, *, clock: Clock) -> None:
        self._api = api
        self._subnets = options.subnets
        markets = (True, False) if options.spot_fallback else (options.spot,)
        self._markets = markets
        self._clock = clock
        self._lock = threading.Lock()
        self._full: dict[tuple[str, Place], float] = {}
        self._zones = Kept(self._ask_for_zones, seconds=KEPT_SECONDS, clock=clock)

    def for_machine(self, flavor: str, zone: str) -> list[Place]:
        """Return where to try to make a machine, the best first.

        Raises:
            Refused: none of the subnets is in this zone.
        """
        spots = self._spots(zone)
        places = [
            Place(zone=spot.zone, subnet=spot.subnet, is_spot=is_spot)
            for is_spot in self._markets
            for spot in spots
        ]
        with self._lock:
            now = self._clock.monotonic()
            self._full = {key: until for key, until in self._full.items() if until > now}
            return sorted(places, key=lambda place: (flavor, place) in self._full)

    def is_full(self, flavor: str, place: Place) -> None:
        """Try this place last for a while, for this instance type."""
        with self._lock:
            self._full[flavor, place] = self._clock.monotonic() + LAST_SECONDS

    def _spots(self, zone: str) -> list[Place]:
        if not self._subnets:
            return [Place(zone=zone)]
        if not zone:
            return [Place(subnet=each) for each in self._subnets]
        known = self._zones.get(" ".join(self._subnets))
        found = [Place(subnet=each) for each in self._subnets if known.get(each) == zone]
        if not found:
            raise Refused("create", f"none of subnets is in zone {zone}")
        return found

    def _ask_for_zones(self, subnets: str) -> Mapping[str, str]:
        try:
            answer = self._api.call("create", "describe_subnets", SubnetIds=subnets.split())
        except Missing as error:
            raise Refused("create", f"subnets: {error.detail}") from error
        found = answer.docs("Subnets")
        return {each.id("SubnetId"): each.text("AvailabilityZone") for each in found}
