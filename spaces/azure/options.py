"""What `api = azure` adds to a [space] section."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vcycled.options import (
    FLAG,
    NAME,
    PATH,
    PATIENCE,
    SECRET,
    Kind,
    Secret,
    choice,
    matching,
    number,
    option,
    optional,
    required,
    whole,
)


def _location(text: str) -> str:
    """Return a region as the API calls it: the portal's "West Europe" is `westeurope`."""
    found = "".join(text.split()).lower()
    if not found.isalnum():
        raise ValueError
    return found


def _retired(instead: str) -> Kind[str]:
    """Return the kind of an option of Vcycle 3 that no value is right for any more."""

    def read(_text: str) -> str:
        raise ValueError

    accepts = f"left out: the API it was for was closed by Azure; {instead}"
    return Kind(accepts, read, is_secret=True)


LOCATION: Kind[str] = Kind("the name of a region, such as westeurope", _location)
HTTPS_URL = matching(r"https://[^\s/?#@]+(/[^\s?#@]*)?", "a URL that begins with https://")
UUID = matching(
    r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
    "an id such as 11111111-2222-3333-4444-555555555555",
)
GROUP = matching(r"[\w().-]{0,89}[\w()-]", "the name of a resource group")
SUBNET_ID = matching(
    r"(?i)/subscriptions/[^/\s]+/resourceGroups/[^/\s]+/providers/Microsoft\.Network"
    r"/virtualNetworks/[^/\s]+/subnets/[^/\s]+",
    "the id of a subnet, /subscriptions/…/virtualNetworks/NETWORK/subnets/SUBNET",
)
USERNAME = matching(r"(?!root$|admin$)[a-z_][a-z0-9_-]{0,31}", "a user name that is not root")


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureOptions:
    """Options of an Azure space."""

    subscription: str = required(
        UUID, old=["subscription_id"], help="Id of the subscription that pays."
    )
    resource_group: str = required(
        GROUP,
        old=["tenancy_name"],
        help="""Resource group whose machines these are. It must exist; best nobody else makes
        machines in it.""",
    )
    location: str = required(LOCATION, help="Region in which machines are made.")
    subnet_id: str = required(
        SUBNET_ID,
        help="""Subnet that machines are attached to, in the same region. Its network must let
        them out, by a NAT gateway for example, since machines get no public address.""",
    )
    tenant_id: str | None = optional(
        NAME, help="Directory (tenant) of the application to log in as: its id or domain."
    )
    client_id: str | None = optional(
        UUID,
        help="""Application to log in as, or with managed_identity which one of several identities
        of this host.""",
    )
    client_secret: Secret | None = optional(
        SECRET, help="Secret of the application; needs tenant_id and client_id."
    )
    client_certificate: str | None = optional(
        PATH,
        help="""PEM or PFX file with the certificate of the application and its key, instead of
        client_secret. It is read again at each login.""",
    )
    client_certificate_password: Secret | None = optional(
        SECRET, help="Password of that file, if it has one."
    )
    federated_token_file: str | None = optional(
        PATH,
        help="""File with a token that another identity provider keeps fresh, such as Kubernetes
        does for a workload identity, instead of client_secret.""",
    )
    managed_identity: bool = option(
        FLAG,
        default=False,
        help="Log in as the identity that Azure gave to this host, without any secret.",
    )
    cloud_environment: str = option(
        choice("AzureCloud", "AzureChinaCloud", "AzureUSGovernment"),
        default="AzureCloud",
        help="Which of Azure's clouds it is.",
    )
    url: str | None = optional(
        HTTPS_URL,
        default_text="that of cloud_environment",
        help="Address of Resource Manager, where it is another one.",
    )
    authority_url: str | None = optional(
        HTTPS_URL,
        default_text="that of cloud_environment",
        help="Address of the login service, where it is another one.",
    )
    ca_file: str | None = optional(
        PATH,
        default_text="those that come with Python's certifi",
        help="PEM file with the authorities that Azure's certificates are checked against.",
    )
    priority: str = option(
        choice("regular", "spot"),
        default="regular",
        help="""spot makes machines of spare capacity, for a fraction of the price; Azure takes
        them back when it wants to.""",
    )
    spot_max_price: float | None = optional(
        number(0.00001),
        default_text="the price of a regular machine",
        help="Most to pay for a spot machine and hour, in US dollars.",
    )
    eviction_policy: str = option(
        choice("delete", "deallocate"),
        default="delete",
        help="""What Azure does with a spot machine that it takes back. One that is only
        deallocated is deleted by Vcycle in its next cycle; its disk costs until then.""",
    )
    disk_type: str | None = optional(
        choice("Standard_LRS", "StandardSSD_LRS", "StandardSSD_ZRS", "Premium_LRS", "Premium_ZRS"),
        default_text="Azure's default for the size",
        help="Type of the machines' disks.",
    )
    admin_username: str = option(
        USERNAME,
        default="vcycle",
        help="User whom root_public_key lets in; Azure permits no root.",
    )
    api_calls_per_second: float = option(
        number(0.1),
        default=8.0,
        help="""Most calls a second to Azure in the long run, counted together for all spaces with
        the same subscription and login.""",
    )
    api_burst: int = option(
        whole(1), default=50, help="How many calls may be made at once after a quiet time."
    )
    api_timeout_seconds: int = option(
        PATIENCE,
        default=60,
        help="How long Azure may be silent in answering one call before it is given up.",
    )
    certificate: str | None = optional(
        _retired("use client_certificate with tenant_id and client_id"), help="Of Vcycle 3."
    )
    pfx: str | None = optional(
        _retired("use client_certificate, which may be a PFX file, with tenant_id and client_id"),
        help="Of Vcycle 3.",
    )
    username: str | None = optional(
        _retired(
            "use tenant_id, client_id and client_secret to log in; the user on the machines is"
            " admin_username"
        ),
        help="Of Vcycle 3.",
    )
    password: str | None = optional(
        _retired(
            "use tenant_id, client_id and client_secret to log in; machines are entered with"
            " root_public_key"
        ),
        help="Of Vcycle 3.",
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        """Find options that contradict or lack each other, each as option and message."""
        ways = [name for name in _WAYS if getattr(self, name)]
        if not ways:
            yield "", f"nothing says how to log in: set one of {', '.join(_WAYS)}"
        for way in ways[1:]:
            yield way, f"is another way to log in beside {ways[0]}"
        for way in ways[:1]:
            yield from self._of_way(way)
        if self.client_certificate_password is not None and not self.client_certificate:
            yield "client_certificate_password", "means nothing without client_certificate"
        if self.spot_max_price is not None and self.priority != "spot":
            yield "spot_max_price", "means nothing without priority = spot"

    def _of_way(self, way: str) -> Iterator[tuple[str, str]]:
        if way == "managed_identity":
            if self.tenant_id is not None:
                yield "tenant_id", "is not needed, since managed_identity is set; remove it"
            return
        for needed in ("tenant_id", "client_id"):
            if getattr(self, needed) is None:
                yield way, f"needs {needed} too"


_WAYS = ("client_secret", "client_certificate", "federated_token_file", "managed_identity")
"""Options each of which says by itself how to log in."""
