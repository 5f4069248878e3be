"""The tutorials' steps on E = 3 w₁² + 10 w₂², by optax and by this library."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import optax_sign
from optax_sign import theory

from .reference import tutorials

START = (-15.0, 20.0)


def error(w):
    return 3 * w[0] ** 2 + 10 * w[1] ** 2


def walk(tx, steps=2):
    """The positions w(1) … w(steps), in float64."""
    with jax.enable_x64(True):
        w = jnp.array(START)
        state, path = tx.init(w), []
        for _ in range(steps):
            updates, state = tx.update(jax.grad(error)(w), state, w)
            w = optax.apply_updates(w, updates)
            path.append(np.asarray(w))
    return path


# What is printed, and the same path by the transcription of the tutorial.
DESCENT = (
    [(-14.91, 19.6), (-14.82, 19.21)],
    tutorials.gradient_descent(learning_rate=0.001, steps=2),
)
MOMENTUM = (
    [(-14.91, 19.6), (-14.74, 18.85)],
    tutorials.momentum(learning_rate=0.001, friction=0.9, steps=2),
)
RMSPROP = (
    [(-14.84, 19.84), (-14.73, 19.73)],
    tutorials.rmsprop(learning_rate=0.05, beta=0.9, steps=2),
)


@pytest.mark.parametrize(
    ("tx", "printed"),
    [
        (optax.sgd(0.001), DESCENT),
        (optax_sign.m_sgd(0.001, beta=0.0), DESCENT),
        (optax_sign.adarem(0.001, decay=0.0), DESCENT),
        (optax.chain(optax.trace(0.9), optax.scale(-0.001)), MOMENTUM),
        (optax.sgd(0.001, momentum=0.9), MOMENTUM),
        (optax.rmsprop(0.05, decay=0.9, eps=1e-8, eps_in_sqrt=True), RMSPROP),
    ],
    ids=["sgd", "m_sgd", "adarem", "trace", "momentum", "rmsprop"],
)
def test_printed_vectors(tx, printed):
    digits, path = printed
    walked = walk(tx)
    np.testing.assert_array_equal(np.round(walked, 2), digits)
    # A handful of float64 roundings.
    np.testing.assert_allclose(walked, path[1:], rtol=1e-14)


def test_momentum_gain_on_a_constant_gradient():
    with jax.enable_x64(True):
        assert float(theory.momentum_gain(0.9)) == pytest.approx(10, rel=1e-15)
        tx = optax.trace(0.9)
        gradient = jnp.array([2.0, -3.0])
        _, sums = jax.lax.scan(
            lambda state, _: tx.update(gradient, state)[::-1],
            tx.init(gradient),
            length=400,
        )
        # 0.9^400 < 1e-18 is still to come.
        np.testing.assert_allclose(sums[-1], [20, -30], rtol=1e-13)


def test_adam_takes_the_printed_prefactor_in_its_second_step():
    path = walk(optax.adam(0.5, eps=0.0))
    g, h = ([6 * w[0], 20 * w[1]] for w in (START, path[0]))
    m = 0.1 * (0.9 * np.array(g) + np.array(h))
    s = 0.001 * (0.999 * np.array(g) ** 2 + np.array(h) ** 2)
    prefactor = (path[0] - path[1]) / (0.5 * m / np.sqrt(s))
    np.testing.assert_array_equal(np.round(prefactor, 4), [0.2353, 0.2353])
    # 1 - β₂² = 0.002 is a difference of ones: 1e-16/0.002, twice.
    np.testing.assert_allclose(prefactor, tutorials.adam_prefactor(), rtol=2e-13)


def test_every_sign_method_takes_the_first_step_of_adam():
    # One gradient has no variance: all that is left of Adam is the sign.
    expected = [-14.5, 19.5]
    for tx in (
        optax.adam(0.5, eps=0.0),
        optax_sign.ssd(0.5),
        optax_sign.mas(0.5),
        optax_sign.adam_star(0.5),
        optax_sign.adam_star(0.5, momentum=False, factor="erf"),
    ):
        # Adam's bias corrections leave 1 to a few roundings.
        np.testing.assert_allclose(walk(tx, steps=1)[0], expected, rtol=1e-14)


def test_ideal_step_ends_where_the_slope_along_it_does():
    with jax.enable_x64(True):
        w = jnp.array(START)
        gradient, hessian = jax.grad(error)(w), jax.hessian(error)(w)
        best = theory.ideal_step(gradient, hessian)
        expected = tutorials.ideal_step(np.array([-90.0, 400.0]), tutorials.HESSIAN)
        # A dozen products of float64.
        assert float(best) == pytest.approx(expected, rel=1e-14)
        slope = jax.grad(error)(w - best * gradient) @ gradient
        assert abs(float(slope)) < 1e-12 * float(gradient @ gradient)
