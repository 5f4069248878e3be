"""How the stored arrays of a data set become what its networks take.

Images may be changed at random in ways that do not change what they show.
Dissecting Adam names three, cropping, mirroring and colour distortion, without their
ranges. Those here are of DeepOBS, the benchmark suite by the paper's authors: a crop
after padding with two pixels of zeros on each side, mirroring of one image in two,
brightness up or down by as much as 63/255, saturation times 0.5 to 1.5 and contrast
times 0.2 to 1.8.

Three choices are ours. Brightness is meant for pixels in [0, 1] (DeepOBS's TensorFlow
code adds it to pixels in [0, 255], where it does next to nothing; its PyTorch code does
not). Saturation moves colours to or from their grey, not by way of hue and value. The
result is cut to [0, 1].
"""

import math

import jax
import jax.numpy as jnp

from experiments.data.datasets import Kind

PADDING = 2
BRIGHTNESS = 63 / 255
SATURATION = (0.5, 1.5)
CONTRAST = (0.2, 1.8)

# What an eye sees of red, green and blue (ITU-R BT.601).
_LUMA = (0.299, 0.587, 0.114)


def prepare(raw: jax.Array, kind: Kind, key: jax.Array | None = None) -> jax.Array:
    """The inputs of a network, from a batch as it is stored.

    Args:
      raw: uint8 [batch, …].
      kind: what they are, see `data.Dataset`.
      key: decides how images are augmented; None leaves them as they are.

    Returns:
      Characters as they are; pixels as float32, "scaled" to [0, 1], or "standardized":
      to mean 0 and deviation 1 in every image, where an image without contrast stays
      finite. Augmentation comes between scaling and standardization.
    """
    if kind == "characters":
        return raw
    images = raw.astype(jnp.float32) / 255
    if key is not None:
        images = augment(images, key)
    return _standardized(images) if kind == "standardized" else images


def augment(images: jax.Array, key: jax.Array) -> jax.Array:
    """Changes images, [batch, height, width, channels] in [0, 1], each in its own way.

    They stay in [0, 1]; saturation is changed if there are three channels.
    """
    return jax.vmap(_augment)(images, jax.random.split(key, len(images)))


def _augment(image: jax.Array, key: jax.Array) -> jax.Array:
    crop, mirror, brightness, saturation, contrast = jax.random.split(key, 5)
    pads = ((PADDING, PADDING), (PADDING, PADDING), (0, 0))
    top, left = jax.random.randint(crop, (2,), 0, 2 * PADDING + 1)
    image = jax.lax.dynamic_slice(jnp.pad(image, pads), (top, left, 0), image.shape)
    image = jnp.where(jax.random.bernoulli(mirror), image[:, ::-1], image)
    image += jax.random.uniform(brightness, (), image.dtype, -BRIGHTNESS, BRIGHTNESS)
    if image.shape[-1] == 3:
        grey = image @ jnp.array(_LUMA, image.dtype)
        image = _stretch(image, grey[..., None], saturation, SATURATION)
    image = _stretch(image, image.mean((0, 1)), contrast, CONTRAST)
    return jnp.clip(image, 0, 1)


def _stretch(image, centre, key, limits):
    low, high = limits
    return centre + jax.random.uniform(key, (), image.dtype, low, high) * (
        image - centre
    )


def _standardized(images: jax.Array) -> jax.Array:
    axes = tuple(range(1, images.ndim))
    least = 1 / math.sqrt(math.prod(images.shape[1:]))  # as TensorFlow bounds it
    deviation = jnp.maximum(images.std(axes, keepdims=True), least)
    return (images - images.mean(axes, keepdims=True)) / deviation
