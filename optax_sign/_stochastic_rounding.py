"""Stochastic rounding, so that small steps are not lost on narrow parameters."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike, DTypeLike

from optax_sign import _moments
from optax_sign._checks import check_count
from optax_sign._random_bits import random_bits


def apply_updates_stochastically(
    params: Any, updates: Any, step: ArrayLike, seed: ArrayLike = 0
) -> Any:
    r"""``optax.apply_updates`` with stochastic rounding of parameters below float32.

    .. math::
      \theta_{t+1} = \begin{cases}
        \lceil x \rceil & \text{with probability }
          (x - \lfloor x \rfloor) / (\lceil x \rceil - \lfloor x \rfloor) \\
        \lfloor x \rfloor & \text{otherwise}
      \end{cases}, \qquad x = \theta_t + u_t

    where :math:`\lfloor x \rfloor` and :math:`\lceil x \rceil` are the neighbours of
    :math:`x` in the dtype of the parameter and :math:`u_t` are the ``updates``. The
    mean of that is :math:`x`, where rounding to nearest loses every step below half of
    the spacing: in bfloat16 one of 2e-4 on every weight beyond 1/16.

    The random numbers are a hash of ``seed``, ``step``, the leaf and the index in it:
    there is no key to keep, and the result is the same on any number of devices. Only
    inside ``jax.shard_map`` is the index that of the device's own block, so that
    ``seed`` should depend on ``jax.lax.axis_index`` there. Under ``jax.vmap`` all
    members are rounded by the same numbers unless their seeds differ.

    Optimizers emit narrow updates for narrow gradients, which rounds away the decay.
    Give them gradients in float32, as below. Where a framework applies the updates
    itself, :func:`keep_master_copy` serves.

    Args:
      params: tree of arrays. Those in float32 or wider, complex or whole numbers are
        added to as by ``optax.apply_updates``.
      updates: tree like ``params``; ``None`` leaves a parameter as it is.
      step: number of the step, a whole number; each wants its own.
      seed: a whole number; another one gives other random numbers.

    Returns:
      The new parameters, in their dtypes. What the dtype holds exactly stays, a sum
      beyond its largest number becomes that number, and NaN and infinity pass.

    Raises:
      ValueError: ``step`` or ``seed`` is negative or no whole number.

    Source: Gupta et al., *Deep Learning with Limited Numerical Precision* (arXiv
    1502.02551), section 3.

    >>> import jax.numpy as jnp
    >>> import optax
    >>> from optax_sign import apply_updates_stochastically, mas
    >>> nearest = params = jnp.ones(1000, "bfloat16")
    >>> tx = mas(2e-4)
    >>> state = tx.init(params)
    >>> for step in range(10):
    ...     grads = optax.tree.cast(jnp.ones_like(params), "float32")
    ...     updates, state = tx.update(grads, state, params)
    ...     nearest = optax.apply_updates(nearest, updates)
    ...     params = apply_updates_stochastically(params, updates, step)
    >>> for weights in (nearest, params):
    ...     print(weights.astype("float32").mean().round(3))
    1.0
    0.998
    """
    check_count("step", step, 0)
    check_count("seed", seed, 0)
    number = itertools.count()

    def leaf(parameter, update):
        place = next(number)
        if parameter is None or update is None:
            return parameter
        if not _moments.is_narrow(parameter):
            return optax.apply_updates(parameter, update)
        value = _moments.widen(parameter) + _moments.widen(update)
        bits = random_bits(value.shape, step, place, seed)
        return _round(value.astype(jnp.float32), jnp.result_type(parameter), bits)

    return jax.tree.map(leaf, params, updates, is_leaf=_moments.is_none)


def _round(value: jax.Array, dtype: DTypeLike, bits: jax.Array) -> jax.Array:
    """Float32 numbers at one of their neighbours in ``dtype``, chosen by the bits."""
    limits = jnp.finfo(dtype)
    dropped = jnp.finfo(jnp.float32).nmant - limits.nmant
    size = jnp.abs(value)
    # Between two powers of two, float32 numbers are as far apart as their codes.
    code = jax.lax.bitcast_convert_type(size, jnp.uint32) + (bits >> (32 - dropped))
    code = (code >> dropped) << dropped
    rounded = jax.lax.bitcast_convert_type(code, jnp.float32)
    if limits.minexp > jnp.finfo(jnp.float32).minexp:
        # Denormal numbers of the dtype, which are none of float32, are multiples.
        unit = float(limits.smallest_subnormal)
        whole = jnp.floor(size / unit)
        chance = (bits >> 8).astype(jnp.float32) * 2.0**-24
        multiple = (whole + (chance >= 1 - (size / unit - whole))) * unit
        rounded = jnp.where(size < float(limits.tiny), multiple, rounded)
    rounded = jnp.copysign(jnp.minimum(rounded, float(limits.max)), value)
    return jnp.where(jnp.isfinite(value), rounded, value).astype(dtype)
