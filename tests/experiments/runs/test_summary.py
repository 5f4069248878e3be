"""Tables of results: what they keep, and that they are refused when changed."""

import dataclasses
import math

import numpy as np
import pytest

from experiments.errors import RunError
from experiments.runs import names
from experiments.runs import summary as results
from tests.experiments.messages import assert_one_sentence
from tests.experiments.stored_runs import FINISHED, RUN, row
from tests.experiments.summaries import run, summary


def test_smoothing_is_a_weighted_mean_of_all_losses_so_far():
    losses = np.random.default_rng(0).uniform(size=60)
    smoothed = results.smooth(losses, range(1, 61), decay=0.9)
    for end in (1, 2, 60):
        weights = 0.9 ** np.arange(end)[::-1]
        expected = np.average(losses[:end], weights=weights)
        # Sixty float64 operations on numbers below 1.
        assert smoothed[end - 1] == pytest.approx(expected, abs=1e-14)


def test_summary_of_a_stored_run(store):
    with store.open(RUN) as handle:
        handle.append([row(2), row(4), row(6)])
        handle.finish(FINISHED)
    kept = results.summarize(store, RUN, weights=4)
    losses = np.concatenate([row(step)["losses"] for step in (2, 4, 6)])
    np.testing.assert_array_equal(kept.steps, [1, 2, 3, 4, 5, 6])
    np.testing.assert_array_equal(kept.loss, results.smooth(losses, range(1, 7)))
    np.testing.assert_array_equal(kept.evaluated, [2, 4, 6])
    np.testing.assert_array_equal(
        kept.evaluations["train_loss"],
        [np.float32(row(step)["train_loss"]) for step in (2, 4, 6)],
    )
    assert kept.final_loss == kept.loss[-1]
    assert kept.bytes_per_weight == 2.0
    assert kept.versions.keys() >= {"jax", "optax-sign"}


def test_long_curves_keep_both_ends(store):
    long = dataclasses.replace(RUN, steps=1001)
    with store.open(long) as handle:
        handle.append([row(1001, size=1001)])
        handle.finish(dataclasses.replace(FINISHED, steps=1001))
    kept = results.summarize(store, long, weights=4)
    assert len(kept.steps) == results.POINTS
    assert (kept.steps[0], kept.steps[-1]) == (1, 1001)
    assert np.diff(kept.steps).max() <= 3
    smoothed = results.smooth(row(1001, size=1001)["losses"], range(1, 1002))
    np.testing.assert_array_equal(kept.loss, smoothed[kept.steps - 1])


def test_a_run_that_has_not_ended_has_no_summary(store, folder):
    with pytest.raises(RunError, match="has not ended") as error:
        results.summarize(store, RUN, weights=4)
    assert_one_sentence(str(error.value))


def test_a_diverged_run_has_no_final_loss():
    assert math.isnan(summary(run(), status="diverged").final_loss)


GUESSED = "ended no better than a guess"


@pytest.mark.parametrize(
    ("settings", "loss", "failure"),
    [
        ({}, 2.18, ""),  # 0.95 of the natural logarithm of 10 is 2.187
        ({}, 2.19, GUESSED),
        ({}, math.inf, GUESSED),
        ({"dataset": "war_and_peace", "model": "char_lstm"}, 4.18, ""),
        ({"dataset": "war_and_peace", "model": "char_lstm"}, 4.19, GUESSED),
    ],
)
def test_a_run_fails_if_it_ends_as_a_guess_does(settings, loss, failure):
    assert summary(dataclasses.replace(run(), **settings), loss).failure == failure


def test_a_run_that_diverged_failed_at_its_step():
    assert summary(run(), status="diverged").failure == "diverged at step 100"


def test_a_table_is_read_back(tmp_path):
    metrics = {"train_loss": 0.6, **FINISHED.metrics}
    result = dataclasses.replace(FINISHED, metrics=metrics)
    written = dataclasses.replace(summary(run(), loss=1 / 3), result=result)
    assert results.load(tmp_path, run()) is None
    results.save(tmp_path / "new", written)
    read = results.load(tmp_path / "new", run())
    assert read.run == written.run
    assert read.result == written.result
    assert (read.versions, read.date) == (written.versions, written.date)
    assert read.weights == written.weights
    np.testing.assert_array_equal(read.steps, written.steps)
    assert (read.steps[0], read.steps[-1]) == (1, 6)
    # Six digits are kept.
    np.testing.assert_allclose(read.loss, written.loss, rtol=5e-6)
    np.testing.assert_array_equal(read.evaluated, written.evaluated)
    np.testing.assert_allclose(
        read.evaluations["test_loss"], written.evaluations["test_loss"], rtol=5e-6
    )


def test_a_row_that_cannot_tell_whether_its_run_failed_is_refused(tmp_path):
    result = dataclasses.replace(FINISHED, metrics={})
    results.save(tmp_path, dataclasses.replace(summary(run()), result=result))
    with pytest.raises(RunError, match="another version") as error:
        results.load(tmp_path, run())
    assert_one_sentence(str(error.value))


def test_what_is_not_finite_is_read_back(tmp_path):
    losses = np.array([2.0, np.inf, np.nan])  # at steps 1, 51 and 100
    diverged = dataclasses.replace(summary(run(), status="diverged"), loss=losses)
    results.save(tmp_path, diverged)
    np.testing.assert_array_equal(results.load(tmp_path, run()).loss, losses)


def test_no_digit_of_a_configuration_is_lost(tmp_path):
    rate = dataclasses.replace(run().optimizer, learning_rate=0.1 / 3)
    exact = dataclasses.replace(run(), optimizer=rate, l2=1e-4 / 7)
    results.save(tmp_path, summary(exact))
    assert results.load(tmp_path, exact).run == exact


def test_an_edited_row_is_refused_and_the_others_are_read(tmp_path):
    results.save(tmp_path, summary(run()))
    results.save(tmp_path, summary(run(seed=1)))
    path = results.path(tmp_path)
    path.write_text(path.read_text().replace('"loss": [2.0', '"loss": [1.0', 1))
    with pytest.raises(RunError, match=f"Line 1 of {path}") as error:
        results.load(tmp_path, run())
    assert_one_sentence(str(error.value))
    assert results.load(tmp_path, run(seed=1)).run == run(seed=1)


def test_a_row_with_the_hash_of_another_run_is_refused(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(names, "run_hash", lambda _: "0" * 16)
        results.save(tmp_path, summary(run()))
    with pytest.raises(RunError, match="another version"):
        results.load(tmp_path, run())
