"""What each argument of a public function allows, by its name."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import optax


class Range(NamedTuple):
    """What one argument may be."""

    said: str  # as the message prints it
    allowed: Sequence[Any]
    refused: Sequence[Any]


# What no number is, such as what YAML reads, and concrete arrays.
NONE = [None, "1e-3", True, np.float32(-1), np.array(-0.5), 1j]
NOT_NEGATIVE = Range(
    "[0, inf)", [0, 0.0, 1e3, np.float32(0.5)], [-1e-9, -1, math.inf, math.nan, *NONE]
)
POSITIVE = Range("(0, inf)", [1e-9, 3], [0, 0.0, -1.0, math.inf, math.nan])
AVERAGE = Range("[0, 1)", [0, 0.0, 0.999], [-0.1, 1, 1.0, 1.5, math.nan, *NONE])
PROPER_AVERAGE = Range("(0, 1)", [1e-9, 0.999], [0, 0.0, -0.1, 1, 1.0, math.nan, *NONE])
COUNT = Range("[1, inf)", [1, 5, np.int64(2)], [0, -1, math.nan, "5", False])
WHOLE = COUNT._replace(said="[0, inf)", allowed=[0, 2**40], refused=COUNT.refused[1:])
SCOPE = Range("'leaf' or 'global'", ["leaf", "global"], ["tree", None, 1])
SPHERES = SCOPE._replace(said="'global' or 'leaf'")
DTYPE = Range(
    "None or a floating dtype",
    [None, "float32", "bfloat16", jnp.float16],
    ["int32", "complex64", "float61", bool, 3],
)
SQUARES = Range(
    "None or a floating dtype of float32's range",
    [None, "float32", "bfloat16", jnp.float64],
    ["float16", "int32", "complex64", "float61", bool, 3],
)
LINK = Range(
    "an optax.GradientTransformation",
    [optax.identity(), optax.scale_by_adam()],
    [None, 0.1, optax.scale_by_sign],
)

# Trees and flags, of which optax and JAX speak for themselves, have no range.
RANGES: dict[str, Range | None] = {
    "learning_rate": NOT_NEGATIVE,
    "weight_decay": NOT_NEGATIVE,
    "mask": None,
    "beta": AVERAGE,
    "mu_dtype": DTYPE,
    "nu_dtype": SQUARES,
    "momentum": None,
    "factor": Range(
        "'magnitude' or 'sign' or 'erf'",
        ["magnitude", "sign", "erf"],
        ["root", None],
    ),
    "variance": Range(
        "'moving_average' or 'mini_batch'",
        ["moving_average", "mini_batch"],
        ["batch", None],
    ),
    "direction": Range(LINK.said, [None, *LINK.allowed], LINK.refused[1:]),
    "inner": LINK,
    "optimizer": LINK,
    "decay": Range("[0, 1]", [0, 0.5, 1, 1.0], [-0.1, 1.1, math.nan]),
    "decay_every": COUNT,
    "scope": SCOPE,
    "eps": NOT_NEGATIVE,
    "radius": POSITIVE,
    "sphere_scope": SPHERES,
    "scale_invariant": None,
}

# Where a name means something else than above; the row in the catalogue says so.
SIGNS = {"factor": Range("'sign' or 'erf'", ["sign", "erf"], ["magnitude", None])}
SPHERE_RATES = {  # their product stays below 1; the rows have 0.125 and at most 0.25
    "learning_rate": NOT_NEGATIVE._replace(allowed=[0, 0.0, 3.9]),
    "weight_decay": Range("[0, inf)", [0, 0.0, 7.9], [-1e-9, -1, math.nan]),
}
