"""The oscillation index against its transcription and numbers by hand."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import optax_sign
from optax_sign import oscillation, track_oscillation

from .reference import oscillation as reference


def follow(tx, steps):
    """The updates that come out of ``tx``, and its state after them."""
    state = tx.init(jax.tree.map(lambda x: x[0], steps))
    scan = jax.jit(
        lambda state, steps: jax.lax.scan(
            lambda state, g: tx.update(g, state)[::-1], state, steps
        )
    )
    state, updates = scan(state, steps)
    return jax.device_get((updates, state))


def random_steps(dtype):
    rng = np.random.default_rng(0)
    steps = {
        "scalar": rng.normal(size=(60,)),
        "matrix": rng.normal(size=(60, 2, 3)),
        "still": np.zeros((60, 2)),
        "back": np.tile([[1.0], [-1.0]], (30, 1)),
        "empty": np.zeros((60, 0)),
    }
    return {name: x.astype(dtype) for name, x in steps.items()}


@pytest.mark.parametrize(
    ("dtype", "bound"),
    [
        # Sums of 60 terms of order one, 60 roundings, that come to 0.3 or more.
        (np.float64, 60 * 1.1e-16 / 0.3 * 8),
        (np.float32, 60 * 6e-8 / 0.3 * 8),
    ],
    ids=["float64", "float32"],
)
def test_agrees_with_the_transcription(dtype, bound):
    steps = random_steps(dtype)
    with jax.enable_x64(dtype is np.float64):
        updates, state = follow(track_oscillation(), steps)
        mean, left_out = jax.device_get(oscillation(state))
    leaves = [[x[t] for x in steps.values()] for t in range(60)]
    paths, ways = reference.path_length(leaves), reference.displacement(leaves)
    assert min(way.min() for way in ways[:2]) > 0.3
    for k, name in enumerate(steps):
        np.testing.assert_array_equal(updates[name], steps[name])
        np.testing.assert_allclose(state.path[name], paths[k], rtol=bound)
        way = np.abs(state.displacement[name])
        np.testing.assert_allclose(way, ways[k], rtol=bound)
        assert state.path[name].dtype == state.displacement[name].dtype == dtype
    expected, expected_left_out = reference.mean_q(leaves)
    assert mean == pytest.approx(expected, rel=bound)
    assert left_out == expected_left_out == 3
    assert state.count == 60


def test_by_hand_at_the_end_of_a_chain():
    tx = optax.chain(optax.scale(-2.0), track_oscillation(), optax.identity())
    steps = {"a": np.array([[1.0, 1.0], [-0.5, -1.0]]), "b": np.array([-1.0, -1.0])}
    state = tx.init({"a": jnp.zeros(2), "b": jnp.zeros(())})
    assert math.isnan(oscillation(state).mean) and oscillation(state).left_out == 3
    _, state = follow(tx, jax.tree.map(np.float32, steps))
    # q = 3/1 and 4/4; the second entry of "a" is back where it was.
    assert oscillation(state) == (2.0, 1)


def test_only_what_rounding_may_leave_is_left_out():
    # After 100 steps of size 1 that is sqrt(100) units of 1.2e-7 in a path of 100.
    steps = np.tile(np.array([[1.0], [-1.0]]), (50, 4))
    residue = 10 * 2.0**-23 * 100
    steps[-1] += residue * np.array([0, 0.5, 2, 20])
    _, state = follow(track_oscillation(), np.float32(steps))
    mean, left_out = oscillation(state)
    assert left_out == 2
    expected = np.mean(state.path[2:] / np.abs(state.displacement[2:]))
    # One rounding of a quotient each, and one of their mean.
    np.testing.assert_allclose(mean, expected, rtol=3 * 2**-23)


def test_windows_of_a_partition_are_pooled():
    def make(rate):
        return optax.chain(optax.sgd(rate), track_oscillation())

    tx = optax.partition({"x": make(0.5), "y": make(2.0)}, {"a": "x", "b": "y"})
    steps = {"a": np.array([[1.0, 1.0], [-0.5, 1.0]]), "b": np.array([1.0, 1.0])}
    _, state = follow(tx, jax.tree.map(np.float32, steps))
    # q = 3, 1 and 1.
    np.testing.assert_allclose(oscillation(state).mean, 5 / 3, rtol=1e-6)
    assert oscillation(state).left_out == 0


def test_none_leaves_and_narrow_updates():
    tx = track_oscillation()
    state = tx.init({"a": jnp.zeros(1, jnp.bfloat16), "b": None, "c": jnp.zeros(1)})
    for _ in range(400):
        update = {"a": jnp.ones(1, jnp.bfloat16), "b": None, "c": None}
        returned, state = tx.update(update, state)
    assert returned is update
    # In bfloat16 the sum would stop at 256.
    assert state.path["a"] == state.displacement["a"] == 400
    assert oscillation(state) == (1.0, 1)


def test_members_of_a_population_have_an_index_each():
    tx = optax.chain(optax.sgd(1.0), track_oscillation())
    state = jax.vmap(tx.init)(jnp.zeros([3, 2]))
    for step in ([[1, 1], [1, 1], [1, 0]], [[1, 0], [-0.5, 1], [-0.5, 0]]):
        _, state = jax.vmap(tx.update)(jnp.array(step), state)
    # 2/2 and 1/1, then 1.5/0.5 and 2/2, then 1.5/0.5 alone.
    mean, left_out = jax.vmap(oscillation)(state)
    np.testing.assert_array_equal(mean, [1, 2, 3])
    np.testing.assert_array_equal(left_out, [0, 0, 1])
    sentence = r"^state must be .*jax\.vmap\(oscillation\)\(state\), got .* \(3,\)\.$"
    with pytest.raises(ValueError, match=sentence):
        oscillation(state)


def test_momentum_oscillates_less_than_sgd():
    # A narrow valley at 1.9 times the stable rate: SGD crosses it at every step.
    curvature = jnp.array([1.0, 0.05])

    def measure(optimizer):
        tx = optax.chain(optimizer, track_oscillation())

        def step(carry, _):
            params, state = carry
            updates, state = tx.update(curvature * params, state, params)
            return (optax.apply_updates(params, updates), state), None

        start = jnp.array([1.0, 1.0])
        carry = (start, tx.init(start))
        (_, state), _ = jax.lax.scan(step, carry, length=40)
        return float(oscillation(state).mean)

    # Across the valley, SGD has a path of 1.9 Σ 0.9^t and a displacement of 1 - 0.9^40,
    # so q = 19; along it, q = 1. Round-off of 40 float32 steps.
    assert measure(optax.sgd(1.9)) == pytest.approx(10, rel=1e-5)
    # The average of two neighbours in turn all but cancels.
    assert measure(optax_sign.m_sgd(1.9, 0.5)) < 10 / 3


@pytest.mark.parametrize("state", [(), optax.EmptyState(), optax.sgd(0.1).init(1.0)])
def test_rejects_a_state_without_a_window(state):
    with pytest.raises(ValueError, match="state must hold a TrackOscillationState"):
        oscillation(state)


def test_a_weight_that_came_back_is_left_out_in_spite_of_rounding():
    tx = track_oscillation()
    step = jnp.float32(1e-3)  # no dyadic number: its sums round
    state = tx.init(jnp.zeros(2))
    signs = np.random.default_rng(0).permutation([1.0, -1.0] * 100)
    for sign in signs:  # the first comes back to its start, the second moves on
        _, state = tx.update(step * jnp.array([sign, 1.0]), state)
    measured = oscillation(state)
    assert int(measured.left_out) == 1
    assert float(measured.mean) == pytest.approx(1.0, rel=1e-5)  # 200 float32 roundings
