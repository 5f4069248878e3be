"""The small residual network, which of its weights are scale-invariant, and spheres."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jax import lax

from experiments.data import datasets
from experiments.errors import ConfigError
from experiments.networks.functional import Network
from experiments.networks.resnets import SmallResNet
from experiments.runs import config
from experiments.studies.adarem.sphere import Variant, compare
from experiments.training.compatibility import scale_invariant
from experiments.training.learner import Learner
from tests.experiments.messages import assert_one_sentence
from tests.experiments.noise import noise


def kernels(params):
    """The convolutions: leaves of four axes."""
    return [leaf for leaf in jax.tree.leaves(params) if leaf.ndim == 4]


@pytest.mark.parametrize(("name", "width"), [("resnet_8_8", 8), ("resnet_8_16", 16)])
def test_number_of_weights(name, width):
    params, _ = jax.eval_shape(Network(name, 10).start, jax.random.key(0))
    w = width
    taps = 9 * (w + 2 * w * w + (2 + 4) * w * w + (8 + 16) * w * w)
    shortcuts = 2 * w * w + 8 * w * w
    norms = 2 * (w + 2 * w + 3 * 2 * w + 3 * 4 * w)
    size = sum(leaf.size for leaf in jax.tree.leaves(params))
    assert size == taps + shortcuts + norms + 4 * w * 10 + 10
    assert len(kernels(params)) == 9


def written_out(weights, x):
    """The network in training mode, in plain lax."""

    def conv(layer, x, stride=1):
        dimensions = ("NHWC", "HWIO", "NHWC")
        return lax.conv_general_dilated(
            x,
            layer["kernel"],
            (stride, stride),
            "SAME",
            dimension_numbers=dimensions,
        )

    def norm(layer, x):
        mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
        x = (x - mean) / jnp.sqrt(variance + 1e-5)
        return x * layer["scale"] + layer["bias"]

    relu = jax.nn.relu
    x = relu(norm(weights["norm"], conv(weights["conv"], x)))
    for index, unit in sorted(weights["units"].items()):
        stride, kept = (1, x) if index == 0 else (2, None)
        if kept is None:
            projection, normalisation = (unit["shortcut"]["layers"][i] for i in (0, 1))
            kept = norm(normalisation, conv(projection, x, stride))
        x = relu(norm(unit["norm_1"], conv(unit["conv_1"], x, stride)))
        x = relu(norm(unit["norm_2"], conv(unit["conv_2"], x)) + kept)
    return x.mean((1, 2)) @ weights["output"]["kernel"] + weights["output"]["bias"]


def test_the_network_is_what_it_says():
    graph, params, other = nnx.split(
        SmallResNet(5, nnx.Rngs(0), width=2), nnx.Param, ...
    )
    with jax.enable_x64(True):
        # Biases of zero would hide.
        params, other = (
            jax.tree.map(lambda x: x.astype("float64") + 0.01, nnx.as_pure(each))
            for each in (params, other)
        )
        x = jnp.asarray(np.random.default_rng(0).normal(size=(4, 28, 28, 1)))

        def found(params):
            return nnx.merge(graph, params, other, copy=True)(x)

        (one, slope), (two, expected) = (
            jax.jit(jax.value_and_grad(lambda p, f=forward: jnp.sum(f(p) ** 2)))(params)
            for forward in (found, lambda p: written_out(p, x))
        )
        assert jax.eval_shape(found, params).shape == (4, 5)
        one, two, slope, expected = jax.device_get((one, two, slope, expected))
    # Eight layers of sums of at most 3136 products, roundings of 1e-16 each; variances
    # are taken as E[x²] - E[x]² here and as E[(x - E[x])²] there.
    np.testing.assert_allclose(one, two, rtol=1e-11)
    for a, b in zip(jax.tree.leaves(slope), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10 * abs(b).max())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet_8_8", "resnet_8_16"])
def test_exactly_what_batch_normalisation_follows_is_scale_invariant(name):
    mask = scale_invariant(Network(name, 10), noise(64))
    flat, _ = jax.tree_util.tree_flatten_with_path(mask)
    for path, selected in flat:
        names = [str(getattr(key, "key", key)) for key in path]
        followed = names[-1] == "kernel" and names[0] != "output"
        assert selected == followed, names
    assert sum(selected for _, selected in flat) == 9


def test_adarem_s_keeps_the_norm_of_the_convolutions_and_moves_all():
    optimizer = config.Optimizer(
        name="adarem_s", learning_rate=0.1, options=(("weight_decay", 0.01),)
    )
    run = config.Run(model="resnet_8_8", optimizer=optimizer, batch_size=8, steps=3)
    key, dataset = jax.random.key(0), noise(64)
    made = Learner(run, dataset)
    start = made.start(key)
    state, _ = jax.jit(made.advance)(
        start,
        key,
        jnp.arange(64),
        jnp.asarray(dataset.train_inputs),
        jnp.asarray(dataset.train_labels),
        jnp.int32(3),
    )
    norms = [float(optax.tree.norm(kernels(s.params))) for s in (start, state)]
    # Float32 roundings of three projections.
    assert norms[1] == pytest.approx(norms[0], rel=1e-6)
    for before, after in zip(
        jax.tree.leaves(start.params), jax.tree.leaves(state.params), strict=True
    ):
        assert (before != after).any()
    # One average a weight, its maximum a leaf, two numbers of the sphere, and counts.
    leaves = jax.tree.leaves(start.params)
    least = 4 * sum(leaf.size for leaf in leaves) + 4 * len(leaves)
    assert least + 8 < made.state_bytes < least + 64


def text(streams=50, length=100):
    """Characters without meaning, in as many streams as the recurrent network reads."""
    characters = np.random.default_rng(0).integers(0, 5, (streams, length), np.uint8)
    labels = characters.astype(np.int32)
    return datasets.Dataset(characters, labels, characters, labels, 5, "characters")


@pytest.mark.parametrize("model", ["mlp", "char_lstm"])
def test_adarem_s_refuses_a_network_without_normalisation(model):
    optimizer = config.Optimizer(name="adarem_s", learning_rate=0.1)
    recurrent = model == "char_lstm"
    dataset = text() if recurrent else noise(64)
    run = config.Run(
        dataset="war_and_peace" if recurrent else "fashion_mnist",
        model=model,
        optimizer=optimizer,
        batch_size=50,
        shuffle=not recurrent,
        steps=3,
    )
    with pytest.raises(ConfigError, match="normalisation layers") as error:
        Learner(run, dataset)
    assert_one_sentence(str(error.value))


def batches(steps):
    """Eight small images each."""
    random = np.random.default_rng(0)
    return random.normal(size=(steps, 8, 8, 8, 1)), random.integers(0, 10, (steps, 8))


@pytest.mark.slow
@pytest.mark.parametrize(
    "variant", [Variant(0.0, None, "global"), Variant(0.0, 3.0, "leaf")]
)
def test_the_sphere_rate_walks_through_the_networks_of_flat_space(variant):
    network = SmallResNet(10, nnx.Rngs(0), width=2, epsilon=variant.epsilon)
    found = compare(network, *batches(100), variant)
    for values in (found.direction, found.loss, found.prediction):
        # Measured 1e-13: float64 round-off, magnified by a hundred steps.
        assert float(values.max()) < 1e-8
    assert float(found.shrinkage[-1]) < 0.97


def test_epsilon_in_the_variances_separates_the_networks():
    variant = Variant(1e-5, None, "global")
    network = SmallResNet(10, nnx.Rngs(0), width=2, epsilon=1e-5)
    found = compare(network, *batches(20), variant)
    assert float(found.direction.max()) > 1e-8
