"""Every argument through optax.inject_hyperparams: as given plainly, or refused."""

import functools
import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import optax_sign

from .catalogue import ROWS, matrices
from .steps import GRADIENTS, PARAMS, VARIANCES, assert_close

# For each optimizer and link the row with the fewest options.
BY_OPTIONS = sorted(ROWS, key=lambda row: len(row.options), reverse=True)
FACTORIES = {row.public_name: row for row in BY_OPTIONS}


def by_name(params):
    return jax.tree.map_with_path(
        lambda path, _: "first" in jax.tree_util.keystr(path), params
    )


SELECTIONS = [matrices(PARAMS), matrices, by_name]
NARROW = ["bfloat16", np.dtype("bfloat16"), jnp.bfloat16]
NUMBER = [np.float32(0.25), lambda step: 0.5 / (step + 2)]
# Of the same kind, and of every kind that people give.
ALTERNATIVES = {
    **dict.fromkeys(["learning_rate", "weight_decay", "beta", "decay", "eps"], NUMBER),
    **dict.fromkeys(["mask", "scale_invariant"], SELECTIONS),
    **dict.fromkeys(["scope", "sphere_scope"], ["leaf", "global"]),
    "mu_dtype": [*NARROW, np.float16, float],
    "nu_dtype": [*NARROW, np.float32],
    "momentum": [True, False, np.bool_(False)],
    "factor": ["sign", "erf"],
    "variance": ["moving_average", "mini_batch"],
    "direction": [None, optax.scale_by_sign()],
    "batch_axes": [],  # for static_args alone, as tests/test_stacked_layers.py has it
    "optimizer": [optax_sign.ssd(0.125)],
    "inner": [optax_sign.scale_by_resilience()],
    "decay_every": [2, np.int32(2), 2.0],
    "radius": [None, 2.0],
}
# What inject_hyperparams calls as if it were a schedule.
CALLED = {"mu_dtype", "nu_dtype", "mask", "scale_invariant"}
CASES = [
    pytest.param(name, argument, value, id=f"{name}-{argument}-{place}")
    for name, row in FACTORIES.items()
    for argument in inspect.signature(row.factory).parameters
    for place, value in enumerate(ALTERNATIVES[argument])
]


def options(name, argument, value):
    """Keyword arguments with the one under test, where it shows."""
    row = FACTORIES[name]
    more = {"weight_decay": 0.25} if row.decays else {}
    if "scale_invariant" in row.options:
        more["scale_invariant"] = matrices(PARAMS)
    return {**row.options, **more, argument: value}


def step(tx):
    """Updates and state of a step, but for what inject_hyperparams adds to it."""
    update = optax.with_extra_args_support(tx).update
    state = tx.init(PARAMS)
    updates, state = update(GRADIENTS[0], state, PARAMS, variance=VARIANCES[0])
    return updates, state.inner_state if hasattr(state, "hyperparams") else state


def inject(name, argument, value, static_args):
    """A step, eager, and traced as jit does, which has tracers for numbers."""
    factory = FACTORIES[name].factory
    static = {static_args, "batch_axes"} & {*inspect.signature(factory).parameters}
    tx = optax.inject_hyperparams(factory, static)(**options(name, argument, value))
    found = step(tx)
    if ALTERNATIVES[argument] is not NUMBER:  # numbers are tracers beside all others
        traced = jax.eval_shape(lambda: step(tx))
        assert dtypes(traced) == dtypes(found)
    return found


def dtypes(tree):
    return [leaf.dtype for leaf in jax.tree.leaves(tree)]


@pytest.mark.parametrize(("name", "argument", "value"), CASES)
def test_an_argument_does_what_it_does_without_or_is_refused(name, argument, value):
    refused = argument in CALLED and callable(value)
    scheduled = callable(value) and not refused
    number = value(0) if scheduled else value
    plain = step(FACTORIES[name].factory(**options(name, argument, number)))
    injected = inject(name, argument, value, argument if refused else "")
    assert dtypes(injected) == dtypes(plain)
    assert_close(injected, plain)
    if refused:
        sentence = rf"{argument} must be [^:]*, got .*: [^:]* name it in static_args\."
        tx = optax.inject_hyperparams(FACTORIES[name].factory)(
            **options(name, argument, value)
        )
        calls = [tx.init, functools.partial(jax.eval_shape, tx.init)]
        # NumPy's dtypes are made of numbers only, so of a tracer JAX speaks first.
        for call in calls[: 1 if value in (np.float16, np.float32, float) else 2]:
            with pytest.raises(ValueError) as error:
                call(PARAMS)
            assert re.fullmatch(sentence, str(error.value))
