"""The networks for CIFAR: their sizes, their statistics, and a few steps of each."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from experiments.data import datasets
from experiments.networks import mlp_and_cnns
from experiments.networks.catalogue import NETWORKS
from experiments.networks.resnets import WideResNet
from experiments.runs import config
from experiments.training.learner import Learner


class Shallow(WideResNet):
    """WRN-10-1: one unit in a group, sixteen channels in the first."""

    def __init__(self, num_classes, rngs):
        super().__init__(num_classes, rngs, units=1, widening=1)


def size(network):
    weights = jax.tree.leaves(nnx.state(network, nnx.Param))
    return sum(leaf.size for leaf in weights)


@pytest.mark.parametrize(
    ("name", "classes", "weights"),
    [
        # 64 and 96 and 128 channels; 6, 3 pixels are left of 32.
        ("p2_cnn", 10, 4864 + 55392 + 110720 + 590336 + 131328 + 2570),
        # 8.9 M in table 4 of Zagoruyko & Komodakis, for either number of classes.
        ("wrn_40_4", 100, 8_972_340),
    ],
)
def test_number_of_weights_and_classes(name, classes, weights):
    network = nnx.eval_shape(lambda: NETWORKS[name](classes, nnx.Rngs(0)))
    assert size(network) == weights
    images = jnp.zeros((2, *network.input_shape))
    assert nnx.eval_shape(lambda x, y: x(y), network, images).shape == (2, classes)


def test_forty_layers():
    network = nnx.eval_shape(lambda: NETWORKS["wrn_40_4"](100, nnx.Rngs(0)))
    kernels = [
        leaf.shape
        for path, leaf in nnx.to_flat_state(nnx.state(network, nnx.Param))
        if path[-1] == "kernel" and "shortcut" not in path
    ]
    assert len(kernels) == 38  # with two shortcuts in the way, forty in all
    assert {shape[-1] for shape in kernels} == {16, 64, 128, 256, 100}
    assert not any("bias" in path and "conv" in str(path) for path, _ in flat(network))


def flat(network):
    return nnx.to_flat_state(nnx.state(network, nnx.Param))


def test_weights_start_as_in_deepobs():
    network = mlp_and_cnns.P2CNN(10, nnx.Rngs(0))
    for layer in (network.conv_2, network.conv_3):
        kernel = np.asarray(layer.kernel[...])
        area, (inputs, outputs) = kernel[..., 0, 0].size, kernel.shape[-2:]
        deviation = np.sqrt(2 / (area * (inputs + outputs)))
        # Three times the standard error of a normal deviation.
        error = 3 * np.sqrt(0.5 / kernel.size)
        assert kernel.std() == pytest.approx(deviation, rel=error)
        assert np.abs(kernel).max() <= 2 * deviation / 0.8796  # cut at two deviations
    kernel = np.asarray(network.hidden_1.kernel[...])
    assert 0 < np.sqrt(6 / sum(kernel.shape)) - np.abs(kernel).max() < 1e-5
    for path, bias in flat(network):
        assert path[-1] != "bias" or not bias[...].any()


def test_a_unit_adds_to_what_it_was_given():
    """With convolutions of zero, a unit is the identity or its shortcut."""
    network = Shallow(10, nnx.Rngs(0))
    first = network.units[0]
    x = jax.random.normal(jax.random.key(0), (2, 8, 8, 16))
    first.conv_2.kernel[...] *= 0
    expected = first.shortcut(nnx.relu(first.norm_1(x)))
    np.testing.assert_array_equal(first(x), expected)
    deep = WideResNet(10, nnx.Rngs(0), units=2, widening=1)
    deep.units[1].conv_2.kernel[...] *= 0
    np.testing.assert_array_equal(deep.units[1](x), x)
    assert [unit.conv_1.strides for unit in deep.units] == [1, 1, 2, 1, 2, 1]


def mocked(classes):
    """Noise in the shape of CIFAR."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (10, 32, 32, 3), np.uint8)
    labels = random.integers(0, classes, 10).astype(np.int32)
    return datasets.Dataset(
        images[:8], labels[:8], images[8:], labels[8:], classes, "standardized"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dataset", "model", "classes"),
    [("cifar10", "p2_cnn", 10), ("cifar100", "wrn_40_4", 100)],
)
def test_a_few_steps(monkeypatch, dataset, model, classes):
    """As in the paper but for the batch and, on CIFAR-100, the depth and the width."""
    monkeypatch.setitem(NETWORKS, "wrn_40_4", Shallow)
    arrays = mocked(classes)
    optimizer = config.Optimizer(
        name="m_svag",
        learning_rate=1e-3,
        schedule=config.Schedule(name="step", boundaries=(0.5,), factor=0.2),
    )
    a_run = config.Run(
        dataset=dataset,
        model=model,
        optimizer=optimizer,
        batch_size=2,
        steps=4,
        eval_every=4,
        augment=True,
        l2=5e-4,
    )
    learner = Learner(a_run, arrays)
    key = jax.random.key(0)
    train_set = jnp.asarray(arrays.train_inputs), jnp.asarray(arrays.train_labels)
    test_set = jnp.asarray(arrays.test_inputs), jnp.asarray(arrays.test_labels)
    start = learner.start(key)
    state, loss = jax.jit(learner.advance)(
        start, key, learner.order(key, 0), *train_set, jnp.int32(3)
    )
    assert np.isfinite(loss)
    moved = jax.tree.map(
        lambda old, new: bool((old != new).any()),
        (start.params, start.other),
        (state.params, state.other),
    )
    assert all(jax.tree.leaves(moved))
    assert bool(jax.tree.leaves(state.other)) == (model == "wrn_40_4")
    measured = jax.jit(learner.evaluate)(state, *train_set, *test_set)
    assert all(np.isfinite(value) for value in measured.values())


def test_evaluation_leaves_statistics_alone_and_uses_them():
    network = Shallow(10, nnx.Rngs(0))
    images = jax.random.normal(jax.random.key(0), (4, 32, 32, 3))

    def statistics():
        return jax.tree.leaves(nnx.state(network, nnx.BatchStat))

    first = [np.asarray(leaf) for leaf in statistics()]
    network(images)
    second = [np.asarray(leaf) for leaf in statistics()]
    assert all((old != new).any() for old, new in zip(first, second, strict=True))
    network.eval()
    together = network(images)
    for old, new in zip(second, statistics(), strict=True):
        np.testing.assert_array_equal(old, new)
    # An image's logits do not depend on the others; float32 sums of some hundred terms.
    np.testing.assert_allclose(network(images[:1]), together[:1], atol=1e-4)
