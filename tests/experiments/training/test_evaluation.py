"""Loss and accuracy over a whole set; oscillation against the path of the weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.training import evaluation
from experiments.training.learner import METRICS, Learner
from tests.experiments.training_cases import (
    CLASSES,
    TEST,
    TRAIN,
    dataset,
    install,
    run,
)


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


@pytest.fixture(scope="module")
def small():
    yield from install()


def test_q_is_that_of_the_steps_since_the_last_evaluation(small):
    tracking = Learner(run("momentum", 0.1, track_oscillation=True), dataset())
    plain = Learner(run("momentum", 0.1), dataset())
    assert plain.metrics == METRICS
    assert tracking.state_bytes == plain.state_bytes
    key, order = jax.random.key(0), jnp.arange(TRAIN)
    train_set = jnp.asarray(dataset().train_inputs), jnp.asarray(dataset().train_labels)
    advance, states = jax.jit(tracking.advance), [tracking.start(key)]
    for step in range(1, 11):
        state, _ = advance(states[-1], key, order, *train_set, jnp.int32(step))
        states.append(state)
    alone, _ = jax.jit(plain.advance)(
        plain.start(key), key, order, *train_set, jnp.int32(7)
    )
    jax.tree.map(np.testing.assert_array_equal, states[7].params, alone.params)

    def q(first, last):
        path = [
            np.concatenate([np.ravel(x) for x in jax.tree.leaves(state.params)])
            for state in states[first : last + 1]
        ]
        length = np.abs(np.diff(np.array(path, np.float64), axis=0)).sum(0)
        return np.mean(length / np.abs(path[-1] - path[0]))

    for first, last in ((0, 7), (7, 10)):  # evaluated every seven steps
        measured = tracking.evaluate(states[last], *train_set, *train_set)
        assert tuple(measured) == tracking.metrics
        # Weights are float32 and their moves a hundredth of them: 1e-5 of a move.
        assert float(measured["oscillation"]) == pytest.approx(q(first, last), rel=1e-3)
        assert measured["unmoved"] == 0
