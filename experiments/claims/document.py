"""A document of a few kinds of blocks, written as Markdown or as one page of HTML."""

import base64
import dataclasses
import html
import os
import pathlib
import re
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Heading:
    """A heading of level 1 to 3."""

    level: int
    text: str


@dataclasses.dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclasses.dataclass(frozen=True)
class Code:
    """A command."""

    text: str


@dataclasses.dataclass(frozen=True)
class Items:
    """A list."""

    texts: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Link:
    """The text of a heading, which leads there.

    Attributes:
      heading: text of the heading.
      page: file of the document that has it; None: this one.
    """

    heading: str
    page: pathlib.Path | None = None


Cell = str | Link | tuple[Link, ...]


@dataclasses.dataclass(frozen=True)
class TableBlock:
    """A table: its head and its rows."""

    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclasses.dataclass(frozen=True)
class Image:
    """An image file (PNG), with what it shows."""

    path: pathlib.Path
    shows: str


Block = Heading | Text | Code | Items | TableBlock | Image

# Readable on a telephone, in the dark and on paper; no script, nothing from elsewhere.
STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
       padding: 0 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; }
th, td { border-bottom: 1px solid #8886; padding: 0.3rem 0.7rem; text-align: left;
         vertical-align: top; }
img { max-width: 100%; background: white; }
code { overflow-wrap: anywhere; }
"""


def to_markdown(blocks: Sequence[Block], beside: pathlib.Path) -> str:
    """The document as Markdown.

    Args:
      blocks: of the document.
      beside: folder of the file that it is for; images are linked from there.
    """
    return "\n\n".join(_markdown(block, beside) for block in blocks) + "\n"


def to_html(blocks: Sequence[Block]) -> str:
    """The document as a page of its own: its images are inside."""
    title = next(b.text for b in blocks if isinstance(b, Heading))
    body = "\n".join(map(_html, blocks))
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _markdown(block: Block, beside: pathlib.Path) -> str:
    match block:
        case Heading(level, text):
            return f"{'#' * level} {text}"
        case Text(text):
            return text
        case Code(text):
            return f"    {text}"
        case Items(texts):
            return "\n".join(f"- {text}" for text in texts)
        case TableBlock(head, rows):
            lines = [head, ("---",) * len(head), *rows]
            cells = [[_cell(cell, beside) for cell in row] for row in lines]
            return "\n".join(f"| {' | '.join(row)} |" for row in cells)
        case Image(path, shows):
            return f"![{shows}]({_place(path, beside)})"


def _cell(cell: Cell, beside: pathlib.Path) -> str:
    if isinstance(cell, tuple):
        return ", ".join(_cell(link, beside) for link in cell)
    if isinstance(cell, Link):
        return f"[{cell.heading}]({_target(cell, beside)})"
    return cell.replace("|", "\\|")


def _target(link: Link, beside: pathlib.Path) -> str:
    page = "" if link.page is None else _place(link.page, beside)
    return f"{page}#{_anchor(link.heading)}"


def _place(path: pathlib.Path, beside: pathlib.Path) -> str:
    return pathlib.Path(os.path.relpath(path, beside)).as_posix()


def _anchor(heading: str) -> str:
    """The name by which viewers of Markdown let one link to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _html(block: Block) -> str:
    match block:
        case Heading(level, text):
            anchor = html.escape(_anchor(text))
            return f'<h{level} id="{anchor}">{html.escape(text)}</h{level}>'
        case Text(text):
            return f"<p>{html.escape(text)}</p>"
        case Code(text):
            return f"<p><code>{html.escape(text)}</code></p>"
        case Items(texts):
            return f"<ul>{''.join(f'<li>{html.escape(t)}</li>' for t in texts)}</ul>"
        case TableBlock(head, rows):
            parts = [_row(head, "th"), *(_row(row, "td") for row in rows)]
            return f'<div class="wide"><table>{"".join(parts)}</table></div>'
        case Image(path, shows):
            data = base64.b64encode(path.read_bytes()).decode()
            source = f"data:image/png;base64,{data}"
            return f'<p><img src="{source}" alt="{html.escape(shows)}"></p>'


def _row(cells: Sequence[Cell], tag: str) -> str:
    return f"<tr>{''.join(f'<{tag}>{_inside(cell)}</{tag}>' for cell in cells)}</tr>"


def _inside(cell: Cell) -> str:
    if isinstance(cell, tuple):
        return ", ".join(map(_inside, cell))
    if isinstance(cell, Link):
        target = html.escape(_target(cell, pathlib.Path()))
        return f'<a href="{target}">{html.escape(cell.heading)}</a>'
    return html.escape(cell)
