"""Paths under given gradients, compiled as one scan, and their norms."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

START = {
    "a": np.array([[1.0, -2.0, 0.5], [0.3, 1.1, -0.7]]),
    "b": np.array([0.4, -0.2, 0.9, 1.5]),
}


def norms(path, scope):
    """At each step of a path, for each leaf, the norm of its sphere."""
    squares = {
        name: np.square(leaf, dtype=float).reshape(len(leaf), -1).sum(axis=1)
        for name, leaf in path.items()
    }
    if scope == "global":
        squares = dict.fromkeys(squares, sum(squares.values()))
    return {name: np.sqrt(square) for name, square in squares.items()}


def walk(tx, start, gradients):
    """All positions under given gradients, the start included."""

    def step(carry, g):
        params, state = carry
        updates, state = tx.update(g, state, params)
        params = optax.apply_updates(params, updates)
        return (params, state), params

    path = jax.jit(lambda carry: jax.lax.scan(step, carry, gradients)[1])
    path = path((start, tx.init(start)))
    return jax.tree.map(lambda first, rest: np.stack([first, *rest]), start, path)


def noise(steps, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return {
        k: rng.normal(size=(steps, *v.shape)).astype(dtype) for k, v in START.items()
    }


def scan(tx, gradients, variances=None):
    """Updates and states of all steps, from parameters of 1 that follow them."""
    params = jax.tree.map(lambda g: jnp.ones(g.shape[1:], g.dtype), gradients)
    tx = optax.with_extra_args_support(tx)

    def step(carry, inputs):
        params, state = carry
        g, v = inputs
        updates, state = tx.update(g, state, params, variance=v)
        return (optax.apply_updates(params, updates), state), (updates, state)

    inputs = (gradients, gradients if variances is None else variances)
    return jax.lax.scan(step, (params, tx.init(params)), inputs)[1]
