"""Weights whose gradient stops: how far they walk on, and the link that holds them."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from optax_sign import m_ssd, mas, skip_zero_gradients

ONE = jnp.zeros((3000, 1)).at[0].set(1e-3)


def steps_of(tx, gradients=ONE):
    """The updates of a weight of 1 that follows them."""

    def step(carry, g):
        params, state = carry
        updates, state = tx.update(g, state, params)
        return (optax.apply_updates(params, updates), state), updates

    params = jnp.ones_like(gradients[0])
    return jax.jit(lambda c: jax.lax.scan(step, c, gradients)[1])(
        (params, tx.init(params))
    )


@pytest.mark.parametrize(
    ("make", "steps", "said"),
    [(mas, 1510, "1,510"), (m_ssd, 742, "742")],
)
def test_a_sign_walks_on_as_the_docstring_says(make, steps, said):
    alone, lazy = make(0.125), skip_zero_gradients(make(0.125))
    # Full steps, and then none.
    np.testing.assert_array_equal(steps_of(alone)[:steps], -0.125)
    np.testing.assert_array_equal(steps_of(alone)[steps:], 0)
    assert f"{said} full steps" in make.__doc__
    np.testing.assert_array_equal(steps_of(lazy)[:1], -0.125)
    np.testing.assert_array_equal(steps_of(lazy)[1:], 0)


def test_where_there_is_a_gradient_the_step_is_the_one_of_the_optimizer():
    rng = np.random.default_rng(0)
    gradients = jnp.asarray(rng.normal(size=(50, 4)) * (rng.random((50, 4)) < 0.3))
    make = lambda: optax.adamw(0.1, weight_decay=0.1)  # noqa: E731

    def positions(tx):
        return steps_of(tx, gradients)

    found = positions(skip_zero_gradients(make()))
    np.testing.assert_array_equal(found == 0, gradients == 0)
    # The averages are those of Adam on the same gradients, whatever the weights do.
    state = skip_zero_gradients(make()).init(gradients[0])
    other = make().init(gradients[0])
    for g in gradients[:5]:
        _, state = skip_zero_gradients(make()).update(g, state, g)
        _, other = make().update(g, other, g)
    jax.tree.map(np.testing.assert_array_equal, state, other)


def test_neither_decay_nor_noise_moves_a_weight_without_gradient():
    tx = skip_zero_gradients(mas(0.1, weight_decay=0.5))
    params = {"a": jnp.ones(2), "b": None}
    state = tx.init(params)
    updates, state = tx.update(
        {"a": jnp.array([jnp.nan, 0.0]), "b": None}, state, params
    )
    assert np.isnan(updates["a"][0]) and updates["a"][1] == 0 and updates["b"] is None
