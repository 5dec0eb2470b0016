"""How Sphinx builds the documentation; warnings are errors (`make docs`)."""

from vcycled import __version__

project = "Vcycle"
author = "the Vcycle developers"
release = __version__
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = f"Vcycle {release}"
nitpicky = True
