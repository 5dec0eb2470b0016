"""Tests on services as they are: marked `live`, and brought up by `make` targets of their own."""

import pytest

ON_OPENSTACK = [
    pytest.mark.live,
    pytest.mark.live_openstack,
    # The tests look at the cloud with the SDK, which warns of what it does itself.
    pytest.mark.filterwarnings(r"ignore:::openstack\..*"),
]
"""The marks of a module that needs tests/openstack_bed."""

PATIENCE_S = 150.0
"""How long what must come may take: the cloud makes 150 machines for another test meanwhile."""
PATIENT = pytest.mark.timeout(600)
"""The mark of a module whose tests wait for several such things."""
