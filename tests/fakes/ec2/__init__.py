"""A simulated EC2: moto behind a layer that plays what moto does not."""

from tests.fakes.ec2.cloud import Call, Ec2Cloud
from tests.fakes.ec2.faults import Fault
from tests.fakes.ec2.server import serving

__all__ = ["Call", "Ec2Cloud", "Fault", "serving"]
