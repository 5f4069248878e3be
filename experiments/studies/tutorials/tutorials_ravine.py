"""Tutorial B: a ravine, the four ways down it, Newton's step, and where they all end.

The bounds of the rules are read from the
tutorial's words.
"""

from collections.abc import Mapping, Sequence

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
from experiments.claims.intervals import Interval, interval

METHODS = ("gradient descent", "momentum 0.5", "momentum 0.9", "RMSProp", "Adam")
MOMENTUM = METHODS[1:3]
ALGORITHMS = ("SGD", "momentum", "RMSProp", "Adam")
PAIRS = tuple(
    f"{one} to {other}"
    for place, one in enumerate(ALGORITHMS)
    for other in ALGORITHMS[place + 1 :]
)


def _crossings(path: Sequence[Sequence[float]]) -> float:
    """The share of steps that end on the other side of the floor, where w₁ is 0."""
    sides = np.sign(np.asarray(path)[:, 0])
    return float(np.mean(sides[1:] != sides[:-1]))


def _errors(table: Table) -> Mapping[str, Interval]:
    return {name: exactly(np.log10(table[f"{name}/error"][-1])) for name in METHODS}


def _less(name: str, what: str, of: str) -> Condition:
    """A method has less of something than gradient descent has."""

    def ratio(evidence: Evidence) -> float:
        one, descent = (
            np.atleast_1d(evidence.table[f"{method}/{what}"])[-1]
            for method in (name, METHODS[0])
        )
        return float(one / descent)

    text = f"{name}: {of} over that of gradient descent, below 1"
    return Condition(text=text, measure=ratio, greatest=1 - 1e-6)


TURNS, ACROSS, ERROR = (
    ("turns", "share of steps that turn back across the ravine"),
    ("across", "length of the way across"),
    ("error", "error in the end"),
)

RAVINE = Claim(
    id="tb-r",
    source="Tutorial B, the ravine, momentum, RMSProp and Adam",
    statement="In a ravine the gradient points across it and gradient descent bounces; "
    "momentum cancels what goes across, adds up what goes along, and damps; RMSProp "
    "takes a smaller learning rate across; Adam does both; all three are faster.",
    protocol="a quadratic of curvature 100 across and 1 along, from (1, -10), 150 "
    "steps; gradient descent and momentum at 0.98 of the largest stable rate, RMSProp "
    "and Adam at the best of 26 rates from 0.01 to 3 (of six, at first, where RMSProp "
    "ended at 1.05 times the error of gradient descent)",
    trial=Calculation(
        quantity="log₁₀ of the error in the end",
        table=calculated("tutorials.ravine"),
        values=_errors,
        digits=2,
    ),
    rule=(
        Condition(
            text="gradient at the start: component across over that along, above 1",
            measure=lambda e: abs(e.table["gradient"][0] / e.table["gradient"][1]),
            least=1.0,
        ),
        Condition(
            text="gradient descent: share of steps that turn back, at least 0.9",
            measure=lambda e: e.table["gradient descent/turns"],
            least=0.9,
        ),
        Condition(
            text="its gradients summed up by momentum: at most 0.1 is left across",
            measure=lambda e: e.table["summed/across"],
            greatest=0.1,
        ),
        Condition(
            text="and at least 0.9 along",
            measure=lambda e: e.table["summed/along"],
            least=0.9,
        ),
        *(_less(name, *what) for name in MOMENTUM for what in (TURNS, ACROSS, ERROR)),
        *(
            Condition(
                text=f"{name}: learning rate across over that along, mean of the first "
                "ten steps, at most 0.5",
                measure=lambda e, name=name: e.table[f"{name}/early"],
                greatest=0.5,
            )
            for name in METHODS[3:]
        ),
        *(_less(name, *w) for name in METHODS[3:] for w in (TURNS, ACROSS, ERROR)),
    ),
    figure=Drawing(
        name="figure-ravine", draw=drawn("tutorials.drawing_surfaces", "ravine")
    ),
)

