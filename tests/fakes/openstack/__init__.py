"""An OpenStack of our own: real HTTP on 127.0.0.1, scripted by tests, which knows the truth.

    cloud = OpenStackCloud(clock, Settings(start_seconds=30))
    with serving(cloud.answer) as url:
        ...  # a client logs in at f"{url}/identity"; the test calls cloud.finish(name) and so on

`python -m tests.fakes.openstack` is the same as a process of its own, `RemoteCloud` its control.
"""

from tests.fakes.openstack.cloud import OpenStackCloud
from tests.fakes.openstack.control import Controlled, RemoteCloud
from tests.fakes.openstack.faults import ANY, LOST, RESET, Fault, answer
from tests.fakes.openstack.listings import Listing
from tests.fakes.openstack.server import serving
from tests.fakes.openstack.settings import (
    IMAGE,
    ApplicationCredential,
    Flavor,
    Network,
    Quota,
    Settings,
)
from tests.fakes.openstack.truth import Server

__all__ = [
    "ANY",
    "IMAGE",
    "LOST",
    "RESET",
    "ApplicationCredential",
    "Controlled",
    "Fault",
    "Flavor",
    "Listing",
    "Network",
    "OpenStackCloud",
    "Quota",
    "RemoteCloud",
    "Server",
    "Settings",
    "answer",
    "serving",
]
