r"""A small local minimum on the way, and the first-order moments that roll over it.

Tutorial A, part 3, Figures 1 and 2. From near the summit of `surfaces.hill`, at its
rate of 20, 150 steps of the bias-corrected moving average of the gradient alone, which
is M-SGD. What counts is on which side of the ridge behind the hole they end.

The tutorial shows its error function but does not give it: this one is ours, and with
the depth of its hole goes the threshold in β₁.
"""

import functools
from collections.abc import Mapping

import jax
import numpy as np
from jax.typing import ArrayLike

import optax_sign
from experiments.claims.claim import Table
from experiments.paths import tutorial_surfaces as surfaces
from experiments.paths.walks import walk

LEARNING_RATE = 20.0
STEPS = 150
SHOWN = (0.0, 0.95)
LIMIT = 0.99
DEPTHS = (0.015, 0.02, surfaces.HOLE_DEPTH, 0.03, 0.04)


def table(seed: int = 0) -> Table:
    """Where the moments lead, and from which β₁ on they lead over the hole.

    Args:
      seed: not used: nothing is drawn here.

    Returns:
      "extrema", where along its axis the surface has summit, hole, ridge and valley;
      by "β₁ = …", for those of `SHOWN`: "/path", the weights, w(0) first; "/error" at
      these; "/ema", m after each step. "betas" and "ends", the first weight in the end
      for a grid of β₁; "threshold", the least that leads over the hole, to 1e-6, and
      "strays", how many of the grid are on the wrong side for it. "depths" of other
      holes, with their "thresholds".
    """
    del seed
    with jax.enable_x64(True):
        result: dict[str, float | list[float] | list[list[float]]] = {
            "extrema": list(surfaces.extrema())
        }
        for beta in SHOWN:
            seen = _descend(beta, surfaces.HOLE_DEPTH)
            for what in ("path", "error", "ema"):
                name = f"β₁ = {beta:g}/{what}"
                result[name] = np.asarray(seen[what]).tolist()
        betas = np.linspace(0.0, LIMIT, 100)
        ends = np.array([_end(beta, surfaces.HOLE_DEPTH) for beta in betas])
        found = threshold(surfaces.HOLE_DEPTH)
        beyond = ends > surfaces.extrema()[2]
        result["betas"] = betas.tolist()
        result["ends"] = ends.tolist()
        result["threshold"] = found
        result["strays"] = float(np.sum(beyond != (betas >= found)))
        result["depths"] = list(DEPTHS)
        result["thresholds"] = [threshold(depth) for depth in DEPTHS]
    return result


def threshold(depth: float) -> float:
    """The β₁ at which walks end beyond the ridge and no longer in the hole."""
    from scipy import optimize  # takes a fifth of a second to import

    ridge = surfaces.extrema(depth)[2]
    found = optimize.root_scalar(
        lambda beta: _end(beta, depth) - ridge,
        method="bisect",
        bracket=(0.0, SHOWN[-1]),
        xtol=1e-6,
    )
    return float(found.root)


def _end(beta: float, depth: float) -> float:
    """The first weight after the last step."""
    return float(_descend(beta, depth)["path"][-1, 0])


@jax.jit
def _descend(beta: ArrayLike, depth: ArrayLike) -> Mapping[str, jax.Array]:
    error = functools.partial(surfaces.hill, depth=depth)
    method = optax_sign.m_sgd(LEARNING_RATE, beta=beta)
    return walk(error, method, surfaces.NEAR_SUMMIT, STEPS, ("ema",))
