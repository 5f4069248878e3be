"""Which leaves a loss does not see the size of, on functions where that is known."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from optax_sign import adarem_s, scale_invariant_mask


class Network(nnx.Module):
    """Convolution, batch normalisation, ReLU and a linear layer."""

    def __init__(self, rngs):
        self.convolution = nnx.Conv(1, 4, (3, 3), strides=2, rngs=rngs)
        self.normalisation = nnx.BatchNorm(4, rngs=rngs)
        self.last = nnx.Linear(64, 3, rngs=rngs)

    def __call__(self, x):
        x = nnx.relu(self.normalisation(self.convolution(x)))
        return self.last(x.reshape(len(x), -1))


@pytest.fixture(scope="module")
def network():
    """The mean cross-entropy of a batch in training mode, the parameters, a batch."""
    graph, params, rest = nnx.split(Network(nnx.Rngs(0)), nnx.Param, ...)
    rng = np.random.default_rng(0)
    images = jnp.asarray(rng.normal(size=(16, 8, 8, 1)), jnp.float32)
    labels = jnp.asarray(rng.integers(0, 3, 16))

    def loss(params, images, labels):
        logits = nnx.merge(graph, params, rest, copy=True)(images)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    return loss, params, images, labels


def selected(mask):
    """The paths of what is True."""
    flat = jax.tree_util.tree_flatten_with_path(mask)[0]
    return {
        ".".join(str(getattr(key, "key", key)) for key in path if hasattr(key, "key"))
        for path, value in flat
        if value
    }


def test_finds_the_weights_before_batch_normalisation(network):
    loss, params, *batch = network
    mask = scale_invariant_mask(loss, params, *batch)
    # Not the bias there, which the loss does not depend on at all, nor the scale and
    # the shift of the normalisation, nor the last layer.
    assert selected(mask) == {"convolution.kernel"}
    assert len(jax.tree.leaves(mask)) == 6
    # Of bools themselves, as optimizers in `nnx.Optimizer` see arrays, not variables.
    assert [*mask] == [*params]
    flags = jax.tree.leaves(mask, is_leaf=lambda node: isinstance(node, nnx.Variable))
    assert {*map(type, flags)} == {bool}


def test_the_mask_drives_adarem_s(network):
    loss, params, *batch = network
    tx = adarem_s(0.1, scale_invariant_mask(loss, params, *batch), weight_decay=1e-3)

    @jax.jit
    def train(params):
        def step(carry, _):
            params, state = carry
            value, gradient = jax.value_and_grad(loss)(params, *batch)
            updates, state = tx.update(gradient, state, params)
            return (optax.apply_updates(params, updates), state), value

        (params, _), losses = jax.lax.scan(step, (params, tx.init(params)), length=60)
        return params, losses

    trained, losses = train(params)
    # Three classes of noise, 16 images: at first about log 3 = 1.1.
    assert losses[-1] < 0.2
    before, after = (
        optax.tree.norm(p["convolution"]["kernel"]) for p in (params, trained)
    )
    # Float32 has 6e-8 a rounding.
    assert float(after) == pytest.approx(float(before), rel=1e-6)


def unit(x):
    return x / jnp.linalg.norm(x)


TARGET = jnp.array([1.0, -2.0, 0.5])
CASES = {
    "normalised": (lambda p: jnp.sum((unit(p["w"]) - TARGET) ** 2), True),
    "plain": (lambda p: jnp.sum((p["w"] - TARGET) ** 2), False),
    "homogeneous": (lambda p: jnp.sum(jnp.abs(p["w"])), False),
    # Flat along w at norm 2 alone, not at other sizes.
    "stationary": (
        lambda p: (jnp.linalg.norm(p["w"]) - 2) ** 2 + unit(p["w"]) @ TARGET,
        False,
    ),
    "epsilon": (
        lambda p: jnp.sum(p["w"] / jnp.sqrt(p["w"] @ p["w"] + 1e-5) * TARGET),
        True,
    ),
    "unused": (lambda p: jnp.sum(unit(p["other"]) * TARGET), False),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("start", [[2.0, 0.0, 0.0], [0.0, 0.0, 0.0]], ids=["", "zeros"])
def test_known_functions(name, start):
    loss, expected = CASES[name]
    params = {"w": jnp.array(start), "other": jnp.array([0.3, 0.4, 1.0])}
    mask = scale_invariant_mask(loss, params)
    assert mask == {"w": expected, "other": name == "unused"}


def test_complex_weights():
    def loss(params):
        direction = params["w"] / jnp.linalg.norm(params["w"])
        return jnp.real(jnp.vdot(TARGET, direction)) + jnp.abs(params["free"][0])

    weights = jnp.array([1.0 + 2.0j, -0.5j, 0.3])
    mask = scale_invariant_mask(loss, {"w": weights, "free": weights})
    assert mask == {"w": True, "free": False}


def test_float16_weights_whose_squares_overflow():
    def loss(params):
        direction = params["w"].astype(jnp.float32)
        return jnp.sum((unit(direction) - 0.1 * jnp.arange(8)) ** 2)

    weights = 50 * jnp.arange(1.0, 9.0)
    for dtype in ("float32", "float16"):
        assert scale_invariant_mask(loss, {"w": weights.astype(dtype)}) == {"w": True}


def test_leaves_that_are_invariant_together_only():
    # ReLU networks: c times one layer and 1/c times the next is the same, but not each.
    def loss(params):
        return jnp.sum((params["a"] * params["b"] - TARGET) ** 2)

    params = {"a": jnp.ones(3), "b": jnp.ones(3)}
    assert scale_invariant_mask(loss, params) == {"a": False, "b": False}

    def ratio(params):
        return jnp.sum(jnp.sin(params["a"] / params["b"].sum()))

    assert scale_invariant_mask(ratio, params) == {"a": False, "b": False}


def test_unusual_leaves():
    def loss(params, target):
        return jnp.sum((unit(params["w"][0]) - target) ** 2) + params["scalar"] ** 2

    params = {
        "w": (jnp.ones(3, jnp.bfloat16), None),
        "scalar": jnp.array(1.0),
        "empty": jnp.zeros((0, 2)),
    }
    mask = scale_invariant_mask(loss, params, TARGET, tolerance=0.02)
    assert mask == {"w": (True, None), "scalar": False, "empty": False}
    assert scale_invariant_mask(lambda params: jnp.array(1.0), {}) == {}


def test_another_key_tries_other_sizes():
    sizes = []

    def loss(params):
        jax.debug.callback(lambda size: sizes.append(float(size)), params["w"][0])
        return unit(params["w"]) @ TARGET

    params = {"w": jnp.array([2.0, 0.0, 1.0])}
    for key in (None, jax.random.key(0), jax.random.key(1)):
        scale_invariant_mask(loss, params, key=key, samples=2)
    jax.effects_barrier()
    assert sizes[:2] == sizes[2:4] != sizes[4:]
    assert all(2 <= size <= 20 for size in sizes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 0}, r"samples must lie in \[1, .*\), got 0"),
        ({"tolerance": 0.0}, r"tolerance must lie in \(0, 1\), got 0\.0"),
        ({"tolerance": 1.0}, r"tolerance .* got 1\.0"),
    ],
)
def test_rejects_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        scale_invariant_mask(lambda p: p @ p, jnp.ones(2), **options)


def test_rejects_a_gradient_that_is_not_finite():
    params = {"a": jnp.zeros(()), "w": jnp.ones(2)}

    def loss(params):  # 0 where the slope is infinite, whatever the size of "a"
        return jnp.sqrt(jnp.abs(0 * params["a"])) + params["w"].sum()

    with pytest.raises(ValueError, match=r"the gradient of loss_fn .* got nan\."):
        scale_invariant_mask(loss, params)


def test_rejects_a_loss_that_is_not_finite():
    with pytest.raises(ValueError, match=r"loss_fn must stay finite .* got nan\."):
        scale_invariant_mask(lambda p: jnp.sum(jnp.log(-p)), jnp.ones(2))
