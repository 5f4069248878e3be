r"""Figure 3: the best factor for a sign and the one that Adam has.

*Dissecting Adam*, section 3.1: under Gaussian noise of relative deviation :math:`\eta`,
:math:`\mathrm{erf}[1/(\sqrt2 \eta)]` is closely approximated by
:math:`(1 + \eta^2)^{-1/2}`. Here is how closely, by how much each way.
"""

import jax
import numpy as np

from experiments.claims.claim import Table
from optax_sign import theory

LARGEST = 6.0
POINTS = 241


def table(seed: int = 0) -> Table:
    """Both factors over η, and where they are furthest apart.

    Args:
      seed: not used: nothing is drawn here.

    Returns:
      "eta", "erf" and "adam" for the curves; "gap", the largest absolute difference
      over all η, and "gap_at"; "above" and "below", the largest excess of the best
      factor over Adam's and of Adam's over the best one, with "above_at" and
      "below_at".
    """
    del seed
    with jax.enable_x64(True):
        eta = np.linspace(0.0, LARGEST, POINTS)
        above_at, above = furthest(1.0)
        below_at, below = furthest(-1.0)
        return {
            "eta": eta.tolist(),
            "erf": np.asarray(theory.erf_factor(eta)).tolist(),
            "adam": np.asarray(theory.sign_factor(eta)).tolist(),
            "gap": max(above, below),
            "gap_at": above_at if above > below else below_at,
            "above": above,
            "above_at": above_at,
            "below": below,
            "below_at": below_at,
        }


def difference(eta):
    """The best factor less Adam's, element by element."""
    return theory.erf_factor(eta) - theory.sign_factor(eta)


def furthest(side: float) -> tuple[float, float]:
    """The η at which the factors differ most on one side, and by how much.

    Args:
      side: 1 where the best factor is above Adam's, -1 where it is below.
    """
    from scipy import optimize  # takes a fifth of a second to import

    # Both factors are 1 at η = 0, and below 1e-3 past 1000: nothing is missed.
    grid = np.geomspace(1e-3, 1e3, 601)
    best = int(np.argmax(side * np.asarray(difference(grid))))
    found = optimize.minimize_scalar(
        lambda eta: -side * float(difference(eta)),
        bounds=(grid[best - 1], grid[best + 1]),
        method="bounded",
        options={"xatol": 1e-9},
    )
    return float(found.x), float(-found.fun)
