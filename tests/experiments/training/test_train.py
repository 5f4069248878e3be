"""What training computes, and what it does with runs that go wrong."""

import itertools
import math
import os
import resource

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from experiments.data import datasets
from experiments.errors import ConfigError
from experiments.networks.catalogue import NETWORKS
from experiments.runs.store import Store
from experiments.training import learner, loop, optimizers
from experiments.training.learner import METRICS, Learner
from experiments.training.train import train
from tests.experiments.messages import assert_one_sentence
from tests.experiments.training_cases import (
    BATCH,
    CLASSES,
    TEST,
    TRAIN,
    Fuse,
    Plain,
    dataset,
    install,
    run,
    weights,
)


@pytest.fixture(autouse=True, scope="module")
def small():
    yield from install()


def cross_entropy(model, images, labels):
    return optax.softmax_cross_entropy_with_integer_labels(model(images), labels)


def page_long_training(a_run):
    """The same training as one would write it on a page, one batch at a time."""
    key = jax.random.key(a_run.seed)
    model = NETWORKS[a_run.model](CLASSES, nnx.Rngs(jax.random.fold_in(key, 0)))
    optimizer = optimizers.make(a_run.optimizer, a_run.steps)
    graph, params = nnx.split(model)
    state = optimizer.init(params)
    pixels = dataset().train_inputs.astype(np.float32) / 255

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
        "train": (dataset().train_inputs[:TEST], dataset().train_labels[:TEST]),
        "test": (dataset().test_inputs, dataset().test_labels),
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


def test_loop_is_traced_once(store, monkeypatch):
    traced = []
    advance = Learner.advance

    def counting(self, *arguments):
        traced.append(1)
        return advance(self, *arguments)

    monkeypatch.setattr(Learner, "advance", counting)
    train([run(seed=0), run(seed=1)], store, devices=jax.devices()[:1])
    assert len(traced) == 1


def test_ended_runs_are_used_again(store, monkeypatch):
    runs = [run("sgd", 0.1), run("sgd", 0.1, seed=1), run("sgd", 0.1)]
    first = train(runs, store)
    assert first[0] == first[2] != first[1]
    assert not (store.folder(runs[0]) / "checkpoints").exists()

    def unwanted(*arguments):
        raise AssertionError("nothing is left to load the data for")

    monkeypatch.setattr(datasets, "load", unwanted)
    assert train(runs[::-1], store) == first[::-1]


def fuse_step(a_run):
    """The step at which the network of this run returns a NaN."""
    key = jax.random.fold_in(jax.random.key(a_run.seed), 0)
    return int(NETWORKS["p1_cnn"](CLASSES, nnx.Rngs(key)).end[...])


def test_diverged_run_ends_and_the_others_go_on(store):
    runs = [run(model="p1_cnn", seed=seed, steps=19) for seed in (0, 10, 6, 11)]
    steps = [fuse_step(a_run) for a_run in runs]
    # The second fails at an evaluation, the last just after one, the third not in time.
    assert steps == [2, 7, 20, 8]
    results = train(runs, store, devices=jax.devices()[:1] * 2)
    assert (results[2].status, results[2].steps) == ("finished", 19)
    assert np.isfinite(store.read_metrics(runs[2]).losses).all()
    for a_run, step, result in zip(runs, steps, results, strict=True):
        if step == 20:
            continue
        assert (result.status, result.steps) == ("diverged", step)
        assert result.metrics == {}
        table = store.read_metrics(a_run)
        assert np.isfinite(table.losses[:-1]).all()
        assert np.isnan(table.losses[-1])
        assert len(table.losses) == step
        for name in METRICS:
            assert np.isfinite(table.columns[name][:-1]).all()
            assert np.isnan(table.columns[name][-1])
        assert not (store.folder(a_run) / "checkpoints").exists()


class DroppingFuse(Fuse):
    """A fuse with dropout, whose clock and random numbers go on from step to step."""

    def __init__(self, num_classes, rngs):
        super().__init__(num_classes, rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, images):
        return super().__call__(self.drop(images))


def test_mini_batch_variance_keeps_what_the_network_counts(store, monkeypatch):
    monkeypatch.setitem(NETWORKS, "p1_cnn", DroppingFuse)
    options = {"variance": "mini_batch"}
    a_run = run("m_svag", 0.1, model="p1_cnn", seed=10, options=options)
    (result,) = train([a_run], store)
    assert (result.status, result.steps) == ("diverged", fuse_step(a_run))
    assert result.steps > 1


