"""What networks get of the stored arrays; augmentation, random in the key alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.data import preprocessing

RAW = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)


def test_pixels_are_scaled():
    images = preprocessing.prepare(jnp.asarray(RAW), "scaled")
    assert images.dtype == jnp.float32
    np.testing.assert_allclose(images, RAW / 255, rtol=1e-7)  # half a unit of float32


def test_images_are_standardized_one_by_one():
    images = np.asarray(preprocessing.prepare(jnp.asarray(RAW), "standardized"))
    # Sums of 192 float32 numbers.
    np.testing.assert_allclose(images.mean((1, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(images.std((1, 2, 3)), 1, rtol=1e-6)


def test_an_image_without_contrast_stays_finite():
    even = preprocessing.prepare(jnp.full((1, 8, 8, 3), 77, jnp.uint8), "standardized")
    np.testing.assert_allclose(even, 0, atol=1e-5)  # rounding over 1 / sqrt(192)


@pytest.mark.parametrize("kind", ["scaled", "standardized"])
def test_augmentation_comes_before_standardization(kind):
    key = jax.random.key(3)
    found = preprocessing.prepare(jnp.asarray(RAW), kind, key)
    images = preprocessing.augment(jnp.asarray(RAW, jnp.float32) / 255, key)
    if kind == "standardized":
        axes = (1, 2, 3)
        images -= images.mean(axes, keepdims=True)
        images /= images.std(axes, keepdims=True)
    # A few roundings of float32; no image of noise loses its contrast.
    np.testing.assert_allclose(found, images, atol=1e-5)


def test_characters_stay_integers():
    text = jnp.arange(10, dtype=jnp.uint8).reshape(2, 5)
    found = preprocessing.prepare(text, "characters")
    assert found.dtype == jnp.uint8
    np.testing.assert_array_equal(found, text)


@pytest.fixture(params=[1, 3])
def images(request):
    shape = (64, 32, 32, request.param)
    return jax.random.uniform(jax.random.key(7), shape)


def test_the_key_decides(images):
    augment = jax.jit(preprocessing.augment)
    first, again = (augment(images, jax.random.key(0)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    other = augment(images, jax.random.key(1))
    # Two images are alike only if five draws are.
    assert (first != other).any((1, 2, 3)).all()


def test_shape_type_and_range_stay(images):
    changed = preprocessing.augment(images, jax.random.key(0))
    assert (changed.shape, changed.dtype) == (images.shape, images.dtype)
    assert changed.min() == 0
    assert changed.max() == 1


def test_every_image_is_changed_in_its_own_way(images):
    alike = jnp.broadcast_to(images[:1], images.shape)
    changed = np.asarray(preprocessing.augment(alike, jax.random.key(0)))
    assert len({image.tobytes() for image in changed}) == len(changed)


def moved(monkeypatch, image, count=400):
    """The image after crops and mirrors alone, many times."""
    monkeypatch.setattr(preprocessing, "BRIGHTNESS", 0)
    monkeypatch.setattr(preprocessing, "SATURATION", (1, 1))
    monkeypatch.setattr(preprocessing, "CONTRAST", (1, 1))
    images = jnp.broadcast_to(image, (count, *image.shape))
    return np.asarray(preprocessing.augment(images, jax.random.key(0)))


def test_crops_and_mirrors_reach_every_place_and_no_other(monkeypatch):
    """A dot two pixels from the left moves by at most two, or to the other side."""
    dot = jnp.zeros((8, 8, 3)).at[4, 2].set(1)
    places = set()
    for image in moved(monkeypatch, dot):
        assert image[..., 0].round(3).sum() == 1  # the one dot, and zeros around
        places.add(tuple(np.argwhere(image[..., 0])[0].tolist()))
    columns = {0, 1, 2, 3, 4} | {7, 6, 5, 4, 3}
    assert places == {(row, column) for row in range(2, 7) for column in columns}


def grey_levels(monkeypatch, **limits):
    """An even image, and one that is half dark and half light, many times each."""
    off = {"BRIGHTNESS": 0, "SATURATION": (1, 1), "CONTRAST": (1, 1), "PADDING": 0}
    for name, value in (off | limits).items():
        monkeypatch.setattr(preprocessing, name, value)
    image = jnp.array([[[0.4, 0.5, 0.6]], [[0.6, 0.5, 0.4]]])
    images = jnp.broadcast_to(image, (500, *image.shape))
    return np.asarray(preprocessing.augment(images, jax.random.key(0)))


def test_brightness_is_added(monkeypatch):
    images = grey_levels(monkeypatch, BRIGHTNESS=0.2)
    shift = images[:, 0, 0, 0] - 0.4
    # The ends of 500 uniform draws, a hundredth of the range from its own.
    assert [shift.min(), shift.max()] == pytest.approx([-0.2, 0.2], abs=0.004)
    np.testing.assert_allclose(images[:, 0, 0, 2] - 0.6, shift, atol=1e-6)  # float32


def test_saturation_stretches_colours_about_their_grey(monkeypatch):
    images = grey_levels(monkeypatch, SATURATION=(0.5, 1.5))
    luma = np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(images[:, 0, 0] @ luma, 0.4815, atol=1e-6)  # float32
    factor = (images[:, 0, 0, 2] - images[:, 0, 0, 0]) / 0.2
    assert [factor.min(), factor.max()] == pytest.approx([0.5, 1.5], abs=0.02)


def test_contrast_stretches_channels_about_their_mean(monkeypatch):
    images = grey_levels(monkeypatch, CONTRAST=(0.2, 1.8))
    np.testing.assert_allclose(images.mean((1, 2)), 0.5, atol=1e-6)  # float32
    factor = (images[:, 1, 0, 0] - images[:, 0, 0, 0]) / 0.2
    assert [factor.min(), factor.max()] == pytest.approx([0.2, 1.8], abs=0.03)
