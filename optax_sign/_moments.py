"""What the links share: averages in narrow dtypes, bias correction, rho, ``None``."""

import math
import numbers
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import ArrayLike, DTypeLike

from optax_sign._checks import check_float_dtype, check_range


def is_none(leaf: Any) -> bool:
    """Tell a ``None`` leaf, which optax lets stand for "no parameter here"."""
    return leaf is None


def map_present(function: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """``jax.tree.map``, and ``None`` wherever ``tree`` has it."""

    def leaf(first, *others):
        return None if first is None else function(first, *others)

    return jax.tree.map(leaf, tree, *rest, is_leaf=is_none)


def at_least_float32(*operands: Any) -> Any:
    """The dtype of arithmetic on ``operands``: their promotion, float32 or wider.

    NumPy's promotion, as JAX's refuses float8, and in its strict mode nearly all.
    """
    dtypes = map(jnp.result_type, operands)
    wide = [d for d in dtypes if d.kind in "fc" and d.itemsize >= 4]
    return np.result_type(np.float32, *wide)


def widen(leaf: ArrayLike) -> jax.Array:
    """``leaf`` in the dtype in which it is computed with."""
    # jnp.asarray in jax 0.8.1 mistakes explicit shardings under vmap of a later axis.
    return jax.lax.convert_element_type(leaf, at_least_float32(leaf))


def is_narrow(leaf: ArrayLike) -> bool:
    """Tell floating numbers of a dtype below float32."""
    dtype = jnp.result_type(leaf)
    return jnp.issubdtype(dtype, jnp.floating) and dtype.itemsize < 4


def rounded(value: Any, dtype: DTypeLike) -> jax.Array:
    """``value`` in ``dtype``, also where it is widened again at once."""
    stored = value.astype(dtype)
    if stored.dtype == value.dtype:
        return stored
    # XLA may skip the rounding of a narrow value that it widens again.
    return jax.lax.optimization_barrier(stored)


def largest_magnitude(leaf: ArrayLike) -> jax.Array:
    """``max |leaf|``, wide; 0 where there is nothing."""
    return jnp.max(jnp.abs(widen(leaf)), initial=0)


def greatest(values: Iterable[jax.Array], start: jax.Array) -> jax.Array:
    """The greatest of ``start`` and real wide scalars, in their promoted dtype."""
    for value in values:
        dtype = at_least_float32(start, value)
        start = jnp.maximum(start.astype(dtype), value.astype(dtype))
    return start


def cast_updates(new: Any, updates: Any, params: Any = None) -> Any:
    """``new`` in the dtypes of ``updates``, or of parameters that are wider.

    What a bfloat16 gradient brings to a float32 weight would lose its decay otherwise.
    """

    def leaf(value, update, *parameter):
        own = jnp.result_type(update)
        if any(jnp.result_type(p) != own for p in parameter):
            own = at_least_float32(update, *parameter)
        return jnp.asarray(value, own)

    rest = (updates,) if params is None else (updates, params)
    return map_present(leaf, new, *rest)


def divide(value: ArrayLike, by: jax.Array, otherwise: ArrayLike) -> jax.Array:
    """``value / by``, and ``otherwise`` where ``by`` is 0: safe in derivatives, too."""
    return jnp.where(by != 0, value / jnp.where(by != 0, by, 1), otherwise)


def root(square: jax.Array) -> jax.Array:
    """The square root, which has a derivative at 0, too: 0."""
    return jnp.where(square != 0, jnp.sqrt(jnp.where(square != 0, square, 1)), 0)


def squared_magnitude(leaf: jax.Array) -> jax.Array:
    """``|leaf|**2``, real also for complex leaves."""
    return jnp.real(leaf * jnp.conj(leaf))


def zeros_like(params: Any, dtype: DTypeLike | None, *, real: bool = False) -> Any:
    """Zeros shaped like ``params``, for an accumulator.

    Args:
      params: tree of arrays or of shapes.
      dtype: the accumulator's dtype; ``None`` takes each parameter's own, or float32
        for those of fewer than 16 bits. A real ``dtype`` never narrows a complex leaf
        to its real part.
      real: the accumulator holds magnitudes or squares: complex leaves get real
        zeros, and float16 (or less) float32 ones unless ``dtype`` says otherwise.

    Raises:
      ValueError: a leaf holds no floating or complex numbers.
    """

    def leaf(p):
        own = type(p) if callable(p) else jnp.result_type(p)
        if not jnp.issubdtype(own, jnp.inexact):
            raise ValueError(
                f"params must have floating or complex leaves, got one of {own}."
            )
        if jnp.issubdtype(own, jnp.complexfloating):
            own = jnp.finfo(own).dtype if real else own
            return jnp.zeros_like(p, dtype=dtype if real and dtype else own)
        few = (
            jnp.dtype(own).itemsize < 2
        )  # bits: averages stop far from what they approach
        if few or real and jnp.finfo(own).minexp > jnp.finfo(jnp.float32).minexp:
            own = jnp.float32  # the squares of most gradients are 0 in float16
        return jnp.zeros_like(p, dtype=dtype or own)

    return jax.tree.map(leaf, params)


def _within_range(value: jax.Array, dtype: Any) -> jax.Array:
    """``value``, cut where a dtype like float16 would make infinity of it for ever."""
    if jnp.finfo(dtype).maxexp >= jnp.finfo(value.dtype).maxexp:
        return value
    largest = float(jnp.finfo(dtype).max)
    return jnp.clip(value, -largest, largest)


def update_ema(values: Any, ema: Any, beta: ArrayLike) -> Any:
    """``beta * ema + (1 - beta) * values``: computed wide, in the dtypes of ``ema``.

    What is returned is what will be stored, so a step taken from it agrees with
    the state it leaves behind, and XLA can update the state in place. Where
    ``values`` has ``None``, the average stays as it is.
    """

    def leaf(value, average):
        if value is None:
            return average
        wide = at_least_float32(value, average)
        value = _within_range(jnp.asarray(value, wide), average.dtype)
        new = beta * jnp.asarray(average, wide) + (1 - beta) * value
        return rounded(new, average.dtype)

    return jax.tree.map(leaf, values, ema, is_leaf=is_none)


def ema(
    beta: ArrayLike, mu_dtype: DTypeLike | None, *, debias: bool
) -> optax.GradientTransformation:
    """``optax.ema`` where all is float32 or wider; else the stored average, widened.

    In a narrow dtype ``optax.ema`` multiplies by a ``beta`` of that dtype (0.999
    becomes 1 in bfloat16) and emits a value that differs from the one it stores,
    which also keeps XLA from updating the state in place. Its bias correction loses
    digits to cancellation, so that one is ours in every dtype.
    """
    check_range("beta", beta, 0.0, 1.0)
    check_float_dtype("mu_dtype", mu_dtype)
    wide_ema = optax.ema(beta, debias=False)

    def init_fn(params):
        return optax.EmaState(jnp.zeros([], jnp.int32), zeros_like(params, mu_dtype))

    def update_fn(updates, state, params=None):
        count = optax.safe_increment(state.count)
        if _all_wide(updates, state.ema):
            average, _ = wide_ema.update(updates, state, params)
            # A float64 scalar as `beta` would widen the state.
            average = optax.tree.cast_like(average, state.ema)
        else:
            average = update_ema(updates, state.ema, beta)

        def leaf(_, stored):
            # Still wide: in a narrow gradient's dtype a small average has no sign.
            momentum = widen(stored)
            if debias:
                momentum /= one_minus_power(beta, count, momentum.real.dtype)
            return momentum

        return map_present(leaf, updates, average), optax.EmaState(count, average)

    return optax.GradientTransformation(init_fn, update_fn)


def _all_wide(updates: Any, average: Any) -> bool:
    """Tell whether every gradient has its average's dtype, float32 or wider."""

    def leaf(gradient, stored):
        if gradient is None:
            return False
        return jnp.result_type(gradient) == stored.dtype == at_least_float32(stored)

    return all(jax.tree.leaves(jax.tree.map(leaf, updates, average, is_leaf=is_none)))


def log_beta(beta: ArrayLike) -> ArrayLike:
    """``log(beta)``, in double precision where ``beta`` is a Python number.

    Rounding 0.999 to float32 first would move ``1 - beta`` by 3e-5 of itself.
    """
    if isinstance(beta, numbers.Real):
        return math.log(beta) if beta > 0 else -math.inf
    return jnp.log(beta)


def one_minus_power(beta: ArrayLike, count: ArrayLike, dtype: Any) -> jax.Array:
    """``1 - beta**count`` without cancellation; ``1 - beta`` itself at ``count = 1``.

    So the first value of a bias-corrected average is the value averaged.
    """
    power = jnp.expm1(jnp.asarray(count, dtype) * log_beta(beta))
    terms = power / jnp.expm1(jnp.asarray(log_beta(beta), dtype))
    return jnp.asarray(1 - beta, dtype) * terms


def rho(beta: ArrayLike, count: ArrayLike, dtype: Any) -> jax.Array:
    """Sum of the squared weights of a bias-corrected average of ``count`` values."""
    power = jnp.exp(jnp.asarray(count, dtype) * log_beta(beta))
    weight = jnp.asarray((1 - beta) / (1 + beta), dtype)
    return weight * (1 + power) / one_minus_power(beta, count, dtype)


def one_minus_rho(beta: ArrayLike, count: ArrayLike, dtype: Any) -> jax.Array:
    """``1 - rho(beta, count)`` without cancellation; exactly 0 at ``count = 1``."""
    past = -jnp.expm1(jnp.asarray(count - 1, dtype) * log_beta(beta))
    weight = jnp.asarray(2 * beta / (1 + beta), dtype)
    return weight * past / one_minus_power(beta, count, dtype)
