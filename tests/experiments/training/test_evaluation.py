"""Loss and accuracy over a whole set."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.training import evaluation
from tests.experiments.training_cases import CLASSES, TEST, dataset


def echo(memory, logits):
    return logits, memory


@pytest.mark.parametrize("batch", [7, TEST, 1000])
def test_evaluation_covers_the_whole_set(batch):
    random = np.random.default_rng(0)
    logits = jnp.asarray(random.normal(size=(TEST, CLASSES)), jnp.float32)
    labels = jnp.asarray(dataset().test_labels)
    loss, accuracy = evaluation.loss_and_accuracy(echo, None, logits, labels, batch)
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = -np.log(shares[np.arange(TEST), labels]).mean()
    np.testing.assert_allclose(loss, expected, rtol=1e-5)  # thirty float32 terms
    assert accuracy == np.float32((logits.argmax(-1) == labels).mean())


def test_a_nan_is_not_a_right_answer():
    logits = jnp.full((TEST, CLASSES), jnp.nan)
    zeros = jnp.zeros(TEST, jnp.int32)
    loss, accuracy = evaluation.loss_and_accuracy(echo, None, logits, zeros)
    assert np.isnan(loss)
    assert accuracy == 0


def test_every_label_of_a_sequence_counts():
    random = np.random.default_rng(1)
    logits = jnp.asarray(random.normal(size=(6, 4, CLASSES)), jnp.float32)
    labels = jnp.asarray(random.integers(0, CLASSES, (6, 4)))
    whole = evaluation.loss_and_accuracy(echo, None, logits, labels, 2)
    flat = evaluation.loss_and_accuracy(
        echo, None, logits.reshape(24, -1), labels.reshape(-1), 24
    )
    # Twenty-four float32 terms, added in another order.
    np.testing.assert_allclose(whole, flat, rtol=1e-6)


def test_memory_goes_from_batch_to_batch():
    def predict(count, inputs):
        logits = jax.nn.one_hot(jnp.full(len(inputs), count), 4) * 100
        return logits, count + 1

    labels = jnp.array([0, 0, 1, 1, 2, 2, 3])  # the number of the batch
    _, accuracy = evaluation.loss_and_accuracy(predict, 0, labels, labels, 2)
    assert accuracy == 1
