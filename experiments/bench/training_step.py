"""The training step as built here, and the peak of matrix multiplication beside it."""

import json
import resource
import sys
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments import environment
from experiments.bench import clock
from experiments.data import datasets
from experiments.runs import config
from experiments.training import parallel
from experiments.training.learner import Learner
from experiments.training.loop import Programs

BATCH = 64
PORTIONS = 7
# Steps in a timed portion, which lie in one epoch: an epoch of the MLP, shuffling
# included, and about two seconds of the others on two cores.
STEPS = {"mlp": 937, "mas_cnn": 45, "p1_cnn": 45}


def images_per_second(model: str, devices: int) -> float:
    """Median rate over seven portions, of one seed a device, all seeds together."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (60000, 28, 28, 1), np.uint8)
    labels = rng.integers(0, 10, 60000).astype(np.int32)
    dataset = datasets.Dataset(noise, labels, noise[:64], labels[:64], 10)
    steps = STEPS[model]
    total = (PORTIONS + 1) * steps
    run = config.Run(
        model=model,
        optimizer=config.Optimizer(name="adam", learning_rate=1e-3),
        batch_size=BATCH,
        steps=total,
        eval_every=total,
    )
    learner = Learner(run, dataset)
    programs = Programs(learner, dataset, jax.devices()[:devices])
    keys = parallel.keys(range(devices), programs.mesh)
    state = programs.start(keys)
    order, shuffled_epoch, stops = None, None, iter(range(steps, total + 1, steps))

    def portion():
        nonlocal state, order, shuffled_epoch
        stop = next(stops)
        epoch = (stop - steps) // learner.steps_per_epoch
        if epoch != shuffled_epoch:
            order, shuffled_epoch = programs.order(keys, np.int32(epoch)), epoch
        state, losses = programs.advance(
            state, keys, order, *programs.train, np.int32(stop)
        )
        return state, losses

    (seconds,) = clock.seconds(PORTIONS, portion)
    return devices * steps * BATCH / seconds


def matmul_peak() -> float:
    """The best GFLOP/s of square float32 matrix multiplications."""
    multiply = jax.jit(jnp.matmul)
    matrices = {size: jnp.ones((size, size)) for size in (1024, 2048, 4096)}
    times = clock.seconds(7, *(partial(multiply, x, x) for x in matrices.values()))
    return max(2e-9 * n**3 / taken for n, taken in zip(matrices, times, strict=True))


def _row(name: str) -> dict[str, Any]:
    if name == "matmul":
        return {"name": name, "gflops": matmul_peak()}
    model, _, variant = name.partition(" ")
    devices = 2 if variant == "2 seeds" else 1
    environment.prepare(devices)
    rate = images_per_second(model, devices)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"name": name, "images_per_second": rate, "peak_bytes": peak}


if __name__ == "__main__":
    print(json.dumps(_row(sys.argv[1])))
