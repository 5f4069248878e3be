"""Colours and dashes of all figures.

Colours are those of Okabe and Ito, which the colour-blind can tell apart, in an order
of clearly different lightness; every curve also has a line style of its own, so that a
figure can be read in grey.
"""

import math

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


# Of the paths on a page, which run from dark to bright, so that two may be equally
# light somewhere: in grey they are read by the markers. Black has nothing darker to
# begin with, a grey is in its place; and there is an eighth hue.
HUES = (*(c.replace("#000000", "#8C8C8C") for c, _ in STYLES), "#F0E442")
MARKERS = (
    "circle",
    "square",
    "triangle",
    "diamond",
    "inverted_triangle",
    "hex",
    "plus",
    "star",
)
SYMBOLS = "●■▲◆▼⬢✚★"  # the markers, in text
# Dashes on a page are not as wide as the curve is.
DASHES: tuple[str | list[int], ...] = (
    *(
        dashes if isinstance(dashes, str) else [math.ceil(1.6 * d) for d in dashes[1]]
        for _, dashes in STYLES
    ),
    [4, 2],
)

INK = {False: "#202124", True: "#e8eaed"}  # on a light page, on a dark one
# Of the contours, from the lowest loss to the greatest.
GROUND = {False: ("#ffffff", "#b9c0ca"), True: ("#454b54", "#121417")}
# How much black the first step has in it, and how much white the last.
DEPTH = {False: (0.62, 0.12), True: (0.35, 0.5)}


def mix(first: str, second: str, share: float) -> str:
    """The colour with this share of the second, both as #rrggbb."""
    pairs = ((int(first[i : i + 2], 16), int(second[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in pairs)


def path(slot: int, dark: bool) -> tuple[str, str, str]:
    """The colours of a path at its first step, in the middle and at its last."""
    (black, white), hue = DEPTH[dark], HUES[slot]
    return mix(hue, "#000000", black), hue, mix(hue, "#ffffff", white)


def curve(slot: int, dark: bool) -> str:
    """The one colour of a curve, dark enough for a white ground or bright for black."""
    return mix(HUES[slot], "#ffffff", 0.25) if dark else mix(HUES[slot], "#000000", 0.2)
