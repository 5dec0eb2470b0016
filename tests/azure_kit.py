"""What tests of the Azure space share: its options for the simulated cloud, and its TLS."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import trustme

from tests.fakes.azure import AzureCloud, Settings, serving
from vcycled.options import Secret
from vcycled.spaces.azure import AzureOptions, AzureSpace
from vcycled.spaces.base import CreateRequest
from vcycled.testing.clock import FakeClock

ROOT_IMAGE = "image:worker"
"""As a machinetype names the image that the simulated cloud has."""

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE1 operator@example.org"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a simulated cloud is, and whom to trust for that."""

    url: str
    ca_file: str


@contextmanager
def serving_azure(cloud: AzureCloud) -> Iterator[Address]:
    """Serve a cloud over TLS with an authority of its own."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with tempfile.TemporaryDirectory() as folder, serving(cloud.answer, tls=context) as url:
        ca_file = Path(folder) / "ca.pem"
        authority.cert_pem.write_to_path(str(ca_file))
        yield Address(url=url, ca_file=str(ca_file))


def options(
    address: Address,
    settings: Settings | None = None,
    **changes: Any,  # noqa: ANN401 - replace() refuses wrong names
) -> AzureOptions:
    """Return the options of a space on the simulated cloud, asked at will."""
    settings = settings or Settings()
    usual = AzureOptions(
        subscription=settings.subscription,
        resource_group=settings.group,
        location=settings.location,
        subnet_id=settings.subnet_id,
        tenant_id=settings.tenant,
        client_id=settings.client_id,
        client_secret=Secret(settings.client_secret),
        url=address.url,
        authority_url=address.url,
        ca_file=address.ca_file,
        api_calls_per_second=1e6,
        api_burst=1000,
    )
    return replace(usual, **changes)


class AzureBed:
    """A simulated cloud, and spaces on it."""

    def __init__(self, cloud: AzureCloud, address: Address, clock: FakeClock) -> None:
        self.cloud = cloud
        self.address = address
        self.clock = clock
        self.made: list[AzureSpace] = []

    def space(self, **changes: Any) -> AzureSpace:  # noqa: ANN401 - replace() refuses wrong names
        """Return one more space; `changes` are options."""
        wanted = options(self.address, self.cloud.settings, **changes)
        self.made.append(AzureSpace("azure.example.org", wanted, clock=self.clock))
        return self.made[-1]


@contextmanager
def azure_bed(settings: Settings | None = None) -> Iterator[AzureBed]:
    """Serve a cloud of these settings; close the spaces on it at the end."""
    clock = FakeClock()
    cloud = AzureCloud(clock, settings)
    with serving_azure(cloud) as address:
        bed = AzureBed(cloud, address, clock)
        yield bed
        for each in bed.made:
            each.close()


def request(name: str = "vcycle-prod-0000000001", **changes: Any) -> CreateRequest:  # noqa: ANN401 - see above
    """Return a request for a small machine; `changes` are its fields."""
    usual = CreateRequest(
        name=name,
        uuid=f"uuid-{name}",
        machinetype="prod",
        flavor="Standard_D2s_v5",
        zone="",
        user_data=b"#!/bin/sh\n",
        tags={
            "vcycle_installation": "installation",
            "vcycle_uuid": f"uuid-{name}",
            "machinetype": "prod",
        },
        image=ROOT_IMAGE,
        public_key=PUBLIC_KEY,
    )
    return replace(usual, **changes)
