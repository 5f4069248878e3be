"""A network as pure functions of its variables."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from experiments.networks.catalogue import NETWORKS
from experiments.networks.char_lstm import Carry
from optax_sign.nnx import value_and_grad_and_variance

PyTree = Any


class Network:
    """How a network starts, predicts and is differentiated.

    Its variables are `params`, keys, and `other`: batch statistics and carries.

    Attributes:
      input_shape: of an example, None for any length.
      streams: how many streams a batch reads on, None for a network without memory.
    """

    def __init__(self, model: str, num_classes: int) -> None:
        """Builds the network in the abstract: nothing is computed."""
        self._model, self._classes = model, num_classes
        module: Any = nnx.eval_shape(lambda: self._make(jax.random.key(0)))
        module.eval()
        self._evaluating, *_ = _split(module)
        module.train()
        self._training, _, self._random, _ = _split(module)
        *_, other = nnx.split(module, nnx.Param, nnx.RngState, ...)
        self._carried = nnx.from_flat_state(
            {path: isinstance(x, Carry) for path, x in nnx.to_flat_state(other)}
        )
        carries = jax.tree.leaves(nnx.state(module, Carry))
        self.streams: int | None = carries[0].shape[0] if carries else None
        self.input_shape: tuple[int | None, ...] = module.input_shape

    def start(self, key: jax.Array) -> tuple[PyTree, PyTree]:
        """The first values of `params` and `other`."""
        _, params, _, other = _split(self._make(key))
        return params, other

    def forget(self, other: PyTree, when: jax.typing.ArrayLike = True) -> PyTree:
        """Sets to zero what is carried from batch to batch, where a stream starts."""
        return jax.tree.map(
            lambda is_carried, x: jnp.where(when, 0, x) if is_carried else x,
            self._carried,
            other,
        )

    def predict(
        self, params: PyTree, other: PyTree, inputs: jax.Array
    ) -> tuple[jax.Array, PyTree]:
        """Logits in inference mode, and `other` afterwards."""
        unused = self.random(jax.random.key(0), 0)
        module = nnx.merge(self._evaluating, params, unused, other)
        logits = module(inputs)
        return logits, _split(module)[3]

    def loss(
        self, params: PyTree, other: PyTree, streams: nnx.State, *batch: jax.Array
    ) -> tuple[jax.Array, PyTree]:
        """Mean cross-entropy in training mode, and `other` afterwards.

        The streams are from `random`. A batch is inputs, as the network takes them, and
        labels: integers, as many as there are predictions.
        """
        module = nnx.merge(self._training, params, streams, other)
        return _losses(module, *batch).mean(), _split(module)[3]

    def variance(
        self, params: PyTree, other: PyTree, streams: nnx.State, *batch: jax.Array
    ) -> tuple[jax.Array, PyTree, PyTree, PyTree]:
        """The loss, its gradient, the variance of that, and `other` afterwards.

        Raises:
          ValueError: the variance is not known for one of the layers.
        """
        module = nnx.merge(self._training, params, streams, other)
        loss, *moments = value_and_grad_and_variance(_losses)(module, *batch)
        gradient, variance = nnx.as_pure(moments)
        return loss, gradient, variance, _split(module)[3]

    def random(self, key: jax.Array, step: jax.typing.ArrayLike) -> nnx.State:
        """The network's random streams for one step, a key of its own for each."""
        key = jax.random.fold_in(key, step)
        values = {}
        for index, (path, variable) in enumerate(nnx.to_flat_state(self._random)):
            is_key = isinstance(variable, nnx.RngKey)
            values[path] = jax.random.fold_in(key, index) if is_key else jnp.uint32(0)
        return nnx.from_flat_state(values)

    def _make(self, key: jax.Array) -> nnx.Module:
        return NETWORKS[self._model](self._classes, nnx.Rngs(key))


def _split(network: nnx.Module) -> tuple[nnx.GraphDef, PyTree, nnx.State, PyTree]:
    graph, params, streams, other = nnx.split(network, nnx.Param, nnx.RngState, ...)
    return graph, nnx.as_pure(params), streams, nnx.as_pure(other)


def _losses(model: nnx.Module, images: jax.Array, labels: jax.Array) -> jax.Array:
    return optax.softmax_cross_entropy_with_integer_labels(model(images), labels)
