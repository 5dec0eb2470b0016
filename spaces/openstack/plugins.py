"""The ways to log in, as plugins of keystoneauth made from the options."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from keystoneauth1.identity import v3
from keystoneauth1.identity.base import BaseIdentityPlugin
from keystoneauth1.session import Session

from vcycled.spaces.openstack.options import OpenStackOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """How to log in."""

    plugin: BaseIdentityPlugin
    asked_as: str
    """Who that is, as a person knows them."""


def credentials(options: OpenStackOptions, session: Session) -> Credentials:
    """Return the plugin that the options ask for, after asking Keystone for its versions."""
    url = identity_base(str(options.url)) + "/v3"
    if options.cred_id and options.cred_secret:
        plugin: BaseIdentityPlugin = v3.ApplicationCredential(
            url,
            application_credential_id=options.cred_id,
            application_credential_secret=options.cred_secret.reveal(),
        )
        return Credentials(plugin=plugin, asked_as=f"application credential {options.cred_id}")
    password = options.password or options.password_base64
    plugin = v3.Password(
        url,
        username=options.username,
        password=password.reveal() if password else "",
        user_domain_id="default",
        project_name=options.project_name,
        project_id=options.project_id,
        project_domain_id="default",
    )
    return Credentials(plugin=plugin, asked_as=f"user {options.username}")


def identity_base(url: str) -> str:
    """Return the URL of Keystone without a version at its end."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    for version in ("/v2.0", "/v3"):
        path = path.removesuffix(version)
    return parts._replace(path=path, query="", fragment="").geturl()
