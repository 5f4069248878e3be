"""What is measured of a run: loss and accuracy over a whole set, and oscillation."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

import optax_sign

PyTree = Any

# The activations of 500 images are the most that a network holds while it evaluates:
# 131 MB in the widest layer of the papers' networks.
BATCH = 500


def loss_and_accuracy(
    predict: Callable[[PyTree, jax.Array], tuple[jax.Array, PyTree]],
    memory: PyTree,
    inputs: jax.Array,
    labels: jax.Array,
    batch: int = BATCH,
) -> tuple[jax.Array, jax.Array]:
    """Mean cross-entropy and share of right answers over all labels.

    The batches bound the memory.

    Args:
      predict: memory, inputs [batch, …] → logits [*labels.shape, classes], memory.
      memory: what `predict` is to remember of the batches before, here of none.
      inputs: [N, …], taken in this order.
      labels: integers [N] or [N, length].
      batch: examples at once; the last batch may be smaller.
    """

    def totals(memory: PyTree, batch: tuple) -> tuple[PyTree, jax.Array]:
        inputs, labels = batch
        logits, memory = predict(memory, inputs)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        # A NaN has no largest logit: argmax would call its first class the answer.
        right = (logits.argmax(-1) == labels) & jnp.isfinite(losses)
        return memory, jnp.stack([losses.sum(), right.sum().astype(losses.dtype)])

    def add(carry: tuple, batch: tuple) -> tuple[tuple, None]:
        memory, more = totals(carry[0], batch)
        return (memory, carry[1] + more), None

    whole = len(labels) - len(labels) % batch
    batches = jax.tree.map(
        lambda x: x[:whole].reshape(-1, batch, *x.shape[1:]), (inputs, labels)
    )
    (memory, total), _ = jax.lax.scan(add, (memory, jnp.zeros(2)), batches)
    if whole < len(labels):
        total += totals(memory, (inputs[whole:], labels[whole:]))[1]
    loss, accuracy = total / labels.size
    return loss, accuracy


def track_in_windows(steps: int) -> optax.GradientTransformationExtraArgs:
    """`optax_sign.track_oscillation`, begun anew after every `steps` updates.

    At the end of a window `optax_sign.oscillation` reads its index Q off the state, as
    the AdaRem paper draws it.
    """
    window = optax_sign.track_oscillation()

    def update(updates, state, params=None, **extra_args):
        over = state.count == steps
        state = jax.tree.map(lambda x: jnp.where(over, jnp.zeros_like(x), x), state)
        return window.update(updates, state, params, **extra_args)

    return optax.GradientTransformationExtraArgs(window.init, update)
