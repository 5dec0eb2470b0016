"""What the fault of a server says about the project's quota and the cloud's room.

The texts are those of nova/exception.py, nova/conductor and nova/scheduler of Nova 2026.1, whose
wording has hardly changed since 2013, and of Neutron's and Cinder's quotas as Nova hands them on.
Quotas are looked for first: a text about attempts ends with what went wrong at the last of them.
"""

from __future__ import annotations

import re

_QUOTA = re.compile(
    "|".join(
        (
            r"quota exceeded",  # OverQuota, TooManyInstances; Neutron's OverQuota
            r"exceed\w* (?:\w+ ){0,3}quota",  # Cinder's gigabytes; block devices of a server
            r"maximum number of \w+(?: \w+)? (?:allowed \(\d+\) )?exceeded",  # ports, volumes
            r"no fixed ip addresses available",  # NoMoreFixedIps: no flavor or zone helps
            r"no more ip addresses available",  # Neutron's word for the same
        )
    ),
    re.IGNORECASE,
)
_CAPACITY = re.compile(
    "|".join(
        (
            r"no valid host was found",  # NoValidHost
            r"not enough hosts available",  # its reason, also alone
            r"exceeded max(?:imum number of retries| scheduling attempts)",  # MaxRetriesExceeded
            r"exhausted all hosts available",  # its reason
            r"insufficient compute resources",  # ComputeResourcesUnavailable
            r"failed to create allocations",  # AllocationCreateFailed: lost a race for a host
        )
    ),
    re.IGNORECASE,
)


def lacks_quota(fault: str) -> bool:
    """Return True if `fault` says that a quota of the project, or its network, is used up."""
    return bool(_QUOTA.search(fault))


def lacks_capacity(fault: str) -> bool:
    """Return True if `fault` says that no host has room for the flavor."""
    return bool(_CAPACITY.search(fault)) and not lacks_quota(fault)
