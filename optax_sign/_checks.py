"""One-sentence errors for arguments out of range, raised before any work."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax


def as_numbers(value: Any) -> np.ndarray:
    """Concrete real numbers in float64; NaN for what is none, such as ``"1e-3"``."""
    array = np.asarray(value)
    if array.dtype.kind in "OSUb" or np.iscomplexobj(array):
        return np.asarray(np.nan)
    return array.astype(float)


def check_range(
    name: str,
    value: Any,
    low: float,
    high: float = math.inf,
    *,
    open_low: bool = False,
    closed_high: bool = False,
) -> None:
    """Raise unless ``value`` lies in ``[low, high)``, or as the flags say.

    Tracers pass: of them nothing is known.
    """
    if isinstance(value, jax.core.Tracer):
        return
    number = as_numbers(value)
    above = number > low if open_low else number >= low
    below = number <= high if closed_high else number < high
    if not np.all(above & below):
        left, right = "(" if open_low else "[", "]" if closed_high else ")"
        raise ValueError(
            f"{name} must lie in {left}{low:g}, {high:g}{right}, got {value!r}."
        )


def check_count(name: str, value: Any, low: int = 1) -> None:
    """Raise unless ``value`` is a whole number, at least ``low``; tracers pass."""
    check_range(name, value, low)
    if not isinstance(value, jax.core.Tracer) and as_numbers(value) % 1:
        raise ValueError(f"{name} must be a whole number, got {value!r}.")


def check_batch_size(size: int) -> int:
    """Give ``size`` back, or raise where it leaves nothing to take a variance of."""
    if size < 2:
        raise ValueError(f"batch must hold at least 2 examples, got {size}.")
    return size


def loss_and_aux(value: Any, has_aux: bool) -> tuple[Any, Any]:
    """What a loss function returned, as a pair: ``None`` stands for no aux."""
    if isinstance(value, tuple) != has_aux or has_aux and len(value) != 2:
        asked = "a pair (loss, aux)" if has_aux else "no tuple"
        got = type(value).__name__
        raise ValueError(
            f"loss_fn must return {asked} where has_aux is {has_aux}, got a {got}."
        )
    return value if has_aux else (value, None)


def check_link(name: str, value: Any) -> None:
    """Raise unless ``value`` is a transformation, and not what makes one."""
    if not isinstance(value, optax.GradientTransformation):
        raise ValueError(
            f"{name} must be an optax.GradientTransformation, got {value!r}."
        )


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Raise unless ``value`` is one of ``choices``."""
    if not isinstance(value, str) or value not in choices:
        allowed = " or ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name} must be {allowed}, got {value!r}.")


def check_float_dtype(name: str, dtype: Any) -> None:
    """Raise unless ``dtype`` is None or a real floating-point dtype."""
    if dtype is not None and not _is_floating(dtype):
        raise ValueError(f"{name} must be None or a floating dtype, got {dtype!r}.")


def check_square_dtype(name: str, dtype: Any) -> None:
    """Raise unless ``dtype`` is None or can hold the squares of usual gradients."""
    least = jnp.finfo("float32").minexp
    if dtype is None or _is_floating(dtype) and jnp.finfo(dtype).minexp <= least:
        return
    raise ValueError(
        f"{name} must be None or a floating dtype of float32's range, got {dtype!r}."
    )


def _is_floating(dtype: Any) -> bool:
    try:
        return jnp.issubdtype(jnp.dtype(dtype), jnp.floating)
    except TypeError:
        return False


def check_rates(learning_rate: Any, weight_decay: Any) -> None:
    """Check the two arguments that every optimizer has; schedules pass."""
    for name, value in {
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
    }.items():
        if not callable(value):
            check_range(name, value, 0.0)
