"""Oscillation in windows, against the path of the weights themselves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.training.learner import METRICS, Learner
from tests.experiments.training_cases import TRAIN, dataset, install, run


@pytest.fixture(autouse=True, scope="module")
def small(tmp_path_factory):
    yield from install(tmp_path_factory.mktemp("programs"))


def test_q_is_that_of_the_steps_since_the_last_evaluation():
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
