"""What a machine is given at birth: user_data, the URLs of its folders, the root key."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from vcycled.config import MachinetypeConfig, SpaceConfig
from vcycled.cycle.context import Context
from vcycled.cycle.papers import proxy_for, why_no_proxy
from vcycled.errors import UserDataError
from vcycled.machinedir import Layout
from vcycled.mjf import Urls, urls
from vcycled.model import Machine
from vcycled.templates import packaged
from vcycled.userdata import Recipe, Subject, make
from vcycled.userdata.trust import read_certificates

_CACHE_PORT = 280
"""Of a machine of cvmfs_proxy_machinetype, unless the option says otherwise."""
_USUAL_KEY = Path("/root/.ssh/id_rsa.pub")
"""root_public_key where none is configured (compat.md 2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gifts:
    """What the user_data of one machine is given beyond what the configuration says."""

    token: str = field(repr=False)
    """By which it will prove who it is."""
    caches: tuple[str, ...] = ()
    """URLs of web caches that are alive."""
    proxy: str = field(default="", repr=False)
    """Its X.509 proxy, as PEM; empty if its machinetype wants none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """What goes into the request for one machine."""

    user_data: bytes
    urls: Urls
    public_key: str
    unknown: tuple[str, ...]
    """Patterns of the template that nothing fills; they were removed."""


def render(
    context: Context,
    config: SpaceConfig,
    kind: MachinetypeConfig,
    machine: Machine,
    token: str,
    *,
    others: Iterable[Machine] = (),
) -> Rendered:
    """Make what `machine` is given; unknown patterns are logged once for each machinetype.

    Args:
        context: of the space.
        config: of the space.
        kind: of the machine.
        machine: that is to be.
        token: by which it will prove who it is.
        others: machines of the space with their heartbeats; web caches among them are told.

    Raises:
        UserDataError: it cannot be made now; the text says why.
    """
    gifts = Gifts(
        token=token,
        caches=_web_caches(kind, config, others, now=context.clock.now()),
        proxy=proxy_for(context, config, kind) if kind.options.user_data_proxy else "",
    )
    root = context.manager.root
    rendered = rendered_for(machine, config, kind, gifts, host=context.host, root=root)
    for name in rendered.unknown:
        _warn_once(context, kind.name, name)
    return rendered


def rendered_for(
    machine: Machine,
    config: SpaceConfig,
    kind: MachinetypeConfig,
    gifts: Gifts,
    *,
    host: str,
    root: Path,
) -> Rendered:
    """Make what `machine` is given, and nothing else; for `vcycle user-data` too.

    Raises:
        UserDataError: it cannot be made now; the text says why.
    """
    where = urls(
        https_host=config.options.https_host or host,
        https_port=config.options.https_port,
        space=machine.space,
        machine=machine.name,
    )
    subject = Subject(
        name=machine.name,
        uuid=machine.uuid,
        site=machine.terms.site,
        manager_host=host,
        urls=where,
        token=gifts.token,
        root_image=kind.options.root_image or "",
        cvmfs_proxies=gifts.caches,
        ca_certificates=_authorities(config),
    )
    made = make(_recipe(root, config, kind, gifts.proxy), subject)
    return Rendered(
        user_data=made.content,
        urls=where,
        public_key=_public_key(kind.options.root_public_key),
        unknown=made.unknown,
    )


def _web_caches(
    kind: MachinetypeConfig, config: SpaceConfig, machines: Iterable[Machine], *, now: int
) -> tuple[str, ...]:
    """Return the URLs of the caches that gave a sign of life in time (compat.md 4)."""
    if kind.options.cvmfs_proxy_machinetype is None:
        return ()
    name, _, port = kind.options.cvmfs_proxy_machinetype.partition(":")
    limits = {each.name: each.options.heartbeat_seconds for each in config.machinetypes}
    return tuple(
        sorted(
            f"http://{_in_url(machine.address)}:{port or _CACHE_PORT}"
            for machine in machines
            if machine.machinetype == name
            and machine.address
            and _is_beating(machine, limits.get(name, 0), now)
        )
    )


def _in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _is_beating(machine: Machine, heartbeat_seconds: int, now: int) -> bool:
    """Return whether its last heartbeat is as young as it must be; 0 only wants one."""
    if machine.heartbeat_at is None or machine.stopped_at is not None:
        return False
    return not heartbeat_seconds or now - machine.heartbeat_at <= heartbeat_seconds


def template_holds(context: Context, config: SpaceConfig) -> dict[str, str]:
    """Return the machinetypes whose user_data surely cannot be made now, and why.

    A template that must be fetched is not looked at.
    """
    try:
        _authorities(config)
    except UserDataError as error:
        return {kind.name: str(error) for kind in config.machinetypes}
    holds = {}
    for kind in config.machinetypes:
        why = _why_no_template(_recipe(context.manager.root, config, kind))
        if not why and kind.options.user_data_proxy:
            why = why_no_proxy(context, config, kind)
        if why:
            holds[kind.name] = why
    return holds


def _why_no_template(recipe: Recipe) -> str:
    if recipe.template.startswith(("http://", "https://", packaged.PREFIX)):
        return ""
    path = recipe.folder / recipe.template
    return "" if os.access(path, os.R_OK) else f"user_data: {path} cannot be read"


def _authorities(config: SpaceConfig) -> str:
    path = config.options.https_ca_certificates
    return "" if path is None else read_certificates(path)


def _recipe(root: Path, config: SpaceConfig, kind: MachinetypeConfig, proxy: str = "") -> Recipe:
    return Recipe(
        space=config.name,
        machinetype=kind.name,
        template=kind.options.user_data,
        folder=Layout(root).files(config.name, kind.folder),
        options={**kind.user_data_options, **({"x509_proxy": proxy} if proxy else {})},
        files=kind.user_data_files,
        overrides=kind.user_data_overrides,
    )


def _warn_once(context: Context, machinetype: str, pattern: str) -> None:
    if (machinetype, pattern) not in context.warned:
        context.warned.add((machinetype, pattern))
        context.log.warning(
            "user-data-unknown", machinetype=machinetype, pattern=f"##user_data_{pattern}##"
        )


def public_keys_of(spaces: Iterable[SpaceConfig]) -> frozenset[str]:
    """Return the root keys that machines of `spaces` are given today.

    Raises:
        UserDataError: one cannot be read, so that nobody can say what is in use.
    """
    paths = {kind.options.root_public_key for space in spaces for kind in space.machinetypes}
    return frozenset(filter(None, map(_public_key, paths)))


def _public_key(configured: str | None) -> str:
    path = _USUAL_KEY if configured is None else Path(configured)
    if configured is None and not os.access(path, os.R_OK):
        return ""
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserDataError(f"root_public_key: {path} cannot be read: {error}") from error
