"""The wide residual network of Dissecting Adam."""

from functools import partial

import jax
from flax import nnx

from experiments.networks import cpu_layers

Conv = partial(
    nnx.Conv,
    conv_general_dilated=cpu_layers.conv_general_dilated,
    use_bias=False,
    kernel_init=nnx.initializers.glorot_uniform(),
)
# The rest of the running mean, and what is added to the variance.
Norm = partial(nnx.BatchNorm, momentum=0.9, epsilon=1e-5)


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
        self.conv = Conv(3, 16, (3, 3), rngs=rngs)
        self.units, channels = nnx.List(), 16
        for group, stride in enumerate((1, 2, 2)):
            wide = 16 * widening * 2**group
            self.units.append(_Unit(channels, wide, rngs, stride, projects=True))
            for _ in range(units - 1):
                self.units.append(_Unit(wide, wide, rngs))
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


class _Unit(nnx.Module):
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
        self.conv_1 = Conv(inputs, outputs, (3, 3), strides=stride, rngs=rngs)
        self.norm_2 = Norm(outputs, rngs=rngs)
        self.conv_2 = Conv(outputs, outputs, (3, 3), rngs=rngs)
        self.shortcut = nnx.data(None)
        if projects:
            self.shortcut = Conv(inputs, outputs, (1, 1), strides=stride, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        active = nnx.relu(self.norm_1(x))
        kept = x if self.shortcut is None else self.shortcut(active)
        x = self.conv_1(active)
        x = self.conv_2(nnx.relu(self.norm_2(x)))
        return x + kept
