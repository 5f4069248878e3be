"""The language model reads its streams on and on, in training and in evaluation."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from experiments.data import war_and_peace
from experiments.networks import char_lstm
from experiments.networks.catalogue import NETWORKS
from experiments.networks.char_lstm import Carry
from experiments.runs.store import Store
from experiments.training import loop
from experiments.training.learner import Learner
from experiments.training.train import train
from tests.experiments import text_cases
from tests.experiments.text_cases import LENGTH, STREAMS, Reader, dataset, run
from tests.experiments.training_cases import outcome


@pytest.fixture(scope="module")
def small():
    yield from text_cases.install()


def test_shape_of_the_papers_network():
    network = nnx.eval_shape(lambda: NETWORKS["char_lstm"](82, nnx.Rngs(0)))
    weights = jax.tree.leaves(nnx.state(network, nnx.Param))
    embedding, layer, output = 82 * 128, 256 * 512 + 512, 128 * 82 + 82
    assert sum(leaf.size for leaf in weights) == embedding + 2 * layer + output
    carried = jax.tree.leaves(nnx.state(network, Carry))
    assert [leaf.shape for leaf in carried] == [(war_and_peace.STREAMS, 128)] * 4


def test_initial_weights():
    network = char_lstm.CharLSTM(82, nnx.Rngs(0))
    for layer in network.layers:
        cell = layer.recurrence.cell
        for kernel in (cell.dense_i.kernel, cell.dense_h.kernel):
            # Uniform within Glorot's limit of a matrix of 256 x 512; the largest of
            # 65,536 draws is within a ten thousandth of it, in all but 1 of 700 seeds.
            limit = np.sqrt(6 / (256 + 512))
            assert limit * (1 - 1e-4) < jnp.abs(kernel[...]).max() <= limit
        bias = np.reshape(cell.dense_h.bias[...], (4, 128))
        np.testing.assert_array_equal(bias, [[0] * 128, [1] * 128, *[[0] * 128] * 2])
        for drop in (layer.drop_inputs, layer.drop_outputs):
            assert drop.rate == 0.2


def logits_of(network, *batches):
    return np.concatenate([network(batch) for batch in batches], axis=1)


def test_state_goes_on_from_batch_to_batch(small):
    text = jnp.asarray(dataset().train_inputs[:8].reshape(2, STREAMS, LENGTH))
    whole, parts = (Reader(12, nnx.Rngs(0)) for _ in range(2))
    whole.eval()
    parts.eval()
    expected = logits_of(whole, jnp.concatenate([*text], axis=1))
    found = logits_of(parts, *text)
    # The same float32 operations, fused in another way.
    np.testing.assert_allclose(found, expected, atol=1e-6)
    alone = Reader(12, nnx.Rngs(0))
    alone.eval()
    assert np.abs(found[:, LENGTH:] - logits_of(alone, text[1])).max() > 1e-4


def losses_from_zero(params, rows, labels):
    """The mean loss of each block if every stream is read in one go, from zero."""

    def in_streams(rows):
        blocks = rows.reshape(-1, STREAMS, LENGTH)
        return jnp.asarray(np.concatenate([*blocks], axis=1))

    network = Reader(dataset().num_classes, nnx.Rngs(0))
    nnx.update(network, params)
    network.eval()
    losses = optax.softmax_cross_entropy_with_integer_labels(
        network(in_streams(rows)), in_streams(labels)
    )
    return np.asarray(losses).reshape(STREAMS, -1, LENGTH).mean((0, 2))


def trained(steps, a_run):
    learner = Learner(a_run, dataset())
    key = jax.random.key(a_run.seed)
    state = learner.start(key)
    sets = [
        jnp.asarray(getattr(dataset(), f"{part}_{kind}"))
        for part in ("train", "test")
        for kind in ("inputs", "labels")
    ]
    order = learner.order(key, 0)
    state, _ = jax.jit(learner.advance)(state, key, order, *sets[:2], jnp.int32(steps))
    return learner, state, sets


def test_training_reads_on_and_starts_anew_with_each_epoch(small, monkeypatch):
    monkeypatch.setattr(char_lstm, "DROPOUT", 0.0)
    _, state, sets = trained(50, run("sgd", 1e-12, eval_every=50))
    expected = losses_from_zero(state.params, *sets[:2])
    assert expected.shape == (20,)
    # Rounding of float32; a rate of 1e-12 leaves the weights as they are.
    close = {"rtol": 1e-5}
    np.testing.assert_allclose(state.losses[:20], expected, **close)
    np.testing.assert_allclose(state.losses[20:40], expected, **close)
    np.testing.assert_allclose(state.losses[40:], expected[:10], **close)


def test_evaluation_starts_from_zero_without_dropout(small):
    learner, state, sets = trained(13, run("adam", 0.03))
    assert all(jnp.abs(leaf).max() > 0.01 for leaf in jax.tree.leaves(state.other))
    measured = jax.jit(learner.evaluate)(state, *sets)
    size = len(sets[2])
    for part, rows in (("train", [x[:size] for x in sets[:2]]), ("test", sets[2:])):
        expected = losses_from_zero(state.params, *rows).mean()
        # A hundred float32 losses, added in another order.
        np.testing.assert_allclose(measured[f"{part}_loss"], expected, rtol=1e-5)


def test_dropout_is_drawn_for_every_step(small):
    still = run("sgd", 1e-12, eval_every=50)
    _, state, _ = trained(50, still)
    assert (state.losses[:20] != state.losses[20:40]).all()
    _, again, _ = trained(50, still)
    np.testing.assert_array_equal(again.losses, state.losses)


def test_evaluations_leave_the_streams_of_training_alone(small, tmp_path):
    weights = []
    for eval_every in (3, 50):
        store, a_run = Store(tmp_path / str(eval_every)), run(eval_every=eval_every)
        train([a_run], store)
        files = outcome(store, a_run)
        files.pop("")
        weights.append(files)
    assert weights[0] == weights[1]


def test_interrupted_reading_goes_on_to_the_bit(small, tmp_path, monkeypatch):
    runs = [run(seed=seed) for seed in (0, 1)]
    undisturbed, store = Store(tmp_path / "undisturbed"), Store(tmp_path / "runs")
    devices = jax.devices()[:1] * 2
    (result, _) = train(runs, undisturbed, devices=devices)
    first, *_, last = undisturbed.read_metrics(runs[0]).losses
    assert result.status == "finished"
    assert last < first
    monkeypatch.setattr(loop, "PORTION_SECONDS", 0.0)
    for step in (12, 20, 33):  # within an epoch, at the start of one, and within it

        def interrupt(event, step=step):
            if event.step == step:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(runs, store, devices=devices, on_progress=interrupt)
    train(runs, store, devices=devices)
    for a_run in runs:
        assert outcome(store, a_run) == outcome(undisturbed, a_run)
