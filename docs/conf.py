"""How the site is built: `make docs`, from docstrings, notebooks and the report.

The root of its sources is the repository, so that a link from page to page is the same
on the site and in a checkout.
"""

import pathlib
import sys

from docutils import nodes

DOCS = pathlib.Path(__file__).parent
sys.path[:0] = [str(DOCS.parent), str(DOCS)]

project = "optax-sign"
root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "notebooks/*.ipynb",
    "experiments/results/report.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
]
exclude_patterns = [".*", "docs/_*", "runs"]
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "myst_nb",
    "sphinx_copybutton",
    "sphinx_design",
    "mathml",
    "optimizer_pages",
]
templates_path = ["_templates"]
nitpicky = True

autodoc_typehints = "none"
copybutton_exclude = ".linenos, .gp, .go"
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"
nb_merge_streams = True
nb_render_markdown_format = "gfm"  # which has tables

html_theme = "sphinx_book_theme"
html_title = project
html_additional_pages = {"index": "redirect.html"}
html_math_renderer = "mathml"
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "footer_content_items": [],
    "navbar_persistent": [],
    "show_toc_level": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
}


def setup(app):
    """Drops the blank line that a doctest needs at the end of a block of code."""
    app.connect("doctree-read", _strip)


def _strip(app, doctree):
    for block in doctree.findall(nodes.literal_block):
        # Sphinx highlights only what it takes for unchanged source.
        block.rawsource = block.astext().rstrip()
        block[:] = [nodes.Text(block.rawsource)]
