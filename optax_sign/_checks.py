"""One-sentence errors for arguments out of range, raised before any work."""

import math
from collections.abc import Sequence
from typing import Any, NoReturn

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
    """Raise unless ``value`` is a whole number from ``low`` on; tracers pass."""
    check_range(name, value, low, 2**31)
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
        refuse(name, "an optax.GradientTransformation", value)


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Raise unless ``value`` is one of ``choices``."""
    if not isinstance(value, str) or value not in choices:
        refuse(name, " or ".join(repr(choice) for choice in choices), value)


def check_flag(name: str, value: Any) -> None:
    """Raise unless ``value`` is True or False: a number is taken for neither."""
    if not isinstance(value, bool | np.bool_):
        refuse(name, "True or False", value)


def check_selection(name: str, value: Any) -> None:
    """Raise where ``value``, no function, is a leaf or has leaves that are tracers.

    ``optax.inject_hyperparams`` calls a function with the step: what it then makes of
    that would select nothing, or all, in silence.
    """
    leaves = [] if callable(value) else jax.tree.leaves(value)
    traced = any(isinstance(leaf, jax.core.Tracer) for leaf in leaves)
    if traced or leaves and jax.tree_util.all_leaves([value]):
        refuse(name, "a tree of bools or a function of the parameters", value)


def check_float_dtype(name: str, dtype: Any) -> None:
    """Raise unless ``dtype`` is None or a real floating-point dtype to compute with.

    An average of fewer bits than bfloat16 stops far from what it approaches.
    """
    if dtype is not None and not _is_floating(dtype):
        refuse(name, "None or a floating dtype of 16 to 64 bits", dtype)


def check_square_dtype(name: str, dtype: Any) -> None:
    """Raise unless ``dtype`` is None or can hold the squares of usual gradients."""
    least = jnp.finfo("float32").minexp
    if dtype is None or _is_floating(dtype) and jnp.finfo(dtype).minexp <= least:
        return
    refuse(name, "None or a floating dtype of float32's range", dtype)


def _is_floating(dtype: Any) -> bool:
    # NumPy takes an array for its dtype.
    if isinstance(dtype, jax.Array | np.ndarray | np.generic):
        return False
    try:
        dtype = jnp.dtype(dtype)
    except TypeError:
        return False
    return jnp.issubdtype(dtype, jnp.floating) and 2 <= dtype.itemsize <= 8


def refuse(name: str, allowed: str, value: Any) -> NoReturn:
    """Raise; what may be the doing of ``optax.inject_hyperparams`` names the remedy."""
    remedy = ""
    if isinstance(value, jax.Array | bool | np.bool_):
        remedy = ": under optax.inject_hyperparams name it in static_args"
    raise ValueError(f"{name} must be {allowed}, got {value!r}{remedy}.")


def check_rates(learning_rate: Any, weight_decay: Any) -> None:
    """Check the two arguments that every optimizer has; schedules pass."""
    for name, value in {
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
    }.items():
        if not callable(value):
            check_range(name, value, 0.0)
