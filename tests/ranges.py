"""What each argument of a public function allows, by its name."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
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
COUNT = Range(  # the counter of steps is an int32
    "[1, 2.14748e+09)",
    [1, 5, np.int64(2), 2**31 - 1],
    [0, -1, math.nan, "5", False, 2**31, 10**400],
)
WHOLE = COUNT._replace(
    said="[0, 2.14748e+09)", allowed=[0, 2**31 - 1], refused=COUNT.refused[1:]
)
SCOPE = Range("'leaf' or 'global'", ["leaf", "global"], ["tree", None, 1])
SPHERES = SCOPE._replace(said="'global' or 'leaf'")
# What NumPy takes for its dtype, what has too few bits for an average, and what JAX
# cannot hold.
NO_DTYPE = ["int32", "complex64", "float61", bool, 3, np.ones([], jnp.bfloat16)]
NO_DTYPE += ["float8_e5m2", "float8_e8m0fnu", "float4_e2m1fn", np.longdouble]
DTYPE = Range(
    "None or a floating dtype of 16 to 64 bits",
    [None, "float32", "bfloat16", jnp.float16],
    NO_DTYPE,
)
SQUARES = Range(
    "None or a floating dtype of float32's range",
    [None, "float32", "bfloat16", jnp.float64],
    ["float16", *NO_DTYPE],
)
# None of the lone leaves tells parameters apart.
SELECTION = Range(
    "a tree of bools or a function of the parameters",
    [{"w": True}, jax.tree.leaves, ()],
    [True, False, np.True_, np.ones(2), "kernel", 1.0],
)
LINK = Range(
    "an optax.GradientTransformation",
    [optax.identity(), optax.scale_by_adam()],
    [None, 0.1, optax.scale_by_sign],
)

RANGES: dict[str, Range | None] = {
    "learning_rate": NOT_NEGATIVE,
    "weight_decay": NOT_NEGATIVE,
    "mask": SELECTION._replace(allowed=[None, *SELECTION.allowed]),
    "batch_axes": None,
    "beta": AVERAGE,
    "mu_dtype": DTYPE,
    "nu_dtype": SQUARES,
    "momentum": Range("True or False", [np.True_, True, False], [0.999, 0, None, "no"]),
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
    "scale_invariant": SELECTION,
}

# Where a name means something else than above; the row in the catalogue says so.
SIGNS = {"factor": Range("'sign' or 'erf'", ["sign", "erf"], ["magnitude", None])}
SPHERE_RATES = {  # their product stays below 1; the rows have 0.125 and at most 0.25
    "learning_rate": NOT_NEGATIVE._replace(allowed=[0, 0.0, 3.9]),
    "weight_decay": Range("[0, inf)", [0, 0.0, 7.9], [-1e-9, -1, math.nan]),
}
