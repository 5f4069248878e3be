"""The training step as a newcomer writes it: plain Flax layers, `nnx.jit`, one loop.

Runs in JAX's own environment, without the settings of :mod:`experiments.environment`.
"""

import json
import sys
from functools import partial

import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from experiments.bench import clock

BATCH = 64
# Steps in a timed portion: about two seconds on two cores.
STEPS = {"mlp": 1500, "mas_cnn": 10, "p1_cnn": 15}


def _flat(x):
    return x.reshape(len(x), -1)


def mlp(rngs: nnx.Rngs) -> nnx.Module:
    """784-128-64-10."""
    linear = partial(nnx.Linear, rngs=rngs)
    hidden = (linear(784, 128), nnx.relu, linear(128, 64), nnx.relu)
    return nnx.Sequential(_flat, *hidden, linear(64, 10))


def mas_cnn(rngs: nnx.Rngs) -> nnx.Module:
    """Two 3 x 3 convolutions, a pooling and two dense layers."""
    conv = partial(nnx.Conv, kernel_size=(3, 3), padding="VALID", rngs=rngs)
    pool = partial(nnx.max_pool, window_shape=(2, 2), strides=(2, 2))
    convolutions = (conv(1, 32), nnx.relu, conv(32, 64), nnx.relu, pool, _flat)
    hidden = nnx.Linear(12 * 12 * 64, 128, rngs=rngs)
    return nnx.Sequential(
        *convolutions, hidden, nnx.relu, nnx.Linear(128, 10, rngs=rngs)
    )


def p1_cnn(rngs: nnx.Rngs) -> nnx.Module:
    """Two 5 x 5 convolutions, each with its pooling, and two dense layers."""
    conv = partial(nnx.Conv, kernel_size=(5, 5), rngs=rngs)
    pool = partial(nnx.max_pool, window_shape=(3, 3), strides=(2, 2), padding="SAME")
    convolutions = (conv(1, 32), nnx.relu, pool, conv(32, 64), nnx.relu, pool, _flat)
    hidden = nnx.Linear(7 * 7 * 64, 1024, rngs=rngs)
    return nnx.Sequential(
        *convolutions, hidden, nnx.relu, nnx.Linear(1024, 10, rngs=rngs)
    )


MODELS = {"mlp": mlp, "mas_cnn": mas_cnn, "p1_cnn": p1_cnn}


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

    def portion():
        loss = None
        for step in range(STEPS[name]):
            start = step * BATCH % 5900
            batch = (jnp.asarray(x[start : start + BATCH]) for x in (images, labels))
            loss = train_step(model, optimizer, *batch)
        return loss

    (seconds,) = clock.seconds(7, portion)
    return STEPS[name] * BATCH / seconds


if __name__ == "__main__":
    rate = images_per_second(sys.argv[1])
    print(json.dumps({"name": f"{sys.argv[1]} newcomer", "images_per_second": rate}))
