r"""Closed forms of the sources: what noise does to a step, and what a step gains.

Every function maps arrays to arrays, element by element unless it says otherwise,
in the dtype of its arguments (float64 under ``jax.enable_x64``).

>>> from optax_sign import theory
>>> float(theory.rho(0.9, 0)), round(float(theory.rho(0.9, 1000)), 4)
(1.0, 0.0526)
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from optax_sign import _moments

__all__ = [
    "rho",
    "success_probability",
    "magnitude_factor",
    "sign_factor",
    "erf_factor",
    "expected_improvement_sgd",
    "expected_improvement_ssd",
    "p_diag",
    "momentum_gain",
    "ideal_step",
]


def rho(beta: ArrayLike, t: ArrayLike) -> jax.Array:
    r"""Variance of a bias-corrected moving average of unit-variance noise.

    .. math::
      \rho(\beta, t) = \frac{(1-\beta)(1+\beta^{t+1})}{(1+\beta)(1-\beta^{t+1})}

    Args:
      beta: decay of the average, in [0, 1).
      t: step, 0 for the first; ``rho(beta, 0) = 1``.

    Returns:
      The variance, shaped as ``beta`` and ``t`` broadcast.

    Source: *Dissecting Adam*, equation 20.

    >>> round(float(rho(0.5, 1)), 4)
    0.5556
    """
    t = _float(t)
    return _moments.rho(beta, t + 1, t.dtype)


def success_probability(gradient: ArrayLike, sigma: ArrayLike) -> jax.Array:
    r"""Probability that a Gaussian estimate has the sign of the true gradient.

    .. math::
      P = \tfrac12 + \tfrac12 \mathrm{erf}\frac{|\nabla L|}{\sqrt 2 \, \sigma}

    Args:
      gradient: the true gradient :math:`\nabla L`.
      sigma: standard deviation of its estimate, at least 0.

    Returns:
      P, in [1/2, 1], shaped as the arguments broadcast; 1/2 where both are 0.

    Source: *Dissecting Adam*, equation 10.

    >>> round(float(success_probability(1.0, 1.0)), 4)
    0.8413
    """
    gradient, sigma = jnp.abs(_float(gradient)), _float(sigma)
    # 0/0, no gradient and no noise, has no sign to get right: a coin's chance.
    ratio = jnp.where(gradient == 0, 0, gradient / (jnp.sqrt(2.0) * sigma))
    return (1 + jax.scipy.special.erf(ratio)) / 2


def magnitude_factor(eta: ArrayLike) -> jax.Array:
    r"""Best factor for a direction of relative standard deviation eta.

    .. math::
      \gamma = 1 / (1 + \eta^2)

    Args:
      eta: standard deviation over magnitude, at least 0; may be infinite.

    Returns:
      The factor, in [0, 1], shaped like ``eta``.

    Source: *Dissecting Adam*, Lemma 1, equation 15.

    >>> float(magnitude_factor(1.0))
    0.5
    """
    return 1 / (1 + _float(eta) ** 2)


def sign_factor(eta: ArrayLike) -> jax.Array:
    r"""Adam's factor, which approximates :func:`erf_factor`.

    .. math::
      \gamma = (1 + \eta^2)^{-1/2}

    Args:
      eta: standard deviation over magnitude, at least 0; may be infinite.

    Returns:
      The factor, in [0, 1], shaped like ``eta``.

    Source: *Dissecting Adam*, equation 4 and Figure 3.

    >>> round(float(sign_factor(1.0)), 4)
    0.7071
    """
    return 1 / jnp.hypot(1.0, _float(eta))


def erf_factor(eta: ArrayLike) -> jax.Array:
    r"""Best factor for the sign of a Gaussian of relative standard deviation eta.

    .. math::
      \gamma = 2 P - 1 = \mathrm{erf}\frac{1}{\sqrt 2 \, \eta}

    Args:
      eta: standard deviation over magnitude, at least 0; may be infinite.

    Returns:
      The factor, in [0, 1], shaped like ``eta``.

    Source: *Dissecting Adam*, Lemma 1, equation 16.

    >>> round(float(erf_factor(1.0)), 4)
    0.6827
    """
    return jax.scipy.special.erf(1 / (jnp.sqrt(2.0) * _float(eta)))


def expected_improvement_sgd(
    gradient: ArrayLike, hessian: ArrayLike, noise: ArrayLike
) -> jax.Array:
    r"""Best expected decrease of a stochastic quadratic in one step of SGD.

    .. math::
      I = \frac12 \frac{(\nabla L^T \nabla L)^2}
        {\nabla L^T Q \nabla L + \nu^2 \sum_i \lambda_i^3}

    Args:
      gradient: :math:`\nabla L`, shape (d,), with noise of covariance
        :math:`\nu^2 Q Q`.
      hessian: :math:`Q`, shape (d, d), symmetric, with eigenvalues
        :math:`\lambda_i`.
      noise: :math:`\nu`, at least 0.

    Returns:
      The decrease of the loss, shape (); 0 where the gradient is.

    Source: *Dissecting Adam*, section 2.1 and appendix B.2.

    >>> float(expected_improvement_sgd(jnp.ones(2), jnp.eye(2), 1.0))
    0.5
    """
    gradient, hessian = _float(gradient), _float(hessian)
    curvature = gradient @ hessian @ gradient
    cubes = jnp.sum(hessian * (hessian @ hessian))
    slope = gradient @ gradient
    # Without a gradient the best step is none.
    spread = jnp.where(slope > 0, curvature + _float(noise) ** 2 * cubes, 1)
    return slope**2 / spread / 2


def expected_improvement_ssd(
    gradient: ArrayLike, hessian: ArrayLike, noise: ArrayLike
) -> jax.Array:
    r"""Best expected decrease of a stochastic quadratic in one step of SSD, at least.

    .. math::
      I \ge \frac12 \frac{(\sum_i (2 P_i - 1) |\nabla L_i|)^2}{\sum_i \lambda_i}
        \, p_{\mathrm{diag}}(Q)

    with :math:`P_i` of :func:`success_probability`; equal for a diagonal
    ``hessian``.

    Args:
      gradient: :math:`\nabla L`, shape (d,), with noise of covariance
        :math:`\nu^2 Q Q`.
      hessian: :math:`Q`, shape (d, d), symmetric, with eigenvalues
        :math:`\lambda_i`.
      noise: :math:`\nu`, at least 0.

    Returns:
      The decrease of the loss, shape ().

    Source: *Dissecting Adam*, section 2.1 and appendix B.2.

    >>> float(expected_improvement_ssd(jnp.ones(2), jnp.eye(2), 0.0).round(4))
    1.0
    """
    gradient, hessian = _float(gradient), _float(hessian)
    sigma = _float(noise) * jnp.sqrt(jnp.sum(hessian**2, axis=1))
    certainty = 2 * success_probability(gradient, sigma) - 1
    slope = jnp.sum(certainty * jnp.abs(gradient))
    return slope**2 / jnp.trace(hessian) * p_diag(hessian) / 2


def p_diag(hessian: ArrayLike) -> jax.Array:
    r"""Share of the diagonal in a matrix: 1 if axis-aligned, 1/d at worst.

    .. math::
      p_{\mathrm{diag}}(Q) = \sum_i |q_{ii}| / \sum_{ij} |q_{ij}|

    Args:
      hessian: :math:`Q`, shape (d, d).

    Returns:
      The share, in [1/d, 1] for a positive semi-definite matrix, shape (); NaN for
      zeros.

    Source: *Dissecting Adam*, section 2.1.

    >>> float(p_diag(jnp.ones((4, 4))))
    0.25
    """
    sizes = jnp.abs(_float(hessian))
    return jnp.trace(sizes) / jnp.sum(sizes)


def momentum_gain(alpha: ArrayLike) -> jax.Array:
    r"""By how much momentum in its sum form multiplies a constant gradient.

    .. math::
      \sum_k \alpha^k = 1 / (1 - \alpha)

    Args:
      alpha: share of the last step that is kept, in [0, 1).

    Returns:
      The factor, shaped like ``alpha``.

    Source: Tutorial A, part 1.

    >>> float(momentum_gain(0.5))
    2.0
    """
    return 1 / (1 - _float(alpha))


def ideal_step(gradient: ArrayLike, hessian: ArrayLike) -> jax.Array:
    r"""The step along the gradient that decreases a quadratic the most.

    .. math::
      \alpha = \frac{g^T g}{g^T H g}

    Args:
      gradient: :math:`g`, shape (d,).
      hessian: :math:`H`, shape (d, d), symmetric and positive definite.

    Returns:
      The step size, shape (); NaN where the gradient is 0.

    Source: Tutorial B.

    >>> float(ideal_step(jnp.array([0.0, 2.0]), jnp.diag(jnp.array([1.0, 4.0]))))
    0.25
    """
    gradient = _float(gradient)
    return gradient @ gradient / (gradient @ _float(hessian) @ gradient)


def _float(value: ArrayLike) -> jax.Array:
    """``value`` as an array of floats, float64 where JAX is set to it."""
    value = jnp.asarray(value)
    return value if jnp.issubdtype(value.dtype, jnp.floating) else value.astype(float)
