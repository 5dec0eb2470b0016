"""Ways to log in to Azure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from azure.core.exceptions import AzureError
from azure.identity import (
    CertificateCredential,
    ClientSecretCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)

from vcycled.errors import Refused
from vcycled.spaces.azure.environments import Environment
from vcycled.spaces.azure.errors import of_login
from vcycled.spaces.azure.options import AzureOptions
from vcycled.spaces.azure.wire import Wire

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential


class Credential:
    """What gets tokens, and keeps those that hold.

    Raises:
        Refused: a file that it needs is not there or holds something else.
    """

    def __init__(self, options: AzureOptions, environment: Environment, wire: Wire) -> None:
        self._wire = wire
        try:
            self._inner = _credential(options, environment, wire)
        except OSError as error:
            raise Refused("connect", f"{error.filename}: {error.strerror}") from None
        except ValueError as error:  # of a certificate, or a tenant's name
            detail = f"the login options cannot be used: {error}"
            raise Refused("connect", detail) from None

    def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,
        **_more: object,
    ) -> AccessToken:
        """Return a token; the signature is the SDK's.

        Raises:
            SpaceError: there is none to be had, whatever the SDK makes of that.
        """
        try:
            with self._wire.logging_in():
                return self._inner.get_token(
                    *scopes, claims=claims, tenant_id=tenant_id, enable_cae=enable_cae
                )
        except AzureError as error:
            raise of_login(error) from None


def _credential(options: AzureOptions, environment: Environment, wire: Wire) -> TokenCredential:
    if options.managed_identity:
        return ManagedIdentityCredential(
            client_id=options.client_id, transport=wire.transport, retry_total=0
        )
    tenant, client = options.tenant_id or "", options.client_id or ""
    is_ours = options.authority_url is not None
    if options.client_secret is not None:
        return ClientSecretCredential(
            tenant,
            client,
            options.client_secret.reveal(),
            authority=environment.authority_url,
            disable_instance_discovery=is_ours,
            transport=wire.transport,
            retry_total=0,
        )
    if options.client_certificate is not None:
        password = options.client_certificate_password
        return CertificateCredential(
            tenant,
            client,
            certificate_data=Path(options.client_certificate).read_bytes(),
            password=password.reveal() if password else None,
            authority=environment.authority_url,
            disable_instance_discovery=is_ours,
            transport=wire.transport,
            retry_total=0,
        )
    token_file = Path(options.federated_token_file or "")
    token_file.read_bytes()  # told now, and not by a traceback of the SDK
    return WorkloadIdentityCredential(
        tenant_id=tenant,
        client_id=client,
        token_file_path=str(token_file),
        authority=environment.authority_url,
        disable_instance_discovery=is_ours,
        transport=wire.transport,
        retry_total=0,
    )
