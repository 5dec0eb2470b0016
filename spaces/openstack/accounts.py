"""Who logs in, and how: from the options, or from a clouds.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from keystoneauth1.identity import v2, v3
from keystoneauth1.identity.base import BaseIdentityPlugin
from keystoneauth1.identity.generic import Password as GenericPassword
from keystoneauth1.identity.generic.base import BaseGenericPlugin
from keystoneauth1.session import Session

from vcycled.options import Secret
from vcycled.spaces.openstack.identity import Keystone, find_keystone
from vcycled.spaces.openstack.options import OpenStackOptions
from vcycled.spaces.openstack.plugins import (
    ClientCertificate,
    FreshToken,
    LoginFailed,
    Scope,
    read_file,
)

_DEFAULT = "default"
"""Id of the domain that every cloud has, whatever its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One user of one project of one cloud, ready to log in."""

    plugin: BaseIdentityPlugin = field(repr=False)
    asked_as: str
    """Who that is, as a person knows them."""
    keystone: str
    """URL of version 3 of the identity service."""
    interface: str | list[str]
    region: str | None
    application_credential: str = ""
    """Its id, if it is one."""
    endpoints: Mapping[str, str] = field(default_factory=dict)
    """Of services that the catalogue is not asked about."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    notices: tuple[str, ...] = ()


def account(options: OpenStackOptions, session: Session) -> Account:
    """Return the account that the options name, after asking Keystone for its versions.

    Raises:
        LoginFailed: the options do not fit the cloud, or a file that they name is wrong.
    """
    if options.cloud:
        return _of_clouds_yaml(options.cloud, options, session)
    keystone = find_keystone(str(options.url), session)
    plugin, asked_as = _plugin(options, keystone)
    return Account(
        plugin=plugin,
        asked_as=asked_as,
        keystone=keystone.base + "/v3",
        interface=options.interface or "public",
        region=options.region,
        application_credential=options.cred_id or "",
        secrets=_secrets(options),
        notices=(keystone.notice,) if keystone.notice else (),
    )


def _plugin(options: OpenStackOptions, keystone: Keystone) -> tuple[BaseIdentityPlugin, str]:
    """Return the plugin for what the options give, and who it logs in."""
    if keystone.version == 2:
        return _v2_password(options, keystone)
    if options.cred_id:
        plugin = v3.ApplicationCredential(
            keystone.url,
            application_credential_id=options.cred_id,
            application_credential_secret=_reveal(options.cred_secret),
        )
        return plugin, f"application credential {options.cred_id}"
    if options.username:
        return _v3_password(options, keystone), f"user {options.username}"
    return _federated(options, keystone)


def _v3_password(options: OpenStackOptions, keystone: Keystone) -> v3.Password:
    domain = options.user_domain_name or options.domain_name
    return v3.Password(
        keystone.url,
        username=options.username,
        password=_reveal(options.any_password),
        user_domain_id=_DEFAULT if domain == _DEFAULT else None,
        user_domain_name=None if domain == _DEFAULT else domain,
        **_project(options),
    )


def _v2_password(options: OpenStackOptions, keystone: Keystone) -> tuple[BaseIdentityPlugin, str]:
    if not options.username:
        raise LoginFailed("the cloud has only Identity v2, which wants username and password")
    plugin = v2.Password(
        keystone.url,
        username=options.username,
        password=_reveal(options.any_password),
        tenant_id=options.project_id,
        tenant_name=None if options.project_id else options.project_name,
    )
    return plugin, f"user {options.username}"


def _federated(options: OpenStackOptions, keystone: Keystone) -> tuple[BaseIdentityPlugin, str]:
    provider = options.identity_provider or ""
    if options.user_proxy:
        certificate = ClientCertificate(
            keystone.url,
            identity_provider=provider,
            protocol=options.protocol or "mapped",
            file=options.user_proxy,
            **_project(options),
        )
        return certificate, f"the certificate in {options.user_proxy}"
    path = options.access_token_file
    token = FreshToken(
        keystone.url,
        identity_provider=provider,
        protocol=options.protocol or "openid",
        read=partial(read_file, "access_token_file", path)
        if path
        else partial(_reveal, options.access_token),
        **_project(options),
    )
    return token, f"the access token of {path or provider}"


def _project(options: OpenStackOptions) -> Scope:
    """Return the scope: an id is enough, a name needs its domain."""
    if options.project_id:
        return {"project_id": options.project_id}
    domain = options.project_domain_name or options.domain_name
    if domain == _DEFAULT:
        return {"project_name": options.project_name, "project_domain_id": domain}
    return {"project_name": options.project_name, "project_domain_name": domain}


