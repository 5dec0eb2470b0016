"""How much an account may have: from Service Quotas, else from EC2 itself, else unknown."""

from __future__ import annotations

from vcycled.clock import Clock
from vcycled.errors import Refused, Unavailable
from vcycled.model import Limits
from vcycled.spaces.ec2.api import Api
from vcycled.spaces.ec2.options import Ec2Options
from vcycled.spaces.ec2.rejections import Missing, Unsupported

ON_DEMAND = "L-1216C47A"
"""Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances, in vCPUs."""
SPOT = "L-34B43A08"
"""All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests, in vCPUs."""
KEPT_SECONDS = 600
"""How long what was said holds; a quota changes when somebody asks for that."""


class Quotas:
    """The quota of an account in a region."""

    def __init__(self, api: Api, options: Ec2Options, *, clock: Clock) -> None:
        self._api = api
        self._is_aws = options.is_aws
        usual = (SPOT, ON_DEMAND) if options.spot_fallback else (SPOT,)
        self._codes = options.quota_codes or (usual if options.spot else (ON_DEMAND,))
        self._clock = clock
        self._kept: Limits | None = None
        self._until = 0.0
        self.notice = ""
        """Why there is no quota, if that is worth knowing."""

    def limits(self) -> Limits:
        """Return the quota; one that cannot be asked for just now is what it was.

        Raises:
            Unavailable: it was never known.
        """
        now = self._clock.monotonic()
        if self._kept is None or now >= self._until:
            try:
                self._kept = self._ask()
            except Unavailable:
                if self._kept is None:
                    raise
            self._until = now + KEPT_SECONDS
        return self._kept

    def _ask(self) -> Limits:
        self.notice = ""
        if self._codes == ("none",):
            return Limits()
        try:
            if self._is_aws:
                return Limits(processors=sum(map(self._processors, self._codes)))
            return Limits(machines=self._instances())
        except Unsupported:
            return Limits()
        except Refused as error:
            self.notice = f"the quota is not known, processors_limit alone holds: {error.detail}"
            return Limits()

    def _processors(self, code: str) -> int:
        ask = {"ServiceCode": "ec2", "QuotaCode": code}
        service = "service-quotas"
        try:
            answer = self._api.ask("limits", service, "get_service_quota", **ask)
        except Missing:  # never raised for this account: that of every account holds
            method = "get_aws_default_service_quota"
            answer = self._api.ask("limits", service, method, **ask)
        value = answer.doc("Quota").number("Value")
        if value is None:
            raise Refused("limits", f"quota {code} has no value")
        return int(value)

    def _instances(self) -> int | None:
        names = ["max-instances"]
        answer = self._api.call("limits", "describe_account_attributes", AttributeNames=names)
        for attribute in answer.docs("AccountAttributes"):
            for value in attribute.docs("AttributeValues"):
                text = value.text("AttributeValue")
                if attribute.text("AttributeName") == names[0] and text.isdecimal():
                    return int(text)
        return None
