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

BASES = ("aligned", "rotated")


def mild(key: jax.Array, dimension: int) -> jax.Array:
    """Eigenvalues between 0.1 and 1.1, uniformly."""
    return jax.random.uniform(key, (dimension,), minval=0.1, maxval=1.1)


def ill_conditioned(key: jax.Array, dimension: int) -> jax.Array:
    """Nine in ten eigenvalues between 0 and 1, uniformly, the others up to 60."""
    steep = round(dimension / 10)
    reach = jnp.where(jnp.arange(dimension) < steep, 60.0, 1.0)
    return reach * jax.random.uniform(key, (dimension,))


Spectrum = Callable[[jax.Array, int], jax.Array]

SPECTRA: Mapping[str, Spectrum] = {"mild": mild, "ill-conditioned": ill_conditioned}


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
