"""The EC2 space: machines are instances of one account in one region."""

from __future__ import annotations

import importlib.util

if importlib.util.find_spec("botocore") is None:
    raise ImportError("the package botocore is missing")

from vcycled.spaces.ec2.options import Ec2Options
from vcycled.spaces.ec2.space import Ec2Space

__all__ = ["Ec2Options", "Ec2Space"]
