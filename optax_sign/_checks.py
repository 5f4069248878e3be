"""One-sentence errors for arguments out of range, raised before any work."""

import math
import numbers
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp


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


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Raise unless ``value`` is one of ``choices``."""
    if not isinstance(value, str) or value not in choices:
        allowed = " or ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name} must be {allowed}, got {value!r}.")


def check_float_dtype(name: str, dtype: Any) -> None:
    """Raise unless ``dtype`` is None or a real floating-point dtype."""
    if dtype is None:
        return
    try:
        floating = jnp.issubdtype(jnp.dtype(dtype), jnp.floating)
    except TypeError:
        floating = False
    if not floating:
        raise ValueError(f"{name} must be None or a floating dtype, got {dtype!r}.")


def check_rates(learning_rate: Any, weight_decay: Any) -> None:
    """Check the two arguments that every optimizer has; schedules pass."""
    check_range("learning_rate", learning_rate, 0.0)
    check_range("weight_decay", weight_decay, 0.0)
