"""Networks of dense and convolutional layers, whose gradient has a variance."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx


class Layers(nnx.Module):
    """Layers one after the other, and the shape of an example."""

    def __init__(self, *layers, inputs):
        self.layers = nnx.List(layers)
        self.inputs = inputs

    def __call__(self, x):
        for layer in self.layers:
            x = jnp.tanh(layer(x))
        return x


def dense(features=(6, 5, 4), inputs=(6,), **options):
    rngs = nnx.Rngs(0)
    pairs = zip(features, features[1:], strict=False)
    layers = [nnx.Linear(i, o, rngs=rngs, **options) for i, o in pairs]
    return Layers(*layers, inputs=inputs)


def conv(inputs, window=(3, 3), features=4, **options):
    layer = nnx.Conv(inputs[-1], features, window, rngs=nnx.Rngs(0), **options)
    return Layers(layer, inputs=inputs)


def two_convolutions(**options):
    rngs = nnx.Rngs(0)
    first = nnx.Conv(2, 3, (2, 2), rngs=rngs, **options)
    return Layers(first, nnx.Conv(3, 2, (3, 2), strides=2, rngs=rngs), inputs=(6, 5, 2))


CASES = {
    "mlp": dense,
    "mlp, no bias": lambda: dense(use_bias=False),
    "positions": lambda: dense(inputs=(2, 3, 6)),
    "same, one channel": lambda: conv((6, 5, 1), (5, 5)),
    "valid, no bias": lambda: conv((6, 5, 2), padding="VALID", use_bias=False),
    "strides, even kernel": lambda: conv((7, 6, 2), (4, 2), strides=(2, 3)),
    "padded and cropped": lambda: conv((6, 5, 2), padding=((-1, 2), (3, 0))),
    "one axis, causal": lambda: conv((9, 2), 3, padding="CAUSAL"),
    "three axes": lambda: conv((4, 3, 5, 2), (2, 3, 2)),
    "groups, dilated kernel": lambda: conv(
        (9, 8, 4), features=6, feature_group_count=2, kernel_dilation=(2, 3)
    ),
    "mask, dilated inputs": lambda: conv(
        (4, 5, 2),
        mask=jnp.arange(72.0).reshape(3, 3, 2, 4) % 5 / 2,
        input_dilation=(2, 1),
        padding=((1, 1), (2, 0)),
    ),
    "two convolutions": two_convolutions,
}


def losses_of(model, x, weights):
    """A loss of each example that is not linear in the network's output."""
    y = model(x)
    y = y.reshape(len(y), -1)
    return jnp.sum(jnp.square(y - weights[:, None]) + jnp.sin(3 * y), axis=1)


def make(name, dtype=float, batch=3):
    """A model and a batch; call it where float64 is enabled, if that is the dtype."""
    return prepare(CASES[name](), dtype, batch)


def prepare(model, dtype=float, batch=3):
    """The model with weights of some spread, and a batch for it."""
    graph, params, others = nnx.split(model, nnx.Param, ...)
    rng = np.random.default_rng(0)
    params = jax.tree.map(
        lambda p: jnp.asarray(p + 0.1 * rng.normal(size=p.shape), dtype), params
    )
    x = jnp.asarray(rng.normal(size=(batch, *model.inputs)), dtype)
    weights = jnp.asarray(rng.normal(size=batch), dtype)
    return nnx.merge(graph, params, others), (x, weights)
