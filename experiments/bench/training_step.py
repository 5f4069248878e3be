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
from experiments.training.learner import Learner
from experiments.training.parallel import Lane, Programs, side_by_side

BATCH = 64
PORTIONS = 7
# Steps in a timed portion, which lie in one epoch: an epoch of the MLP, shuffling
# included, and about two seconds of the others on two cores.
STEPS = {"mlp": 937, "mas_cnn": 45, "p1_cnn": 45}


def images_per_second(model: str, seeds: int) -> float:
    """Median rate over seven portions, of all seeds together."""
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
    programs = Programs(learner, dataset, jax.devices()[0])
    lanes = [Lane(programs, seed) for seed in range(seeds)]
    stops = iter(range(steps, total + 1, steps))

    def portion():
        stop = next(stops)
        epoch = (stop - steps) // learner.steps_per_epoch
        return side_by_side(lambda lane: lane.advance(epoch, stop), lanes)

    (seconds,) = clock.seconds(PORTIONS, portion)
    return seeds * steps * BATCH / seconds


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
    environment.prepare()
    rate = images_per_second(model, seeds=2 if variant == "2 seeds" else 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"name": name, "images_per_second": rate, "peak_bytes": peak}


if __name__ == "__main__":
    print(json.dumps(_row(sys.argv[1])))
