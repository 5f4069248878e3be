"""Tutorial A, parts 1 and 2: momentum, and learning rates that adapt.

Nothing is trained. The bounds of the rules
are read from the tutorial's words.
"""

import numpy as np

from experiments.claims.claim import (
    Calculation,
    Claim,
    Condition,
    Drawing,
    Evidence,
    Table,
)
from experiments.claims.exact_claims import calculated, drawn, exactly

FRICTIONS = (0.0, 0.6, 0.9)
CARDINAL = 1.0  # degrees from one of the eight directions


def _last(table: Table, friction: float) -> float:
    return float(table[f"α = {friction:g}/error"][-1])


def _overshoots(table: Table, friction: float) -> float:
    """How often the second weight passes the minimum."""
    signs = np.sign(np.asarray(table[f"α = {friction:g}/path"])[:, 1])
    return float(np.sum(signs[1:] != signs[:-1]))


PATHS = Claim(
    id="ta-m",
    source="Tutorial A, part 1, Figure 2",
    statement="The higher α, the closer to the minimum in the same number of "
    "iterations; but α = 0.9 first overshoots it downwards, turns back, and does so "
    "once more near the minimum.",
    protocol="3 w₁² + 10 w₂² from (-15, 20), rate 0.001, 150 iterations",
    trial=Calculation(
        quantity="log₁₀ of the error in the end",
        table=calculated("tutorials.momentum", "paths"),
        values=lambda t: {
            f"α = {a:g}": exactly(np.log10(_last(t, a))) for a in FRICTIONS
        },
        digits=2,
    ),
    rule=(
        *(
            Condition(
                text=f"error of α = {high:g} over that of α = {low:g}: below 1",
                measure=lambda e, a=high, b=low: _last(e.table, a) / _last(e.table, b),
                greatest=1.0,
            )
            for low, high in ((0.0, 0.6), (0.6, 0.9))
        ),
        Condition(
            text="α = 0.9: w₂ passes the minimum twice at least",
            measure=lambda e: _overshoots(e.table, 0.9),
            least=2,
        ),
        Condition(
            text="α = 0 and 0.6: it never does",
            measure=lambda e: float(
                np.max([_overshoots(e.table, a) for a in (0.0, 0.6)])
            ),
            greatest=0,
        ),
    ),
    figure=Drawing(name="figure-momentum", draw=drawn("tutorials.drawing", "momentum")),
)


def _iterations(table: Table, friction: float) -> float:
    """Until the error is a thousandth of the first and stays below."""
    errors = np.asarray(table[f"α = {friction:g}"])
    return float(np.max(np.nonzero(errors > errors[0] / 1000)[0]) + 1)


def _bump(evidence: Evidence) -> float:
    """Where the error of α = 0.9 first has a local maximum."""
    rising = np.diff(np.asarray(evidence.table["α = 0.9"])) > 0
    start = int(np.argmax(rising))
    return float(start + np.argmin(rising[start:]))


SPEED = Claim(
    id="ta-m-speed",
    source="Tutorial A, part 1, Figure 3",
    statement="Gradient descent is slowest, momentum with α = 0.9 even a bit faster "
    "than with 0.6, but with a small bump of the error at around t = 20.",
    protocol="as ta-m, 700 iterations; converged is an error of a thousandth of the "
    "first; around 20 is 15 to 25",
    trial=Calculation(
        quantity="iterations until converged",
        table=calculated("tutorials.momentum", "speed"),
        values=lambda t: {f"α = {a:g}": exactly(_iterations(t, a)) for a in FRICTIONS},
        digits=0,
    ),
    rule=(
        *(
            Condition(
                text=f"iterations of α = {high:g} less those of α = {low:g}: below 0",
                measure=lambda e, a=high, b=low: (
                    _iterations(e.table, a) - _iterations(e.table, b)
                ),
                greatest=-1,
            )
            for low, high in ((0.0, 0.6), (0.6, 0.9))
        ),
        Condition(
            text="α = 0.9: first maximum of the error between t = 15 and 25",
            measure=_bump,
            least=15,
            greatest=25,
        ),
    ),
    figure=Drawing(name="figure-speed", draw=drawn("tutorials.drawing", "speed")),
)


def _way(table: Table, name: str) -> np.ndarray:
    """Until the error is a thousandth of the first: shape (steps + 1, 2)."""
    errors = np.asarray(table[f"{name}/error"])
    return np.asarray(table[f"{name}/path"])[
        : int(np.argmax(errors < errors[0] / 1000))
    ]


def detour(table: Table, name: str) -> float:
    """The length of a way over the straight distance of its ends."""
    way = _way(table, name)
    length = np.linalg.norm(np.diff(way, axis=0), axis=1).sum()
    return float(length / np.linalg.norm(way[-1] - way[0]))


def from_cardinal(steps: np.ndarray) -> np.ndarray:
    """Degrees between each step and the nearest of the eight directions."""
    angles = np.degrees(np.arctan2(steps[:, 1], steps[:, 0]))
    return np.abs((angles + 22.5) % 45 - 22.5)


def _share_cardinal(table: Table, name: str) -> float:
    return float(np.mean(from_cardinal(np.diff(_way(table, name), axis=0)) <= CARDINAL))


def _flipped(evidence: Evidence) -> float:
    table, count = evidence.table, 0
    for name in ("β = 0", "β = 0.9"):
        steps = np.diff(np.asarray(table[f"{name}/path"]), axis=0)
        count += np.sum(steps * np.asarray(table[f"{name}/gradient"]) > 0)
    return float(count)


WALKS = ("gradient descent", "β = 0", "β = 0.9")

ADAPTIVE = Claim(
    id="ta-a",
    source="Tutorial A, part 2, Figure 2",
    statement="With adaptive learning rates the route points more directly at the "
    "optimum and is shorter; β = 0 mainly restricts it to the eight cardinal "
    "directions, and β = 0.9 takes a broader range; the sign of no gradient changes.",
    protocol="3 w₁² + 10 w₂² from (-15, 20), rate 0.05 (gradient descent: 0.001), "
    "until the error is a thousandth of the first; restricted is nine steps in ten, to "
    "a degree, and a broader range is fewer (at most half of them, at first)",
    trial=Calculation(
        quantity="length of the route over the straight distance",
        table=calculated("tutorials.adaptive", "adaptive"),
        values=lambda t: {name: exactly(detour(t, name)) for name in WALKS},
    ),
    rule=(
        Condition(
            text="length with β = 0.9 over that of gradient descent: below 1",
            measure=lambda e: (
                detour(e.table, "β = 0.9") / detour(e.table, "gradient descent")
            ),
            greatest=1.0,
        ),
        Condition(
            text="β = 0: share of steps in cardinal directions at least 0.9",
            measure=lambda e: _share_cardinal(e.table, "β = 0"),
            least=0.9,
        ),
        Condition(
            text="share of steps in cardinal directions, β = 0.9 less β = 0: below 0",
            measure=lambda e: (
                _share_cardinal(e.table, "β = 0.9") - _share_cardinal(e.table, "β = 0")
            ),
            greatest=-1e-6,  # one step is a hundredth
        ),
        Condition(
            text="components of steps against their gradient's descent: none",
            measure=_flipped,
            greatest=0,
        ),
    ),
    figure=Drawing(name="figure-adaptive", draw=drawn("tutorials.drawing", "adaptive")),
)

CLAIMS: tuple[Claim, ...] = (PATHS, SPEED, ADAPTIVE)
