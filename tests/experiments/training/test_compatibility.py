"""Which runs fit together."""

import dataclasses

import pytest

from experiments.errors import ConfigError
from experiments.training.learner import Learner
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
def test_parts_that_do_not_fit_are_refused(tmp_path, a_run, dataset, message):
    for _ in text_cases.install(tmp_path / "programs"):
        sets = {"images": training_cases.dataset(), "text": text_cases.dataset()}
        with pytest.raises(ConfigError, match=message) as error:
            Learner(a_run, sets[dataset])
        assert_one_sentence(str(error.value))


def test_any_length_of_text_fits(tmp_path):
    for _ in text_cases.install(tmp_path / "programs"):
        text = text_cases.dataset()
        short = dataclasses.replace(
            text,
            train_inputs=text.train_inputs[:, :3],
            train_labels=text.train_labels[:, :3],
        )
        Learner(text_cases.run(), short)
