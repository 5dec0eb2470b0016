"""What `api = openstack` adds to a [space] section."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, fields

from vcycled.options import (
    FLAG,
    NAME,
    NAMES,
    PATH,
    PATIENCE,
    SECRET,
    TEXT,
    Kind,
    Secret,
    choice,
    matching,
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
KEYSTONE_URL = matching(
    r"https?://[^\s/?#@]+(/[^\s?#@]*)?",
    "a URL that begins with http:// or https://, without user, password or query",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenStackOptions:
    """Options of an OpenStack space."""

    url: str | None = optional(
        KEYSTONE_URL,
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
        default_text="the only one there is, or what clouds.yaml says",
        help="Region of the cloud. Required where the cloud has several.",
    )
    interface: str | None = optional(
        choice("public", "internal", "admin"),
        default_text="public, or what clouds.yaml says",
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
        PATIENCE,
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

    @property
    def any_password(self) -> Secret | None:
        """The password, however it was written."""
        return self.password or self.password_base64

    def problems(self) -> Iterator[tuple[str, str]]:
        """Find options that contradict or lack each other, each as option and message."""
        given = {each.name for each in fields(self) if getattr(self, each.name) is not None}
        ways = [way for way in _WAYS if way.mains & given]
        if not ways:
            every = "; or ".join(way.text for way in _WAYS)
            yield "", f"nothing says how to log in: set {every}"
        for way in ways[1:]:
            yield _first(way.mains, given), f"is another way to log in beside {ways[0].text}"
        for way in ways[:1]:
            yield from _of_way(way, given)
        yield from _alone(given)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """A way to log in: `mains` say that it is meant, one each of `needs` must be there too."""

    text: str
    mains: frozenset[str]
    needs: tuple[tuple[str, ...], ...]
    excludes: frozenset[str] = frozenset()


_PASSWORDS = ("password_base64", "password")
_PROJECTS = ("project_name", "project_id")
_TOKENS = ("access_token_file", "access_token")
_WAYS = (
    _Way(
        text="username and password_base64",
        mains=frozenset({"username"}),
        needs=(("url",), _PASSWORDS, _PROJECTS),
    ),
    _Way(
        text="cred_id and cred_secret",
        mains=frozenset({"cred_id"}),
        needs=(("url",), ("cred_secret",)),
    ),
    _Way(
        text="cloud",
        mains=frozenset({"cloud"}),
        needs=(),
        excludes=frozenset({"url", *_PROJECTS}),
    ),
    _Way(
        text="access_token_file and identity_provider",
        mains=frozenset(_TOKENS),
        needs=(("url",), ("identity_provider",), _PROJECTS),
    ),
    _Way(
        text="user_proxy and identity_provider",
        mains=frozenset({"user_proxy"}),
        needs=(("url",), ("identity_provider",), _PROJECTS),
    ),
)
_COMPANIONS: Mapping[str, tuple[str, ...]] = {
    "password": ("username",),
    "password_base64": ("username",),
    "cred_secret": ("cred_id",),
    "clouds_file": ("cloud",),
    "identity_provider": (*_TOKENS, "user_proxy"),
    "protocol": (*_TOKENS, "user_proxy"),
}
"""Options that mean nothing without one of these."""


def _of_way(way: _Way, given: Set[str]) -> Iterator[tuple[str, str]]:
    main = _first(way.mains, given)
    for needed in way.needs:
        if not given & set(needed):
            yield main, f"needs {' or '.join(needed)} too"
    for other in sorted(way.excludes & given):
        yield other, f"is said by clouds.yaml, since {main} is set; remove one of them"


def _alone(given: Set[str]) -> Iterator[tuple[str, str]]:
    for option_name, mains in _COMPANIONS.items():
        if option_name in given and not given & set(mains):
            yield option_name, f"means nothing without {' or '.join(mains)}"
    for pair in (_PASSWORDS, _TOKENS):
        if given >= set(pair):
            yield pair[1], f"is given by {pair[0]} as well; keep one of them"


def _first(names: Set[str], given: Set[str]) -> str:
    return min(names & given)
