"""The learning of one seed as pure functions: start, shuffle, advance, evaluate.

Nothing random is stored: every key follows from the seed and the step, so that a run
taken up again at any step draws what it would have drawn.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from experiments import (
    config,
    data,
    evaluation,
    inputs,
    models,
    optimizers,
    recurrence,
)
from optax_sign.nnx import value_and_grad_and_variance

PyTree = Any
METRICS = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")

# What a key is folded with, for each of its uses.
_INITIALISE, _SHUFFLE, _DROP, _AUGMENT = range(4)


class State(NamedTuple):
    """All that a run needs to go on."""

    step: jax.Array  # int32 [], steps done
    # Of the steps since the last evaluation: float32 [eval_every or less].
    losses: jax.Array
    params: PyTree  # the network's parameters
    other: PyTree  # its other variables but for its keys: batch statistics, carries
    optimizer: PyTree  # the optimizer's state


class Learner:
    """How the runs of a group learn; they differ in nothing but their keys.

    Attributes:
      total_steps: length of a run.
      steps_per_epoch: full batches in the training set.
      batch_size: examples a step.
      abstract: shapes and dtypes of the state.
    """

    def __init__(self, run: config.Run, dataset: data.Dataset) -> None:
        """Builds the network and the optimizer in the abstract: nothing is computed.

        Raises:
          ConfigError: the run does not fit the data set, the optimizer or the network.
        """
        train_size = len(dataset.train_labels)
        self.total_steps = config.total_steps(run, train_size)
        self.steps_per_epoch = config.steps_per_epoch(run, train_size)
        self.batch_size = run.batch_size
        self._eval_every = min(run.eval_every, self.total_steps)
        self._run = run
        self._train_size = train_size
        self._classes = dataset.num_classes
        self._kind = dataset.kind
        self._optimizer = optimizers.make(run.optimizer, self.total_steps)
        self._wants_variance = optimizers.needs_variance(run.optimizer)
        network: Any = nnx.eval_shape(lambda: self._network(jax.random.key(0)))
        network.eval()
        self._evaluating, *_ = _split(network)
        network.train()
        self._training, _, self._random, other = _split(network)
        self._carried = recurrence.positions(network)
        self._parallel = recurrence.streams(network)
        inputs.check(run, dataset, network.input_shape, self._parallel)
        self.abstract = jax.eval_shape(self.start, jax.random.key(0))
        if self._wants_variance:
            self._check_variance(dataset)

    @property
    def state_bytes(self) -> int:
        """Size of the optimizer's state."""
        leaves = jax.tree.leaves(self.abstract.optimizer)
        return sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)

    def interval(self, step: int) -> tuple[int, int]:
        """The last evaluation before a step and the first that is not before it."""
        before = max(step - 1, 0) // self._eval_every * self._eval_every
        return before, min(before + self._eval_every, self.total_steps)

    def start(self, key: jax.Array) -> State:
        """The state before the first step."""
        network = self._network(jax.random.fold_in(key, _INITIALISE))
        _, params, _, other = _split(network)
        return State(
            step=jnp.zeros((), jnp.int32),
            losses=jnp.zeros(self._eval_every),
            params=params,
            other=other,
            optimizer=self._optimizer.init(params),
        )

    def order(self, key: jax.Array, epoch: jax.Array) -> jax.Array:
        """The order of the training set in one epoch, int32 [N]."""
        if not self._run.shuffle:
            return jnp.arange(self._train_size)
        key = jax.random.fold_in(jax.random.fold_in(key, _SHUFFLE), epoch)
        return jax.random.permutation(key, self._train_size)

    def advance(
        self,
        state: State,
        key: jax.Array,
        order: jax.Array,
        images: jax.Array,
        labels: jax.Array,
        stop: jax.Array,
    ) -> tuple[State, jax.Array]:
        """Trains up to the step `stop`, which one compiled loop does for any `stop`.

        Args:
          state: where to go on from; one that is past `stop` stays as it is.
          key: of the run.
          order: of the epoch in which these steps lie, all of them.
          images: the training set, uint8 [N, …].
          labels: the training set, int32 [N, …].
          stop: int32 [], at most at the next evaluation.

        Returns:
          The new state and the mean loss of these steps, not finite if one was not.
        """
        first = state.step

        def body(_: jax.Array, state: State) -> State:
            begin = state.step % self.steps_per_epoch * self.batch_size
            batch = jax.lax.dynamic_slice_in_dim(order, begin, self.batch_size)
            return self._step(state, key, images[batch], labels[batch])

        state = jax.lax.fori_loop(first, stop, body, state)
        at = jnp.arange(self._eval_every)
        begin = first % self._eval_every
        fresh = (at >= begin) & (at < begin + stop - first)
        total = jnp.where(fresh, state.losses, 0).sum()
        return state, total / jnp.maximum(stop - first, 1)

    def evaluate(
        self,
        state: State,
        images: jax.Array,
        labels: jax.Array,
        test_images: jax.Array,
        test_labels: jax.Array,
    ) -> dict[str, jax.Array]:
        """The four `METRICS`, on the test set and as much of the training set.

        Without augmentation, dropout and penalty; a recurrent network starts both sets
        from zero, and reads on through their batches.
        """
        unused = self._random_at(jax.random.key(0), state.step)
        start = recurrence.reset(state.other, self._carried)

        def predict(other: PyTree, images: jax.Array) -> tuple[jax.Array, PyTree]:
            model = nnx.merge(self._evaluating, state.params, unused, other)
            logits = model(inputs.prepare(images, self._kind))
            return logits, _split(model)[3]

        measure = partial(
            evaluation.loss_and_accuracy,
            predict,
            start,
            batch=self._parallel or evaluation.BATCH,
        )
        size = len(test_labels)
        train = measure(images[:size], labels[:size])
        test = measure(test_images, test_labels)
        return dict(zip(METRICS, (*train, *test), strict=True))

    def _check_variance(self, dataset: data.Dataset) -> None:
        if self.batch_size < 2:
            raise config.ConfigError(
                f"batch_size must be at least 2 for variance='mini_batch', got "
                f"{self.batch_size}."
            )
        batch = [
            jax.ShapeDtypeStruct((self.batch_size, *array.shape[1:]), array.dtype)
            for array in (dataset.train_inputs, dataset.train_labels)
        ]
        try:
            jax.eval_shape(self._step, self.abstract, jax.random.key(0), *batch)
        except ValueError as error:
            raise config.ConfigError(
                f"variance='mini_batch' is not known for model {self._run.model!r}: "
                f"{error}"
            ) from error

    def _network(self, key: jax.Array) -> nnx.Module:
        return models.MODELS[self._run.model](self._classes, nnx.Rngs(key))

    def _step(
        self, state: State, key: jax.Array, images: jax.Array, labels: jax.Array
    ) -> State:
        streams = self._random_at(jax.random.fold_in(key, _DROP), state.step)
        augmenting = jax.random.fold_in(jax.random.fold_in(key, _AUGMENT), state.step)
        images = inputs.prepare(
            images, self._kind, augmenting if self._run.augment else None
        )
        starts = state.step % self.steps_per_epoch == 0
        earlier = recurrence.reset(state.other, self._carried, starts)

        def batch_loss(params: PyTree) -> tuple[jax.Array, PyTree]:
            model = nnx.merge(self._training, params, streams, earlier)
            return _losses(model, images, labels).mean(), _split(model)[3]

        if self._wants_variance:
            model = nnx.merge(self._training, state.params, streams, earlier)
            measure = value_and_grad_and_variance(_losses)
            loss, *moments = measure(model, images, labels)
            gradient, variance = nnx.as_pure(moments)
            other, extra = _split(model)[3], {"variance": variance}
        else:
            measure = jax.value_and_grad(batch_loss, has_aux=True)
            (loss, other), gradient = measure(state.params)
            extra = {}
        gradient = self._penalized(gradient, state.params)
        updates, optimizer = self._optimizer.update(
            gradient, state.optimizer, state.params, **extra
        )
        return State(
            step=state.step + 1,
            losses=state.losses.at[state.step % self._eval_every].set(loss),
            params=optax.apply_updates(state.params, updates),
            other=other,
            optimizer=optimizer,
        )

    def _penalized(self, gradient: PyTree, params: PyTree) -> PyTree:
        """Adds the gradient of l2/2 ||w||^2, which no loss that is kept includes."""
        if not self._run.l2:
            return gradient
        return jax.tree.map(
            lambda g, w: g + self._run.l2 * w if w.ndim > 1 else g, gradient, params
        )

    def _random_at(self, key: jax.Array, step: jax.Array) -> nnx.State:
        """The network's random streams for one step, a key of its own for each."""
        key = jax.random.fold_in(key, step)
        values = {}
        for index, (path, variable) in enumerate(nnx.to_flat_state(self._random)):
            is_key = isinstance(variable, nnx.RngKey)
            values[path] = jax.random.fold_in(key, index) if is_key else jnp.uint32(0)
        return nnx.from_flat_state(values)


def _split(network: nnx.Module) -> tuple[nnx.GraphDef, PyTree, nnx.State, PyTree]:
    graph, params, streams, other = nnx.split(network, nnx.Param, nnx.RngState, ...)
    return graph, nnx.as_pure(params), streams, nnx.as_pure(other)


def _losses(model: nnx.Module, images: jax.Array, labels: jax.Array) -> jax.Array:
    return optax.softmax_cross_entropy_with_integer_labels(model(images), labels)
