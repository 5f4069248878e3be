"""Hyperball: the norm, the angle of a step, and whatever gives the direction."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import optax_sign
from optax_sign import hyperball, project_to_sphere

from .catalogue import matrices
from .reference import sphere
from .walks import norms, walk

KERNELS = {
    "a": np.float32([[1.0, -2.0, 0.5], [0.3, 1.1, -0.7]]),
    "b": np.float32([[2.0], [-1.0]]),
}


def every_matrix(params):
    return jax.tree.map(lambda _: optax.contrib.MuonDimensionNumbers(), params)


INNERS = {
    "adam": optax.scale_by_adam(),
    "mas": optax.chain(optax_sign.mas(1.0), optax.scale(-1.0)),
    "muon": optax.contrib.scale_by_muon(weight_dimension_numbers=every_matrix),
    "resilience": optax_sign.scale_by_resilience(),
    "variance": optax_sign.scale_by_variance_adaptation(variance="mini_batch"),
}
every_inner = pytest.mark.parametrize("inner", INNERS.values(), ids=INNERS)


def noise(steps, dtype=np.float32, start=KERNELS):
    rng = np.random.default_rng(0)
    return {
        k: rng.normal(size=(steps, *v.shape)).astype(dtype) for k, v in start.items()
    }


def given_variance(tx):
    """Give the extra argument that some directions ask for."""
    tx = optax.with_extra_args_support(tx)

    def update(updates, state, params=None):
        variance = jax.tree.map(jnp.square, updates)
        return tx.update(updates, state, params, variance=variance)

    return optax.GradientTransformation(tx.init, update)


def rate(t):
    return 0.2 / (1 + 0.1 * t)


@every_inner
def test_norm_stays_for_a_thousand_steps(inner):
    path = walk(given_variance(hyperball(inner, 0.05)), KERNELS, noise(1000))
    for size in norms(path, "leaf").values():
        # Float32 has 6e-8 a rounding; no error is handed on to the next step.
        np.testing.assert_allclose(size, size[0], rtol=1e-6)
    # It did go somewhere.
    assert np.linalg.norm(path["a"][-1] - path["a"][0]) > 0.1


@every_inner
def test_follows_the_transcription_along_any_direction(inner):
    gradients = noise(40, np.float64)
    with jax.enable_x64(True):
        start = jax.tree.map(lambda p: jnp.asarray(p, jnp.float64), KERNELS)
        path = walk(given_variance(hyperball(inner, rate)), start, gradients)

        def step(state, g):
            direction, state = given_variance(inner).update(g, state, start)
            return state, direction

        # None of them looks at the parameters, so all directions are known before.
        _, directions = jax.lax.scan(step, inner.init(start), gradients)
    updates = sphere.hyperball(
        [start[k] for k in KERNELS],
        [[directions[k][t] for k in KERNELS] for t in range(40)],
        learning_rate=rate,
    )
    for k, steps in zip(KERNELS, zip(*updates, strict=True), strict=True):
        expected = np.cumsum([start[k], *steps], axis=0)
        # Forty steps, a few roundings of float64 each, on numbers of size 1.
        np.testing.assert_allclose(path[k], expected, rtol=0, atol=1e-13)


def distances(params):
    """Of each direction from that of (1, cos 1, cos 2, …), as 1 - cosine."""

    def leaf(p):
        target = jnp.cos(jnp.arange(p.size)).reshape(p.shape)
        return 1 - jnp.vdot(p, target) / jnp.linalg.norm(p) / jnp.linalg.norm(target)

    return jax.tree.map(leaf, params)


@every_inner
def test_goes_down_a_loss_of_the_directions(inner):
    tx = given_variance(hyperball(inner, optax.linear_schedule(0.1, 0.0, 300)))
    gradient = jax.grad(lambda params: sum(jax.tree.leaves(distances(params))))

    def step(carry, _):
        params, state = carry
        updates, state = tx.update(gradient(params), state, params)
        return (optax.apply_updates(params, updates), state), None

    start = jax.tree.map(jnp.asarray, KERNELS)
    (params, _), _ = jax.lax.scan(step, (start, tx.init(start)), length=300)
    # The slowest momentum remembers 20 steps, and 20 before the end the rate is 7e-3. A
    # distance is half the square of an angle; of three such steps, 2e-4.
    assert max(distances(params).values()) < 2e-4
    assert min(distances(start).values()) > 0.1


@pytest.mark.parametrize("learning_rate", [0.3, rate])
def test_a_tangent_step_turns_by_the_arc_tangent_of_the_rate(learning_rate):
    def tangent(gradients, params):
        def leaf(g, p):
            return g - jnp.vdot(g, p) / jnp.vdot(p, p) * p

        return jax.tree.map(leaf, gradients, params)

    # It needs the parameters, which the chain has to hand to it.
    with jax.enable_x64(True):
        tx = hyperball(optax.stateless(tangent), learning_rate)
        start = jax.tree.map(lambda p: jnp.asarray(p, jnp.float64), KERNELS)
        path = walk(tx, start, noise(30, np.float64))
    rates = [learning_rate(t) if callable(learning_rate) else 0.3 for t in range(30)]
    for points in path.values():
        flat = points.reshape(31, -1)
        cosines = np.sum(flat[1:] * flat[:-1], axis=1) / np.sum(flat[0] ** 2)
        # A few roundings of float64 in the cosine, enlarged by 1/sin of 0.05 at least.
        np.testing.assert_allclose(np.arccos(cosines), np.arctan(rates), atol=1e-13)


@pytest.mark.parametrize("power", [-80, 3, 80])
def test_neither_the_size_of_directions_nor_that_of_weights_matters(power):
    # Powers of two change no digit; the square of 2**80 overflows in float32.
    unit = np.float32(2.0**power)
    path = walk(hyperball(optax.identity(), rate), KERNELS, noise(20))
    scaled = walk(hyperball(optax.scale(unit), rate), KERNELS, noise(20))
    start = jax.tree.map(lambda p: unit * p, KERNELS)
    larger = walk(hyperball(optax.identity(), rate), start, noise(20))
    chex.assert_trees_all_equal(scaled, path)
    chex.assert_trees_all_equal(larger, jax.tree.map(lambda p: unit * p, path))


@pytest.mark.parametrize("size", [6e-8, 2e4])
def test_float16_turns_as_far_as_float32_at_any_size(size):
    # The smallest number, and one whose square float16 cannot hold.
    params = jnp.array([[3.0, -4.0], [1.0, 2.0]])
    tx = hyperball(optax.identity(), 0.25)
    expected, _ = tx.update(jnp.ones([2, 2]), tx.init(params), params)
    narrow = params.astype(jnp.float16)
    updates, _ = tx.update(jnp.full([2, 2], size, "float16"), tx.init(narrow), narrow)
    # Float16 rounds numbers below 1 by 2**-12: once the step, once what is emitted.
    np.testing.assert_allclose(updates, expected, rtol=0, atol=2**-11)


def test_equals_the_chain_of_known_links_where_these_do():
    known = optax.chain(
        optax.scale_by_adam(),
        optax.scale_by_trust_ratio(),
        optax.scale_by_learning_rate(rate),
        project_to_sphere(scope="leaf"),
    )
    path = walk(hyperball(optax.scale_by_adam(), rate), KERNELS, noise(50))
    expected = walk(known, KERNELS, noise(50))
    # Fifty steps, each with a few roundings of float32.
    chex.assert_trees_all_close(path, expected, rtol=0, atol=2e-5)


def test_leaves_at_zero_and_leaves_without_direction_stay():
    start = {**KERNELS, "bias": np.zeros(3, np.float32)}
    gradients = noise(5, start=start)
    gradients["b"][:] = 0
    tx = hyperball(optax.scale_by_adam(), 0.1)
    with pytest.raises(ValueError, match=r"^params must not start at 0 .*'bias'"):
        tx.init(start)
    tx = optax.GradientTransformation(jax.jit(tx.init), tx.update)
    path = walk(tx, start, gradients)
    np.testing.assert_array_equal(path["bias"], 0)
    # The projection multiplies by R/‖θ‖, which is 1 but for two roundings.
    np.testing.assert_allclose(path["b"], np.stack([start["b"]] * 6), rtol=1e-6)
    assert np.abs(path["a"][5] - path["a"][0]).max() > 0.1


def test_a_partition_gives_the_rest_to_another_optimizer():
    start = {**KERNELS, "bias": np.zeros(3, np.float32)}
    kernels = hyperball(optax.scale_by_adam(), 0.1)
    tx = optax.partition({True: kernels, False: optax.adam(0.01)}, matrices)
    gradients = noise(20, start=start)
    path = walk(tx, start, gradients)
    alone = walk(kernels, KERNELS, noise(20))
    rest = walk(optax.adam(0.01), {"bias": start["bias"]}, {"bias": gradients["bias"]})
    # XLA may fuse the programs differently: a few roundings a step.
    chex.assert_trees_all_close(path, {**alone, **rest}, rtol=0, atol=1e-5)


def test_the_rate_can_be_injected_as_number_and_as_schedule():
    direction = optax.scale_by_adam()
    for learning_rate in (0.1, rate):
        tx = optax.inject_hyperparams(hyperball)(direction, learning_rate)
        path = walk(tx, KERNELS, noise(10))
        plain = walk(hyperball(direction, learning_rate), KERNELS, noise(10))
        chex.assert_trees_all_close(path, plain, rtol=0, atol=1e-5)  # as above
        assert set(tx.init(KERNELS).hyperparams) == {"learning_rate"}


def test_adds_one_number_a_leaf_to_the_state_of_the_direction():
    def floats(tx):
        leaves = jax.tree.leaves(tx.init(KERNELS))
        return sum(x.size for x in leaves if jnp.issubdtype(x.dtype, jnp.floating))

    for inner in INNERS.values():
        assert floats(hyperball(inner, 0.1)) == floats(inner) + len(KERNELS)


@pytest.mark.parametrize(
    "optimizer",
    [
        optax.adam(1.0),
        optax.adam(optax.linear_schedule(0.0, 1.0, 10)),
        optax_sign.mas(1.0),
        optax.contrib.muon(0.1),
    ],
    ids=["adam", "warm-up", "mas", "muon"],
)
def test_a_whole_optimizer_is_refused(optimizer):
    with pytest.raises(ValueError, match=r"^inner must emit directions, .*\.$"):
        hyperball(optimizer, 0.1).init(KERNELS)
    hyperball(optax.chain(optimizer, optax.scale(-1.0)), 0.1).init(KERNELS)


def test_says_in_a_sentence_what_is_missing():
    with pytest.raises(ValueError, match=r"^inner must be an .*, got <function .*>\.$"):
        hyperball(optax.scale_by_adam, 0.1)
    with pytest.raises(ValueError, match=r"^learning_rate must lie .*, got -0\.1\.$"):
        hyperball(optax.scale_by_adam(), -0.1)
    tx = hyperball(optax.scale_by_adam(), 0.1)
    with pytest.raises(ValueError, match=r"^params must be given to hyperball"):
        tx.update(KERNELS, tx.init(KERNELS))
