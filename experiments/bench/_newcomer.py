"""The training step as a newcomer writes it: plain Flax layers, `nnx.jit`, one loop.

Runs in JAX's own environment, without the settings of :mod:`experiments.environment`.
"""

import json
import sys
import time
from functools import partial

import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

BATCH = 64
# Steps in a timed portion: about two seconds on two cores.
STEPS = {"mlp": 1500, "mas_cnn": 10, "p1_cnn": 15}


class MLP(nnx.Module):
    """784-128-64-10."""

    def __init__(self, rngs: nnx.Rngs):
        self.layers = nnx.List(
            [
                nnx.Linear(784, 128, rngs=rngs),
                nnx.Linear(128, 64, rngs=rngs),
                nnx.Linear(64, 10, rngs=rngs),
            ]
        )

    def __call__(self, x):
        """Returns logits."""
        x = x.reshape(x.shape[0], -1)
        for layer in self.layers[:-1]:
            x = nnx.relu(layer(x))
        return self.layers[-1](x)


class CNN(nnx.Module):
    """Two convolutions, each with its pooling, and two dense layers."""

    def __init__(self, size, padding, pools, hidden, rngs: nnx.Rngs):
        conv = partial(nnx.Conv, kernel_size=(size, size), padding=padding, rngs=rngs)
        self.conv_1, self.conv_2 = conv(1, 32), conv(32, 64)
        self.pools = pools
        features = 12 * 12 * 64 if padding == "VALID" else 7 * 7 * 64
        self.hidden = nnx.Linear(features, hidden, rngs=rngs)
        self.output = nnx.Linear(hidden, 10, rngs=rngs)

    def __call__(self, x):
        """Returns logits."""
        for conv, pool in zip((self.conv_1, self.conv_2), self.pools, strict=True):
            x = pool(nnx.relu(conv(x)))
        x = nnx.relu(self.hidden(x.reshape(x.shape[0], -1)))
        return self.output(x)


def _pool(window):
    padding = "SAME" if window == 3 else "VALID"
    return partial(
        nnx.max_pool, window_shape=(window, window), strides=(2, 2), padding=padding
    )


MODELS = {
    "mlp": MLP,
    "mas_cnn": lambda rngs: CNN(3, "VALID", (lambda x: x, _pool(2)), 128, rngs),
    "p1_cnn": lambda rngs: CNN(5, "SAME", (_pool(3), _pool(3)), 1024, rngs),
}


@nnx.jit
def train_step(model, optimizer, images, labels):
    """One step of Adam."""

    def loss_fn(model):
        losses = optax.softmax_cross_entropy_with_integer_labels(model(images), labels)
        return losses.mean()

    loss, grads = nnx.value_and_grad(loss_fn)(model)
    optimizer.update(model, grads)
    return loss


def images_per_second(name: str) -> float:
    """Median rate over seven portions."""
    model = MODELS[name](nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.adam(1e-3), wrt=nnx.Param)
    rng = np.random.default_rng(0)
    images = rng.random((6000, 28, 28, 1), np.float32)
    labels = rng.integers(0, 10, 6000)
    rates, loss = [], 0.0
    for _ in range(8):
        begin = time.perf_counter()
        for step in range(STEPS[name]):
            batch = slice(step * BATCH % 5900, step * BATCH % 5900 + BATCH)
            loss = train_step(
                model, optimizer, jnp.asarray(images[batch]), jnp.asarray(labels[batch])
            )
        float(loss)
        rates.append(STEPS[name] * BATCH / (time.perf_counter() - begin))
    return float(np.median(rates[1:]))


if __name__ == "__main__":
    rate = images_per_second(sys.argv[1])
    print(json.dumps({"name": f"{sys.argv[1]} newcomer", "images_per_second": rate}))
