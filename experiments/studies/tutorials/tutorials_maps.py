"""Tutorial A's maps: what the second step makes of the gradients of the first two.

Nothing is trained. The bounds of
the rules are read from the tutorial's words.
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

FRICTIONS = (0.0, 0.4, 0.9, 1.0)
BETAS = (0.0, 0.5, 0.9, 0.99)
VARIANTS = ("corrected", "not corrected")
LOW = 1.0
DIGITS = 1e-4  # tables keep six digits of numbers up to ten


def _grid(table: Table) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.meshgrid(table["gradients"], table["gradients"])
    return first, second


def _kept_case(table: Table, friction: float, side: int) -> float:
    """The share of a case's points at which all holds that is said of the case.

    Args:
      table: of the maps of momentum.
      friction: α.
      side: 1 where the map is positive, -1 where it is negative.
    """
    first, second = _grid(table)
    change = np.asarray(table[f"α = {friction:g}"])
    grown = np.asarray(table[f"α = {friction:g}/grown"])
    case = side * change > DIGITS
    agree = np.sign(first) * np.sign(second) * side
    # Where the first gradient is 0 the map, as is said, is of no concern.
    case &= first != 0
    kept = (agree > 0) & (np.abs(grown - change) <= DIGITS)
    return float(np.mean(kept[case]))


def slope(table: Table, friction: float) -> float:
    """Of the contour lines where the first gradient is positive."""
    change, axis = np.asarray(table[f"α = {friction:g}"]), table["gradients"]
    spacing = axis[1] - axis[0]
    by_second, by_first = np.gradient(change[:, len(axis) // 2 + 1 :], spacing)
    return float(np.mean(-by_first / by_second))


MOMENTUM = Claim(
    id="ta-m-map",
    source="Tutorial A, part 1, Figure 4",
    statement="Where C_m(g₁, g₂) is positive, g₂ points as g₁ does and |m| grows by "
    "C_m; where it is negative, g₂ points the other way and |m| shrinks by |C_m|. "
    "The slope of its contour lines is highest for α = 0 and zero for α = 1.",
    protocol="g₁ and g₂ from -5 to 5 in steps of a quarter, α of 0, 0.4, 0.9 and 1; "
    "g₁ = 0 left out. The tutorial itself has g₁ = 2, g₂ = 1 and α = 0.4, where C_m is "
    "-0.2 although both point the same way",
    trial=Calculation(
        quantity="slope of the contour lines",
        table=calculated("tutorials.update_maps", "momentum"),
        values=lambda t: {f"α = {a:g}": exactly(slope(t, a)) for a in FRICTIONS},
        digits=2,
    ),
    rule=(
        *(
            Condition(
                text=f"C_m {name}: share of points of which all of that is true, least "
                "of all α: 1",
                measure=lambda e, side=side: float(
                    np.min([_kept_case(e.table, a, side) for a in FRICTIONS])
                ),
                least=1.0,
            )
            for name, side in (("positive", 1), ("negative", -1))
        ),
        Condition(
            text="slope at α = 0, less the highest of the others: above 0",
            measure=lambda e: (
                e.values["α = 0"].mean
                - float(np.max([e.values[f"α = {a:g}"].mean for a in FRICTIONS[1:]]))
            ),
            least=DIGITS,
        ),
        Condition(
            text="slope at α = 1: within 0.0001 of 0",
            measure=lambda e: e.values["α = 1"].mean,
            least=-DIGITS,
            greatest=DIGITS,
        ),
    ),
    figure=Drawing(
        name="figure-map-momentum", draw=drawn("tutorials.drawing_maps", "momentum")
    ),
)


def _peaks(table: Table) -> Mapping[str, Interval]:
    return {
        f"β = {beta:g}, {name}": exactly(extreme(np.asarray(table[f"β = {beta:g}"])))
        for beta in BETAS
        for name, extreme in (("largest", np.max), ("least", np.min))
    }


def _low_lead(table: Table, name: str) -> float:
    """The largest value where both gradients are low, less that of elsewhere."""
    first, second = _grid(table)
    values = np.asarray(table[name])
    low = np.maximum(abs(first), abs(second)) <= LOW
    return float(values[low].max() - values[~low].max())


def _border_lead(table: Table, name: str) -> float:
    """The least value inside the borders, less that on them."""
    values = np.asarray(table[name])
    border = np.concatenate([*values[[0, -1]], *values[:, [0, -1]].T])
    return float(values[1:-1, 1:-1].min() - border.min())


def _updates(table: Table, name: str) -> np.ndarray:
    """|v(2)| where the second gradient is not 0."""
    _, second = _grid(table)
    updates = np.asarray(table[name]) + np.abs(second)
    return updates[second != 0]


def _narrowing(evidence: Evidence) -> float:
    """The least growth of the spread of |v(2)| from one β to the next."""
    spreads = [float(np.std(_updates(evidence.table, f"β = {b:g}"))) for b in BETAS]
    return float(np.min(np.diff(spreads)))


ADAPTIVE = Claim(
    id="ta-a-map",
    source="Tutorial A, part 2, Figure 3",
    statement="Adaptive learning rates amplify where both gradients are low and "
    "attenuate most at the borders, where either is high or both are; with β = 0 the "
    "update is about 1 whatever the gradients, and the larger β, the more their "
    "magnitude counts.",
    protocol="g₁ and g₂ from -5 to 5 in steps of a quarter, β of 0, 0.5, 0.9 and 0.99; "
    "low is 1 or less; how much magnitudes count is the deviation of |v(2)| over all",
    trial=Calculation(
        quantity="C_a(g₁, g₂)",
        table=calculated("tutorials.update_maps", "adaptive"),
        values=_peaks,
        digits=2,
    ),
    rule=(
        Condition(
            text="largest C_a at low gradients less that elsewhere, least of all β: "
            "above 0",
            measure=lambda e: float(
                np.min([_low_lead(e.table, f"β = {b:g}") for b in BETAS])
            ),
            least=DIGITS,
        ),
        Condition(
            text="least C_a inside the borders less that on them, least of all β: "
            "above 0",
            measure=lambda e: float(
                np.min([_border_lead(e.table, f"β = {b:g}") for b in BETAS])
            ),
            least=DIGITS,
        ),
        Condition(
            text="β = 0: furthest |v(2)| from 1, at most 0.001",
            measure=lambda e: float(np.max(np.abs(_updates(e.table, "β = 0") - 1))),
            greatest=1e-3,
        ),
        Condition(
            text="least growth of the deviation of |v(2)| from one β to the next: "
            "above 0",
            measure=_narrowing,
            least=DIGITS,
        ),
    ),
    figure=Drawing(
        name="figure-map-adaptive", draw=drawn("tutorials.drawing_maps", "adaptive")
    ),
)


def _mean_of_sign(table: Table, name: str, side: int) -> float:
    """The mean over the map of its positive, or of its negative part."""
    return float(np.mean(np.maximum(side * np.asarray(table[name]), 0)))


def _strengths(table: Table) -> Mapping[str, Interval]:
    return {
        f"{name}, {what}": exactly(_mean_of_sign(table, name, side))
        for name in VARIANTS
        for what, side in (("amplification", 1), ("attenuation", -1))
    }


def _excess(evidence: Evidence, what: str) -> float:
    uncorrected, corrected = (
        evidence.values[f"{name}, {what}"].mean for name in reversed(VARIANTS)
    )
    return uncorrected - corrected


def _part(table: Table, small: bool) -> np.ndarray:
    """Adam's map where both gradients are small, or both large; both of one sign."""
    first, second = _grid(table)
    least, most = (
        np.minimum(abs(first), abs(second)),
        np.maximum(abs(first), abs(second)),
    )
    chosen = (most <= 0.5) & (least > 0) if small else least >= 2.5
    return np.asarray(table["corrected"])[chosen & (first * second > 0)]


