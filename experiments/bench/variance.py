"""The gradient of a network with and without its variance over the mini-batch: time."""

import json
import sys
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments import environment
from experiments.bench import clock
from experiments.networks.functional import Network

BATCH = 64
PORTIONS = 9
# Mini-batches in a timed portion: a few tenths of a second on two cores.
STEPS = {"mlp": 400, "p1_cnn": 5}


def measure(name: str) -> list[dict[str, Any]]:
    """Median milliseconds of the plain gradient, and with the variance beside it.

    Both run in a compiled loop.
    """
    network, key = Network(name, 10), jax.random.key(0)
    params, other = network.start(key)
    fixed = (other, network.random(key, 0))
    rng = np.random.default_rng(0)
    images = jnp.asarray(rng.random((STEPS[name], BATCH, 28, 28, 1), np.float32))
    labels = jnp.asarray(rng.integers(0, 10, (STEPS[name], BATCH)))

    def gradient(params, *batch):
        plain = jax.value_and_grad(network.loss, has_aux=True)
        (loss, _), gradient = plain(params, *fixed, *batch)
        return loss, gradient

    def variance(params, *batch):
        return network.variance(params, *fixed, *batch)[:3]

    def loop(function):
        @jax.jit
        def run(params):
            def step(params, batch):
                loss, *moments = function(params, *batch)
                # Every result has a part in the next step, or XLA would leave it out.
                move = jax.tree.map(lambda *leaves: 1e-6 * sum(leaves), *moments)
                return jax.tree.map(jnp.subtract, params, move), loss

            return jax.lax.scan(step, params, (images, labels))

        return run

    functions = (gradient, variance)
    times = clock.seconds(PORTIONS, *(partial(loop(f), params) for f in functions))
    return [
        {"name": f"{name} {f.__name__}", "milliseconds": 1e3 * taken / STEPS[name]}
        for f, taken in zip(functions, times, strict=True)
    ]


if __name__ == "__main__":
    environment.prepare()
    for row in measure(sys.argv[1]):
        print(json.dumps(row))
