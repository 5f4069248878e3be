"""The learning of one seed as pure functions: start, shuffle, advance, evaluate.

Nothing random is stored: every key follows from the seed and the step, so that a run
taken up again at any step draws what it would have drawn.
"""

import functools
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import optax_sign
from experiments.data import datasets, preprocessing
from experiments.errors import ConfigError
from experiments.networks.functional import Network
from experiments.runs import config
from experiments.training import compatibility, evaluation, optimizers

PyTree = Any
METRICS = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
OSCILLATION = ("oscillation", "unmoved")  # of the runs that track it

# The most losses that are kept before they are written, and so the memory they take.
WINDOW = 10_000

# What a key is folded with, for each of its uses.
_INITIALISE, _SHUFFLE, _DROP, _AUGMENT = range(4)


class State(NamedTuple):
    """All that a run needs to go on."""

    step: jax.Array  # int32 [], steps done
    # Of the steps since the last row of metrics: float32 [eval_every or WINDOW].
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
      metrics: what an evaluation measures.
      abstract: shapes and dtypes of the state.
      program: `advance`, jitted; it takes the memory of the state for the new one.
    """

    def __init__(self, run: config.Run, dataset: datasets.Dataset) -> None:
        """Builds the network and the optimizer in the abstract.

        Nothing is computed, unless the optimizer asks which weights are followed by a
        normalisation layer.

        Raises:
          ConfigError: the run does not fit the data set, the optimizer or the network.
        """
        compatibility.check_names(run)
        train_size = len(dataset.train_labels)
        self.total_steps = config.total_steps(run, train_size)
        self.steps_per_epoch = config.steps_per_epoch(run, train_size)
        self.batch_size = run.batch_size
        self._eval_every = min(run.eval_every, self.total_steps)
        self._window = min(self._eval_every, WINDOW)
        self._run = run
        self._train = (dataset.train_inputs, dataset.train_labels)
        self._train_size = train_size
        self._kind = dataset.kind
        self._network = Network(run.model, dataset.num_classes)
        compatibility.check(run, dataset, self._network)
        self.program = jax.jit(self.advance, donate_argnums=0)
        self._learns_by = self._optimizer = self._make_optimizer(dataset)
        self._wants_variance = optimizers.needs_variance(run.optimizer)
        self.metrics: tuple[str, ...] = METRICS
        if run.track_oscillation:
            window = evaluation.track_in_windows(self._eval_every)
            self._optimizer = optax.chain(self._learns_by, window)
            self.metrics += OSCILLATION
        self.abstract = jax.eval_shape(self.start, jax.random.key(0))
        if self._wants_variance:
            self._check_variance(dataset)

    @functools.cached_property
    def made_with(self) -> dict[str, str]:
        """What decides about the numbers beside the configuration, for checkpoints."""
        key, number = jax.random.key(0), np.int32(0)
        order = jax.eval_shape(self.order, key, number)
        step = self.program.lower(self.abstract, key, order, *self._train, number)
        return compatibility.made_with(self._run, step.as_text())

    @property
    def state_bytes(self) -> int:
        """Size of the optimizer's state, without what only measures."""
        state = jax.eval_shape(self._learns_by.init, self.abstract.params)
        leaves = jax.tree.leaves(state)
        return sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)

    def interval(self, step: int) -> tuple[int, int]:
        """The last row of metrics before a step and the first that is not before it."""
        done = max(step - 1, 0)
        since = done % self._eval_every
        before = done - since % self._window
        evaluation = done - since + self._eval_every
        return before, min(before + self._window, evaluation, self.total_steps)

    def evaluates(self, step: int) -> bool:
        """Whether the row of this step is of an evaluation, not of losses alone."""
        return step % self._eval_every == 0 or step == self.total_steps

    def start(self, key: jax.Array) -> State:
        """The state before the first step."""
        params, other = self._network.start(jax.random.fold_in(key, _INITIALISE))
        return State(
            step=jnp.zeros((), jnp.int32),
            losses=jnp.zeros(self._window),
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
          stop: int32 [], at most at the next row of metrics.

        Returns:
          The new state and the mean loss of these steps, not finite if one was not.
        """
        first = state.step

        def body(_: jax.Array, state: State) -> State:
            begin = state.step % self.steps_per_epoch * self.batch_size
            batch = jax.lax.dynamic_slice_in_dim(order, begin, self.batch_size)
            return self._step(state, key, images[batch], labels[batch])

        state = jax.lax.fori_loop(first, stop, body, state)
        at = jnp.arange(self._window)
        begin = first % self._eval_every % self._window
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
        """The `metrics`, on the test set and as much of the training set.

        Without augmentation, dropout and penalty; a recurrent network starts both sets
        from zero, and reads on through their batches. Oscillation is that of the steps
        since the last evaluation.
        """

        def predict(other: PyTree, images: jax.Array) -> tuple[jax.Array, PyTree]:
            prepared = preprocessing.prepare(images, self._kind)
            return self._network.predict(state.params, other, prepared)

        measure = partial(
            evaluation.loss_and_accuracy,
            predict,
            self._network.forget(state.other),
            batch=self._network.streams or evaluation.BATCH,
        )
        size = len(test_labels)
        train = measure(images[:size], labels[:size])
        measured = (*train, *measure(test_images, test_labels))
        if self._run.track_oscillation:
            measured += tuple(optax_sign.oscillation(state.optimizer))
        return dict(zip(self.metrics, measured, strict=True))

    def _make_optimizer(
        self, dataset: datasets.Dataset
    ) -> optax.GradientTransformationExtraArgs:
        optimizer, found = self._run.optimizer, None
        if optimizers.needs_scale_invariance(optimizer):
            mask = compatibility.scale_invariant(self._network, dataset)
            found = mask if any(jax.tree.leaves(mask)) else None
        return optimizers.make(optimizer, self.total_steps, scale_invariant=found)

    def _check_variance(self, dataset: datasets.Dataset) -> None:
        if self.batch_size < 2:
            raise ConfigError(
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
            raise ConfigError(
                f"variance='mini_batch' is not known for model {self._run.model!r}: "
                f"{error}"
            ) from error

    def _step(
        self, state: State, key: jax.Array, images: jax.Array, labels: jax.Array
    ) -> State:
        streams = self._network.random(jax.random.fold_in(key, _DROP), state.step)
        augmenting = jax.random.fold_in(jax.random.fold_in(key, _AUGMENT), state.step)
        images = preprocessing.prepare(
            images, self._kind, augmenting if self._run.augment else None
        )
        starts = state.step % self.steps_per_epoch == 0
        earlier = self._network.forget(state.other, starts)
        given = (state.params, earlier, streams, images, labels)
        extra: dict[str, PyTree] = {}
        if self._wants_variance:
            loss, gradient, variance, other = self._network.variance(*given)
            extra["variance"] = variance
        else:
            measure = jax.value_and_grad(self._network.loss, has_aux=True)
            (loss, other), gradient = measure(*given)
        at = state.step % self._eval_every % self._window
        gradient = self._penalized(gradient, state.params)
        updates, optimizer = self._optimizer.update(
            gradient, state.optimizer, state.params, **extra
        )
        return State(
            step=state.step + 1,
            losses=state.losses.at[at].set(loss),
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
