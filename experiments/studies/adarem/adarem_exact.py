"""What the AdaRem paper proves: the regret of Theorem 1 and the bounds of its factor.

Nothing is trained. The bounds of the rules
are read from the paper's words: a bound is never exceeded, an order of growth is met
within a tenth of its exponent's unit, and growth is linear from 0.9 on.
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

PROBLEMS = ("linear", "quadratic", "logistic", "cycle", "rare")
DECAYS = ("0.5", "0.999")
ORDER, EDGE = 0.5, 0.1  # of √T; how far from it an exponent may be
LINEAR = 0.9
DTYPES = ("float32", "float16", "bfloat16")


def _exponent(table: Table, problem: str, method: str) -> Interval:
    return interval(table[f"{problem}/{method}/exponents"])


def _exponents(table: Table) -> Mapping[str, Interval]:
    adarem = {
        f"{problem}, λ = {decay}": _exponent(table, problem, decay)
        for problem in PROBLEMS
        for decay in DECAYS
    }
    return {
        **adarem,
        "rare, λ = 1": _exponent(table, "rare", "1.0"),
        "cycle, Adam": _exponent(table, "cycle", "adam"),
        "rare, Adam": _exponent(table, "rare", "adam"),
        **{
            f"{problem}, λ = {decay}, ten times as long": interval(
                table[f"{problem}/{decay}/later_exponents"]
            )
            for problem in ("cycle", "rare")
            for decay in DECAYS
        },
    }


def _highest(
    evidence: Evidence, problems: Sequence[str], decays: Sequence[str]
) -> float:
    labels = [f"{problem}, λ = {decay}" for problem in problems for decay in decays]
    return float(np.max([evidence.values[label].mean for label in labels]))


REGRET = Claim(
    id="ar-t",
    source="AdaRem, Theorem 1",
    statement="With rates of η/√t the regret of AdaRem on online convex problems is "
    "below the printed bound, O(√T).",
    protocol="100,000 rounds in a box, λ fading in every step: linear losses with "
    "random signs and quadratic ones with random targets, 10 dimensions, 8 streams; "
    "logistic loss on 4 by 4 pooled T-shirts and shirts of Fashion-MNIST, 3 orders; "
    "the cycle that Adam fails on (3x, -x, -x; Reddi et al., 2018) and a rarer one "
    "(150x, then 99 times -x). The bound at some 50 T (for λ = 0.999 no regret could "
    "exceed it), exponents over the last two decades. After the first results the "
    "periodic problems were played on for ten times as long: that decides nothing",
    trial=Calculation(
        quantity="exponent of the regret's growth with T",
        table=calculated("adarem.regret"),
        values=_exponents,
        digits=2,
    ),
    rule=(
        *(
            Condition(
                text=f"λ = {decay}: largest regret over the printed bound, on every "
                "problem, in every stream, at each of these T: at most 1",
                measure=lambda e, decay=decay: float(
                    np.max([e.table[f"{name}/{decay}/ratio"] for name in PROBLEMS])
                ),
                greatest=1.0,
            )
            for decay in DECAYS
        ),
        *(
            Condition(
                text=f"λ = {decay}: largest exponent, mean of a problem's streams, at "
                f"most {ORDER + EDGE:g}",
                measure=lambda e, decay=decay: _highest(e, PROBLEMS, (decay,)),
                greatest=ORDER + EDGE,
            )
            for decay in DECAYS
        ),
        Condition(
            text=f"cycle: Adam's exponent at least {LINEAR:g}",
            measure=lambda e: e.values["cycle, Adam"].mean,
            least=LINEAR,
        ),
    ),
    figure=Drawing(name="figure-regret", draw=drawn("adarem.figures_regret", "regret")),
)


def _extremes(table: Table) -> Mapping[str, Interval]:
    return {
        f"{dtype}, {end}": exactly(table[f"{dtype}/{end}"])
        for dtype in DTYPES
        for end in ("least", "largest")
    }


def _total(evidence: Evidence, name: str) -> float:
    return float(np.sum([evidence.table[f"{dtype}/{name}"] for dtype in DTYPES]))


BOUNDS = Claim(
    id="ar-b",
    source="AdaRem, section 3.3",
    statement="The factor a_t = 1 + λ^t b_t is within [1 - λ, 1 + λ], as b_t is within "
    "[-1, 1], and never flips a gradient's sign.",
    protocol="300 updates of gradients that are normal, of all magnitudes, sparse, "
    "denormal, alternating and turning, in float32, float16 and bfloat16, for λ of "
    "0.5, 1 - 2⁻¹⁰ and 1, fading in every step (where it fades once per epoch λ^t is "
    "1 in the first), ε of 0 and 1e-8, the largest average of a leaf and of all; "
    "b_t is read off the updates, with room for 8 units of rounding in λ^t",
    trial=Calculation(
        quantity="b_t, as the updates show it",
        table=calculated("adarem.bounds"),
        values=_extremes,
    ),
    rule=(
        Condition(
            text="b_t: least of all at least -1",
            measure=lambda e: float(
                np.min([e.values[f"{dtype}, least"].mean for dtype in DTYPES])
            ),
            least=-1.0,
        ),
        Condition(
            text="b_t: largest of all at most 1",
            measure=lambda e: float(
                np.max([e.values[f"{dtype}, largest"].mean for dtype in DTYPES])
            ),
            greatest=1.0,
        ),
        Condition(
            text="signs flipped: none",
            measure=lambda e: _total(e, "flips"),
            greatest=0.0,
        ),
        Condition(
            text="updates not finite, or not zero where the gradient is: none",
            measure=lambda e: _total(e, "strays"),
            greatest=0.0,
        ),
    ),
)

CLAIMS: tuple[Claim, ...] = (BOUNDS, REGRET)
