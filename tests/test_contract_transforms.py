"""Every optimizer and link under JAX's own transformations."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from .catalogue import OPTIMIZERS
from .steps import (
    GRADIENTS,
    PARAMS,
    VARIANCES,
    assert_close,
    assert_equal,
    extra,
    run,
)


def types(tree):
    """Shape, dtype and weakness of every leaf, and the structure."""
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype, leaf.weak_type), tree)


def test_no_step_traces_again(row):
    tx, traces = row.make(), []

    @jax.jit
    def update(*args, **more):
        traces.append(1)
        return tx.update(*args, **more)

    run(row, update=update)
    assert len(traces) == 1


def test_strict_promotion_and_unknown_extra_arguments_change_nothing(row):
    plain, plain_state = run(row)
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        strict, strict_state = run(row, loss=jnp.ones(()), step_name="third")
    assert_equal(strict, plain)
    assert_equal(strict_state, plain_state)


def test_init_sees_shapes_only(row):
    tx = row.make()
    concrete = tx.init(PARAMS)
    abstract = jax.eval_shape(tx.init, PARAMS)
    assert types(abstract) == types(concrete)
    shapes = jax.tree.map(lambda p: jax.ShapeDtypeStruct(p.shape, p.dtype), PARAMS)
    assert_equal(tx.init(shapes), concrete)
    hostile = jax.tree.map(lambda p: jnp.full_like(p, jnp.nan), PARAMS)
    assert_equal(tx.init(hostile), concrete)


def test_a_step_keeps_the_types_of_the_state_and_its_inputs(row):
    tx = row.make()
    state = tx.init(PARAMS)
    copies = jax.tree.map(np.array, (GRADIENTS[0], state, PARAMS))
    _, new_state = tx.update(GRADIENTS[0], state, PARAMS, **extra(row, VARIANCES[0]))
    assert types(new_state) == types(state)
    assert_equal((GRADIENTS[0], state, PARAMS), copies)


def test_the_count_may_saturate(row):
    tx = row.make()
    _, state = run(row, tx)

    def step(count):
        late = jax.tree.map(
            lambda leaf: jnp.int32(count) if leaf.dtype == jnp.int32 else leaf, state
        )
        return tx.update(GRADIENTS[0], late, PARAMS, **extra(row, VARIANCES[0]))[0]

    # After a million steps the start is forgotten, and the fading of AdaRem complete.
    assert_equal(step(2**31 - 1), step(2**20))


# Two members of a population; the decays keep few digits.
HYPERPARAMETERS = {
    "learning_rate": [0.125, 0.25],
    "weight_decay": [0.5, 0.25],
    "beta": [0.75, 0.5],
    "decay": [0.5, 0.25],
    "decay_every": [2, 1],
    "eps": [0.25, 0.5],
    "radius": [2.0, 1.0],
}


def test_a_population_scanned_equals_its_members_in_loops(row):
    def stack(trees):
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)

    def scan(params, gradients, variances, options):
        tx = row.make(**options)

        def step(carry, inputs):
            params, state = carry
            gradient, variance = inputs
            updates, state = tx.update(gradient, state, params, **extra(row, variance))
            return (jax.tree.map(jnp.add, params, updates), state), updates

        start = (params, tx.init(params))
        (_, state), steps = jax.lax.scan(step, start, (gradients, variances))
        return steps, state

    members = [
        (
            jax.tree.map(lambda p, s=sign: s * p, PARAMS),
            GRADIENTS[::sign],
            VARIANCES[::sign],
            {
                name: values[place]
                for name, values in HYPERPARAMETERS.items()
                if name in inspect.signature(row.factory).parameters
            },
        )
        for place, sign in enumerate((1, -1))
    ]
    loops = [run(row, row.make(**options), *trees) for *trees, options in members]
    inputs = [(p, stack(g), stack(v), options) for p, g, v, options in members]
    population = jax.jit(jax.vmap(scan))(*stack(inputs))
    assert_close(population, stack([(stack(steps), state) for steps, state in loops]))


@pytest.mark.parametrize(
    # A projection moves all weights before it knows how far.
    "row",
    [row for row in OPTIMIZERS if not row.needs_params],
    ids=lambda row: row.name,
)
def test_a_donated_step_is_made_in_place(row):
    params = {"matrix": jnp.zeros([256, 256]), "bias": jnp.zeros(256)}
    tx = row.make(weight_decay=0.25)

    def step(params, state, gradients):
        updates, state = tx.update(gradients, state, params, **extra(row, gradients))
        return optax.apply_updates(params, updates), state

    given = params, tx.init(params)
    lowered = jax.jit(step, donate_argnums=(0, 1)).lower(*given, params)
    memory = lowered.compile().memory_analysis()
    assert memory.alias_size_in_bytes == sum(x.nbytes for x in jax.tree.leaves(given))
    assert memory.temp_size_in_bytes < params["matrix"].nbytes / 10
