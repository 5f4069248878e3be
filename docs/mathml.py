"""Formulas as MathML, which browsers show by themselves: no script, no font."""

import html

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging


def setup(app):
    """Offers Sphinx the renderer."""
    app.add_html_math_renderer("mathml", (_inline, None), (_displayed, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _inline(writer, node):
    writer.body.append(_mathml(node, as_block=False))
    raise nodes.SkipNode


def _displayed(writer, node):
    writer.body.append(f'<div class="formula">{_mathml(node, as_block=True)}</div>')
    raise nodes.SkipNode


def _mathml(node, as_block):
    # docutils knows no \texttt.
    formula = node.astext().replace(r"\texttt{", r"\text{")
    try:
        return tex2mathml(formula, as_block=as_block)
    except MathError as error:
        warn = logging.getLogger(__name__).warning
        warn("A formula cannot be shown: %s: %s", error, formula, location=node)
        return f"<code>{html.escape(formula)}</code>"