NEWTON = Claim(
    id="tb-newton",
    source="Tutorial B, Newton's method",
    statement="Gradient descent cannot tell a plane from a curve upwards or downwards; "
    "the ideal step gᵀg/gᵀHg can: it is inversely proportional to the curvature, "
    "negative where that is, and does not overshoot the ravine's floor; but a Hessian "
    "has the square of the weights in numbers.",
    protocol="three curves of one gradient; 150 ideal steps in the ravine of tb-r; the "
    "shapes of JAX's Hessians for 10 to 10⁹ weights",
    trial=Calculation(
        quantity="numbers in the Hessian",
        table=calculated("tutorials.newton"),
        values=lambda t: {
            f"{weights:g} weights": exactly(numbers)
            for weights, numbers in zip(t["weights"], t["numbers"], strict=True)
        },
        digits=0,
    ),
    rule=(
        Condition(
            text="gradients of the three curves: difference of any two, 0",
            measure=lambda e: float(np.ptp(e.table["gradients"])),
            greatest=0.0,
        ),
        Condition(
            text="ideal step times curvature: furthest from 1, at most 1e-9",
            measure=lambda e: float(np.abs(np.subtract(e.table["products"], 1)).max()),
            greatest=1e-9,
        ),
        Condition(
            text="ideal step on the curve downwards: below 0",
            measure=lambda e: e.table["step, downwards"],
            greatest=-1e-9,
        ),
        Condition(
            text="slope left along the gradient, over what it was: at most 1e-12",
            measure=lambda e: e.table["slope"],
            greatest=1e-12,
        ),
        Condition(
            text="share of ideal steps that end across the ravine's floor: 0",
            measure=lambda e: _crossings(e.table["path"]),
            greatest=0.0,
        ),
        Condition(
            text="steps upwards: none",
            measure=lambda e: e.table["rises"],
            greatest=0,
        ),
        Condition(
            text="numbers in the Hessian over the square of the weights: 1",
            measure=lambda e: float(
                np.max(np.divide(e.table["numbers"], np.square(e.table["weights"])))
            ),
            least=1.0,
            greatest=1.0,
        ),
    ),
    figure=Drawing(
        name="figure-newton", draw=drawn("tutorials.drawing_surfaces", "newton")
    ),
)

MINIMA = Claim(
    id="tb-minima",
    source="Tutorial B, Figure 1",
    statement="From the same weights, on the same loss, the four algorithms can "
    "converge to different minima.",
    protocol="the figure's networks are not named. Ours fits a curve of 32 points with "
    "two layers of 16 tanh units, 5000 steps on all points, 10 starts; between "
    "different minima the loss has a barrier, from one of the starts at least (from "
    "all on average, at first, which the interval of SGD and momentum does "
    "not rule out)",
    trial=Calculation(
        quantity="height of the barrier",
        table=calculated("tutorials.minima", "barriers"),
        values=lambda t: {pair: interval(t[pair]) for pair in PAIRS},
    ),
    rule=(
        *(
            Condition(
                text=f"{name}: loss in the end over that at first, mean of the starts, "
                "at most 0.1",
                measure=lambda e, name=name: float(
                    np.mean(
                        np.divide(e.table[f"{name}/last"], e.table[f"{name}/first"])
                    )
                ),
                greatest=0.1,
            )
            for name in ALGORITHMS
        ),
        *(
            Condition(
                text=f"{pair}: highest barrier of all starts, above 0",
                measure=lambda e, pair=pair: float(np.max(e.table[pair])),
                least=1e-6,
            )
            for pair in PAIRS
        ),
    ),
    figure=Drawing(
        name="figure-final-points",
        draw=drawn("tutorials.drawing_surfaces", "final_points"),
    ),
)


def _flatter(evidence: Evidence) -> float:
    logs = {
        name: np.log10(np.asarray(evidence.table[name]))
        for name in ("momentum", "Adam")
    }
    gap = interval([float(x) for x in logs["momentum"] - logs["Adam"]])
    return gap.mean + (gap.half or 0.0)


FLATNESS = Claim(
    id="tb-flat",
    source="Tutorial B, conclusion",
    statement="SGD with momentum finds flatter minima than Adam.",
    protocol="as tb-minima; the largest eigenvalue of the Hessian in the end",
    trial=Calculation(
        quantity="largest eigenvalue",
        table=calculated("tutorials.minima", "curvatures"),
        values=lambda t: {name: interval(t[name]) for name in ALGORITHMS},
        digits=1,
    ),
    rule=(
        Condition(
            text="its log₁₀, momentum less Adam: upper end of the 95 % interval at "
            "most 0",
            measure=_flatter,
            greatest=0.0,
        ),
    ),
)

CLAIMS: tuple[Claim, ...] = (RAVINE, NEWTON, MINIMA, FLATNESS)