ADAM = Claim(
    id="ta-adam-map",
    source="Tutorial A, part 3, Figure 3",
    statement="Adam amplifies small gradients and attenuates large ones; without its "
    "bias corrections both are stronger.",
    protocol="g₁ and g₂ from -5 to 5 in steps of a quarter, β₁ = 0.9, β₂ = 0.999; "
    "small is up to 0.5 and large from 2.5, both of one sign; strength is the mean of "
    "the positive, or of the negative part of the map",
    trial=Calculation(
        quantity="strength",
        table=calculated("tutorials.update_maps", "adam"),
        values=_strengths,
    ),
    rule=(
        Condition(
            text="small gradients: least C_A above 0",
            measure=lambda e: float(_part(e.table, True).min()),
            least=0.0,
        ),
        Condition(
            text="large gradients: largest C_A below 0",
            measure=lambda e: float(_part(e.table, False).max()),
            greatest=0.0,
        ),
        *(
            Condition(
                text=f"{what} without corrections, less that with them: above 0",
                measure=lambda e, what=what: _excess(e, what),
                least=0.0,
            )
            for what in ("amplification", "attenuation")
        ),
    ),
    figure=Drawing(
        name="figure-map-adam", draw=drawn("tutorials.drawing_maps", "adam")
    ),
)

CLAIMS: tuple[Claim, ...] = (MOMENTUM, ADAPTIVE, ADAM)
