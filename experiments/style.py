"""Colours and dashes of all figures.

Colours are those of Okabe and Ito, which the colour-blind can tell apart, in an order
of clearly different lightness; every curve also has a line style of its own, so that a
figure can be read in grey.
"""

from cycler import cycler

Style = tuple[str, str | tuple[int, tuple[float, ...]]]

# Colour and dashes, in the order in which curves take them.
STYLES: tuple[Style, ...] = (
    ("#0072B2", "solid"),
    ("#E69F00", (0, (6, 1.5))),
    ("#009E73", (0, (6, 1.5, 1.5, 1.5))),
    ("#CC79A7", (0, (1.5, 1))),
    ("#000000", (0, (3, 3))),
    ("#D55E00", (0, (8, 2, 1.5, 2, 1.5, 2))),
    ("#56B4E9", (0, (10, 3))),
)

SETTINGS = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(
        color=[colour for colour, _ in STYLES],
        linestyle=[dashes for _, dashes in STYLES],
    ),
    "lines.linewidth": 1.6,
    "figure.constrained_layout.use": True,
    "figure.dpi": 160,
    "font.size": 10,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
}


def styles(count: int) -> tuple[Style, ...]:
    """The styles of this many curves.

    Raises:
      ValueError: there are not as many.
    """
    if count > len(STYLES):
        raise ValueError(f"curves must be at most {len(STYLES)}, got {count}.")
    return STYLES[:count]
