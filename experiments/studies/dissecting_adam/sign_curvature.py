r"""The curvature that a stochastic sign direction meets, :math:`E[s^T Q s]`.

*Dissecting Adam* needs it for the best step size of SSD (equation 12) and bounds it
from above by :math:`\sum_{ij} |q_{ij}|` (appendix B.2), which a rotated Q is far from.
Here it is exact. For standard normal x, y of correlation r, and a, b any numbers,
Plackett's identity :math:`\partial_r \Phi_2 = \phi_2` gives

.. math::
  E[\mathrm{sign}(a + x) \, \mathrm{sign}(b + y)] = E[\mathrm{sign}(a + x)] \,
  E[\mathrm{sign}(b + y)] + \frac2\pi \int_0^{\arcsin r} \exp\left(
  -\frac{a^2 + b^2 - 2 a b \sin\phi}{2 \cos^2\phi}\right) d\phi

and the integral is taken by Gauss and Legendre's rule.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from optax_sign import theory

# Largest error of a pair's expectation: 1e-9 at a correlation of 0.9, 1e-5 at 0.99.
NODES = 10


class SignCurvature(NamedTuple):
    """What depends on the problem only, for n = d(d-1)/2 pairs of coordinates.

    Attributes:
      hessian: Q, shape (d, d).
      deviation: of the gradient's components for a noise of 1, shape (d,).
      sine: at the nodes, shape (NODES, n).
      sharpness: 1 / (2 cos²) at the nodes, shape (NODES, n).
      weight: of the nodes, times the pair's share in the curvature, shape (NODES, n).
      coupled: whether Q has entries off its diagonal; without them no pair counts.
    """

    hessian: jax.Array
    deviation: jax.Array
    sine: jax.Array
    sharpness: jax.Array
    weight: jax.Array
    coupled: jax.Array

    def descent(self, gradient: jax.Array, noise: jax.Array) -> jax.Array:
        """The expected descent along the sign, ∇Lᵀ E[s]."""
        return gradient @ self._mean(gradient, noise)

    def curvature(self, gradient: jax.Array, noise: jax.Array) -> jax.Array:
        """E[sᵀQs] at a point.

        Args:
          gradient: the true gradient there, shape (d,).
          noise: ν, at least 0; its covariance is ν² QQ.
        """
        mean = self._mean(gradient, noise)
        # A sign's square is 1, not the square of its mean.
        independent = mean @ self.hessian @ mean
        independent += jnp.diag(self.hessian) @ (1 - mean**2)
        rows, columns = _pairs(gradient.size)

        def correlated() -> jax.Array:
            certainty = gradient / (noise * self.deviation)
            a, b = certainty[rows], certainty[columns]
            exponent = (2 * a * b * self.sine - a**2 - b**2) * self.sharpness
            return jnp.sum(self.weight * jnp.exp(exponent))

        matters = self.coupled & (noise > 0)
        return independent + jax.lax.cond(matters, correlated, lambda: 0.0)

    def _mean(self, gradient: jax.Array, noise: jax.Array) -> jax.Array:
        likely = theory.success_probability(gradient, noise * self.deviation)
        return (2 * likely - 1) * jnp.sign(gradient)


def sign_curvature(hessian: jax.Array) -> SignCurvature:
    """Prepares the curvature for many points of one problem.

    Args:
      hessian: Q, shape (d, d), symmetric and positive definite.
    """
    covariance = hessian @ hessian
    deviation = jnp.sqrt(jnp.diag(covariance))
    pair = _pairs(len(hessian))
    correlation = (covariance / jnp.outer(deviation, deviation))[pair]
    half = jnp.arcsin(jnp.clip(correlation, -1, 1)) / 2
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    angle = half * (1 + nodes[:, None])
    return SignCurvature(
        hessian=hessian,
        deviation=deviation,
        sine=jnp.sin(angle),
        sharpness=1 / (2 * jnp.cos(angle) ** 2),
        weight=4 / jnp.pi * hessian[pair] * half * weights[:, None],
        coupled=jnp.any(hessian[pair] != 0),
    )


def _pairs(dimension: int) -> tuple[np.ndarray, np.ndarray]:
    return np.triu_indices(dimension, 1)
