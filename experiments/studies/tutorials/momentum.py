r"""Momentum on its way down :math:`E = 3 w_1^2 + 10 w_2^2`, at three frictions α.

Tutorial A, part 1, Figures 2 and 3, from (-15, 20) at a rate of 0.001.
"""

import jax
import numpy as np
import optax

from experiments.claims.claim import Table
from experiments.paths import tutorial_surfaces as surfaces
from experiments.paths.walks import walk
from experiments.studies.tutorials.worked_numbers import LEARNING_RATE

FRICTIONS = (0.0, 0.6, 0.9)
STEPS = 150  # of the trajectories
LONG = 700  # of the comparison, as printed


def paths(seed: int = 0) -> Table:
    """The trajectories.

    Args:
      seed: not used: nothing is drawn here.

    Returns:
      By "α = …": "/path", the weights, w(0) first; "/error" at these; "/trace", m after
      each step.
    """
    del seed
    result: dict[str, list[float] | list[list[float]]] = {}
    for friction in FRICTIONS:
        for what, values in _walked(friction, STEPS).items():
            if what != "gradient":
                result[f"α = {friction:g}/{what}"] = values.tolist()
    return result


def speed(seed: int = 0) -> Table:
    """The errors on a longer way.

    Args:
      seed: not used: nothing is drawn here.

    Returns:
      By "α = …": the errors, the first before the first step.
    """
    del seed
    return {f"α = {a:g}": _walked(a, LONG)["error"].tolist() for a in FRICTIONS}


def _walked(friction: float, steps: int) -> dict[str, np.ndarray]:
    with jax.enable_x64(True):
        method = optax.sgd(LEARNING_RATE, momentum=friction)
        seen = walk(
            surfaces.example,
            method,
            surfaces.START,
            steps,
            ("trace",),
        )
        return {what: np.asarray(values) for what, values in seen.items()}
