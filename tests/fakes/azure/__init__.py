"""An Azure of our own: real HTTPS on the loopback, scripted by tests, which knows the truth.

    cloud = AzureCloud(clock, Settings(start_seconds=30))
    with serving(cloud.answer, tls=context) as url:
        ...  # Resource Manager and the login service are both at `url`

It answers what the SDK asks for virtual machines, in the API's own words, and no more. Listings
are as reticent as Azure's: what machines are and how they are is told by two different ones.
"""

from tests.fakes.azure.cloud import AzureCloud
from tests.fakes.azure.messages import answer
from tests.fakes.azure.settings import Settings, Size
from tests.fakes.azure.truth import Listing, Machine
from tests.fakes.openstack.faults import ANY, LOST, RESET, Fault
from tests.fakes.openstack.server import serving

__all__ = [
    "ANY",
    "LOST",
    "RESET",
    "AzureCloud",
    "Fault",
    "Listing",
    "Machine",
    "Settings",
    "Size",
    "answer",
    "serving",
]
