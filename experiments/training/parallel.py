"""Runs side by side, each computed by a program of one run in a thread of its own.

What is compiled for several runs at once rounds differently with their number. XLA
gives all devices of a CPU one pool of threads, so that one device can take every run.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import jax
import numpy as np

from experiments.data import datasets
from experiments.training.learner import Learner, State

T = TypeVar("T")
R = TypeVar("R")


def side_by_side(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Calls the function with all items at once; an interrupt waits for their ends."""
    with ThreadPoolExecutor(len(items)) as pool:
        return list(pool.map(function, items))


class Programs:
    """What a device executes for any run of a group, compiled once."""

    def __init__(
        self, learner: Learner, dataset: datasets.Dataset, device: jax.Device
    ) -> None:
        self.device = device
        train = (dataset.train_inputs, dataset.train_labels)
        test = (dataset.test_inputs, dataset.test_labels)
        self.train, self.test = jax.device_put((train, test), device)
        self.start = jax.jit(learner.start)
        # Compiled ahead: the clock starts afterwards, and nothing can be traced again.
        key, number = self.key(0), np.int32(0)
        self.order = jax.jit(learner.order).lower(key, number).compile()
        state, order = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=key.sharding),
            (learner.abstract, self.order.out_info),
        )
        advance = learner.program.lower(state, key, order, *self.train, number)
        self.advance = advance.compile()
        evaluate = jax.jit(learner.evaluate)
        self.evaluate = evaluate.lower(state, *self.train, *self.test).compile()

    def key(self, seed: int) -> jax.Array:
        """The key of a run, from which all that is random in it follows."""
        return jax.device_put(jax.random.key(seed), self.device)


class Lane:
    """A run on its device.

    Attributes:
      state: how far it has come.
    """

    def __init__(
        self, programs: Programs, seed: int, state: State | None = None
    ) -> None:
        """Goes on from the state, or from the start of this seed."""
        self._programs = programs
        self._key = programs.key(seed)
        self.state: State = (
            programs.start(self._key)
            if state is None
            else jax.device_put(state, programs.device)
        )
        self._epoch, self._order = -1, None

    def advance(self, epoch: int, stop: int) -> float:
        """Trains up to a step of this epoch and returns the mean loss of the way."""
        programs = self._programs
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = programs.order(self._key, np.int32(epoch))
        self.state, loss = programs.advance(
            self.state, self._key, self._order, *programs.train, np.int32(stop)
        )
        return float(loss)

    def evaluate(self) -> dict[str, float]:
        """Measures what the learner measures."""
        programs = self._programs
        measured = programs.evaluate(self.state, *programs.train, *programs.test)
        return {name: float(value) for name, value in measured.items()}

    def held(self) -> State | None:
        """The state on the host; None in the instant in which the device takes it."""
        if any(leaf.is_deleted() for leaf in jax.tree.leaves(self.state)):
            return None
        return jax.tree.map(np.array, self.state)
