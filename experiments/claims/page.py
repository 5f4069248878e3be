"""The report's Markdown as one page of HTML that needs nothing but itself."""

import base64
import html
import pathlib

from markdown_it import MarkdownIt
from mdit_py_plugins.anchors import anchors_plugin

# Readable on a telephone, in the dark and on paper; no script, nothing from elsewhere.
STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
       padding: 0 1rem; }
table { border-collapse: collapse; display: block; font-size: 0.9rem;
        overflow-x: auto; }
th, td { border-bottom: 1px solid #8886; padding: 0.3rem 0.7rem; text-align: left;
         vertical-align: top; }
img { max-width: 100%; background: white; }
code { overflow-wrap: anywhere; }
"""


def page(markdown: str, folder: pathlib.Path) -> str:
    """A page with its images inside.

    Args:
      markdown: its text, which begins with the title.
      folder: from which images are linked.
    """
    parser = MarkdownIt("commonmark").enable("table").use(anchors_plugin, max_level=3)
    tokens = parser.parse(markdown)
    parts = (part for token in tokens for part in token.children or ())
    for image in (part for part in parts if part.type == "image"):
        data = (folder / str(image.attrGet("src"))).read_bytes()
        inside = base64.b64encode(data).decode()
        image.attrSet("src", f"data:image/png;base64,{inside}")
    title = html.escape(tokens[1].content)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"{parser.renderer.render(tokens, parser.options, {})}</body>\n</html>\n"
    )
