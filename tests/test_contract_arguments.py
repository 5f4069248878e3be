"""Every argument of every public function: what it allows, and what it says if not."""

import inspect
import math
import re

import jax
import jax.numpy as jnp
import optax
import pytest

import optax_sign

from .catalogue import ROWS
from .steps import GRADIENTS, PARAMS, VARIANCES, extra

# Argument: its range as the message prints it, values allowed, values refused.
NOT_NEGATIVE = ("[0, inf)", [0, 0.0, 1e3], [-1e-9, -1, math.inf, math.nan])
POSITIVE = ("(0, inf)", [1e-9, 3], [0, 0.0, -1.0, math.inf, math.nan])
AVERAGE = ("[0, 1)", [0, 0.0, 0.999], [-0.1, 1, 1.0, 1.5, math.nan])
PROPER_AVERAGE = ("(0, 1)", [1e-9, 0.999], [0, 0.0, -0.1, 1, 1.0, math.nan])
COUNT = ("[1, inf)", [1, 5], [0, -1, math.nan])
SCOPE = ("'leaf' or 'global'", ["leaf", "global"], ["tree", None, 1])
SPHERES = ("'global' or 'leaf'", *SCOPE[1:])
VARIANCE = (
    "'moving_average' or 'mini_batch'",
    ["moving_average", "mini_batch"],
    ["batch", None],
)
DTYPE = (
    "None or a floating dtype",
    [None, "float32", "bfloat16", jnp.float16],
    ["int32", "complex64", "float61", bool, 3],
)

SQUARES = (
    "None or a floating dtype of float32's range",
    [None, "float32", "bfloat16", jnp.float64],
    ["float16", "int32", "complex64", "float61", bool, 3],
)
LINK = (
    "an optax.GradientTransformation",
    [optax.identity(), optax.scale_by_adam()],
    [None, 0.1, optax.scale_by_sign],
)

RATES = {"learning_rate": NOT_NEGATIVE, "weight_decay": NOT_NEGATIVE}
SPHERE_RATES = {  # their product stays below 1; the rows have 0.125 and at most 0.25
    "learning_rate": ("[0, inf)", [0, 0.0, 3.9], NOT_NEGATIVE[2]),
    "weight_decay": ("[0, inf)", [0, 0.0, 7.9], [-1e-9, -1, math.nan]),
}
AVERAGED = {**RATES, "beta": AVERAGE, "mu_dtype": DTYPE}
RESILIENT = {
    "beta": AVERAGE,
    "decay": ("[0, 1]", [0, 0.5, 1, 1.0], [-0.1, 1.1, math.nan]),
    "decay_every": COUNT,
    "scope": SCOPE,
    "eps": NOT_NEGATIVE,
    "mu_dtype": DTYPE,
}
ADAPTED = {
    "beta": PROPER_AVERAGE,
    "variance": VARIANCE,
    "mu_dtype": DTYPE,
    "nu_dtype": SQUARES,
}
SIGNS = ("'sign' or 'erf'", ["sign", "erf"], ["magnitude", None])
FACTORS = (
    "'magnitude' or 'sign' or 'erf'",
    ["magnitude", "sign", "erf"],
    ["root", None],
)

ARGUMENTS = {
    "ssd": RATES,
    "m_sgd": AVERAGED,
    "m_ssd": AVERAGED,
    "mas": AVERAGED,
    "svag": {**RATES, **ADAPTED},
    "m_svag": {**RATES, **ADAPTED},
    "adam_star": {**RATES, **ADAPTED, "factor": SIGNS},
    "adarem": {**RATES, **RESILIENT},
    "adarem_s": {
        **{**SPHERE_RATES, **RESILIENT},
        **{"radius": POSITIVE, "sphere_scope": SPHERES},
    },
    "hyperball": {
        "inner": LINK,
        "learning_rate": NOT_NEGATIVE,
    },
    "scale_by_variance_adaptation": {
        **ADAPTED,
        "factor": FACTORS,
        "direction": (LINK[0], [None, *LINK[1]], LINK[2][1:]),
    },
    "scale_by_resilience": RESILIENT,
    "project_to_sphere": {"radius": POSITIVE, "scope": SPHERES},
    "scale_by_sphere_learning_rate": {
        **SPHERE_RATES,
        **{"radius": POSITIVE, "scope": SPHERES},
    },
    "track_oscillation": {},
    "oscillation": {},
    "value_and_grad_and_variance": {"chunk_size": COUNT},
    "scale_invariant_mask": {
        "samples": COUNT,
        "tolerance": ("(0, 1)", [1e-3], [0, 1, -1e-3, math.nan]),
    },
}
# Trees, functions, links, keys and flags: optax and JAX speak for themselves.
FREE = {
    *("mask", "scale_invariant", "momentum", "state"),
    *("loss_fn", "params", "args", "key"),
}

