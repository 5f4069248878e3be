"""Loss and accuracy over a whole set, in batches that bound the memory."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

# The activations of 500 images are the most that a network holds while it evaluates:
# 100 MB in the widest layer of the papers' networks.
BATCH = 500


def loss_and_accuracy(
    predict: Callable[[jax.Array], jax.Array], images: jax.Array, labels: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Mean cross-entropy and share of right answers over all examples.

    Args:
      predict: images [batch, …] → logits [batch, classes], for any size of batch.
      images: [N, …].
      labels: integers [N].

    Returns:
      Two float32 scalars.
    """

    def totals(images: jax.Array, labels: jax.Array) -> jax.Array:
        logits = predict(images)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        # A NaN has no largest logit: argmax would call its first class the answer.
        right = (logits.argmax(-1) == labels) & jnp.isfinite(losses)
        return jnp.stack([losses.sum(), right.sum().astype(losses.dtype)])

    count = len(labels)
    whole = count - count % BATCH
    batches = jax.tree.map(
        lambda x: x[:whole].reshape(-1, BATCH, *x.shape[1:]), (images, labels)
    )
    total, _ = jax.lax.scan(
        lambda total, batch: (total + totals(*batch), None), jnp.zeros(2), batches
    )
    if whole < count:
        total += totals(images[whole:], labels[whole:])
    loss, accuracy = total / count
    return loss, accuracy
