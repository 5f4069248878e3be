"""What updates do to parameters in their own dtype, and which of them are lost."""

from typing import Any

import jax
import jax.numpy as jnp

from optax_sign import _moments


def movement(update: Any, parameter: Any) -> jax.Array:
    """How far ``optax.apply_updates`` moves a parameter, in float32 or wider."""
    start = _moments.widen(parameter)
    moved = start + _moments.widen(update)
    return (
        _moments.rounded(moved, jnp.result_type(parameter)).astype(start.dtype) - start
    )


def vanishing_steps(params: Any, updates: Any) -> jax.Array:
    r"""The share of parameters that have an update and do not move.

    .. math::
      \frac1n \, \bigl|\{ i : u_i \ne 0, \;
        \mathrm{round}(\theta_i + u_i) = \theta_i \}\bigr|

    with :math:`\theta` = ``params``, :math:`u` = ``updates`` and the rounding of
    ``optax.apply_updates``, to the dtype of the parameter. From 1/16 on, numbers of
    bfloat16 are 5e-4 or more apart, so that a step of 2e-4 is lost. Against that:
    :func:`keep_master_copy` and :func:`apply_updates_stochastically`.

    Args:
      params: tree of arrays, before the step.
      updates: tree like ``params``, from the optimizer; ``None`` is no update.

    Returns:
      The share, shape (), float32, over all parameters; 0 of none.

    Source: Gupta et al., *Deep Learning with Limited Numerical Precision* (arXiv
    1502.02551), on rounding to nearest.

    >>> import jax.numpy as jnp
    >>> from optax_sign import mas, vanishing_steps
    >>> params = jnp.array([0.05, 0.2, 1.0, 2.0], "bfloat16")
    >>> tx = mas(2e-4)
    >>> updates, _ = tx.update(jnp.ones_like(params), tx.init(params), params)
    >>> vanishing_steps(params, updates)
    Array(0.75, dtype=float32)
    """

    def lost(update, parameter):
        return jnp.sum((update != 0) & (movement(update, parameter) == 0))

    counts = jax.tree.leaves(_moments.map_present(lost, updates, params))
    size = sum(jnp.size(p) for p in jax.tree.leaves(params))
    return jnp.asarray(sum(counts), jnp.float32) / max(size, 1)
