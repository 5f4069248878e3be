"""Spheres with leaves that have no gradient, or one that is not a number."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from optax_sign import project_to_sphere, scale_by_sphere_learning_rate

START = {"a": jnp.array([[1.0, -2.0, 0.5]]), "b": jnp.array([0.4, -0.2])}


def test_a_leaf_without_gradient_stays_and_the_others_keep_the_rest_of_the_norm():
    params = {"a": jnp.array([3.0, 4.0]), "b": jnp.array([12.0]), "c": None}
    tx = optax.chain(optax.sgd(0.1), project_to_sphere())
    state = tx.init(params)
    for _ in range(3):
        gradient = {"a": jnp.array([3.0, -1.0]), "b": None, "c": None}
        updates, state = tx.update(gradient, state, params)
        params = {**params, "a": params["a"] + updates["a"]}
        assert updates["b"] is updates["c"] is None
        # 25 of 169 are left, so that roundings of float32 are seven times as large.
        assert float(jnp.linalg.norm(params["a"])) == pytest.approx(5, rel=3e-6)
    # When it moves, too, the sphere is still that of both, and nothing jumps.
    gradient = {"a": jnp.array([1e-3, 0.0]), "b": jnp.array([1e-3]), "c": None}
    updates, state = tx.update(gradient, state, params)
    assert optax.tree.norm(updates) < 2e-4
    assert state[-1].radius == 13


@pytest.mark.parametrize("radius", [None, 2.0])
def test_nan_in_one_leaf_is_seen_on_the_sphere_of_all(radius):
    bad = jax.tree.map(jnp.ones_like, START)
    bad["b"] = bad["b"].at[0].set(jnp.nan)
    rate = scale_by_sphere_learning_rate(0.1, radius=radius)
    _, state = rate.update(bad, rate.init(START), START)
    later, _ = rate.update(jax.tree.map(jnp.ones_like, START), state, START)
    assert np.isnan(later["a"]).all()
    ball = project_to_sphere(radius)
    updates, _ = ball.update(bad, ball.init(START), START)
    assert np.isnan(updates["a"]).all()
