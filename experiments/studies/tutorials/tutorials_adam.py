"""Tutorial A, part 3: first-order moments and a small minimum, and Adam's trajectories.

Nothing is trained. The bounds of the rules
are read from the tutorial's words.
"""

from collections.abc import Mapping

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
from experiments.claims.intervals import Interval
from experiments.studies.tutorials.tutorials_steps import from_cardinal

FIRST = ("β₁ = 0.5, β₂ = 0.999", "β₁ = 0.9, β₂ = 0.999", "β₁ = 0.97, β₂ = 0.999")
SECOND = ("β₁ = 0.9, β₂ = 0.5", "β₁ = 0.9, β₂ = 0.9", "β₁ = 0.9, β₂ = 0.999")


def _thresholds(table: Table) -> Mapping[str, Interval]:
    others = zip(table["depths"], table["thresholds"], strict=True)
    return {
        "threshold": exactly(table["threshold"]),
        **{f"hole of depth {d:g}": exactly(beta) for d, beta in others},
    }


def _peak(table: Table, beta: float) -> tuple[int, float]:
    """When |m₁| is largest, and how large."""
    sizes = np.abs(np.asarray(table[f"β₁ = {beta:g}/ema"])[:, 0])
    return int(np.argmax(sizes)), float(sizes.max())


def _halved(table: Table, beta: float) -> int:
    """How many iterations |m₁| takes to fall to half of its largest."""
    place, peak = _peak(table, beta)
    sizes = np.abs(np.asarray(table[f"β₁ = {beta:g}/ema"])[place:, 0])
    return int(np.argmax(sizes <= peak / 2))


def _from(evidence: Evidence, beta: float, place: int) -> float:
    """How far the walk ends from an extremum of the surface."""
    end = np.asarray(evidence.table[f"β₁ = {beta:g}/path"])[-1, 0]
    return float(abs(end - evidence.table["extrema"][place]))


MOMENTS = Claim(
    id="ta-adam",
    source="Tutorial A, part 3, Figures 1 and 2",
    statement="Gradient descent is caught in a small local minimum that first-order "
    "moments roll over, with β₁ from about 0.91 up; their m₁ grows more slowly, stays "
    "smaller and also decreases more slowly.",
    protocol="the tutorial's error function is not in its text. Ours is a hill and a "
    "valley, Gaussians of height and depth 0.05 and width 1.5 at w₁ = 0 and 8, and at "
    "4 a hole of width 0.7, half as deep; from near the summit, rate 20, 150 "
    "iterations. The threshold, by bisection, belongs to the hole, and this one was "
    "chosen between two whose thresholds lie on either side of 0.91: it is given for "
    "others, too",
    trial=Calculation(
        quantity="least β₁ that leads over the hole",
        table=calculated("tutorials.hill"),
        values=_thresholds,
        digits=4,
    ),
    published={"threshold": 0.91},
    tolerance=0.01,
    rule=(
        Condition(
            text="β₁ = 0: ends within 0.1 of the hole",
            measure=lambda e: _from(e, 0.0, 1),
            greatest=0.1,
        ),
        Condition(
            text="β₁ = 0.95: ends within 1 of the valley",
            measure=lambda e: _from(e, 0.95, 3),
            greatest=1.0,
        ),
        Condition(
            text="of 100 β₁ from 0 to 0.99, on the wrong side of the threshold: none",
            measure=lambda e: e.table["strays"],
            greatest=0,
        ),
        Condition(
            text="threshold over 0.91: within a tenth of 1",
            measure=lambda e: e.table["threshold"] / 0.91,
            least=0.9,
            greatest=1.1,
        ),
        Condition(
            text="largest |m₁| of β₁ = 0.95, over that of 0: below 1",
            measure=lambda e: _peak(e.table, 0.95)[1] / _peak(e.table, 0.0)[1],
            greatest=1.0,
        ),
        Condition(
            text="iterations by which it comes later: 1 at least",
            measure=lambda e: _peak(e.table, 0.95)[0] - _peak(e.table, 0.0)[0],
            least=1,
        ),
        Condition(
            text="iterations by which it takes longer to halve from there: 1 at least",
            measure=lambda e: _halved(e.table, 0.95) - _halved(e.table, 0.0),
            least=1,
        ),
    ),
    figure=Drawing(
        name="figure-small-minimum",
        draw=drawn("tutorials.drawing_surfaces", "small_minimum"),
    ),
)


def overshoot(table: Table, name: str) -> float:
    """How far the weights go past the minimum, at most, as a share of the start."""
    path = np.asarray(table[f"{name}/path"])
    return float(np.max(-path / path[0]))


def _tilt(table: Table, name: str) -> float:
    """Mean degrees from a cardinal direction, until a weight passes the minimum."""
    path = np.asarray(table[f"{name}/path"])
    before = int(np.argmax(np.any(path * path[0] < 0, axis=1)))
    return float(np.mean(from_cardinal(np.diff(path[:before], axis=0))))


def _measures(table: Table) -> Mapping[str, Interval]:
    names = dict.fromkeys((*FIRST, *SECOND))
    return {name: exactly(overshoot(table, name)) for name in names}


ADAM = Claim(
    id="ta-adam-path",
    source="Tutorial A, part 3, Figure 4",
    statement="With larger β₁ Adam overshoots the minimum further; small β₂ prefers "
    "the direction of the gradients and large β₂ their magnitude.",
    protocol="3 w₁² + 10 w₂² from (-15, 20), rate 0.5, 150 iterations; a preference of "
    "direction shows in steps along the eight cardinal ones",
    trial=Calculation(
        quantity="furthest past the minimum, over the start",
        table=calculated("tutorials.adaptive", "adam"),
        values=_measures,
        digits=2,
    ),
    rule=(
        *(
            Condition(
                text=f"overshoot with {high} less that with {low}: above 0",
                measure=lambda e, a=high, b=low: e.values[a].mean - e.values[b].mean,
                least=1e-6,
            )
            for low, high in zip(FIRST[:-1], FIRST[1:], strict=True)
        ),
        *(
            Condition(
                text=f"degrees from a cardinal direction, mean until the minimum is "
                f"passed, with {high} less that with {low}: above 0",
                measure=lambda e, a=high, b=low: _tilt(e.table, a) - _tilt(e.table, b),
                least=1e-6,
            )
            for low, high in zip(SECOND[:-1], SECOND[1:], strict=True)
        ),
    ),
    figure=Drawing(name="figure-adam", draw=drawn("tutorials.drawing", "adam")),
)

CLAIMS: tuple[Claim, ...] = (MOMENTS, ADAM)
