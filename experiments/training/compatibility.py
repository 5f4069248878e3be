"""What fits together: network and data, layer and weight, a run and its checkpoint."""

import hashlib
import inspect
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import optax_sign
from experiments.data import preprocessing
from experiments.data.datasets import DATASETS, Dataset
from experiments.errors import ConfigError, RunError, unknown
from experiments.networks.catalogue import NETWORKS
from experiments.networks.functional import Network
from experiments.runs import config, store
from experiments.training.optimizers import OPTIMIZERS

PyTree = Any

EXAMPLES = 64  # enough for the statistics of a batch

CODE = "code of a training step"


def check_names(run: config.Run) -> None:
    """Refuses a run that names a data set, network or optimizer that there is not.

    Raises:
      ConfigError: the name, with the nearest one that there is.
    """
    for what, name, valid in (
        ("dataset", run.dataset, DATASETS),
        ("model", run.model, NETWORKS),
        ("optimizer", run.optimizer.name, OPTIMIZERS),
    ):
        if name not in valid:
            raise unknown(what, name, valid)


def check(run: config.Run, dataset: Dataset, network: Network) -> None:
    """Refuses a run whose network cannot take its data.

    Raises:
      ConfigError: what does not fit.
    """
    takes, shape = network.input_shape, dataset.train_inputs.shape[1:]
    lengths = zip(takes, shape, strict=False)
    if len(takes) != len(shape) or any(a not in (None, b) for a, b in lengths):
        raise ConfigError(
            f"Model {run.model!r} takes inputs of shape {takes}, but those of dataset "
            f"{run.dataset!r} are of shape {shape}."
        )
    if run.augment and dataset.kind == "characters":
        raise ConfigError(
            f"augment is for images, which dataset {run.dataset!r} does not hold."
        )
    streams = network.streams
    if streams and (run.batch_size, run.shuffle) != (streams, False):
        raise ConfigError(
            f"Model {run.model!r} reads {streams} streams in order, so batch_size must "
            f"be {streams} and shuffle false, got {run.batch_size} and {run.shuffle}."
        )


def made_with(run: config.Run, step: str) -> dict[str, str]:
    """What decides about a run's numbers beside its configuration.

    Versions, defaults of its optimizer, and the digest of a step, given as its program.
    """
    packages = {name: store.versions()[name] for name in store.PACKAGES}
    arguments = inspect.signature(OPTIMIZERS[run.optimizer.name].make).parameters
    defaults = {
        f"default {name} of {run.optimizer.name}": str(argument.default)
        for name, argument in arguments.items()
        if name not in dict(run.optimizer.options)
        and isinstance(argument.default, int | float | str | None)
    }
    return packages | defaults | {CODE: hashlib.sha256(step.encode()).hexdigest()[:12]}


def check_unchanged(
    place: pathlib.Path, then: Mapping[str, str], now: Mapping[str, str]
) -> None:
    """Refuses to go on from what was made in another way.

    Raises:
      RunError: what has changed since, and what to do.
    """
    known = {CODE: "of an earlier version"} | dict(then)
    # Without one of the names, a default that there was not, only the code can tell.
    changed = [name for name in now if known.get(name, now[name]) != now[name]]
    named = [name for name in changed if name != CODE] or changed
    if named:
        told = " and ".join(f"{name} {known[name]} (now {now[name]})" for name in named)
        raise RunError(
            f"{place} was begun with {told}: go back to that, or delete the folder to "
            f"train the run again."
        )


def scale_invariant(network: Network, dataset: Dataset) -> PyTree:
    """A bool for each of the network's parameters, found by trying on a few examples.

    It is the architecture that decides, so the values of the parameters are any.
    """
    params, other = jax.tree.map(_any, jax.eval_shape(network.start, jax.random.key(0)))
    streams = network.random(jax.random.key(0), 0)
    count = network.streams or EXAMPLES
    examples = preprocessing.prepare(
        jnp.asarray(dataset.train_inputs[:count]), dataset.kind
    )
    labels = jnp.asarray(dataset.train_labels[:count])

    def loss(params: PyTree) -> jax.Array:
        return network.loss(params, other, streams, examples, labels)[0]

    return optax_sign.scale_invariant_mask(loss, params)


def _any(leaf: jax.ShapeDtypeStruct) -> jax.Array:
    """Small numbers, without the compilation that the network's own would take."""
    values = np.random.default_rng(leaf.size).normal(scale=0.1, size=leaf.shape)
    return jnp.asarray(values, leaf.dtype)
