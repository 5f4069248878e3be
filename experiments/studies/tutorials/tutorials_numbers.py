"""Tutorial A's worked numbers.

Nothing is trained..
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

HUNDREDTH = 0.005  # half of the last digit printed

PRINTED: Mapping[str, tuple[str, int, tuple[float, float]]] = {
    "gradient descent, w(1)": ("gradient descent/path", 1, (-14.91, 19.6)),
    "gradient descent, w(2)": ("gradient descent/path", 2, (-14.82, 19.21)),
    "momentum, m(2)": ("momentum/trace", 1, (-170.46, 752.0)),
    "momentum, w(2)": ("momentum/path", 2, (-14.74, 18.85)),
    "adaptive, s(1)": ("adaptive/nu", 0, (810.0, 16000.0)),
    "adaptive, w(1)": ("adaptive/path", 1, (-14.84, 19.84)),
    "adaptive, s(2)": ("adaptive/nu", 1, (1521.81, 30145.02)),
    "adaptive, w(2)": ("adaptive/path", 2, (-14.73, 19.73)),
}
ROUNDED = "adaptive, s(2)"  # printed from weights that had been rounded


def _worked(table: Table) -> Mapping[str, Interval]:
    vectors = {
        f"{label}, component {k + 1}": exactly(table[where][place][k])
        for label, (where, place, _) in PRINTED.items()
        for k in (0, 1)
    }
    factors = {
        "momentum, gain at α = 0.9": exactly(table["gain"]),
        "Adam, prefactor of step 2": exactly(table["prefactor"]),
    }
    return {**vectors, **factors}


def _furthest(evidence: Evidence) -> float:
    return max(
        float(np.abs(np.subtract(evidence.table[where][place], digits)).max())
        for label, (where, place, digits) in PRINTED.items()
        if label != ROUNDED
    )


NUMBERS = Claim(
    id="ta-num",
    source="Tutorial A, the numerical examples; part 1, Figure 1; part 2, Figure 1",
    statement="Two steps on 3 w₁² + 10 w₂² from (-15, 20), the gain of momentum on a "
    "constant gradient, 1/(1 - α), and the prefactor of Adam's second step are as "
    "printed.",
    protocol="optax in float64. The printed s(2) is worked out from weights rounded to "
    "two digits, and differs by as much; the rule leaves it out",
    trial=Calculation(
        quantity="value",
        table=calculated("tutorials.worked_numbers"),
        values=_worked,
        digits=4,
    ),
    published={
        **{
            f"{label}, component {k + 1}": digits[k]
            for label, (_, _, digits) in PRINTED.items()
            for k in (0, 1)
        },
        "momentum, gain at α = 0.9": 10.0,
        "Adam, prefactor of step 2": 0.2353,
    },
    tolerance=HUNDREDTH,
    rule=(
        Condition(
            text="vectors, s(2) left out: furthest from what is printed, at most 0.005",
            measure=_furthest,
            greatest=HUNDREDTH,
        ),
        Condition(
            text="gain: within 1e-9 of 10",
            measure=lambda e: e.table["gain"],
            least=10 - 1e-9,
            greatest=10 + 1e-9,
        ),
        Condition(
            text="prefactor: within 0.00005 of 0.2353",
            measure=lambda e: e.table["prefactor"],
            least=0.23525,
            greatest=0.23535,
        ),
    ),
    figure=Drawing(
        name="figure-two-steps", draw=drawn("tutorials.drawing", "two_steps")
    ),
)

CLAIMS: tuple[Claim, ...] = (NUMBERS,)