def _reveal(secret: Secret | None) -> str:
    return secret.reveal() if secret else ""


def _secrets(options: OpenStackOptions) -> tuple[str, ...]:
    secrets = (options.any_password, options.cred_secret, options.access_token)
    return tuple(each.reveal() for each in secrets if each)


# clouds.yaml

_CLOUDS_FILES = ("~/.config/openstack/clouds.yaml", "/etc/openstack/clouds.yaml")
"""Where the SDK looks too. It also looks in the working folder, where a command and the daemon
would find different ones, and in OS_CLIENT_CONFIG_FILE, likewise."""
_SERVICES = ("compute", "image", "network", "block-storage")


def _of_clouds_yaml(name: str, options: OpenStackOptions, session: Session) -> Account:
    """Return the account that a clouds.yaml names; the SDK reads it.

    What it says of certificates is set in the session.
    """
    # Imported where it is used: it takes half a second, and most sites do not need it.
    from keystoneauth1.exceptions import AuthPluginException  # noqa: PLC0415
    from openstack.config import OpenStackConfig  # noqa: PLC0415
    from openstack.exceptions import ConfigException  # noqa: PLC0415

    path = _clouds_file(options.clouds_file)
    secure = str(path.with_name("secure.yaml"))
    try:
        region = OpenStackConfig(
            config_files=[str(path)], secure_files=[secure], vendor_files=[], load_envvars=False
        ).get_one(cloud=name, region_name=options.region, cacert=options.ca_file)
    except ConfigException as error:
        raise LoginFailed(f"{path}: {error}") from None
    except AuthPluginException as error:
        raise LoginFailed(f"{path}: cloud {name}: {error}") from None
    except (AttributeError, KeyError, TypeError, ValueError):  # it expects what YAML may not hold
        raise LoginFailed(f"{path}: cloud {name} is not written as it must be") from None
    auth: Mapping[str, object] = region.get_auth_args()
    if isinstance(region.get_auth(), GenericPassword) and not auth.get("password"):
        raise LoginFailed(f"{path}: cloud {name} has no password")
    session.verify, session.cert = region.get_requests_verify_args()
    plugin, keystone = _versioned(region.get_auth(), session)
    if plugin is None or keystone is None:
        raise LoginFailed(f"{path}: the auth_type of cloud {name} has no catalogue")
    overrides = {each: region.get_endpoint(each) for each in _SERVICES}
    return Account(
        plugin=plugin,
        asked_as=f"cloud {name} of {path}",
        keystone=keystone.base + "/v3",
        interface=options.interface or region.get_interface("compute") or "public",
        region=region.get_region_name("compute") or None,
        application_credential=str(auth.get("application_credential_id", "")),
        endpoints={each: url for each, url in overrides.items() if url},
        secrets=tuple(str(value) for key, value in auth.items() if _sounds_secret(key)),
        notices=_notices(path, name, keystone, is_checked=session.verify is not False),
    )


def _versioned(
    plugin: object, session: Session
) -> tuple[BaseIdentityPlugin | None, Keystone | None]:
    """Return the plugin for the version that Keystone speaks, and where that is.

    What the SDK makes of `auth_type: password` would follow Keystone's own links.
    """
    if not isinstance(plugin, BaseIdentityPlugin) or not plugin.auth_url:
        return None, None
    keystone = find_keystone(plugin.auth_url, session)
    if isinstance(plugin, BaseGenericPlugin):
        return plugin.create_plugin(session, (keystone.version, 0), keystone.url), keystone
    return plugin, keystone


def _notices(path: Path, name: str, keystone: Keystone, *, is_checked: bool) -> tuple[str, ...]:
    unchecked = f"{path} says not to check the certificates of {name}"
    return tuple(each for each in (keystone.notice, "" if is_checked else unchecked) if each)


def _clouds_file(path: str | None) -> Path:
    """Return the clouds.yaml, which can be read.

    Raises:
        LoginFailed: it cannot.
    """
    places = [Path(each).expanduser() for each in ([path] if path else _CLOUDS_FILES)]
    found = next((each for each in places if each.exists()), places[-1])
    try:
        found.open("rb").close()
    except OSError as error:
        raise LoginFailed(f"{found} cannot be read: {error.strerror}") from error
    return found


def _sounds_secret(key: str) -> bool:
    return any(word in key for word in ("password", "secret", "token", "passcode"))
