"""A small residual network with batch normalisation, in any width."""

from collections.abc import Callable
from functools import partial

import jax
from flax import nnx

from experiments.networks import cpu_layers

Conv = partial(
    nnx.Conv,
    conv_general_dilated=cpu_layers.conv_general_dilated,
    use_bias=False,
    kernel_init=nnx.initializers.he_normal(),
)
# What a running mean keeps of itself in a step.
Norm = partial(nnx.BatchNorm, momentum=0.9)


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
        self.conv = Conv(1, width, (3, 3), rngs=rngs)
        self.norm = norm(width)
        self.units = nnx.List(
            [
                _Unit(width, width, 1, rngs, norm),
                _Unit(width, 2 * width, 2, rngs, norm),
                _Unit(2 * width, 4 * width, 2, rngs, norm),
            ]
        )
        self.output = nnx.Linear(4 * width, num_classes, rngs=rngs)

    def __call__(self, images: jax.Array) -> jax.Array:
        """Returns logits, [batch, num_classes]."""
        x = nnx.relu(self.norm(self.conv(images)))
        for unit in self.units:
            x = unit(x)
        return self.output(x.mean((1, 2)))


class _Unit(nnx.Module):
    """Two normalised convolutions and what they are added to."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int,
        rngs: nnx.Rngs,
        norm: Callable[[int], nnx.BatchNorm],
    ):
        self.conv_1 = Conv(inputs, outputs, (3, 3), strides=stride, rngs=rngs)
        self.norm_1 = norm(outputs)
        self.conv_2 = Conv(outputs, outputs, (3, 3), rngs=rngs)
        self.norm_2 = norm(outputs)
        self.shortcut = nnx.data(None)
        if stride > 1:
            projection = Conv(inputs, outputs, (1, 1), strides=stride, rngs=rngs)
            self.shortcut = nnx.Sequential(projection, norm(outputs))

    def __call__(self, x: jax.Array) -> jax.Array:
        kept = x if self.shortcut is None else self.shortcut(x)
        x = nnx.relu(self.norm_1(self.conv_1(x)))
        x = self.norm_2(self.conv_2(x))
        return nnx.relu(x + kept)
