"""One seed's learning: its random numbers, its state, and how it is portioned."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.training.learner import Learner
from tests.experiments.training_cases import TRAIN, dataset, install, run


@pytest.fixture(autouse=True, scope="module")
def small():
    yield from install()


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
    train_set = jnp.asarray(dataset().train_inputs), jnp.asarray(dataset().train_labels)
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
        for stream in learner._network.random(jax.random.key(seed), step)[
            "drops"
        ].values()
    ]
    assert len({tuple(key) for key in keys}) == len(keys) == 8


def one_step(a_run):
    learner = Learner(a_run, dataset())
    key = jax.random.key(a_run.seed)
    train_set = jnp.asarray(dataset().train_inputs), jnp.asarray(dataset().train_labels)
    start = learner.start(key)
    order = learner.order(key, 0)
    state, loss = learner.advance(start, key, order, *train_set, jnp.int32(1))
    return start.params, state.params, loss


@pytest.mark.parametrize("options", [{}, {"variance": "mini_batch"}])
def test_penalty_pulls_weights_and_leaves_biases_and_the_loss(options):
    name = "svag" if options else "sgd"
    start, plain, plain_loss = one_step(run(name, 1.0, options=options))
    _, pulled, loss = one_step(run(name, 1.0, options=options, l2=0.25))
    assert loss == plain_loss
    for layer in ("hidden", "output"):
        old, one, other = (x[layer] for x in (start, plain, pulled))
        np.testing.assert_array_equal(other["bias"], one["bias"])
        if name == "sgd":
            expected = one["kernel"] - 0.25 * old["kernel"]
            # A sum of three float32 numbers, in another order.
            np.testing.assert_allclose(other["kernel"], expected, rtol=0, atol=1e-6)
        else:
            assert (other["kernel"] != one["kernel"]).mean() > 0.9


def test_augmentation_follows_seed_and_step_and_stays_out_of_evaluation():
    learner = Learner(run(augment=True), dataset())
    plain = Learner(run(), dataset())
    train_set = jnp.asarray(dataset().train_inputs), jnp.asarray(dataset().train_labels)
    order, start = jnp.arange(TRAIN), learner.start(jax.random.key(0))

    def loss(learner, seed, step):
        state = start._replace(step=jnp.int32(step))
        key = jax.random.key(seed)
        # The same examples at both steps: the second begins an epoch.
        return learner.advance(state, key, order, *train_set, jnp.int32(step + 1))[1]

    epoch = learner.steps_per_epoch
    losses = [
        float(loss(learner, seed, step)) for seed in (0, 1) for step in (0, epoch)
    ]
    assert len(set(losses)) == 4
    assert losses[0] == float(loss(learner, 0, 0))
    assert len({float(loss(plain, s, t)) for s in (0, 1) for t in (0, epoch)}) == 1
    found, expected = (
        x.evaluate(start, *train_set, *train_set) for x in (learner, plain)
    )
    assert found == expected
