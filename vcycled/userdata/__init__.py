"""user_data: the template of a machinetype with the facts of one machine put in.

`make` is all that the manager needs: it reads the template (again for every machine, so that a VO
can change it at any time), fills it in, and returns bytes. Nothing is remembered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vcycled.download import Patience
from vcycled.errors import UserDataError
from vcycled.userdata.delivery import Delivery, Room, check_size, delivery_of, stub_of
from vcycled.userdata.fetch import PATIENCE
from vcycled.userdata.jinja import render
from vcycled.userdata.source import read_file, read_template
from vcycled.userdata.substitute import substitute
from vcycled.userdata.values import DEFAULTS, Subject, default_values, with_options

__all__ = [
    "DEFAULTS",
    "PATIENCE",
    "Delivery",
    "Patience",
    "Recipe",
    "Room",
    "Subject",
    "UserData",
    "check_size",
    "delivery_of",
    "make",
    "stub_of",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a machinetype says about its user_data."""

    space: str
    machinetype: str
    template: str
    """`user_data`: a path, or a URL that is fetched for every machine."""
    folder: Path
    """Where relative paths start: the machinetype's `files/`."""
    options: Mapping[str, str] = field(default_factory=dict)
    """XXX -> text, of `user_data_option_XXX`."""
    files: Mapping[str, str] = field(default_factory=dict)
    """XXX -> path, of `user_data_file_XXX`."""
    overrides: Mapping[str, str] = field(default_factory=dict)
    """Name of a default substitution without `user_data_` -> text to use instead."""


@dataclass(frozen=True, slots=True)
class UserData:
    """What a machine is given."""

    content: bytes
    unknown: tuple[str, ...]
    """Names of patterns that nothing fills, sorted; they were removed from the text."""


def make(recipe: Recipe, subject: Subject, *, patience: Patience = PATIENCE) -> UserData:
    """Return the user_data of one machine.

    Raises:
        UserDataError: it cannot be made now; the text names the template or file and the reason.
    """
    template = read_template(recipe.template, recipe.folder, patience)
    contents = {
        name: read_file(f"user_data_file_{name}", path, recipe.folder)
        for name, path in recipe.files.items()
    }
    defaults = default_values(recipe.space, recipe.machinetype, subject, recipe.overrides)
    url = {"url": recipe.overrides.get("url", template.url)}
    values = with_options({**defaults, **url}, recipe.options, contents, subject.cvmfs_proxies)
    if template.is_jinja:
        made = UserData(render(template.label, template.content, values), ())
    else:
        made = UserData(*substitute(template.content, values))
    if not made.content.strip():  # such as a file that an editor just writes anew
        raise UserDataError(f"user_data: {template.label} gives an empty text")
    return made
