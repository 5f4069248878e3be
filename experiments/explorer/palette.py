"""How paths are told apart: by hue, by marker and by dashes, on a light or dark page.

The hues are those of Okabe and Ito, which the colour-blind can tell apart. Each runs
from dark to bright along a path, so two paths may be equally light somewhere: a figure
in grey is read by the markers and dashes.
"""

import functools

# A grey in the place of their black, which has nothing darker to begin with.
HUES = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#8C8C8C",
    "#D55E00",
    "#56B4E9",
    "#F0E442",
)
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
DASHES: tuple[str | list[int], ...] = (
    "solid",
    [10, 3],
    [10, 3, 2, 3],
    [2, 2],
    [5, 5],
    [12, 3, 2, 3, 2, 3],
    [16, 5],
    [4, 2],
)
SHADES = 64  # of a path

INK = {False: "#202124", True: "#e8eaed"}  # on a light page, on a dark one
# Of the contours, from the lowest loss to the greatest.
GROUND = {False: ("#ffffff", "#b9c0ca"), True: ("#454b54", "#121417")}
# How much black the first step has in it, and how much white the last.
DEPTH = {False: (0.62, 0.12), True: (0.35, 0.5)}


def mix(first: str, second: str, share: float) -> str:
    """The colour with this share of the second, both as #rrggbb."""
    pairs = ((int(first[i : i + 2], 16), int(second[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in pairs)


@functools.cache
def path(slot: int, dark: bool) -> tuple[str, ...]:
    """The colours of a path, from its first step to its last."""
    black, white = DEPTH[dark]
    first, last = mix(HUES[slot], "#000000", black), mix(HUES[slot], "#ffffff", white)
    half = SHADES // 2
    return (
        *(mix(first, HUES[slot], i / half) for i in range(half)),
        *(mix(HUES[slot], last, i / (half - 1)) for i in range(half)),
    )


def curve(slot: int, dark: bool) -> str:
    """The one colour of a curve, dark enough for a white ground or bright for black."""
    return mix(HUES[slot], "#ffffff", 0.25) if dark else mix(HUES[slot], "#000000", 0.2)


@functools.cache
def ground(dark: bool) -> tuple[str, ...]:
    """The colours below the contours, from the lowest loss to the greatest."""
    low, high = GROUND[dark]
    return tuple(mix(low, high, i / (SHADES - 1)) for i in range(SHADES))
