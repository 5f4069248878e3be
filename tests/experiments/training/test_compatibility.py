"""What networks get of the stored arrays, and which runs fit together."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.data import augmentation
from experiments.errors import ConfigError
from experiments.training import compatibility
from experiments.training.learner import Learner
from tests.experiments import text_cases, training_cases
from tests.experiments.messages import assert_one_sentence

RAW = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)


def test_pixels_are_scaled():
    images = compatibility.prepare(jnp.asarray(RAW), "scaled")
    assert images.dtype == jnp.float32
    np.testing.assert_allclose(images, RAW / 255, rtol=1e-7)  # half a unit of float32


def test_images_are_standardized_one_by_one():
    images = np.asarray(compatibility.prepare(jnp.asarray(RAW), "standardized"))
    # Sums of 192 float32 numbers.
    np.testing.assert_allclose(images.mean((1, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(images.std((1, 2, 3)), 1, rtol=1e-6)


def test_an_image_without_contrast_stays_finite():
    even = compatibility.prepare(jnp.full((1, 8, 8, 3), 77, jnp.uint8), "standardized")
    np.testing.assert_allclose(even, 0, atol=1e-5)  # rounding over 1 / sqrt(192)


@pytest.mark.parametrize("kind", ["scaled", "standardized"])
def test_augmentation_comes_before_standardization(kind):
    key = jax.random.key(3)
    found = compatibility.prepare(jnp.asarray(RAW), kind, key)
    images = augmentation.augment(jnp.asarray(RAW, jnp.float32) / 255, key)
    if kind == "standardized":
        axes = (1, 2, 3)
        images -= images.mean(axes, keepdims=True)
        images /= images.std(axes, keepdims=True)
    # A few roundings of float32; no image of noise loses its contrast.
    np.testing.assert_allclose(found, images, atol=1e-5)


def test_characters_stay_integers():
    text = jnp.arange(10, dtype=jnp.uint8).reshape(2, 5)
    found = compatibility.prepare(text, "characters")
    assert found.dtype == jnp.uint8
    np.testing.assert_array_equal(found, text)


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
