"""Signs and moving averages to the last bit: MaS, M-SSD, M-SGD and signum."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from optax_sign import m_sgd, m_ssd, mas

from .catalogue import ROWS
from .steps import GRADIENTS, PARAMS, VARIANCES, assert_equal, extra, run

both_modes = pytest.mark.parametrize(
    "mode", [lambda f: f, jax.jit], ids=["eager", "jit"]
)


@both_modes
def test_mas_and_m_ssd_are_signum_bit_for_bit(mode):
    rng = np.random.default_rng(0)
    gradients = [jnp.asarray(rng.normal(size=100), jnp.float32) for _ in range(50)]
    rate, beta = 0.01, 0.95
    traces = []
    for tx in (mas(rate), m_ssd(rate, beta), optax.signum(rate, beta)):
        update, params, updates = mode(tx.update), jnp.ones(100), []
        state = tx.init(params)
        for gradient in gradients:
            update_t, state = update(gradient, state, params)
            params = optax.apply_updates(params, update_t)
            updates.append(update_t)
        traces.append((updates, params))
    assert_equal(traces[0], traces[2])
    assert_equal(traces[1], traces[2])
    # Every parameter moves by exactly the rate.
    np.testing.assert_array_equal(np.abs(traces[0][0]), np.float32(rate))


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.takes_sign], ids=lambda row: row.name
)
def test_the_sign_of_zero_is_zero(row):
    gradients = [{**g, "first": g["first"].at[0].set(0)} for g in GRADIENTS]
    steps, _ = run(row, gradients=gradients)
    for updates in steps:
        np.testing.assert_array_equal(updates["first"][0], 0)
        assert np.any(updates["first"][1])


def test_only_a_sign_bounds_the_updates_by_the_rate(row):
    tx = row.make()
    start, variance = tx.init(PARAMS), extra(row, VARIANCES[0])
    _, state = tx.update(GRADIENTS[0], start, PARAMS, **variance)
    huge = jax.tree.map(lambda p: jnp.full_like(p, 1000), PARAMS)
    updates, _ = tx.update(huge, state, PARAMS, **variance)
    rate = row.options.get("learning_rate", 1.0)
    assert bool(jnp.abs(updates["second"]).max() <= rate) is row.takes_sign


@both_modes
def test_the_sign_is_that_of_the_stored_average(mode):
    # Float16 stores 0.1 * 1e-8 as 0; float32 would know its sign.
    tx = m_ssd(1.0, mu_dtype="float16")
    gradient = jnp.array([1e-8, -1e-8, 1.0])
    updates, state = mode(tx.update)(gradient, tx.init(gradient))
    np.testing.assert_array_equal(updates, [0, 0, -1])
    np.testing.assert_array_equal(state[0].ema, jnp.float16([0, 0, 0.1]))


@both_modes
@pytest.mark.parametrize("start", ["float32", "float16"])
def test_the_sign_is_that_of_the_stored_average_for_narrow_gradients(mode, start):
    # Float16 rounds 0.05 * 1e-7 to 0; the average in float32 does not.
    tx = mas(1.0, mu_dtype="float32")
    gradient = jnp.array([1e-7, -1e-7, 0.0], jnp.float16)
    params = jnp.ones(3, start)
    updates, state = mode(tx.update)(gradient, tx.init(params), params)
    assert updates.dtype == jnp.dtype(start)
    np.testing.assert_array_equal(updates, [-1, 1, 0])
    np.testing.assert_array_equal(jnp.sign(state[0].ema), [1, -1, 0])


@both_modes
def test_the_sign_agrees_with_the_stored_average_where_it_cancels(mode):
    tx = m_ssd(1.0, 0.9, mu_dtype="bfloat16")
    rng = np.random.default_rng(0)
    first = jnp.asarray(rng.normal(size=1000), jnp.float32)
    update = mode(tx.update)
    _, state = update(first, tx.init(first))
    average = state[0].ema.astype(jnp.float32)
    updates, state = update(-9 * average, state)
    np.testing.assert_array_equal(updates, -jnp.sign(state[0].ema.astype(jnp.float32)))


@both_modes
def test_momentum_emits_the_stored_average(mode):
    tx = m_sgd(1.0, 0.5, mu_dtype="bfloat16")
    rng = np.random.default_rng(0)
    gradients = jnp.asarray(rng.normal(size=(2, 1000)), jnp.float32)
    update = mode(tx.update)
    _, state = update(gradients[0], tx.init(gradients[0]))
    updates, state = update(gradients[1], state)
    # 1 - beta**2; the division rounds once, and bias correction a few times.
    expected = -state[0].ema.astype(jnp.float32) / 0.75
    np.testing.assert_allclose(updates, expected, rtol=1e-6)


@both_modes
@pytest.mark.parametrize("make", [m_sgd, m_ssd])
def test_a_slow_average_of_bfloat16_gradients_still_moves(make, mode):
    # In bfloat16, 0.999 is 1: an average computed there would never change.
    beta = 0.999
    params = jnp.ones(3, jnp.bfloat16)
    tx = make(1.0, beta)
    _, state = mode(tx.update)(params, tx.init(params))
    assert state[0].ema.dtype == jnp.bfloat16
    np.testing.assert_array_equal(state[0].ema, jnp.full(3, 1 - beta, jnp.bfloat16))
    tx = make(1.0, beta, mu_dtype="float32")
    update, state = mode(tx.update), tx.init(params)
    for _ in range(10):
        _, state = update(params, state)
    for _ in range(10):
        _, state = update(jnp.zeros_like(params), state)
    # Twenty roundings of float32.
    np.testing.assert_allclose(
        state[0].ema, (1 - beta**10) * beta**10, rtol=20 * 2**-23
    )