FACTORIES = {row.public_name: row for row in ROWS}


def call(name, **changes):
    """Call a public function with valid arguments but for the changes."""
    if name in FACTORIES:
        return FACTORIES[name].make(**changes)
    if name == "value_and_grad_and_variance":
        return optax_sign.value_and_grad_and_variance(jnp.vdot, **changes)
    return optax_sign.scale_invariant_mask(lambda w: w, jnp.ones(()), **changes)


def cases(column):
    return [
        pytest.param(name, argument, value, allowed[0], id=f"{name}-{argument}-{said}")
        for name, arguments in ARGUMENTS.items()
        for argument, allowed in arguments.items()
        for place, value in enumerate(allowed[column])
        # What is no plain value says where in memory it is, which differs each time.
        for said in [place if isinstance(value, tuple) or callable(value) else value]
    ]


def test_the_table_has_every_argument_of_every_public_function():
    functions = {
        name: set(inspect.signature(getattr(optax_sign, name)).parameters)
        for name in optax_sign.__all__
        if inspect.isfunction(getattr(optax_sign, name))
    }
    expected = {name: names - FREE for name, names in functions.items()}
    assert {name: set(names) for name, names in ARGUMENTS.items()} == expected


@pytest.mark.parametrize(("name", "argument", "value", "allowed"), cases(1))
def test_allowed(name, argument, value, allowed):
    call(name, **{argument: value})


@pytest.mark.parametrize(("name", "argument", "value", "allowed"), cases(2))
def test_refused_in_one_sentence(name, argument, value, allowed):
    with pytest.raises(ValueError) as error:
        call(name, **{argument: value})
    sentence = f"{argument} must (lie in|be) {re.escape(allowed)}, got "
    assert re.fullmatch(sentence + re.escape(repr(value)) + r"\.", str(error.value))


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        (name, argument)
        for name in FACTORIES
        for argument, (_, values, _) in ARGUMENTS[name].items()
        if isinstance(values[-1], int | float)
    ],
)
def test_a_tracer_is_never_refused(name, argument):
    row = FACTORIES[name]

    def step(value):
        tx = row.make(**{argument: value})
        more = extra(row, VARIANCES[0])
        return tx.update(GRADIENTS[0], tx.init(PARAMS), PARAMS, **more)

    for value in (-1.0, jnp.inf):
        jax.eval_shape(step, value)


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("value_and_grad_and_variance", "chunk_size"),
        ("scale_invariant_mask", "samples"),
    ],
)
def test_what_is_counted_is_whole(name, argument):
    call(name, **{argument: 4.0})
    with pytest.raises(ValueError, match=rf"{argument} must be a whole .* got 2\.5\."):
        call(name, **{argument: 2.5})


def test_a_direction_with_state_is_refused():
    link = optax_sign.scale_by_variance_adaptation(optax.trace(0.9))
    sentence = r"direction must be a link without state, .* got one with TraceState\."
    with pytest.raises(ValueError, match=sentence):
        link.init(PARAMS)


@pytest.mark.parametrize("name", ["adarem_s", "scale_by_sphere_learning_rate"])
def test_on_a_sphere_a_step_may_not_decay_all(name):
    sentence = r"weight_decay must lie in \[0, 4\), got 4.0\."
    with pytest.raises(ValueError, match=sentence):
        call(name, learning_rate=0.25, weight_decay=4.0)
    call(name, learning_rate=lambda step: 0.25, weight_decay=4.0)
