"""Networks for Fashion-MNIST have the shapes and initial weights of their papers."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jax import lax

from experiments.networks.catalogue import NETWORKS


@pytest.fixture(scope="module", params=["mlp", "mas_cnn", "p1_cnn"])
def name(request):
    return request.param


@pytest.fixture(scope="module")
def start(name):
    """Makes the network of a seed as a training run does: split inside a jit."""

    @jax.jit
    def split(seed):
        return nnx.split(NETWORKS[name](10, nnx.Rngs(jax.random.key(seed))))

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
        return NETWORKS[name](7, nnx.Rngs(0))(jnp.zeros((3, 28, 28, 1)))

    assert jax.eval_shape(logits).shape == (3, 7)


def papers_network(name, weights, x):
    """The same networks in plain lax, which also tests the fast layers in place."""

    def dense(layer, x):
        x = x.reshape(len(x), -1)
        return x @ weights[layer]["kernel"] + weights[layer]["bias"]

    def conv(layer, x, padding):
        dimensions = ("NHWC", "HWIO", "NHWC")
        x = lax.conv_general_dilated(
            x, weights[layer]["kernel"], (1, 1), padding, dimension_numbers=dimensions
        )
        return relu(x + weights[layer]["bias"])

    def pool(x, size, padding):
        window, strides = (1, size, size, 1), (1, 2, 2, 1)
        return lax.reduce_window(x, -jnp.inf, lax.max, window, strides, padding)

    relu = jax.nn.relu
    if name == "mlp":
        return dense("output", relu(dense("hidden_2", relu(dense("hidden_1", x)))))
    if name == "mas_cnn":
        x = pool(conv("conv_2", conv("conv_1", x, "VALID"), "VALID"), 2, "VALID")
    else:
        x = pool(conv("conv_1", x, "SAME"), 3, "SAME")
        x = pool(conv("conv_2", x, "SAME"), 3, "SAME")
    return dense("output", relu(dense("hidden", x)))


def test_networks_compute_what_the_papers_say(name, network):
    graph, weights = network
    rng = np.random.default_rng(0)
    images, labels = rng.random((3, 28, 28, 1)), rng.integers(0, 10, 3)

    def results(forward):
        def loss(weights):
            logits = forward(weights, images)
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
            return losses.mean(), logits

        # In float64, since in float32 a rounding decides which of two nearly equal
        # pixels wins a pool, and moves its gradient. Biases of zero would hide.
        with jax.enable_x64(True):
            exact = jax.tree.map(lambda leaf: leaf.astype("float64") + 0.01, weights)
            both = jax.jit(jax.value_and_grad(loss, has_aux=True))(exact)
            return jax.tree.leaves(jax.device_get(both))

    found = results(lambda weights, x: nnx.merge(graph, weights)(x))
    plain = results(lambda weights, x: papers_network(name, nnx.as_pure(weights), x))
    for fast, expected in zip(found, plain, strict=True):
        # Sums of at most 9216 products with roundings of 1e-16; measured 4e-16.
        bound = 1e-13 * abs(expected).max()
        np.testing.assert_allclose(fast, expected, rtol=0, atol=bound)
