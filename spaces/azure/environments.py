"""Azure's clouds: where each of them is.

Source: azure-core's `AzureClouds` as azure-mgmt-core maps it, and azure-identity's
`AzureAuthorityHosts`; they are stated here since Resource Manager may be elsewhere by option.
"""

from __future__ import annotations

from dataclasses import dataclass

from vcycled.spaces.azure.options import AzureOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Addresses of one of the clouds."""

    url: str
    """Of Resource Manager."""
    authority_url: str
    """Of the login service."""
    scope: str
    """What tokens are asked for."""


_KNOWN = {
    "AzureCloud": Environment(
        url="https://management.azure.com",
        authority_url="https://login.microsoftonline.com",
        scope="https://management.azure.com/.default",
    ),
    "AzureChinaCloud": Environment(
        url="https://management.chinacloudapi.cn",
        authority_url="https://login.chinacloudapi.cn",
        scope="https://management.chinacloudapi.cn/.default",
    ),
    "AzureUSGovernment": Environment(
        url="https://management.usgovcloudapi.net",
        authority_url="https://login.microsoftonline.us",
        scope="https://management.core.usgovcloudapi.net/.default",
    ),
}


def environment_of(options: AzureOptions) -> Environment:
    """Return where the cloud of a space is."""
    known = _KNOWN[options.cloud_environment]
    return Environment(
        url=(options.url or known.url).rstrip("/"),
        authority_url=(options.authority_url or known.authority_url).rstrip("/"),
        scope=known.scope,
    )
