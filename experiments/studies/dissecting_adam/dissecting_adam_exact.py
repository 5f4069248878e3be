"""What *Dissecting Adam* computes and proves: Figures 2 and 3, Lemmas 1 and 2, p_diag.

Nothing is trained. The bounds of the rules
are read from the paper's words: "closely" is within a tenth, a limit is met within a
tenth, a random error is within four deviations.
"""

from collections.abc import Mapping
from typing import Any

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

NOISY = (1, 2, 3)  # the places of the noise levels that are not 0
STEEP = "ill-conditioned"
BASES = ("aligned", "rotated")
EDGE = 0.1  # a tenth of an order of magnitude
P_DIAG = 1.57
SIGNS = ("ssd", "m_ssd", "adam")


def _gap(table: Table, kind: str, place: int) -> Interval:
    """Log loss of SSD at the end less that of SGD, over the repetitions."""
    sign, sgd = (
        np.asarray(table[f"{kind}/{method}/final"][place]) for method in ("ssd", "sgd")
    )
    return interval([float(x) for x in sign - sgd])


def _gaps(table: Table) -> Mapping[str, Interval]:
    return {
        f"{spectrum}, {basis}, ν = {noise:g}": _gap(table, f"{spectrum}/{basis}", place)
        for spectrum in (STEEP, "mild")
        for basis in BASES
        for place, noise in enumerate(table["noise"])
    }


def _highest_aligned(evidence: Evidence) -> float:
    gaps = [_gap(evidence.table, f"{STEEP}/aligned", place) for place in NOISY]
    return float(np.max([gap.mean + (gap.half or 0.0) for gap in gaps]))


def _lowest_rotated(evidence: Evidence) -> float:
    gaps = [_gap(evidence.table, f"{STEEP}/rotated", place) for place in NOISY]
    return float(np.min([gap.mean for gap in gaps]))


QUADRATICS = Claim(
    id="da-2",
    source="Dissecting Adam, Figure 2",
    statement="SSD beats SGD on noisy, ill-conditioned quadratics that are aligned "
    "with the axes, and loses its edge when they are rotated.",
    protocol="100 dimensions, mild and ill-conditioned spectra, aligned and rotated by "
    "Haar measure, noise of 0, 0.1, 1 and 4 (our choice; the paper's are not known), "
    "the best step size at every step, 100 steps, 20 repetitions",
    trial=Calculation(
        quantity="log10 of the last loss, SSD less SGD",
        table=calculated("dissecting_adam.sign_on_quadratics"),
        values=_gaps,
        digits=2,
    ),
    rule=(
        Condition(
            text="aligned, noisy: highest upper end of the 95 % intervals at most 0",
            measure=_highest_aligned,
            greatest=0.0,
        ),
        Condition(
            text=f"rotated, noisy: lowest mean at least -{EDGE:g}",
            measure=_lowest_rotated,
            least=-EDGE,
        ),
    ),
    figure=Drawing(
        name="figure-2", draw=drawn("dissecting_adam.figures", "quadratics")
    ),
)

FACTORS = Claim(
    id="da-3",
    source="Dissecting Adam, Figure 3",
    statement="The best factor for a sign, erf[1/(√2 η)], is closely approximated by "
    "Adam's, (1 + η²)^(-1/2).",
    protocol="closed forms; the largest gap over all η",
    trial=Calculation(
        quantity="difference of the factors",
        table=calculated("dissecting_adam.best_factors"),
        values=lambda t: {
            "largest gap": exactly(t["gap"]),
            "at η": exactly(t["gap_at"]),
        },
        digits=4,
    ),
    rule=(
        Condition(
            text="largest gap at most 0.1",
            measure=lambda e: e.table["gap"],
            greatest=0.1,
        ),
    ),
    figure=Drawing(name="figure-3", draw=drawn("dissecting_adam.figures", "factors")),
)

LEMMA_1 = Claim(
    id="da-l1",
    source="Dissecting Adam, Lemma 1",
    statement="p²/(p² + σ²) is the best factor for a direction of mean p and variance "
    "σ², and 2ρ - 1 for its sign, ρ the probability that it is right.",
    protocol="factors fitted to 400,000 Gaussian samples for each of 12 settings",
    trial=Calculation(
        quantity="largest difference of fitted and stated factor, in standard errors",
        table=calculated("dissecting_adam.optimal_factors"),
        values=lambda t: {
            name: exactly(np.abs(t[f"{name}/z"]).max())
            for name in ("direction", "sign")
        },
        digits=2,
    ),
    rule=(
        Condition(
            text="every fitted factor within four standard errors of the stated one",
            measure=lambda e: e.table["largest_z"],
            greatest=4.0,
        ),
        Condition(
            text="mean error without a factor over that at the stated one: at least 1",
            measure=lambda e: float(
                np.min([e.table["direction/gain"], e.table["sign/gain"]])
            ),
            least=1.0,
        ),
    ),
)

