"""What `api = openstack` adds to a [space] section."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass

from vcycled.options import (
    FLAG,
    NAME,
    NAMES,
    PATH,
    SECRET,
    TEXT,
    URL,
    Kind,
    Secret,
    choice,
    number,
    option,
    optional,
    whole,
)


def _base64(text: str) -> Secret:
    """Return the password; a line end that `echo` put behind it is no part of it."""
    decoded = base64.b64decode("".join(text.split()), validate=True).decode().rstrip("\r\n")
    if not decoded:
        raise ValueError
    return Secret(decoded)


PASSWORD_BASE64: Kind[Secret] = Kind("a password in base64 (never shown)", _base64, is_secret=True)
HTTP_URL = URL


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenStackOptions:
    """Options of an OpenStack space."""

    url: str | None = optional(
        HTTP_URL,
        help="""Address of Keystone, such as https://cloud.example.com:5000/v3. A version at its
        end does not matter: the cloud is asked which it has. Required unless cloud is set.""",
    )
    username: str | None = optional(TEXT, help="User to log in as; needs a password.")
    password: Secret | None = optional(SECRET, help="Password of username.")
    password_base64: Secret | None = optional(
        PASSWORD_BASE64, help="Password of username in base64, instead of password."
    )
    project_name: str | None = optional(
        TEXT,
        old=["tenancy_name"],
        help="""Project whose machines these are. Not needed with an application credential, which
        is of one project.""",
    )
    project_id: str | None = optional(NAME, help="The project's id, instead of project_name.")
    domain_name: str = option(
        TEXT,
        default="default",
        help="""Domain of the user and of the project. default means the one with that id, which
        every cloud has.""",
    )
    user_domain_name: str | None = optional(
        TEXT, default_text="domain_name", help="Domain of the user, if it is another."
    )
    project_domain_name: str | None = optional(
        TEXT, default_text="domain_name", help="Domain of the project, if it is another."
    )
    cred_id: str | None = optional(
        NAME, help="Id of an application credential to log in with; needs cred_secret."
    )
    cred_secret: Secret | None = optional(SECRET, help="Secret of the application credential.")
    cloud: str | None = optional(
        TEXT,
        help="""Name of a cloud in a clouds.yaml, which then says how to log in; none of the
        options about that may be set here.""",
    )
    clouds_file: str | None = optional(
        PATH,
        default_text="the first there is of ~/.config/openstack and /etc/openstack/clouds.yaml",
        help="The clouds.yaml itself. A secure.yaml beside it is read too.",
    )
    identity_provider: str | None = optional(
        NAME,
        help="""Identity provider, as Keystone calls it, that vouches for an access token or a
        client certificate.""",
    )
    protocol: str | None = optional(
        NAME,
        default_text="openid with an access token, mapped with user_proxy",
        help="Federation protocol, as Keystone calls it.",
    )
    access_token: Secret | None = optional(
        SECRET, help="OpenID Connect access token to log in with; needs identity_provider."
    )
    access_token_file: str | None = optional(
        PATH,
        help="""File with such a token, read again at each login: whatever keeps the token fresh
        need only write the file.""",
    )
    user_proxy: str | None = optional(
        PATH,
        help="""PEM file with a certificate or VOMS proxy and its key, shown to Keystone to log in;
        needs identity_provider. It is read again at each login.""",
    )
    region: str | None = optional(
        TEXT,
        default_text="the only one there is",
        help="Region of the cloud. Required where the cloud has several.",
    )
    interface: str = option(
        choice("public", "internal", "admin"),
        default="public",
        help="Which of the endpoints in the cloud's catalogue are used.",
    )
    ca_file: str | None = optional(
        PATH,
        default_text="those that the host trusts",
        help="PEM file with the authorities that the cloud's certificates are checked against.",
    )
    security_groups: tuple[str, ...] = option(
        NAMES,
        default=(),
        default_text="the project's default",
        help="Security groups of each machine.",
    )
    network_uuid: str | None = optional(
        NAME, help="Id of the network that machines are attached to, as one in networks."
    )
    networks: tuple[str, ...] = option(
        NAMES,
        default=(),
        default_text="what the cloud gives",
        help="Names or ids of networks that machines are attached to, the first one first.",
    )
    config_drive: bool = option(
        FLAG,
        default=False,
        help="Give each machine its user_data on a small disk too, where no server tells it.",
    )
    volume_type: str | None = optional(
        TEXT,
        default_text="the cloud's default",
        help="Type of the volumes that volume_gb_per_processor asks for.",
    )
    api_calls_per_second: float = option(
        number(0.1),
        default=20.0,
        help="""Most calls a second to the cloud in the long run, counted together for all spaces
        with the same user.""",
    )
    api_burst: int = option(
        whole(1),
        default=50,
        help="How many calls may be made at once after a quiet time.",
    )
    api_timeout_seconds: int = option(
        whole(1, unit="seconds"),
        default=60,
        help="How long the cloud may be silent in answering one call before it is given up.",
    )
    page_size: int = option(
        whole(1),
        default=1000,
        help="""How many machines to ask for in one call of a listing; the cloud may give fewer at
        a time.""",
    )
    glance_api: str | None = optional(
        TEXT,
        default_text="2",
        help="Accepted since Vcycle 3 wanted it; there is only version 2 of that API today.",
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        """Find options that contradict or lack each other, as option and message."""
        return iter(())
