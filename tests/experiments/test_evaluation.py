"""Loss and accuracy over a whole set."""

import jax.numpy as jnp
import numpy as np
import pytest

from experiments import evaluation
from tests.experiments.training_cases import CLASSES, TEST, dataset


@pytest.mark.parametrize("batch", [7, TEST, 1000])
def test_evaluation_covers_the_whole_set(monkeypatch, batch):
    monkeypatch.setattr(evaluation, "BATCH", batch)
    random = np.random.default_rng(0)
    logits = jnp.asarray(random.normal(size=(TEST, CLASSES)), jnp.float32)
    labels = jnp.asarray(dataset().test_labels)
    loss, accuracy = evaluation.loss_and_accuracy(lambda x: x, logits, labels)
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = -np.log(shares[np.arange(TEST), labels]).mean()
    np.testing.assert_allclose(loss, expected, rtol=1e-5)  # thirty float32 terms
    assert accuracy == np.float32((logits.argmax(-1) == labels).mean())


def test_a_nan_is_not_a_right_answer():
    logits = jnp.full((TEST, CLASSES), jnp.nan)
    zeros = jnp.zeros(TEST, jnp.int32)
    loss, accuracy = evaluation.loss_and_accuracy(lambda x: x, logits, zeros)
    assert np.isnan(loss)
    assert accuracy == 0
