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
from vcycled.spaces.azure import AzureOptions

ROOT_IMAGE = "image:worker"
"""As a machinetype names the image that the simulated cloud has."""


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