LEMMA_2 = Claim(
    id="da-l2",
    source="Dissecting Adam, Lemma 2",
    statement="Where X sign(Xᵀy) = c y, the iterates of sign descent stay "
    "proportional to sign(Xᵀy), which fails on new examples; those of M-SVAG do not.",
    protocol="the data of Wilson et al. (2017), 32 examples, least squares, full "
    "gradients, 800 steps",
    trial=Calculation(
        quantity="1 - the least cosine with sign(Xᵀy)",
        table=calculated("dissecting_adam.misleading_signs"),
        values=lambda t: {
            name: exactly(t[f"{name}/short"])
            for name in (*SIGNS, "sgd", "m_sgd", "m_svag")
        },
    ),
    rule=(
        Condition(
            text="the data fulfil the condition",
            measure=lambda e: e.table["condition"],
            greatest=0.0,
        ),
        Condition(
            text="SSD, M-SSD and Adam: within 1e-12 of proportional",
            measure=lambda e: float(
                np.max([e.table[f"{name}/short"] for name in SIGNS])
            ),
            greatest=1e-12,
        ),
        Condition(
            text="M-SVAG: further than 0.01 from it",
            measure=lambda e: e.table["m_svag/short"],
            least=0.01,
        ),
        Condition(
            text="SSD, M-SSD and Adam: highest accuracy on new examples below 0.9",
            measure=lambda e: float(
                np.max([e.table[f"{name}/accuracy"] for name in SIGNS])
            ),
            greatest=0.9,
        ),
        Condition(
            text="M-SVAG: all new examples right",
            measure=lambda e: e.table["m_svag/accuracy"],
            least=1.0,
        ),
    ),
)


def _slopes(table: Any) -> Mapping[str, Interval]:
    width = table["confidence_factor"]
    return {
        f"{method}, {basis}": Interval(
            table[f"{basis}/{name}/slope"], width * table[f"{basis}/{name}/slope_error"]
        )
        for basis in BASES
        for name, method in (("svag", "SVAG"), ("sgd", "SGD"))
    }


def _over_bound(evidence: Evidence) -> float:
    ratios = [
        np.divide(
            evidence.table[f"{basis}/svag/mean"][1:],  # at the start both agree
            evidence.table[f"{basis}/bound"][1:],
        )
        for basis in BASES
    ]
    return float(np.max(ratios))


THEOREM = Claim(
    id="da-thm",
    source="Dissecting Adam, section 3.2",
    statement="SVAG with exact factors converges at O(1/t) with a constant step size; "
    "SGD stalls.",
    protocol="a strongly convex stochastic quadratic of 10 dimensions, noise that does "
    "not vanish at the minimum, a step size of 1/L, 20,000 steps, 200 repetitions",
    trial=Calculation(
        quantity="slope of log loss over log t, last two decades",
        table=calculated("dissecting_adam.exact_svag"),
        values=_slopes,
    ),
    published={"SVAG, aligned": -1.0, "SVAG, rotated": -1.0},
    tolerance=0.1,
    rule=(
        Condition(
            text="SVAG: slopes of -0.9 or less",
            measure=lambda e: float(
                np.max([e.values[f"SVAG, {basis}"].mean for basis in BASES])
            ),
            greatest=-0.9,
        ),
        Condition(
            text="SVAG: the loss over the theorem's bound, at most 1 at each step kept",
            measure=_over_bound,
            greatest=1.0,
        ),
        Condition(
            text="SGD: slopes of -0.1 or more",
            measure=lambda e: float(
                np.min([e.values[f"SGD, {basis}"].mean for basis in BASES])
            ),
            least=-0.1,
        ),
    ),
    figure=Drawing(
        name="figure-theorem", draw=drawn("dissecting_adam.figures", "idealized_svag")
    ),
)


def _dominance(table: Any) -> Mapping[str, Interval]:
    """At the largest dimension: twice the standard error is the interval."""
    return {
        name: Interval(table[f"{name}/mean"][-1], 2 * table[f"{name}/error"][-1])
        for name in ("mild", STEEP, "rank one")
    }


DOMINANCE = Claim(
    id="da-p",
    source="Dissecting Adam, section 2.1",
    statement="Averaged over random rotations, p_diag is about 1.57/d.",
    protocol="p_diag times d for 100 Haar rotations of the spectra of Figure 2 and of "
    "a matrix of rank one, in 100 dimensions",
    trial=Calculation(
        quantity="d p_diag",
        table=calculated("dissecting_adam.diagonal_dominance"),
        values=_dominance,
        digits=2,
    ),
    published={"mild": P_DIAG, STEEP: P_DIAG, "rank one": P_DIAG},
    tolerance=0.1 * P_DIAG,
    rule=tuple(
        Condition(
            text=f"{name}: within a tenth of {P_DIAG:g}",
            measure=lambda e, name=name: e.values[name].mean,
            least=0.9 * P_DIAG,
            greatest=1.1 * P_DIAG,
        )
        for name in ("mild", STEEP, "rank one")
    ),
)

CLAIMS: tuple[Claim, ...] = (QUADRATICS, FACTORS, LEMMA_1, THEOREM, LEMMA_2, DOMINANCE)
