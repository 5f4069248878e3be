"""Residual networks with batch normalisation: a small one in any width, a wide one."""

from collections.abc import Callable
from functools import partial

import jax
from flax import nnx

from experiments.networks.cpu_layers import Conv

HeConv = partial(Conv, use_bias=False, kernel_init=nnx.initializers.he_normal())
GlorotConv = partial(
    Conv, use_bias=False, kernel_init=nnx.initializers.glorot_uniform()
)
# What a running mean keeps of itself in a step, and what is added to the variance.
Norm = partial(nnx.BatchNorm, momentum=0.9, epsilon=1e-5)


class SmallResNet(nnx.Module):
    """ResNet-8 for images of 28 x 28: three units with w, 2w and 4w channels.

    For the claims of the AdaRem paper, whose ResNet-18 has the same units: two
    3 x 3 convolutions, each followed by batch normalisation, with a ReLU after the
    first and after the sum. The second and third unit halve the image, and add a
    normalised 1 x 1 convolution of what they were given. Every convolution is followed
    by batch normalisation, so that all its weights are scale-invariant, exactly so
    where nothing is added to the variances (`epsilon`); it has no bias. 19,810 weights
    for w = 8 and 10 classes, 77,754 for w = 16.
    """

    input_shape = (28, 28, 1)

    def __init__(
        self, num_classes: int, rngs: nnx.Rngs, width: int, epsilon: float = 1e-5
    ):
        norm = partial(Norm, epsilon=epsilon, rngs=rngs)
        self.conv = HeConv(1, width, (3, 3), rngs=rngs)
        self.norm = norm(width)
        shapes = ((1, 1, 1), (1, 2, 2), (2, 4, 2))  # inputs, outputs, stride
        self.units = nnx.List(
            _SmallUnit(i * width, o * width, s, rngs, norm) for i, o, s in shapes
        )
        self.output = nnx.Linear(4 * width, num_classes, rngs=rngs)

    def __call__(self, images: jax.Array) -> jax.Array:
        """Returns logits, [batch, num_classes]."""
        x = nnx.relu(self.norm(self.conv(images)))
        for unit in self.units:
            x = unit(x)
        return self.output(x.mean((1, 2)))


class _SmallUnit(nnx.Module):
    """Two normalised convolutions and what they are added to."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int,
        rngs: nnx.Rngs,
        norm: Callable[[int], nnx.BatchNorm],
    ):
        self.conv_1 = HeConv(inputs, outputs, (3, 3), strides=stride, rngs=rngs)
        self.norm_1 = norm(outputs)
        self.conv_2 = HeConv(outputs, outputs, (3, 3), rngs=rngs)
        self.norm_2 = norm(outputs)
        self.shortcut = nnx.data(None)
        if stride > 1:
            projection = HeConv(inputs, outputs, (1, 1), strides=stride, rngs=rngs)
            self.shortcut = nnx.Sequential(projection, norm(outputs))

    def __call__(self, x: jax.Array) -> jax.Array:
        kept = x if self.shortcut is None else self.shortcut(x)
        x = nnx.relu(self.norm_1(self.conv_1(x)))
        x = self.norm_2(self.conv_2(x))
        return nnx.relu(x + kept)


class WideResNet(nnx.Module):
    """WRN-(6n+4)-k of Zagoruyko & Komodakis (2016), by default WRN-40-4.

    Problem 3 of Dissecting Adam, with 8,972,340 weights for 100 classes. Three groups
    of n units with 16k, 32k and 64k channels; the second and third begin with a stride
    of two. A unit is two 3 x 3 convolutions, each after batch normalisation and ReLU,
    added to what it was given; the first unit of a group adds a 1 x 1 convolution of it
    instead, after the ReLU. The paper names the architecture only. Glorot-uniform
    weights, biases in the last layer alone, from zero, batch normalisation of momentum
    0.9 and epsilon 1e-5 and no dropout are those of `cifar100_wrn404` in DeepOBS, the
    benchmark suite by the paper's authors.
    """

    input_shape = (32, 32, 3)

    def __init__(
        self, num_classes: int, rngs: nnx.Rngs, units: int = 6, widening: int = 4
    ):
        self.conv = GlorotConv(3, 16, (3, 3), rngs=rngs)
        self.units, channels = nnx.List(), 16
        for group, stride in enumerate((1, 2, 2)):
            wide = 16 * widening * 2**group
            self.units.append(_WideUnit(channels, wide, rngs, stride, projects=True))
            for _ in range(units - 1):
                self.units.append(_WideUnit(wide, wide, rngs))
            channels = wide
        self.norm = Norm(channels, rngs=rngs)
        glorot = nnx.initializers.glorot_uniform()
        self.output = nnx.Linear(channels, num_classes, kernel_init=glorot, rngs=rngs)

    def __call__(self, images: jax.Array) -> jax.Array:
        """Returns logits, [batch, num_classes]."""
        x = self.conv(images)
        for unit in self.units:
            x = unit(x)
        x = nnx.relu(self.norm(x)).mean((1, 2))
        return self.output(x)


class _WideUnit(nnx.Module):
    """Two convolutions and what they are added to."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        rngs: nnx.Rngs,
        stride: int = 1,
        projects: bool = False,
    ):
        self.norm_1 = Norm(inputs, rngs=rngs)
        self.conv_1 = GlorotConv(inputs, outputs, (3, 3), strides=stride, rngs=rngs)
        self.norm_2 = Norm(outputs, rngs=rngs)
        self.conv_2 = GlorotConv(outputs, outputs, (3, 3), rngs=rngs)
        self.shortcut = nnx.data(None)
        if projects:
            self.shortcut = GlorotConv(
                inputs, outputs, (1, 1), strides=stride, rngs=rngs
            )

    def __call__(self, x: jax.Array) -> jax.Array:
        active = nnx.relu(self.norm_1(x))
        kept = x if self.shortcut is None else self.shortcut(active)
        x = self.conv_1(active)
        x = self.conv_2(nnx.relu(self.norm_2(x)))
        return x + kept
