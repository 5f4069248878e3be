r"""Momentum on its way down :math:`E = 3 w_1^2 + 10 w_2^2`, at three frictions α.

Tutorial A, part 1, Figures 2 and 3, from (-15, 20) at a rate of 0.001. The bounds of
the rules are read from the tutorial's words.
"""

import itertools

import numpy as np
from matplotlib.figure import Figure

from experiments.claims import figures, rules
from experiments.claims.claim import Calculation, Claim, Drawing, Evidence, Table
from experiments.studies.tutorials import worked_numbers
from experiments.studies.tutorials.drawing import descents

METHODS = {f"α = {a:g}": worked_numbers.momentum(a) for a in (0.0, 0.6, 0.9)}
STEPS = 150  # of the trajectories
LONG = 700  # of the comparison, as printed


def paths() -> Table:
    """The trajectories.

    Returns:
      By "α = …": "/path", the weights, w(0) first; "/error" at these; "/trace", m after
      each step.
    """
    seen = worked_numbers.descend(METHODS, STEPS, "trace")
    return {name: seen[name] for name in seen if not name.endswith("/gradient")}


def speed() -> Table:
    """The errors on a longer way.

    Returns:
      By "α = …": the errors, the first before the first step.
    """
    seen = worked_numbers.descend(METHODS, LONG)
    return {name: seen[f"{name}/error"] for name in METHODS}


def errors(evidence: Evidence) -> Figure:
    """Part 1, Figure 3: the errors of three frictions."""
    note = (
        "E = 3 w₁² + 10 w₂² from (-15, 20), rate 0.001; the error begins at 4675, "
        "above the axis."
    )
    with figures.figure(6.4, 4.2, caption=note) as figure:
        axes = figure.add_subplot()
        for name, values in evidence.table.items():
            axes.plot(values, label=name)
        axes.set(
            title="Tutorial A, part 1, Figure 3: convergence with momentum",
            xlabel="iteration t",
            ylabel="error E(w(t))",
            xlim=(0, LONG),
            ylim=(0, 1000),
        )
        axes.legend(handlelength=4)
    return figure


def _overshoots(table: Table, name: str) -> float:
    """How often the second weight passes the minimum."""
    signs = np.sign(np.asarray(table[f"{name}/path"])[:, 1])
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
        table=paths,
        values=lambda t: {name: np.log10(t[f"{name}/error"][-1]) for name in METHODS},
        digits=2,
    ),
    rule=(
        *(
            rules.at_most(
                f"error of {high} over that of {low}: below 1",
                lambda e, a=high, b=low: (
                    e.table[f"{a}/error"][-1] / e.table[f"{b}/error"][-1]
                ),
                1.0,
            )
            for low, high in itertools.pairwise(METHODS)
        ),
        rules.at_least(
            "α = 0.9: w₂ passes the minimum twice at least",
            lambda e: _overshoots(e.table, "α = 0.9"),
            2,
        ),
        rules.at_most(
            "α = 0 and 0.6: it never does",
            lambda e: max(_overshoots(e.table, f"α = {a}") for a in ("0", "0.6")),
            0,
        ),
    ),
    figure=descents(
        "figure-momentum",
        {"trace": "momentum m"},
        "Tutorial A, part 1, Figure 2: momentum",
        "E = 3 w₁² + 10 w₂² from (-15, 20), rate 0.001; α = 0 is gradient descent.",
    ),
)


def _iterations(table: Table, name: str) -> float:
    """Until the error is a thousandth of the first and stays below."""
    values = np.asarray(table[name])
    return float(np.max(np.nonzero(values > values[0] / 1000)[0]) + 1)


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
        table=speed,
        values=lambda t: {name: _iterations(t, name) for name in METHODS},
        digits=0,
    ),
    rule=(
        *(
            rules.at_most(
                f"iterations of {high} less those of {low}: below 0",
                lambda e, a=high, b=low: e.values[a].mean - e.values[b].mean,
                -1,
            )
            for low, high in itertools.pairwise(METHODS)
        ),
        rules.between(
            "α = 0.9: first maximum of the error between t = 15 and 25", _bump, 15, 25
        ),
    ),
    figure=Drawing(name="figure-speed", draw=errors),
)
