"""The training step as built here, and the peak of matrix multiplication beside it."""

import json
import resource
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments import environment
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
    dataset = datasets.Dataset("noise", noise, labels, noise[:64], labels[:64], 10)
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
    order, shuffled_epoch = None, None
    rates = []
    for stop in range(steps, total + 1, steps):
        begin = time.perf_counter()
        epoch = (stop - steps) // learner.steps_per_epoch
        if epoch != shuffled_epoch:
            order, shuffled_epoch = programs.order(keys, np.int32(epoch)), epoch
        state, losses = programs.advance(
            state, keys, order, *programs.train, np.int32(stop)
        )
        jax.block_until_ready((state, losses))
        rates.append(devices * steps * BATCH / (time.perf_counter() - begin))
    return float(np.median(rates[1:]))


def matmul_peak() -> float:
    """The best GFLOP/s of square float32 matrix multiplications."""
    multiply = jax.jit(jnp.matmul)
    best = 0.0
    for size in (1024, 2048, 4096):
        matrix = jnp.ones((size, size))
        times = []
        for _ in range(8):
            begin = time.perf_counter()
            multiply(matrix, matrix).block_until_ready()
            times.append(time.perf_counter() - begin)
        best = max(best, 2e-9 * size**3 / float(np.median(times[1:])))
    return best


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
