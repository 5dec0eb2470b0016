"""What tests of the OpenStack space share: its options for the simulated cloud."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vcycled.options import Secret
from vcycled.spaces.openstack import OpenStackOptions

ROOT_IMAGE = "image:worker"
"""As a machinetype names the image that the simulated cloud has."""


def options(url: str, **changes: Any) -> OpenStackOptions:  # noqa: ANN401 - replace() refuses wrong names
    """Return the options of a space on the simulated cloud at `url`, asked at will."""
    usual = OpenStackOptions(
        url=f"{url}/identity/v3",
        username="vcycle",
        password=Secret("secret"),
        project_name="grid",
        api_calls_per_second=1e6,
        api_burst=1000,
    )
    return replace(usual, **changes)
