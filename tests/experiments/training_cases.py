"""A small data set and small networks to train in a second."""

import functools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from orbax.checkpoint import v1 as ocp

from experiments.data import datasets
from experiments.networks.catalogue import NETWORKS
from experiments.runs import config
from experiments.runs import store as runs

TRAIN, TEST, CLASSES, BATCH = 83, 30, 3, 8  # ten batches and three examples over


class Plain(nnx.Module):
    """One hidden layer."""

    input_shape = (4, 4, 1)

    def __init__(self, num_classes: int, rngs: nnx.Rngs):
        self.hidden = nnx.Linear(16, 8, rngs=rngs)
        self.output = nnx.Linear(8, num_classes, rngs=rngs)

    def __call__(self, images: jax.Array) -> jax.Array:
        return self.output(nnx.tanh(self.hidden(images.reshape(len(images), -1))))


class Noisy(nnx.Module):
    """Batch normalisation and two dropouts, which keep state of their own."""

    input_shape = (4, 4, 1)

    def __init__(self, num_classes: int, rngs: nnx.Rngs):
        self.hidden = nnx.Linear(16, 8, rngs=rngs)
        self.norm = nnx.BatchNorm(8, momentum=0.9, rngs=rngs)
        self.drops = nnx.List(nnx.Dropout(0.5, rngs=rngs) for _ in range(2))
        self.output = nnx.Linear(8, num_classes, rngs=rngs)

    def __call__(self, images: jax.Array) -> jax.Array:
        x = self.norm(self.hidden(images.reshape(len(images), -1)))
        for drop in self.drops:
            x = drop(x)
        return self.output(x)


class Fuse(Plain):
    """Returns a NaN at one step of training, which depends on the seed: 1 to 20."""

    def __init__(self, num_classes: int, rngs: nnx.Rngs):
        super().__init__(num_classes, rngs)
        self.end = nnx.Variable(jax.random.randint(rngs(), (), 1, 21))
        self.clock = nnx.Variable(jnp.int32(0))
        self.deterministic = False

    def __call__(self, images: jax.Array) -> jax.Array:
        logits = super().__call__(images)
        if self.deterministic:
            return logits
        self.clock[...] += 1
        return jnp.where(self.clock[...] == self.end[...], jnp.nan, logits)


@functools.cache
def dataset() -> datasets.Dataset:
    """Noisy images of three classes, 4 x 4 pixels."""
    random = np.random.default_rng(0)
    labels = random.integers(0, CLASSES, TRAIN + TEST).astype(np.int32)
    patterns = random.integers(0, 120, (CLASSES, 4, 4, 1))
    images = patterns[labels] + random.integers(0, 120, (TRAIN + TEST, 4, 4, 1))
    images = images.astype(np.uint8)
    return datasets.Dataset(
        train_inputs=images[:TRAIN],
        train_labels=labels[:TRAIN],
        test_inputs=images[TRAIN:],
        test_labels=labels[TRAIN:],
        num_classes=CLASSES,
    )


def run(name: str = "mas", rate: float = 1e-2, **fields: Any) -> config.Run:
    """A run on the small data set, two and a half epochs unless told otherwise."""
    options = tuple(fields.pop("options", {}).items())
    optimizer = config.Optimizer(name=name, learning_rate=rate, options=options)
    budget = {} if "epochs" in fields else {"steps": 25}
    defaults = {"batch_size": BATCH, "eval_every": 7, **budget}
    return config.Run(optimizer=optimizer, **(defaults | fields))


def install() -> Iterator[None]:
    """Puts the small data and networks behind the names of real ones, for a while."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "load", lambda name, data_dir=None: dataset())
        for name, network in {"mlp": Plain, "mas_cnn": Noisy, "p1_cnn": Fuse}.items():
            patch.setitem(NETWORKS, name, network)
        yield


def weights(store: runs.Store, a_run: config.Run) -> dict[str, np.ndarray]:
    """The stored weights by name."""
    stored: Any = ocp.load(str(store.folder(a_run) / "weights"))
    return stored


def outcome(store: runs.Store, a_run: config.Run) -> dict[str, bytes]:
    """Every byte of a run that has to come out the same each time."""
    arrays = {name: x.tobytes() for name, x in weights(store, a_run).items()}
    return arrays | {"": (store.folder(a_run) / "metrics.jsonl").read_bytes()}
