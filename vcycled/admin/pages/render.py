"""Templates, filled in.

# Note [Hostile text]

Names, messages and errors come from machines and clouds, who are strangers. Whatever a template
prints is cleaned of control characters (which could also reverse the reading direction) and then
escaped; templates use no `safe`, and put such text into element content and quoted attributes
only. Should that fail, the policy of every answer lets no inline script or style run.

# Note [Words and where they break]

A column is never narrower than its longest word, so that no word is broken, and no number is
parted from its unit. A path or an option may break after a slash or an underscore. A word that no
reader knows by its shape, such as a name of 300 letters, may break anywhere: else it would make
the page wider than the window.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files

import jinja2
from markupsafe import Markup, escape

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
_LONGEST = 24
"""Letters of a word that is kept whole."""
_PIECE = re.compile(r"([^\s/_-]*)([\s/_-]*)")
"""What does not break, and that after which it may."""
_UNIT = re.compile(r"(?<=[0-9]) (?=(?:d|h|min|s)\b)")


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
        self._jinja.filters["foldable"] = foldable
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


def foldable(text: str) -> Markup:
    """Return `text` for a narrow place; see note [Words and where they break]."""
    kept = _UNIT.sub("\N{NO-BREAK SPACE}", clean(text))
    return Markup("").join(
        _piece(found[1], found[2], is_last=found.end() == len(kept))
        for found in _PIECE.finditer(kept)
        if found[0]
    )


def _piece(word: str, after: str, *, is_last: bool) -> Markup:
    told = escape(word)
    if len(word) > _LONGEST:
        told = Markup('<span class="long">{}</span>').format(word)
    may_break = word and after in {"/", "_"} and not is_last
    return told + after + (Markup("<wbr>") if may_break else "")


def _finalized(value: object) -> object:
    """Return what is printed for `value`; see note [Hostile text]."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return clean(value)
    return value
