"""AdaRem-S: every leaf goes to its own chain of links."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import optax_sign
from optax_sign import project_to_sphere, scale_by_sphere_learning_rate

from .walks import START, noise, walk

RATE = optax.cosine_decay_schedule(0.2, 300)
DECAY = optax.linear_schedule(0.05, 0.02, 20)


def select_matrices(params):
    return jax.tree.map(lambda p: jnp.ndim(p) == 2, params)


@pytest.mark.parametrize(
    ("selection", "sphere"),
    [
        (select_matrices, {}),
        ({"a": True, "b": False}, {"radius": 2.0, "sphere_scope": "leaf"}),
    ],
    ids=["function", "tree"],
)
def test_routes_every_leaf(selection, sphere):
    start = {k: v.astype(np.float32) for k, v in START.items()}
    gradients = noise(20)
    options = {"beta": 0.8, "decay": 0.9, "decay_every": 2, "eps": 0.01}
    rates = {"learning_rate": 0.05, "weight_decay": 0.1}
    mixed = optax_sign.adarem_s(
        scale_invariant=selection, **rates, **options, **sphere, scope="global"
    )
    path = walk(mixed, start, gradients)

    def alone(tx, name):
        return walk(tx, {name: start[name]}, {name: gradients[name]})[name]

    flat = optax_sign.adarem(**rates, **options, scope="global")
    # XLA may fuse the two programs differently: a few roundings a step.
    np.testing.assert_allclose(path["b"], alone(flat, "b"), rtol=0, atol=1e-5)
    limits = {k.removeprefix("sphere_"): v for k, v in sphere.items()}
    on_sphere = optax.chain(
        optax_sign.scale_by_resilience(**options, scope="global"),
        scale_by_sphere_learning_rate(**rates, **limits),
        project_to_sphere(**limits),
    )
    np.testing.assert_allclose(path["a"], alone(on_sphere, "a"), rtol=0, atol=1e-5)
    masked = optax_sign.adarem_s(
        scale_invariant=selection,
        mask={"a": False, "b": False},
        **rates,
        **options,
        **sphere,
        scope="global",
    )
    other = walk(masked, start, gradients)
    np.testing.assert_allclose(other["a"], path["a"], rtol=0, atol=1e-5)
    undecayed = optax_sign.adarem(0.05, **options, scope="global")
    np.testing.assert_allclose(other["b"], alone(undecayed, "b"), rtol=0, atol=1e-5)


def test_without_resilience_is_sgd_on_the_sphere():
    # λ = 0: a_0 = 1 as nothing is known, and 1 + 0^t b_t later.
    start = {k: v.astype(np.float32) for k, v in START.items()}
    path = walk(
        optax_sign.adarem_s(
            RATE, {"a": True, "b": True}, decay=0.0, weight_decay=DECAY
        ),
        start,
        noise(20),
    )
    plain = walk(
        optax.chain(scale_by_sphere_learning_rate(RATE, DECAY), project_to_sphere()),
        start,
        noise(20),
    )
    # The factor is 1 exactly; XLA may still fuse the two programs differently.
    chex.assert_trees_all_close(path, plain, rtol=1e-6, atol=1e-6)
