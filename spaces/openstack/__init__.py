"""The OpenStack space: machines are Nova servers of one project."""

from __future__ import annotations

import importlib.util

if importlib.util.find_spec("openstack") is None:
    raise ImportError("the package openstacksdk is missing")

from vcycled.spaces.openstack.options import OpenStackOptions
from vcycled.spaces.openstack.space import OpenStackSpace

__all__ = ["OpenStackOptions", "OpenStackSpace"]
