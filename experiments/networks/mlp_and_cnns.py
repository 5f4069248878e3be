"""The dense and convolutional networks of the papers."""

from functools import partial

import jax
from flax import nnx

from experiments.networks import cpu_layers
from experiments.networks.cpu_layers import Conv

_overlapping_pool = partial(
    cpu_layers.max_pool, window_shape=(3, 3), strides=(2, 2), padding="SAME"
)


class MLP(nnx.Module):
    """784-128-64-10 with ReLU, Figure 1 of the MaS paper: 109,386 weights."""

    input_shape = (28, 28, 1)

    def __init__(self, num_classes: int, rngs: nnx.Rngs):
        # The paper's networks are Keras's: Glorot-uniform weights, zero biases.
        linear = partial(
            nnx.Linear, kernel_init=nnx.initializers.glorot_uniform(), rngs=rngs
        )
        self.hidden_1 = linear(28 * 28, 128)
        self.hidden_2 = linear(128, 64)
        self.output = linear(64, num_classes)

    def __call__(self, images: jax.Array) -> jax.Array:
        """Returns logits, [batch, num_classes]."""
        x = images.reshape(len(images), -1)
        x = nnx.relu(self.hidden_1(x))
        x = nnx.relu(self.hidden_2(x))
        return self.output(x)


class MasCNN(nnx.Module):
    """Two unpadded 3x3 convolutions, Figure 2 of the MaS paper: 1,199,882 weights."""

    input_shape = (28, 28, 1)

    def __init__(self, num_classes: int, rngs: nnx.Rngs):
        glorot = nnx.initializers.glorot_uniform()
        conv = partial(Conv, padding="VALID", kernel_init=glorot, rngs=rngs)
        linear = partial(nnx.Linear, kernel_init=glorot, rngs=rngs)
        self.conv_1 = conv(1, 32, (3, 3))
        self.conv_2 = conv(32, 64, (3, 3))
        self.hidden = linear(12 * 12 * 64, 128)
        self.output = linear(128, num_classes)

    def __call__(self, images: jax.Array) -> jax.Array:
        """Returns logits, [batch, num_classes]."""
        x = nnx.relu(self.conv_1(images))
        x = nnx.relu(self.conv_2(x))
        x = cpu_layers.max_pool(x, (2, 2), strides=(2, 2))
        x = nnx.relu(self.hidden(x.reshape(len(x), -1)))
        return self.output(x)


class P1CNN(nnx.Module):
    """Two 5x5 convolutions with overlapping pools, problem 1 of Dissecting Adam.

    3,274,634 weights. The paper does not say how they are initialised. These are the
    values of the network of this shape in DeepOBS, the benchmark suite by the paper's
    authors: normal weights of deviation 0.05, cut at two deviations, and biases 0.05.
    """

    input_shape = (28, 28, 1)

    def __init__(self, num_classes: int, rngs: nnx.Rngs):
        start = dict(
            kernel_init=nnx.initializers.truncated_normal(0.05),
            bias_init=nnx.initializers.constant(0.05),
            rngs=rngs,
        )
        self.conv_1 = Conv(1, 32, (5, 5), **start)
        self.conv_2 = Conv(32, 64, (5, 5), **start)
        self.hidden = nnx.Linear(7 * 7 * 64, 1024, **start)
        self.output = nnx.Linear(1024, num_classes, **start)

    def __call__(self, images: jax.Array) -> jax.Array:
        """Returns logits, [batch, num_classes]."""
        x = _overlapping_pool(nnx.relu(self.conv_1(images)))
        x = _overlapping_pool(nnx.relu(self.conv_2(x)))
        x = nnx.relu(self.hidden(x.reshape(len(x), -1)))
        return self.output(x)


class P2CNN(nnx.Module):
    """Three convolutions with overlapping pools, problem 2 of Dissecting Adam.

    895,210 weights. Paddings and initial weights, which the paper does not give, are
    those of this network in DeepOBS (`cifar10_3c3d`): no padding in the first two
    convolutions, Glorot-normal convolutions, Glorot-uniform layers, zero biases.
    """

    input_shape = (32, 32, 3)

    def __init__(self, num_classes: int, rngs: nnx.Rngs):
        conv = partial(Conv, kernel_init=nnx.initializers.glorot_normal(), rngs=rngs)
        linear = partial(
            nnx.Linear, kernel_init=nnx.initializers.glorot_uniform(), rngs=rngs
        )
        self.conv_1 = conv(3, 64, (5, 5), padding="VALID")
        self.conv_2 = conv(64, 96, (3, 3), padding="VALID")
        self.conv_3 = conv(96, 128, (3, 3))
        self.hidden_1 = linear(3 * 3 * 128, 512)
        self.hidden_2 = linear(512, 256)
        self.output = linear(256, num_classes)

    def __call__(self, images: jax.Array) -> jax.Array:
        """Returns logits, [batch, num_classes]."""
        x = images
        for conv in (self.conv_1, self.conv_2, self.conv_3):
            x = _overlapping_pool(nnx.relu(conv(x)))
        x = nnx.relu(self.hidden_1(x.reshape(len(x), -1)))
        x = nnx.relu(self.hidden_2(x))
        return self.output(x)
