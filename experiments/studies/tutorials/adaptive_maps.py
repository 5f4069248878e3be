r"""How learning rates that adapt amplify and attenuate gradients: maps of two steps.

Tutorial A, Figures 3 of parts 2 and 3, one weight and a rate of 1. With the steps v
after the gradients :math:`g_1` and :math:`g_2`,

.. math::
  C_a, C_A = |v(2)| - |g_2|

of the adaptive scheme, which is RMSProp with ε in the root, and of Adam, once as it is
and once without the bias corrections. The bounds of the rules are read from the
tutorial's words.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.claims import rules
from experiments.claims.claim import Calculation, Claim, Evidence, Table
from experiments.studies.tutorials import update_maps
from experiments.studies.tutorials.worked_numbers import EPS

BETAS = (0.0, 0.5, 0.9, 0.99)
SCHEMES = tuple(f"β = {beta:g}" for beta in BETAS)
B1, B2 = 0.9, 0.999
VARIANTS = ("corrected", "not corrected")
LOW = 1.0


def adaptive() -> Table:
    """The maps of the adaptive scheme.

    Returns:
      "gradients", of both axes, and by "β = …" the map, a row for each second gradient.
    """
    methods = (optax.scale_by_rms(beta, EPS, eps_in_sqrt=True) for beta in BETAS)
    return _differences(dict(zip(SCHEMES, methods, strict=True)))


def adam() -> Table:
    """The maps of Adam.

    Returns:
      "gradients", of both axes, and by "corrected" and "not corrected" the map, a row
      for each second gradient.
    """
    corrected = optax.scale_by_adam(B1, B2, eps=0.0, eps_root=EPS)
    methods = zip(VARIANTS, (corrected, uncorrected()), strict=True)
    return _differences(dict(methods))


def uncorrected() -> optax.GradientTransformation:
    """Adam without the bias corrections, from its own accumulators."""
    adam = optax.scale_by_adam(B1, B2)

    def update(updates, state, params=None):
        _, state = adam.update(updates, state, params)
        mu, nu = (optax.tree.get(state, name) for name in ("mu", "nu"))
        step = jax.tree.map(lambda m, s: m / jnp.sqrt(s + EPS), mu, nu)
        return step, state

    return optax.GradientTransformation(adam.init, update)


def _differences(methods: Mapping[str, optax.GradientTransformation]) -> Table:
    g1, g2 = np.meshgrid(update_maps.AXIS, update_maps.AXIS)
    changes = {
        name: (np.abs(update_maps.steps(method, g1, g2)[1]) - np.abs(g2)).tolist()
        for name, method in methods.items()
    }
    return {"gradients": update_maps.AXIS.tolist(), **changes}


def _low_lead(table: Table, name: str) -> float:
    """The largest value where both gradients are low, less that of elsewhere."""
    first, second = update_maps.grid(table)
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
    _, second = update_maps.grid(table)
    updates = np.asarray(table[name]) + np.abs(second)
    return updates[second != 0]


def _narrowing(evidence: Evidence) -> float:
    """The least growth of the spread of |v(2)| from one β to the next."""
    spreads = [np.std(_updates(evidence.table, name)) for name in SCHEMES]
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
        table=adaptive,
        values=lambda t: {
            f"{name}, {end}": extreme(t[name])
            for name in SCHEMES
            for end, extreme in (("largest", np.max), ("least", np.min))
        },
        digits=2,
    ),
    rule=(
        rules.at_least(
            "largest C_a at low gradients less that elsewhere, least of all β: above 0",
            update_maps.least_of(SCHEMES, _low_lead),
            update_maps.DIGITS,
        ),
        rules.at_least(
            "least C_a inside the borders less that on them, least of all β: above 0",
            update_maps.least_of(SCHEMES, _border_lead),
            update_maps.DIGITS,
        ),
        rules.at_most(
            "β = 0: furthest |v(2)| from 1, at most 0.001",
            lambda e: np.max(np.abs(_updates(e.table, "β = 0") - 1)),
            1e-3,
        ),
        rules.at_least(
            "least growth of the deviation of |v(2)| from one β to the next: above 0",
            _narrowing,
            update_maps.DIGITS,
        ),
    ),
    figure=update_maps.maps(
        "figure-map-adaptive",
        SCHEMES,
        "Tutorial A, part 2, Figure 3: gradients amplified and attenuated",
        "C_a(g₁, g₂) = |v(2)| - |g₂|, learning rate 1",
    ),
)


def _strengths(table: Table) -> Mapping[str, float]:
    """The means over the maps of their positive, and of their negative parts."""
    return {
        f"{name}, {what}": float(np.maximum(side * np.array(table[name]), 0).mean())
        for name in VARIANTS
        for what, side in (("amplification", 1), ("attenuation", -1))
    }


def _part(table: Table, small: bool) -> np.ndarray:
    """Adam's map where both gradients are small, or both large; both of one sign."""
    first, second = update_maps.grid(table)
    sizes = np.abs([first, second])
    least, most = sizes.min(axis=0), sizes.max(axis=0)
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
    trial=Calculation(quantity="strength", table=adam, values=_strengths),
    rule=(
        rules.at_least(
            "small gradients: least C_A above 0",
            lambda e: _part(e.table, True).min(),
            0.0,
        ),
        rules.at_most(
            "large gradients: largest C_A below 0",
            lambda e: _part(e.table, False).max(),
            0.0,
        ),
        *(
            rules.at_least(
                f"{what} without corrections, less that with them: above 0",
                lambda e, what=what: (
                    e.values[f"not corrected, {what}"].mean
                    - e.values[f"corrected, {what}"].mean
                ),
                0.0,
            )
            for what in ("amplification", "attenuation")
        ),
    ),
    figure=update_maps.maps(
        "figure-map-adam",
        VARIANTS,
        "Tutorial A, part 3, Figure 3: bias corrections",
        "C_A(g₁, g₂) = |v(2)| - |g₂|, learning rate 1, β₁ = 0.9, β₂ = 0.999",
    ),
)
