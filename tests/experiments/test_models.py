"""The networks have the shapes and the initial weights of their papers."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from experiments.models import MODELS


@pytest.fixture(scope="module", params=MODELS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def start(name):
    """Makes the network of a seed as a training run does: split inside a jit."""

    @jax.jit
    def split(seed):
        return nnx.split(MODELS[name](10, nnx.Rngs(jax.random.key(seed))))

    return split


@pytest.fixture(scope="module")
def network(start):
    return start(0)


def arrays(weights):
    """Triples such as 'conv_1', 'kernel', array."""
    for layer, parts in nnx.to_pure_dict(weights).items():
        yield from ((layer, kind, np.asarray(part)) for kind, part in parts.items())


def test_number_of_weights(name, network):
    papers = {"mlp": 109_386, "mas_cnn": 1_199_882, "p1_cnn": 3_274_634}
    graph, weights = network
    assert sum(leaf.size for leaf in jax.tree.leaves(weights)) == papers[name]
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(weights))


def test_weights_start_as_in_the_papers(name, network):
    for layer, kind, values in arrays(network[1]):
        if name == "p1_cnn":
            limit, deviation = 0.1, 0.05 * 0.8796  # Of a normal cut at 2 deviations.
        else:
            # Glorot: sqrt(6 / (inputs + outputs)), each times the kernel's area.
            area = values[..., 0, 0].size if kind == "kernel" else 1
            limit = np.sqrt(6 / (area * sum(values.shape[-2:])))
            deviation = limit / np.sqrt(3)
        if kind == "bias":
            np.testing.assert_array_equal(values, np.float32(0.05 * (name == "p1_cnn")))
        else:
            assert np.abs(values).max() <= limit
            # Five times the standard error, 0.6 / sqrt(n) for a normal deviation and
            # less for a uniform one.
            error = 5 * 0.71 / np.sqrt(values.size)
            assert values.std() == pytest.approx(deviation, rel=error), layer


def test_seeds_decide_the_weights(network, start):
    seeds = [arrays(weights) for _, weights in (network, start(0), start(1))]
    for (_, kind, first), (*_, again), (*_, other) in zip(*seeds, strict=True):
        np.testing.assert_array_equal(first, again)
        # Of a million draws with 23 bits, some agree by chance.
        assert kind == "bias" or np.mean(first == other) < 1e-3


def test_number_of_classes(name):
    def logits():
        return MODELS[name](7, nnx.Rngs(0))(jnp.zeros((3, 28, 28, 1)))

    assert jax.eval_shape(logits).shape == (3, 7)


def test_plain_flax_layers_compute_the_same(network, monkeypatch):
    """As they run on other backends."""
    graph, weights = network
    rng = np.random.default_rng(0)
    images, labels = rng.random((3, 28, 28, 1)), rng.integers(0, 10, 3)

    def results(weights):
        def loss(weights):
            logits = nnx.merge(graph, weights)(images)
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
            return losses.mean(), logits

        both = jax.jit(jax.value_and_grad(loss, has_aux=True))(weights)
        return jax.tree.leaves(jax.device_get(both))

    # In float64, since in float32 a rounding decides which of two nearly equal pixels
    # wins a pool, and moves its gradient.
    with jax.enable_x64(True):
        weights = jax.tree.map(lambda leaf: leaf.astype("float64"), weights)
        here = results(weights)
        monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
        there = results(weights)
    for fast, plain in zip(here, there, strict=True):
        # Sums of at most 9216 products, with roundings of 1e-16; measured 3e-16.
        np.testing.assert_allclose(fast, plain, rtol=0, atol=1e-13 * abs(plain).max())
