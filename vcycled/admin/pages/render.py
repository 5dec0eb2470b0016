"""Templates, filled in.

# Note [Hostile text]

Names, messages and errors come from machines and clouds, who are strangers. Whatever a template
prints is cleaned of control characters (which could also reverse the reading direction) and then
escaped; templates use no `safe`, and put such text into element content and quoted attributes
only. Should that fail, the policy of every answer lets no inline script or style run.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files

import jinja2
from markupsafe import Markup

from vcycled import __version__
from vcycled.admin.pages.parts import Page
from vcycled.cli.printing import Tone, clean

_PACKAGE = "vcycled.admin.pages"
STATIC = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "favicon.svg": "image/svg+xml",
}
"""Files that never change while this process runs, and what they are."""
_NAVIGATION = (
    ("/", "Overview"),
    ("/machines", "Machines"),
    ("/events", "Events"),
    ("/accounting", "Accounting"),
    ("/managers", "Managers"),
    ("/configuration", "Configuration"),
)
_MARKS = {Tone.BAD: "wrong", Tone.WARN: "note", Tone.GOOD: "well"}
"""What a tone is called, for those who do not see colours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One static file."""

    body: bytes
    content_type: str


class Renderer:
    """Fills in the templates; to be used from any thread."""

    def __init__(self) -> None:
        root = files(_PACKAGE)
        self.assets = {
            name: Asset(body=(root / "static" / name).read_bytes(), content_type=kind)
            for name, kind in STATIC.items()
        }
        self._jinja = jinja2.Environment(
            loader=jinja2.PackageLoader(_PACKAGE, "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=_finalized,
        )
        self._jinja.globals.update(
            asset=self._asset, marks=_MARKS, navigation=_NAVIGATION, version=__version__
        )

    def _asset(self, name: str) -> str:
        """Return where a static file stands; elsewhere once it is another one."""
        digest = hashlib.sha256(self.assets[name].body).hexdigest()[:12]
        return f"/static/{name}?{digest}"

    def html(self, page: Page, *, path: str, as_of: str) -> str:
        """Return a page.

        Args:
            page: what it says.
            path: where it stands.
            as_of: when its facts were read.
        """
        template = self._jinja.get_template(page.template)
        return template.render(page=page, facts=page.facts, path=path, as_of=as_of)


def _finalized(value: object) -> object:
    """Return what is printed for `value`; see note [Hostile text]."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return clean(value)
    return value
