"""One-sentence errors for arguments out of range, raised before any work."""

import math
import numbers
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import optax


def check_range(
    name: str,
    value: Any,
    low: float,
    high: float = math.inf,
    *,
    open_low: bool = False,
    closed_high: bool = False,
) -> None:
    """Raise unless a concrete ``value`` lies in ``[low, high)``, or as the flags say.

    Tracers and arrays pass: under ``inject_hyperparams`` the value is not known.
    """
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return
    number = float(value)
    above = number > low if open_low else number >= low
    below = number <= high if closed_high else number < high
    if not (above and below):
        left, right = "(" if open_low else "[", "]" if closed_high else ")"
        raise ValueError(
            f"{name} must lie in {left}{low:g}, {high:g}{right}, got {value!r}."
        )


def check_count(name: str, value: Any) -> None:
    """Raise unless a concrete ``value`` is a whole number, at least 1."""
    check_range(name, value, 1)
    if isinstance(value, numbers.Real) and value % 1:
        raise ValueError(f"{name} must be a whole number, got {value!r}.")


def check_batch_size(size: int) -> int:
    """Give ``size`` back, or raise where it leaves nothing to take a variance of."""
    if size < 2:
        raise ValueError(f"batch must hold at least 2 examples, got {size}.")
    return size


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
    check_range("learning_rate", learning_rate, 0.0)
    check_range("weight_decay", weight_decay, 0.0)
