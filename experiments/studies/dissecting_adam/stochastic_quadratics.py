r"""Stochastic quadratics, as in *Dissecting Adam*, section 2.1.

.. math::
  L(\theta) = \tfrac12 \theta^T Q \theta, \qquad
  g(\theta) \sim \mathcal N(Q \theta, \nu^2 Q Q), \qquad Q = R \Lambda R^T

The minimum is at zero: moving it moves everything with it.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from optax_sign import theory

BASES = ("aligned", "rotated")
MILD, STEEP = "mild", "ill-conditioned"


def mild(key: jax.Array, dimension: int) -> jax.Array:
    """Eigenvalues between 0.1 and 1.1, uniformly."""
    return jax.random.uniform(key, (dimension,), minval=0.1, maxval=1.1)


def ill_conditioned(key: jax.Array, dimension: int) -> jax.Array:
    """Nine in ten eigenvalues between 0 and 1, uniformly, the others up to 60."""
    steep = round(dimension / 10)
    reach = jnp.where(jnp.arange(dimension) < steep, 60.0, 1.0)
    return reach * jax.random.uniform(key, (dimension,))


Spectrum = Callable[[jax.Array, int], jax.Array]
SPECTRA: Mapping[str, Spectrum] = {MILD: mild, STEEP: ill_conditioned}


class Quadratic(NamedTuple):
    """A stochastic quadratic of d dimensions.

    Attributes:
      eigenvalues: shape (d,).
      basis: shape (d, d), orthogonal; the eigenvectors are its columns.
    """

    eigenvalues: jax.Array
    basis: jax.Array

    @property
    def hessian(self) -> jax.Array:
        """Q, shape (d, d)."""
        return (self.basis * self.eigenvalues) @ self.basis.T

    def deviation(self, noise: float | jax.Array) -> jax.Array:
        """Standard deviations of the gradient's components, shape (d,)."""
        return noise * jnp.linalg.norm(self.hessian, axis=1)

    def disturbance(self, key: jax.Array, noise: float | jax.Array) -> jax.Array:
        """What noise adds to a gradient, shape (d,).

        It is drawn in the eigenbasis, as `start` is: with the same keys a problem and
        its rotation are the same problem to any method that does not look at axes.
        """
        draw = jax.random.normal(key, self.eigenvalues.shape)
        return noise * self.basis @ (self.eigenvalues * draw)

    def start(self, key: jax.Array) -> jax.Array:
        """A point at a standard normal displacement from the minimum, shape (d,)."""
        return self.basis @ jax.random.normal(key, self.eigenvalues.shape)


def quadratic(
    key: jax.Array, spectrum: Spectrum, basis: str, dimension: int
) -> Quadratic:
    """Draws a problem.

    Args:
      key: of the draw; both bases get the same eigenvalues from it.
      spectrum: draws the eigenvalues.
      basis: "aligned" to the axes, or "rotated" by Haar measure.
      dimension: d.
    """
    shape_key, basis_key = jax.random.split(key)
    eigenvalues = spectrum(shape_key, dimension)
    if basis == "rotated":
        return Quadratic(eigenvalues, jax.random.orthogonal(basis_key, dimension))
    return Quadratic(eigenvalues, jnp.eye(dimension))


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
