r"""What the second step of an optimizer makes of two gradients, on a grid of them.

Tutorial A, Figure 4 of part 1 and Figures 3 of parts 2 and 3, one weight and a rate of
1. With the momentum m, or the steps v, after the gradients :math:`g_1` and
:math:`g_2`,

.. math::
  C_m = \pm [m(2) - m(1)], \qquad C_a, C_A = |v(2)| - |g_2|

with the sign of :math:`g_1`, which is + for 0. Adam's is there once as it is, and once
without the bias corrections.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.claims.claim import Table
from experiments.studies.tutorials.worked_numbers import EPS

LARGEST, POINTS = 5.0, 41
FRICTIONS = (0.0, 0.4, 0.9, 1.0)
BETAS = (0.0, 0.5, 0.9, 0.99)
B1, B2 = 0.9, 0.999


def momentum(seed: int = 0) -> Table:
    """The maps of momentum.

    Args:
      seed: not used: nothing is drawn here.

    Returns:
      "gradients", of both axes; by "α = …" the map, a row for each second gradient; and
      "/grown", by how much m has grown in magnitude from the first step to the second.
    """
    del seed
    with jax.enable_x64(True):
        g1, g2 = grid()
        result = _axes(g1)
        for friction in FRICTIONS:
            first, second = steps(optax.trace(friction), g1, g2)
            change = np.where(g1 >= 0, second - first, first - second)
            result[f"α = {friction:g}"] = change.tolist()
            grown = np.abs(second) - np.abs(first)
            result[f"α = {friction:g}/grown"] = grown.tolist()
    return result


def adaptive(seed: int = 0) -> Table:
    """The maps of the adaptive scheme.

    Args:
      seed: not used: nothing is drawn here.

    Returns:
      "gradients", of both axes, and by "β = …" the map, a row for each second gradient.
    """
    del seed
    return _differences(
        {
            f"β = {beta:g}": optax.scale_by_rms(beta, EPS, eps_in_sqrt=True)
            for beta in BETAS
        }
    )


def adam(seed: int = 0) -> Table:
    """The maps of Adam.

    Args:
      seed: not used: nothing is drawn here.

    Returns:
      "gradients", of both axes, and by "corrected" and "not corrected" the map, a row
      for each second gradient.
    """
    del seed
    corrected = optax.scale_by_adam(B1, B2, eps=0.0, eps_root=EPS)
    return _differences({"corrected": corrected, "not corrected": uncorrected()})


def uncorrected() -> optax.GradientTransformation:
    """Adam without the bias corrections, from its own accumulators."""
    adam = optax.scale_by_adam(B1, B2)

    def update(updates, state, params=None):
        _, state = adam.update(updates, state, params)
        mu, nu = (optax.tree.get(state, name) for name in ("mu", "nu"))
        step = jax.tree.map(lambda m, s: m / jnp.sqrt(s + EPS), mu, nu)
        return step, state

    return optax.GradientTransformation(adam.init, update)


def grid() -> tuple[np.ndarray, np.ndarray]:
    """First gradients along the rows, second ones along the columns."""
    axis = np.linspace(-LARGEST, LARGEST, POINTS)
    first, second = np.meshgrid(axis, axis)
    return first, second


def steps(
    method: optax.GradientTransformation, g1: np.ndarray, g2: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The first and the second step, element by element."""
    first, state = method.update(jnp.asarray(g1), method.init(jnp.asarray(g1)))
    second, _ = method.update(jnp.asarray(g2), state)
    return np.asarray(first), np.asarray(second)


def _differences(methods: dict[str, optax.GradientTransformation]) -> Table:
    with jax.enable_x64(True):
        g1, g2 = grid()
        result = _axes(g1)
        for name, method in methods.items():
            _, second = steps(method, g1, g2)
            result[name] = (np.abs(second) - np.abs(g2)).tolist()
    return result


def _axes(g1: np.ndarray) -> dict[str, list[float] | list[list[float]]]:
    return {"gradients": g1[0].tolist()}
