"""Which runs can be trained; a row in a registry is enough to be among them."""

import dataclasses

import optax
import pytest

from experiments.data import datasets
from experiments.errors import ConfigError
from experiments.networks.catalogue import NETWORKS
from experiments.runs.store import Store
from experiments.runs.summary import summarize
from experiments.training import optimizers
from experiments.training.learner import Learner
from experiments.training.train import train
from tests.experiments import text_cases, training_cases
from tests.experiments.messages import assert_one_sentence

IMAGES, TEXT = training_cases.run, text_cases.run


@pytest.mark.parametrize(
    ("a_run", "dataset", "message"),
    [
        (IMAGES(model="p2_cnn"), "images", r"\(32, 32, 3\), but .* are .*\(4, 4, 1\)"),
        (IMAGES(model="char_lstm"), "images", r"\(None,\), but .* \(4, 4, 1\)"),
        (TEXT(model="mlp"), "text", r"\(4, 4, 1\), but .* \(5,\)"),
        (TEXT(augment=True), "text", "augment is for images"),
        (TEXT(shuffle=True), "text", "batch_size must be 4 and shuffle false, got 4"),
        (TEXT(batch_size=8), "text", "streams in order.*got 8 and False"),
    ],
)
def test_parts_that_do_not_fit_are_refused(a_run, dataset, message):
    for _ in text_cases.install():
        sets = {"images": training_cases.dataset(), "text": text_cases.dataset()}
        with pytest.raises(ConfigError, match=message) as error:
            Learner(a_run, sets[dataset])
        assert_one_sentence(str(error.value))


def test_any_length_of_text_fits():
    for _ in text_cases.install():
        text = text_cases.dataset()
        short = dataclasses.replace(
            text,
            train_inputs=text.train_inputs[:, :3],
            train_labels=text.train_labels[:, :3],
        )
        Learner(text_cases.run(), short)


@pytest.mark.parametrize(
    ("a_run", "message"),
    [
        (IMAGES(model="mpl"), "Unknown model 'mpl', perhaps 'mlp'"),
        (IMAGES(dataset="fashion_mnits"), "Unknown dataset .*perhaps 'fashion_mnist'"),
        (IMAGES("adamm"), "Unknown optimizer 'adamm', perhaps 'adam'"),
    ],
)
def test_unknown_names_are_refused_before_anything_is_loaded_or_written(
    tmp_path, monkeypatch, a_run, message
):
    def load(name, data_dir):
        raise AssertionError("nothing is to be loaded")

    monkeypatch.setattr(datasets, "load", load)
    store = Store(tmp_path / "runs")
    with pytest.raises(ConfigError, match=message) as error:
        train([IMAGES(), a_run], store)
    assert_one_sentence(str(error.value))
    assert not store.root.exists()


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Where runs of a small data set of three classes, "noise", are stored."""
    small = training_cases.dataset()
    arrays = {name: array for name, array in vars(small).items() if "_" in name}
    del arrays["num_classes"]
    source = datasets.Source(lambda data_dir: arrays, num_classes=small.num_classes)
    monkeypatch.setitem(datasets.DATASETS, "noise", source)
    monkeypatch.setitem(NETWORKS, "plain", training_cases.Plain)
    return Store(tmp_path / "runs")


def test_a_row_is_all_that_a_network_and_a_data_set_need(store):
    a_run = IMAGES("sgd", 1e-9, dataset="noise", model="plain", steps=2)
    (result,) = train([a_run], store)
    assert (result.status, result.steps) == ("finished", 2)
    # Which knows the number of classes.
    failure = summarize(store, a_run, weights=1).failure
    assert failure == "ended no better than a guess"


def test_a_row_is_all_that_an_optimizer_needs(store, monkeypatch):
    row = optimizers.Row(optax.yogi, rate=0.25)
    monkeypatch.setitem(optimizers.OPTIMIZERS, "yogi", row)
    optimizer = optimizers.parse("yogi,b1=0.5")
    assert optimizer.learning_rate == 0.25
    a_run = IMAGES(dataset="noise", model="plain", steps=2)
    (result,) = train([dataclasses.replace(a_run, optimizer=optimizer)], store)
    assert (result.status, result.steps) == ("finished", 2)
