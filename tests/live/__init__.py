"""Tests on services as they are: marked `live`, and brought up by `make` targets of their own."""

import pytest

ON_OPENSTACK = [
    pytest.mark.live,
    pytest.mark.live_openstack,
    # The tests look at the cloud with the SDK, which warns of what it does itself.
    pytest.mark.filterwarnings(r"ignore:::openstack\..*"),
]
"""The marks of a module that needs tests/openstack_bed."""
