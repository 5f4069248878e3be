"""``optax.ema`` with accumulators narrower than float32; it emits float32 or wider."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike, DTypeLike

from optax_sign import _moments
from optax_sign._checks import check_float_dtype, check_range


def ema(
    beta: ArrayLike, mu_dtype: DTypeLike | None, *, debias: bool
) -> optax.GradientTransformation:
    """``optax.ema`` where all is float32 or wider; below that, the stored average.

    In a narrow dtype ``optax.ema`` multiplies by a ``beta`` of that dtype (0.999
    becomes 1 in bfloat16) and emits a value that differs from the one it stores,
    which also keeps XLA from updating the state in place. Its bias correction loses
    digits to cancellation, so that one is ours in every dtype.
    """
    check_range("beta", beta, 0.0, 1.0)
    check_float_dtype("mu_dtype", mu_dtype)
    wide_ema = optax.ema(beta, debias=False)

    def init_fn(params):
        average = _moments.zeros_like(params, mu_dtype)
        return optax.EmaState(count=jnp.zeros([], jnp.int32), ema=average)

    def update_fn(updates, state, params=None):
        count = optax.safe_increment(state.count)
        if _all_wide(updates, state.ema):
            average, _ = wide_ema.update(updates, state, params)
            # A float64 scalar as `beta` would widen the state.
            average = optax.tree.cast_like(average, state.ema)
        else:
            average = _moments.update_ema(updates, state.ema, beta)

        def leaf(gradient, stored):
            if gradient is None:
                return None
            # Still wide: in a narrow gradient's dtype a small average has no sign.
            momentum = _moments.widen(stored)
            if debias:
                momentum /= _moments.one_minus_power(beta, count, momentum.real.dtype)
            return momentum

        updates = jax.tree.map(leaf, updates, average, is_leaf=_moments.is_none)
        return updates, optax.EmaState(count=count, ema=average)

    return optax.GradientTransformation(init_fn, update_fn)


def _all_wide(updates: Any, average: Any) -> bool:
    """Tell whether every gradient has its average's dtype, float32 or wider."""

    def leaf(gradient, stored):
        wide = _moments.at_least_float32(stored)
        return (
            gradient is not None and jnp.result_type(gradient) == stored.dtype == wide
        )

    same = jax.tree.map(leaf, updates, average, is_leaf=_moments.is_none)
    return all(jax.tree.leaves(same))
