"""One seed's learning: its random numbers, its state, and how it is portioned."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.learner import Learner
from tests.experiments.training_cases import TRAIN, dataset, install, run


@pytest.fixture(autouse=True, scope="module")
def small(tmp_path_factory):
    yield from install(tmp_path_factory.mktemp("programs"))


def test_each_epoch_has_an_order_of_its_own():
    learner = Learner(run(), dataset())
    orders = [learner.order(jax.random.key(s), e) for s in (0, 1) for e in (0, 1)]
    for order in orders:
        assert sorted(order.tolist()) == list(range(TRAIN))
    for one, other in itertools.combinations(orders, 2):
        assert (one != other).any()


def test_steps_do_not_depend_on_how_they_are_portioned():
    """Batch statistics and dropout included, which change from step to step."""
    learner = Learner(run(model="mas_cnn"), dataset())
    key, order = jax.random.key(0), jnp.arange(TRAIN)
    train_set = jnp.asarray(dataset().train_images), jnp.asarray(dataset().train_labels)
    advance = jax.jit(learner.advance)

    def after(*stops):
        state = learner.start(key)
        for stop in stops:
            begin = int(state.step)
            state, loss = advance(state, key, order, *train_set, jnp.int32(stop))
            fresh = state.losses[begin:stop].mean() if stop > begin else 0
            # The mean of at most six float32 numbers, added in some order.
            np.testing.assert_allclose(loss, fresh, rtol=1e-6)
        return jax.tree.map(np.asarray, state)

    whole = after(6)
    for stops in ((1, 2, 3, 4, 5, 6), (4, 4, 2, 6)):
        jax.tree.map(np.testing.assert_array_equal, after(*stops), whole)
    assert whole.step == 6
    assert (whole.other["norm"]["mean"] != 0).all()
    measured = learner.evaluate(whole, *train_set, *train_set)
    # A batch of one has no statistics of its own, and dropout would tell them apart.
    alone = learner.evaluate(whole, *train_set, *(x[:1] for x in train_set))
    assert measured["test_loss"] == measured["train_loss"]
    assert alone["test_loss"] == alone["train_loss"]


def test_dropout_differs_between_layers_steps_and_seeds():
    learner = Learner(run(model="mas_cnn"), dataset())
    keys = [
        jax.random.key_data(stream["rngs"]["key"]).tolist()
        for seed, step in itertools.product((0, 1), (0, 1))
        for stream in learner._streams_at(jax.random.key(seed), step)["drops"].values()
    ]
    assert len({tuple(key) for key in keys}) == len(keys) == 8
