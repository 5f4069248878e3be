"""The learning of one seed as pure functions: start, shuffle, advance, evaluate.

Nothing random is stored: every key follows from the seed and the step, so that a run
taken up again at any step draws what it would have drawn.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx

import optax_sign
from experiments import config, data, evaluation, models, optimizers

PyTree = Any
METRICS = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")

# Gradients of single examples held at once: 105 MB in the widest of the papers' nets.
VARIANCE_CHUNK = 8

# What a key is folded with, for each of its uses.
_INITIALISE, _SHUFFLE, _DROP = range(3)


class State(NamedTuple):
    """All that a run needs to go on."""

    step: jax.Array  # int32 [], steps done
    losses: (
        jax.Array
    )  # float32 [eval_every or less], of the steps since the last evaluation
    params: PyTree  # the network's parameters
    other: PyTree  # the network's other variables but for its keys: batch statistics
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
        self._optimizer = optimizers.make(run.optimizer, self.total_steps)
        self._wants_variance = optimizers.needs_variance(run.optimizer)
        network = nnx.eval_shape(lambda: self._network(jax.random.key(0)))
        network.eval()
        self._evaluating, *_ = _split(network)
        network.train()
        self._training, _, self._streams, other = _split(network)
        if self._wants_variance:
            self._check_variance(other)
        self.abstract = jax.eval_shape(self.start, jax.random.key(0))

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
          labels: the training set, int32 [N].
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
        """The four `METRICS`, on the test set and as much of the training set."""
        unused = self._streams_at(jax.random.key(0), state.step)

        def predict(images: jax.Array) -> jax.Array:
            model = nnx.merge(self._evaluating, state.params, unused, state.other)
            return model(_scaled(images))

        size = len(test_labels)
        train = evaluation.loss_and_accuracy(predict, images[:size], labels[:size])
        test = evaluation.loss_and_accuracy(predict, test_images, test_labels)
        return dict(zip(METRICS, (*train, *test), strict=True))

    def _check_variance(self, other: PyTree) -> None:
        if self.batch_size < 2:
            raise config.ConfigError(
                f"batch_size must be at least 2 for variance='mini_batch', got "
                f"{self.batch_size}."
            )
        if jax.tree.leaves((self._streams, other)):
            raise config.ConfigError(
                f"variance='mini_batch' takes one example at a time, which model "
                f"{self._run.model!r} with its dropout or batch statistics cannot."
            )

    def _network(self, key: jax.Array) -> nnx.Module:
        return models.MODELS[self._run.model](self._classes, nnx.Rngs(key))

    def _step(
        self, state: State, key: jax.Array, images: jax.Array, labels: jax.Array
    ) -> State:
        streams = self._streams_at(jax.random.fold_in(key, _DROP), state.step)

        def batch_loss(params: PyTree) -> tuple[jax.Array, PyTree]:
            model = nnx.merge(self._training, params, streams, state.other)
            losses = optax.softmax_cross_entropy_with_integer_labels(
                model(_scaled(images)), labels
            )
            return losses.mean(), _split(model)[3]

        def example_loss(
            params: PyTree, image: jax.Array, label: jax.Array
        ) -> jax.Array:
            model = nnx.merge(self._training, params, streams, state.other)
            logits = model(_scaled(image[None]))[0]
            return optax.softmax_cross_entropy_with_integer_labels(logits, label)

        if self._wants_variance:
            measure = optax_sign.value_and_grad_and_variance(
                example_loss, VARIANCE_CHUNK
            )
            loss, gradient, variance = measure(state.params, images, labels)
            other, extra = state.other, {"variance": variance}
        else:
            measure = jax.value_and_grad(batch_loss, has_aux=True)
            (loss, other), gradient = measure(state.params)
            extra = {}
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

    def _streams_at(self, key: jax.Array, step: jax.Array) -> nnx.State:
        """The network's random streams for one step, a key of its own for each."""
        key = jax.random.fold_in(key, step)
        values = {}
        for index, (path, variable) in enumerate(nnx.to_flat_state(self._streams)):
            is_key = isinstance(variable, nnx.RngKey)
            values[path] = jax.random.fold_in(key, index) if is_key else jnp.uint32(0)
        return nnx.from_flat_state(values)


def _split(network: nnx.Module) -> tuple[nnx.GraphDef, PyTree, nnx.State, PyTree]:
    graph, params, streams, other = nnx.split(network, nnx.Param, nnx.RngState, ...)
    return graph, nnx.as_pure(params), streams, nnx.as_pure(other)


def _scaled(images: jax.Array) -> jax.Array:
    return images.astype(jnp.float32) / 255
