"""How Sphinx builds the documentation; warnings are errors (`make docs`).

With the tag `man` it builds the manual pages instead (`make man`), from docs/man.
"""

import sys
from pathlib import Path

from vcycled import __version__

sys.path.insert(0, str(Path(__file__).parent))

project = "Vcycle"
author = "the Vcycle developers"
release = __version__
extensions = ["myst_parser", "click_pages"]
source_suffix = {".md": "markdown"}
# The manual pages say what other pages do already, so each kind leaves the other out.
is_man = "man" in tags  # type: ignore[name-defined] # noqa: F821 - Sphinx puts it there
root_doc = "man/vcycled.8" if is_man else "index"
include_patterns = ["man/*"] if is_man else ["**"]
exclude_patterns = ["_build"] if is_man else ["_build", "man"]
suppress_warnings = ["toc.not_included", "myst.xref_missing", "myst.header"] if is_man else []
man_pages = [
    ("man/vcycle.1", "vcycle", "see and steer what vcycled does", "", 1),
    ("man/vcycle.conf.5", "vcycle.conf", "configuration of Vcycle", "", 5),
    ("man/vcycled.8", "vcycled", "keep virtual machines on clouds", "", 8),
    ("man/vcycle-web.8", "vcycle-web", "web site for the machines of Vcycle", "", 8),
    ("man/vcycle-admin.8", "vcycle-admin", "status page, API and metrics of Vcycle", "", 8),
]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = f"Vcycle {release}"
nitpicky = True
