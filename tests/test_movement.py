"""Steps that vanish: what narrow parameters make of an update."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from optax_sign import (
    keep_master_copy,
    mas,
    oscillation,
    track_oscillation,
    vanishing_steps,
)

START = jnp.array([0.05, 0.2, 0.3, 1.0, 2.0], "bfloat16")


def train(tx, params, steps=1000):
    def step(carry, _):
        params, state = carry
        updates, state = tx.update(jnp.ones_like(params), state, params)
        return (optax.apply_updates(params, updates), state), None

    carry = (params, tx.init(params))
    return jax.jit(lambda c: jax.lax.scan(step, c, length=steps)[0])(carry)


def test_weights_that_stand_still_are_unmoved():
    params, state = train(optax.chain(mas(), track_oscillation()), START)
    moved = params != START
    np.testing.assert_array_equal(moved, [True, False, False, False, False])
    found = oscillation(state)
    assert (found.mean, found.left_out) == (1.0, 4)
    way = state[1].displacement
    np.testing.assert_array_equal(way, np.float32(params) - np.float32(START))
    np.testing.assert_array_equal(state[1].path, np.abs(way))


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_the_displacement_is_what_lies_between_start_and_end(dtype):
    start = jnp.asarray([0.1, 30.0, 3e4], dtype)
    params, state = train(optax.chain(mas(0.05), track_oscillation()), start)
    # Sums of 1000 roundings of float32.
    np.testing.assert_allclose(
        state[1].displacement, np.float32(params) - np.float32(start), rtol=1000 * 6e-8
    )
    assert oscillation(state).left_out == (1 if dtype == "float16" else 0)


def test_a_master_copy_moves_what_is_tracked():
    tx = optax.chain(keep_master_copy(mas()), track_oscillation())
    _, state = train(tx, START)
    assert oscillation(state) == (1.0, 0)


def test_the_share_of_vanishing_steps_by_hand():
    params = {
        "narrow": jnp.array([0.05, 0.2, 1.0, 2.0], "bfloat16"),
        "wide": jnp.array([1.0, 1e4]),
        "none": None,
        "still": jnp.ones(2, "bfloat16"),
    }
    updates = {
        "narrow": jnp.array([2e-4, 2e-4, 2e-4, 0.0], "bfloat16"),
        "wide": jnp.array([2e-4, 2e-4]),
        "none": None,
        "still": None,
    }
    for function in (vanishing_steps, jax.jit(vanishing_steps)):
        share = function(params, updates)
        # Two of bfloat16 and one of float32, of eight parameters.
        assert (share, share.dtype, share.shape) == (3 / 8, jnp.float32, ())
    assert vanishing_steps({}, {}) == 0
