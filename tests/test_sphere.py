"""Training on spheres: the norm, the equivalence with weight decay, and gaps."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import optax_sign
from optax_sign import project_to_sphere, scale_by_sphere_learning_rate

from .walks import START, noise, norms, walk

OPTIMIZERS = [
    optax.sgd(0.1),
    optax.adam(0.05),
    optax_sign.mas(0.02, weight_decay=0.1),
]


@pytest.mark.parametrize(("radius", "scope"), [(None, "global"), (2.5, "leaf")])
def test_norm_stays_after_any_optimizer(radius, scope):
    start = {k: v.astype(np.float32) for k, v in START.items()}
    for optimizer in OPTIMIZERS:
        tx = optax.chain(optimizer, project_to_sphere(radius, scope))
        path = walk(tx, start, noise(1000))
        for size in norms(path, scope).values():
            # Float32 has 6e-8 a rounding; no error is handed on to the next step.
            np.testing.assert_allclose(size[1:], radius or size[0], rtol=1e-6)
        # It did go somewhere.
        assert np.linalg.norm(path["a"][-1] - path["a"][0]) > 0.1


def test_masked_projection_sees_its_leaves_only():
    start = {k: v.astype(np.float32) for k, v in START.items()}
    mask = {"a": True, "b": False}
    tx = optax.chain(optax.sgd(0.1), optax.masked(project_to_sphere(), mask))
    path = walk(tx, start, noise(50))
    sizes = np.linalg.norm(path["a"].reshape(51, -1), axis=1)
    np.testing.assert_allclose(sizes, sizes[0], rtol=1e-6)  # as above
    free = walk(optax.sgd(0.1), start, noise(50))
    np.testing.assert_array_equal(path["b"], free["b"])


@pytest.mark.parametrize(("unit", "push"), [(1.0, 1e25), (1e-25, 4e-25)])
def test_squares_that_overflow_or_underflow_do_not_lose_the_sphere(unit, push):
    point = unit * jnp.array([3.0, 4.0])
    tx = project_to_sphere()
    updates, _ = tx.update(jnp.array([0.0, -push]), tx.init(point), point)
    after = np.float64(point + updates) / unit
    expected = [0, -5] if push > 1 else [5, 0]
    # A few roundings of float32.
    np.testing.assert_allclose(after, expected, rtol=0, atol=1e-5)


def scale_invariant_loss(params, scope):
    """Of the directions only: a quadratic, and a term that couples the leaves."""
    if scope == "global":
        size = optax.tree.norm(params)
        units = [leaf.ravel() / size for leaf in (params["a"], params["b"])]
    else:
        units = [
            leaf.ravel() / jnp.linalg.norm(leaf) for leaf in (params["a"], params["b"])
        ]
    u = jnp.concatenate(units)
    offset = u - jnp.cos(jnp.arange(u.size))
    return jnp.linspace(0.5, 2, u.size) @ offset**2 / 2 + jnp.sin(u[1]) * u[-1]


STEPS = 300


def rate(t):
    return 0.1 + 0.1 * jnp.cos(jnp.pi * t / STEPS)


def decay(t):
    return 0.05 / (1 + 0.02 * t)


@pytest.mark.parametrize(
    ("rates", "radius", "scope"),
    [
        ((rate, decay), None, "global"),
        ((rate, decay), 0.7, "leaf"),
        ((0.1, 0.02), 3.0, "global"),
        ((0.1, 0.02), None, "leaf"),
    ],
)
def test_follows_weight_decay_in_flat_space(rates, radius, scope):
    tx = optax.chain(
        scale_by_sphere_learning_rate(*rates, radius, scope),
        project_to_sphere(radius, scope),
    )
    learning_rate, weight_decay = (
        r if callable(r) else functools.partial(lambda t, value: value, value=r)
        for r in rates
    )
    gradient = jax.grad(functools.partial(scale_invariant_loss, scope=scope))

    def step(carry, t):
        flat, params, state = carry
        eta, shrink = learning_rate(t), 1 - learning_rate(t) * weight_decay(t)
        flat = jax.tree.map(lambda w, g: shrink * w - eta * g, flat, gradient(flat))
        updates, state = tx.update(gradient(params), state, params)
        params = optax.apply_updates(params, updates)
        return (flat, params, state), (flat, params, state[0].flat_norm)

    with jax.enable_x64(True):
        start = jax.tree.map(jnp.asarray, START)
        carry = (start, start, tx.init(start))
        scan = jax.jit(lambda carry: jax.lax.scan(step, carry, jnp.arange(STEPS)))
        _, (flat, sphere, flat_norm) = jax.device_get(scan(carry))
    for k, size in norms(flat, scope).items():
        shape = (-1, *[1] * START[k].ndim)
        target = radius or norms({k: v[None] for k, v in START.items()}, scope)[k]
        # Round-off of float64, carried along by a loss that contracts it; 1e-9 is
        # what is asked for.
        np.testing.assert_allclose(
            sphere[k] / target, flat[k] / size.reshape(shape), rtol=0, atol=1e-11
        )
        known = flat_norm if scope == "global" else flat_norm[:, list(START).index(k)]
        np.testing.assert_allclose(known, size, rtol=1e-11)
        # The flat norm changes, so a rate without its square could not have followed,
        # and the direction too.
        assert np.ptp(np.log(size)) > 0.2
        assert np.linalg.norm(flat[k][-1] / size[-1] - flat[k][0] / size[0]) > 0.2


@pytest.mark.parametrize("radius", [None, 2.0])
def test_a_leaf_of_zeros_stays_where_it_has_no_direction(radius):
    start = {"a": np.zeros((2, 3), np.float32), "b": np.float32(START["b"])}
    tx = optax.chain(
        scale_by_sphere_learning_rate(0.1, 0.1, radius, "leaf"),
        project_to_sphere(radius, "leaf"),
    )
    # Compiled, as `init` refuses what it sees to start at 0.
    tx = optax.GradientTransformation(jax.jit(tx.init), tx.update)
    path = walk(tx, start, noise(5))
    np.testing.assert_array_equal(path["a"], 0.0)
    assert np.all(np.isfinite(path["b"])) and np.any(path["b"][5] != path["b"][1])


def test_a_sphere_that_starts_at_zero_is_refused_unless_it_is_traced_or_has_a_radius():
    zero, empty = jnp.zeros([2, 3]), jnp.zeros([0, 3])
    params = {"a": zero, "b": jnp.ones(2), "c": empty, "d": None}
    leaf = project_to_sphere(scope="leaf")
    with pytest.raises(ValueError, match=r"^params must .* in params\['a'\]: [^.]*\."):
        leaf.init(params)
    with pytest.raises(ValueError, match=r"^params must not start at 0 .* params: "):
        project_to_sphere().init(zero)
    state = leaf.init({**params, "a": jnp.ones([2, 3])})
    for tx, given in [
        (project_to_sphere(), params),
        (project_to_sphere(1.0, "leaf"), params),
        (optax.masked(leaf, {"a": False, "b": True, "c": True, "d": True}), params),
        (leaf, {"c": empty}),
    ]:
        tx.init(given)
    chex.assert_trees_all_equal(jax.jit(leaf.init)(params), state)
    chex.assert_trees_all_equal(leaf.init(jax.eval_shape(lambda: params)), state)
    # What a trace closes over is seen.
    with pytest.raises(ValueError, match="must not start at 0"):
        jax.eval_shape(lambda: leaf.init(params))


@pytest.mark.parametrize(
    "make", [project_to_sphere, lambda: scale_by_sphere_learning_rate(0.1)]
)
def test_needs_the_parameters(make):
    tx = make()
    with pytest.raises(ValueError, match="params must be given to .* got None"):
        tx.update(START, tx.init(START))


PAIR = {"a": jnp.array([[1.0, -2.0, 0.5]]), "b": jnp.array([0.4, -0.2])}


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
    bad = jax.tree.map(jnp.ones_like, PAIR)
    bad["b"] = bad["b"].at[0].set(jnp.nan)
    rate = scale_by_sphere_learning_rate(0.1, radius=radius)
    _, state = rate.update(bad, rate.init(PAIR), PAIR)
    later, _ = rate.update(jax.tree.map(jnp.ones_like, PAIR), state, PAIR)
    assert np.isnan(later["a"]).all()
    ball = project_to_sphere(radius)
    updates, _ = ball.update(bad, ball.init(PAIR), PAIR)
    assert np.isnan(updates["a"]).all()


@pytest.mark.parametrize("scope", ["global", "leaf"])
@pytest.mark.parametrize("decay", [2.0, 3.0])
def test_a_decay_of_all_leaves_the_gradient_as_the_direction(scope, decay):
    # As a schedule, as numbers of this size are refused.
    tx = scale_by_sphere_learning_rate(lambda step: 0.5, decay, scope=scope)
    params = {"w": jnp.array([[3.0, 4.0]])}
    gradient = {"w": jnp.array([[8.0, -6.0]])}
    state = tx.init(params)
    for _ in range(3):
        updates, state = tx.update(gradient, state, params)
        moved = optax.apply_updates(params, updates)["w"]
        cosine = jnp.vdot(moved, -gradient["w"]) / jnp.linalg.norm(moved) / 10
        assert cosine == pytest.approx(1, abs=1e-6)  # a few roundings of float32


def test_weights_without_gradient_stay_and_then_move():
    # In flat space they would have decayed to 1e-96 of their norm.
    tx = optax.chain(
        scale_by_sphere_learning_rate(0.1, 0.5), optax_sign.project_to_sphere()
    )
    params = {"w": jnp.array([3.0, 4.0])}
    still = jax.tree.map(jnp.zeros_like, params)

    def step(carry, gradient):
        params, state = carry
        updates, state = tx.update(gradient, state, params)
        return (optax.apply_updates(params, updates), state), None

    carry = (params, tx.init(params))
    zeros = jax.tree.map(lambda z: jnp.zeros((4000, *z.shape)), still)
    carry, _ = jax.lax.scan(step, carry, zeros)
    np.testing.assert_allclose(carry[0]["w"], params["w"], rtol=1e-3)
    (moved, _), _ = step(carry, {"w": jnp.array([4.0, -3.0])})
    np.testing.assert_allclose(moved["w"], [-4.0, 3.0], rtol=1e-5)
