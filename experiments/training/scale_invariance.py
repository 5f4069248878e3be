"""Which of a network's weights a normalisation layer follows, found by trying."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import optax_sign
from experiments.data import datasets, preprocessing
from experiments.networks.functional import Network

PyTree = Any

EXAMPLES = 64  # enough for the statistics of a batch


def scale_invariant(network: Network, dataset: datasets.Dataset) -> PyTree:
    """A bool for each of the network's parameters, found on the first examples.

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
