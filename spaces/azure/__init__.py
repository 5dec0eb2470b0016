"""The Azure space: machines are virtual machines of one resource group, by Resource Manager."""

from __future__ import annotations

import importlib.util

try:
    _has_sdk = all(map(importlib.util.find_spec, ("azure.mgmt.compute", "azure.identity")))
except ModuleNotFoundError:  # not even what these two are in
    _has_sdk = False
if not _has_sdk:
    raise ImportError("the packages azure-mgmt-compute and azure-identity are missing")

from vcycled.spaces.azure.options import AzureOptions
from vcycled.spaces.azure.space import AzureSpace

__all__ = ["AzureOptions", "AzureSpace"]
