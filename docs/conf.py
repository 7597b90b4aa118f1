"""How Sphinx builds the documentation."""

from importlib.metadata import version as version_of

project = "webframe"
author = "The webframe authors"
copyright = "2026, the webframe authors"
release = version = version_of("webframe")

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 4
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "webframe"
nitpicky = True
