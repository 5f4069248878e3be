"""Which of a network's weights a normalisation layer follows, found by trying."""

from typing import Any

import jax
import jax.numpy as jnp

import optax_sign
from experiments import data, inputs
from experiments.network import Network

PyTree = Any

EXAMPLES = 64  # enough for the statistics of a batch


def scale_invariant(network: Network, dataset: data.Dataset) -> PyTree:
    """A bool for each of the network's parameters, found on the first examples.

    It does not depend on the seed of a run: all of them start from this network.
    """
    params, other = jax.jit(network.start)(jax.random.key(0))
    streams = network.random(jax.random.key(0), 0)
    examples = inputs.prepare(
        jnp.asarray(dataset.train_inputs[:EXAMPLES]), dataset.kind
    )
    labels = jnp.asarray(dataset.train_labels[:EXAMPLES])

    def loss(params: PyTree) -> jax.Array:
        return network.loss(params, other, streams, examples, labels)[0]

    return optax_sign.scale_invariant_mask(loss, params)
