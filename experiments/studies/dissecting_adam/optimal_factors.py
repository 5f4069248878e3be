r"""Lemma 1: the variance adaptation factors that are best on average.

*Dissecting Adam*, section 3.1 and appendix B.3. For :math:`\hat p` of mean p and
standard deviation σ, :math:`E[(\gamma \hat p - p)^2]` is least at
:math:`\gamma = p^2 / (p^2 + \sigma^2)`, and
:math:`E[(\gamma \, \mathrm{sign}(\hat p) - \mathrm{sign}(p))^2]` at
:math:`\gamma = 2\rho - 1`, which is :math:`\mathrm{erf}[|p| / (\sqrt2 \sigma)]` for a
Gaussian. Here the γ that is least on Gaussian samples, a problem of least squares, is
compared with these, in units of its standard error.
"""

import itertools

import jax
import numpy as np

from experiments.claims.claim import Table
from optax_sign import theory

MEANS = (0.5, -2.0)
ETAS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
SAMPLES = 400_000


def table(seed: int = 0, *, samples: int = SAMPLES) -> Table:
    """Fitted and stated factors for several means and deviations.

    Args:
      seed: of the samples.
      samples: for each pair of mean and deviation.

    Returns:
      "mean" and "sigma", the settings; for "direction" and "sign": "/stated",
      "/fitted", "/error" (standard error of the fitted factor if the stated one is
      right) and "/z", their difference over it; and "/gain", the mean error of γ = 1
      over that of the stated γ. "largest_z" of all.
    """
    rng = np.random.default_rng(seed)
    rows: dict[str, list[float]] = {}

    def record(name: str, value: float) -> None:
        rows.setdefault(name, []).append(float(value))

    with jax.enable_x64(True):
        for mean, eta in itertools.product(MEANS, ETAS):
            sigma = eta * abs(mean)
            record("mean", mean)
            record("sigma", sigma)
            x = rng.normal(mean, sigma, samples)
            for name, direction, target, stated in (
                ("direction", x, mean, theory.magnitude_factor(eta)),
                ("sign", np.sign(x), np.sign(mean), theory.erf_factor(eta)),
            ):
                stated = float(stated)
                fitted, error = least_squares(direction, target, stated)
                record(f"{name}/stated", stated)
                record(f"{name}/fitted", fitted)
                record(f"{name}/error", error)
                record(f"{name}/z", (fitted - stated) / error)
                plain, adapted = (
                    np.mean((gamma * direction - target) ** 2)
                    for gamma in (1.0, stated)
                )
                record(f"{name}/gain", plain / adapted)
    largest = max(abs(z) for name in ("direction/z", "sign/z") for z in rows[name])
    return {**rows, "largest_z": largest}


def least_squares(
    direction: np.ndarray, target: float, stated: float
) -> tuple[float, float]:
    """The factor of least mean squared error on samples, and its standard error.

    Args:
      direction: samples of what is multiplied.
      target: what the product should be.
      stated: the factor at which the derivative of the mean squared error, whose noise
        makes the standard error, is supposed to be zero.
    """
    square = np.mean(direction**2)
    slope = direction * (target - stated * direction)
    error = np.sqrt(np.mean(slope**2) / len(direction)) / square
    return float(target * np.mean(direction) / square), float(error)