def test_diverged_run_does_not_wait_for_the_evaluation(store, monkeypatch):
    monkeypatch.setattr(loop, "PORTION_SECONDS", 0.0)
    a_run = run(model="p1_cnn", seed=3, eval_every=25)
    events = []
    (result,) = train([a_run], store, on_progress=events.append)
    assert result.steps == fuse_step(a_run) == events[-1].step == 18
    assert events[-1].runs == ()


class Loud(Plain):
    """Has losses that float32 can hold, but for the sum of ten."""

    def __call__(self, images):
        return super().__call__(images) + jnp.array([6e37, 0, 0])


def test_a_run_does_not_end_where_the_clock_adds_its_losses_up(store, monkeypatch):
    monkeypatch.setitem(NETWORKS, "mlp", Loud)
    (result,) = train([run("sgd", batch_size=4, steps=20, eval_every=20)], store)
    assert (result.status, result.steps) == ("diverged", 20)  # at its evaluation
    assert np.isfinite(store.read_metrics(store.list()[0].run).losses).all()


class NaNGradient(Fuse):
    """Has a gradient that is not a number at step 7, where its loss is one."""

    def __call__(self, images):
        logits = Plain.__call__(self, images)
        self.clock[...] += 1

        def zero(bias):
            return jnp.sqrt(0 * bias.sum())

        now = self.clock[...] == 7
        return logits + jax.lax.cond(now, zero, jnp.max, 0 * self.output.bias[...])


def test_weights_that_are_not_numbers_end_a_run(store, monkeypatch):
    monkeypatch.setitem(NETWORKS, "mlp", NaNGradient)
    (result,) = train([run()], store)
    assert (result.status, result.steps) == ("diverged", 7)
    table = store.read_metrics(run())
    assert np.isfinite(table.losses).all()
    assert np.isnan(table.columns["test_loss"]).all()


@pytest.mark.parametrize(
    ("a_run", "message"),
    [
        (run(batch_size=TRAIN + 1), "batch_size must be at most 83"),
        (run("m_svag", options={"variance": "mini_batch"}, batch_size=1), "at least 2"),
        (
            run("m_svag", options={"variance": "mini_batch"}, model="mas_cnn"),
            "model 'mas_cnn'.* got BatchNorm at 'norm'",
        ),
        (run("adam", options={"b1": 1.0}), "b1 of adam must be in"),
    ],
    ids=["batch too large", "no variance", "batch statistics", "bad option"],
)
def test_bad_runs_are_refused_before_any_is_trained(store, a_run, message):
    with pytest.raises(ConfigError, match=message) as error:
        train([run(), a_run], store)
    assert_one_sentence(str(error.value))
    assert not store.root.exists()


def test_progress_is_told(store):
    events = []
    runs = [run("sgd", 0.1, epochs=3, seed=seed) for seed in (0, 1)]
    train(runs, store, devices=jax.devices()[:1] * 2, on_progress=events.append)
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


def test_training_needs_a_device(store):
    with pytest.raises(ValueError, match="devices must hold at least one") as error:
        train([run()], store, devices=[])
    assert_one_sentence(str(error.value))


def test_more_seeds_than_files_may_be_open(store):
    runs = [run(seed=seed, steps=1) for seed in range(20)]
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = len(os.listdir("/proc/self/fd")) + 30  # two for each seed were too many
    resource.setrlimit(resource.RLIMIT_NOFILE, (room, limits[1]))
    try:
        results = train(runs, store, devices=jax.devices()[:2])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert [result.status for result in results] == ["finished"] * 20


def test_memory_grows_with_neither_steps_nor_the_distance_of_evaluations():
    far = run(steps=10**9, eval_every=10**9)
    assert Learner(far, dataset()).abstract.losses.shape == (learner.WINDOW,)


def test_losses_between_distant_evaluations_are_written_in_portions(
    store, tmp_path, monkeypatch
):
    a_run = run("adam", eval_every=10, track_oscillation=True)
    train([a_run], store)
    monkeypatch.setattr(learner, "WINDOW", 4)
    monkeypatch.setattr(loop, "PORTION_SECONDS", 0.0)
    portions = Store(tmp_path / "portions")

    def interrupt(event):
        if event.step == 17:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train([a_run], portions, on_progress=interrupt)
    train([a_run], portions)
    rows = [row["step"] for row in portions.read_rows(a_run)]
    assert rows == [4, 8, 10, 14, 18, 20, 24, 25]
    whole, found = (each.read_metrics(a_run) for each in (store, portions))
    np.testing.assert_array_equal(found.losses, whole.losses)
    np.testing.assert_array_equal(found.steps, [10, 20, 25])
    for name, column in whole.columns.items():
        np.testing.assert_array_equal(found.columns[name], column)
    for name, array in weights(store, a_run).items():
        np.testing.assert_array_equal(weights(portions, a_run)[name], array)
