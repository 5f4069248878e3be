"""Derivatives through a few steps, of the rate and of the start."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from .catalogue import ROWS
from .steps import extra

RATED = [row for row in ROWS if "learning_rate" in row.options]
# The last column is one of a unit without gradient.
INPUTS = np.array([[[1.0, 2.0, 0.0], [0.5, -1.0, 0.0]], [[0.3, -0.4, 0.0]] * 2])
START = np.array([[0.3, -0.2, 0.5], [0.7, 0.4, -0.6]])


def loss(params):
    return sum(jnp.sum((a @ p - 1) ** 2) for a, p in zip(INPUTS, params, strict=True))


def loss_after_steps(row, rate, params):
    tx = row.make(learning_rate=rate)
    state = tx.init(params)
    for _ in range(3):
        gradient = jax.grad(loss)(params)
        more = extra(row, gradient**2 / 8)
        updates, state = tx.update(gradient, state, params, **more)
        params = optax.apply_updates(params, updates)
    return loss(params)


@pytest.mark.parametrize("row", RATED, ids=lambda row: row.name)
def test_derivatives_are_finite_and_equal_to_differences(row):
    with jax.enable_x64(True):
        function = jax.jit(lambda rate, start: loss_after_steps(row, rate, start))
        slopes = jax.jit(jax.grad(lambda *x: loss_after_steps(row, *x), (0, 1)))
        start = jnp.asarray(START)
        of_rate, of_start = slopes(0.01, start)
        h = 1e-6
        differences = [function(0.01 + s * h, start) for s in (1, -1)]
        # Three steps are smooth in the rate: errors of h**2, and 1e-16 / h.
        np.testing.assert_allclose(
            of_rate, (differences[0] - differences[1]) / (2 * h), rtol=1e-6, atol=1e-8
        )
        assert np.isfinite(of_start).all()
        direction = jnp.where(START != 0, np.cos(np.arange(6)).reshape(2, 3), 0)
        ends = [function(0.01, start + s * h * direction) for s in (1, -1)]
        found = jnp.vdot(of_start, direction)
        np.testing.assert_allclose(
            found, (ends[0] - ends[1]) / (2 * h), rtol=1e-6, atol=1e-8
        )


@pytest.mark.parametrize("row", RATED, ids=lambda row: row.name)
def test_zeros_have_finite_derivatives(row):
    def moved(rate, params):
        tx = row.make(learning_rate=rate)
        more = extra(row, jnp.zeros_like(params))
        updates, _ = tx.update(params, tx.init(params), params, **more)
        return jnp.sum(updates)

    for slope in jax.grad(moved, (0, 1))(0.1, jnp.zeros((2, 2))):
        assert np.isfinite(slope).all()
