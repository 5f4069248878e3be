"""What training computes, and what it does with runs that go wrong."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from experiments import config, data, evaluation, models, optimizers
from experiments.learner import METRICS, Learner
from experiments.runs import Store
from experiments.training import train
from tests.experiments.messages import assert_one_sentence
from tests.experiments.training_cases import (
    BATCH,
    CLASSES,
    TEST,
    TRAIN,
    dataset,
    install,
    outcome,
    run,
    weights,
)


@pytest.fixture(autouse=True, scope="module")
def small(tmp_path_factory):
    yield from install(tmp_path_factory.mktemp("programs"))


def cross_entropy(model, images, labels):
    return optax.softmax_cross_entropy_with_integer_labels(model(images), labels)


def page_long_training(a_run):
    """The same training as one would write it on a page, one batch at a time."""
    key = jax.random.key(a_run.seed)
    model = models.MODELS[a_run.model](CLASSES, nnx.Rngs(jax.random.fold_in(key, 0)))
    optimizer = optimizers.make(a_run.optimizer, a_run.steps)
    graph, params = nnx.split(model)
    state = optimizer.init(params)
    pixels = dataset().train_images.astype(np.float32) / 255

    def example_losses(params, images, labels):
        return cross_entropy(nnx.merge(graph, params), images, labels)

    def mean_loss(params, images, labels):
        return example_losses(params, images, labels).mean()

    @jax.jit
    def update(params, state, *batch):
        loss, gradient = jax.value_and_grad(mean_loss)(params, *batch)
        extra = {}
        if optimizers.needs_variance(a_run.optimizer):
            each = jax.jacobian(example_losses)(params, *batch)
            extra["variance"] = jax.tree.map(
                lambda g: jnp.var(g, axis=0, ddof=1) / BATCH, each
            )
        updates, state = optimizer.update(gradient, state, params, **extra)
        return loss, optax.apply_updates(params, updates), state

    losses = []
    for step in range(a_run.steps):
        epoch, position = divmod(step, TRAIN // BATCH)
        order = np.arange(TRAIN)
        if a_run.shuffle:
            shuffling = jax.random.fold_in(jax.random.fold_in(key, 1), epoch)
            order = np.asarray(jax.random.permutation(shuffling, TRAIN))
        chosen = order[position * BATCH : (position + 1) * BATCH]
        batch = pixels[chosen], dataset().train_labels[chosen]
        loss, params, state = update(params, state, *batch)
        losses.append(loss)
    return np.array(losses), nnx.merge(graph, params)


@pytest.mark.parametrize(
    "a_run",
    [
        run("adam"),
        run("sgd", 0.3, shuffle=False, seed=3),
        run("m_svag", 0.3, options={"variance": "mini_batch"}),
    ],
    ids=["shuffled", "in order", "mini-batch variance"],
)
def test_agrees_with_training_written_on_a_page(store, a_run):
    (result,) = train([a_run], store)
    losses, model = page_long_training(a_run)
    params = nnx.to_pure_dict(nnx.state(model))
    # The same float32 products are added up in another order, which costs a few units
    # in the last place a step; 25 steps at these rates keep that below 1e-5.
    close = {"rtol": 1e-5, "atol": 1e-5}
    for name, stored in weights(store, a_run).items():
        _, layer, kind = name.split(".")
        np.testing.assert_allclose(stored, params[layer][kind], **close)
    table = store.read_metrics(a_run)
    np.testing.assert_allclose(table.losses, losses, **close)
    assert table.steps.tolist() == [7, 14, 21, 25]
    sets = {
        "train": (dataset().train_images[:TEST], dataset().train_labels[:TEST]),
        "test": (dataset().test_images, dataset().test_labels),
    }
    for name, (images, labels) in sets.items():
        pixels = images.astype(np.float32) / 255
        loss = cross_entropy(model, pixels, labels).mean()
        accuracy = (model(pixels).argmax(-1) == labels).mean()
        np.testing.assert_allclose(table.columns[f"{name}_loss"][-1], loss, **close)
        assert table.columns[f"{name}_accuracy"][-1] == np.float32(accuracy)
    last = {name: float(values[-1]) for name, values in table.columns.items()}
    assert result.metrics == last
    assert (result.status, result.steps) == ("finished", 25)


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


def test_loop_is_traced_once(store, monkeypatch):
    traced = []
    advance = Learner.advance

    def counting(self, *arguments):
        traced.append(1)
        return advance(self, *arguments)

    monkeypatch.setattr(Learner, "advance", counting)
    train([run(seed=0), run(seed=1)], store, devices=jax.devices()[:1])
    assert len(traced) == 1


def test_seeds_side_by_side_are_the_seeds_alone(store, tmp_path):
    runs = [run("adam", seed=seed) for seed in range(3)]
    train(runs, store, devices=jax.devices()[:2])
    alone = Store(tmp_path / "alone")
    train(runs[1:2], alone, devices=jax.devices()[2:3])
    assert outcome(alone, runs[1]) == outcome(store, runs[1])
    assert len({outcome(store, a_run)[""] for a_run in runs}) == 3


def test_ended_runs_are_used_again(store, monkeypatch):
    runs = [run("sgd", 0.1), run("sgd", 0.1, seed=1), run("sgd", 0.1)]
    first = train(runs, store)
    assert first[0] == first[2] != first[1]
    assert not (store.folder(runs[0]) / "checkpoints").exists()

    def unwanted(*arguments):
        raise AssertionError("nothing is left to load the data for")

    monkeypatch.setattr(data, "load", unwanted)
    assert train(runs[::-1], store) == first[::-1]


def fuse_step(a_run):
    """The step at which the network of this run returns a NaN."""
    key = jax.random.fold_in(jax.random.key(a_run.seed), 0)
    return int(models.MODELS["p1_cnn"](CLASSES, nnx.Rngs(key)).end[...])


def test_diverged_run_ends_and_the_others_go_on(store):
    runs = [run(model="p1_cnn", seed=seed) for seed in (0, 3, 6, 10, 11)]
    steps = [fuse_step(a_run) for a_run in runs]
    assert {7, 8} < set(steps)  # at an evaluation and just after one
    sound = run(seed=9)
    results = train([*runs, sound], store, devices=jax.devices()[:3])
    assert results[-1].status == "finished"
    for a_run, step, result in zip(runs, steps, results, strict=False):
        assert (result.status, result.steps) == ("diverged", step)
        assert result.metrics == {}
        table = store.read_metrics(a_run)
        assert np.isfinite(table.losses[:-1]).all()
        assert np.isnan(table.losses[-1])
        assert table.loss_steps[-1] == step
        for name in METRICS:
            assert np.isfinite(table.columns[name][:-1]).all()
            assert np.isnan(table.columns[name][-1])
        assert not (store.folder(a_run) / "checkpoints").exists()


@pytest.mark.parametrize(
    ("a_run", "message"),
    [
        (run(batch_size=TRAIN + 1), "batch_size must be at most 83"),
        (run("m_svag", options={"variance": "mini_batch"}, batch_size=1), "at least 2"),
        (run("m_svag", options={"variance": "mini_batch"}, model="mas_cnn"), "dropout"),
        (run("adam", options={"b1": 1.0}), "b1 of adam must be in"),
    ],
    ids=["batch too large", "no variance", "batch statistics", "bad option"],
)
def test_bad_runs_are_refused_before_any_is_trained(store, a_run, message):
    with pytest.raises(config.ConfigError, match=message) as error:
        train([run(), a_run], store)
    assert_one_sentence(str(error.value))
    assert not store.root.exists()


def test_progress_is_told(store):
    events = []
    runs = [run("sgd", 0.1, epochs=3, seed=seed) for seed in (0, 1)]
    train(runs, store, devices=jax.devices()[:2], on_progress=events.append)
    steps = [event.step for event in events]
    assert steps == sorted(set(steps))
    assert (steps[0], steps[-1]) == (0, 30)
    assert {event.total for event in events} == {30}
    assert events[0].runs == events[-1].runs == tuple(runs)
    assert math.isnan(events[0].loss)
    assert events[0].images_per_second == 0
    losses = np.stack([store.read_metrics(a_run).losses for a_run in runs])
    for before, event in itertools.pairwise(events):
        # The mean of a few float32 numbers, added in some order.
        expected = losses[:, before.step : event.step].mean()
        np.testing.assert_allclose(event.loss, expected, rtol=1e-6)
        assert event.images_per_second > 0
