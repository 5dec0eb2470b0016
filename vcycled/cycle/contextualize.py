"""What a machine is given at birth: user_data, the URLs of its folders, the root key."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from vcycled.config import MachinetypeConfig, SpaceConfig
from vcycled.cycle.context import Context
from vcycled.errors import UserDataError
from vcycled.machinedir import Layout
from vcycled.mjf import Urls, urls
from vcycled.model import Machine
from vcycled.userdata import Recipe, Subject, make

_USUAL_KEY = Path("/root/.ssh/id_rsa.pub")
"""root_public_key where none is configured (compat.md 2)."""


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
) -> Rendered:
    """Make what `machine` is given; unknown patterns are logged once for each machinetype.

    Raises:
        UserDataError: it cannot be made now; the text says why.
    """
    root = context.manager.root
    rendered = rendered_for(machine, config, kind, token=token, host=context.host, root=root)
    for name in rendered.unknown:
        _warn_once(context, kind.name, name)
    return rendered


def rendered_for(
    machine: Machine,
    config: SpaceConfig,
    kind: MachinetypeConfig,
    *,
    token: str,
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
        token=token,
        root_image=kind.options.root_image or "",
    )
    made = make(_recipe(root, config, kind), subject)
    return Rendered(
        user_data=made.content,
        urls=where,
        public_key=_public_key(kind.options.root_public_key),
        unknown=made.unknown,
    )


def template_holds(context: Context, config: SpaceConfig) -> dict[str, str]:
    """Return the machinetypes whose template is a file that is not there, and what to say."""
    holds = {}
    for kind in config.machinetypes:
        recipe = _recipe(context.manager.root, config, kind)
        if recipe.template.startswith(("http://", "https://")):
            continue
        path = recipe.folder / recipe.template
        if not os.access(path, os.R_OK):
            holds[kind.name] = f"user_data: {path} cannot be read"
    return holds


def _recipe(root: Path, config: SpaceConfig, kind: MachinetypeConfig) -> Recipe:
    return Recipe(
        space=config.name,
        machinetype=kind.name,
        template=kind.options.user_data,
        folder=Layout(root).files(config.name, kind.name),
        options=kind.user_data_options,
        files=kind.user_data_files,
        overrides=kind.user_data_overrides,
    )


def _warn_once(context: Context, machinetype: str, pattern: str) -> None:
    if (machinetype, pattern) not in context.warned:
        context.warned.add((machinetype, pattern))
        context.log.warning(
            "user-data-unknown", machinetype=machinetype, pattern=f"##user_data_{pattern}##"
        )


def _public_key(configured: str | None) -> str:
    path = _USUAL_KEY if configured is None else Path(configured)
    if configured is None and not os.access(path, os.R_OK):
        return ""
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserDataError(f"root_public_key: {path} cannot be read: {error}") from error
