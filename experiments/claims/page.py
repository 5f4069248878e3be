"""The report's Markdown as one page of HTML that needs nothing but itself."""

import base64
import html
import pathlib
import re
import urllib.parse
from collections.abc import Iterable, Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.anchors import anchors_plugin

STYLE = pathlib.Path(__file__).with_name("page.css")

# How verdicts begin, and the class by which they are coloured and chosen from.
CLASSES = {"✓": "yes", "✗": "no", "○": "open"}
VERDICT = re.compile("([✓✗○]) (holds|does not hold|not tried|met|not met)")

CHOICES = {
    "all": "all claims",
    "yes": "✓ hold",
    "no": "✗ do not",
    "open": "○ not tried",
}


def page(markdown: str, folder: pathlib.Path) -> str:
    """A page with its images inside; its headings make sections.

    Args:
      markdown: its text, which begins with the title.
      folder: from which images are linked.
    """
    parser = MarkdownIt("commonmark").enable("table").use(anchors_plugin, max_level=3)
    parser.add_render_rule("text", _text)
    tokens = parser.parse(markdown)
    parts = (part for token in tokens for part in token.children or ())
    for image in (part for part in parts if part.type == "image"):
        path = folder / urllib.parse.unquote(str(image.attrGet("src")))
        inside = base64.b64encode(path.read_bytes()).decode()
        image.attrSet("src", f"data:image/png;base64,{inside}")
    body = parser.renderer.render(list(_in_sections(tokens)), parser.options, {})
    choices = "".join(
        f'<label><input type="radio" name="show" id="only-{name}"'
        f"{' checked' if name == 'all' else ''}> {text}</label>"
        for name, text in CHOICES.items()
    )
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(tokens[1].content)}</title>\n"
        f"<style>\n{STYLE.read_text()}</style>\n</head>\n<body>\n"
        f'<form id="show">{choices}</form>\n{body}</body>\n</html>\n'
    )


def _in_sections(tokens: Iterable[Token]) -> Iterator[Token]:
    """Puts what follows a heading into a section, up to the next of its level."""
    open_levels: list[str] = []
    for token in tokens:
        if token.type == "heading_open":
            while open_levels and open_levels[-1] >= token.tag:
                open_levels.pop()
                yield Token("html_block", "", 0, content="</section>\n")
            name, level = token.attrGet("id"), token.tag.removeprefix("h")
            start = f'<section class="level-{level}" id="{name}">\n'
            yield Token("html_block", "", 0, content=start)
            token.attrs.pop("id", None)
            open_levels.append(token.tag)
        yield token
    yield Token("html_block", "", 0, content="</section>\n" * len(open_levels))


def _text(self, tokens, index, options, env) -> str:
    """Text, with the verdicts in it marked."""
    return VERDICT.sub(
        lambda found: f'<span class="{CLASSES[found[1]]}">{found[0]}</span>',
        html.escape(tokens[index].content, quote=False),
    )
