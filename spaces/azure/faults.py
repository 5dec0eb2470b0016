"""Which of Azure's error codes mean that there is no room, and which that a quota is used up.

The same codes come in answers to a creation and, when it failed later, in the machine's status.
Sources: "Resolve errors for allocation failures", "for SKU not available", "for resource quotas"
and "Spot virtual machines" of Microsoft's documentation; the codes of its public issue trackers.
"""

from __future__ import annotations

import re

CAPACITY_CODES = frozenset(
    {
        "allocationfailed",
        "zonalallocationfailed",
        "overconstrainedallocationrequest",
        "overconstrainedzonalallocationrequest",
        "skunotavailable",
        "spotpricegreaterthanprovidedmaxprice",
    }
)
"""There is no room for this size in this zone now, or not at this price."""

QUOTA_CODES = frozenset({"quotaexceeded", "resourcequotaexceeded", "subnetisfull"})
"""A quota of the subscription is used up, or the subnet has no address left."""

_QUOTA_TEXT = re.compile(r"exceeding (approved|quota)")
"""Code `OperationNotAllowed` stands for much; its sentence says which."""
_FAMILY_TEXT = re.compile(r"exceeding approved [\w ]*family")
"""The quota of a family of sizes: another size may still fit."""


def lacks_capacity(code: str, text: str) -> bool:
    """Return True if there is no room for this size, while there may be for another."""
    said = text.lower()
    is_family = _is_quota(code, said) and bool(_FAMILY_TEXT.search(said))
    return code.lower() in CAPACITY_CODES or is_family


def lacks_quota(code: str, text: str) -> bool:
    """Return True if no size would do: the quota of the whole region is used up."""
    return _is_quota(code, text.lower()) and not lacks_capacity(code, text)


def _is_quota(code: str, said: str) -> bool:
    if code.lower() in QUOTA_CODES:
        return True
    return code.lower() == "operationnotallowed" and bool(_QUOTA_TEXT.search(said))
