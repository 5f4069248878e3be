"""How the stored arrays of a data set become what its networks take."""

import math

import jax
import jax.numpy as jnp

from experiments.data import augmentation
from experiments.data.datasets import Dataset, Kind
from experiments.errors import ConfigError
from experiments.runs import config


def check(
    run: config.Run,
    dataset: Dataset,
    input_shape: tuple[int | None, ...],
    streams: int | None,
) -> None:
    """Refuses a run whose network cannot take its data.

    Args:
      run: the run.
      dataset: its data set.
      input_shape: of one input of its network; None stands for any length.
      streams: how many streams the network reads side by side, None if it reads none.

    Raises:
      ConfigError: what does not fit.
    """
    shape = dataset.train_inputs.shape[1:]
    lengths = zip(input_shape, shape, strict=False)
    if len(input_shape) != len(shape) or any(a not in (None, b) for a, b in lengths):
        raise ConfigError(
            f"Model {run.model!r} takes inputs of shape {input_shape}, but those of "
            f"dataset {run.dataset!r} are of shape {shape}."
        )
    if run.augment and dataset.kind == "characters":
        raise ConfigError(
            f"augment is for images, which dataset {run.dataset!r} does not hold."
        )
    if streams and (run.batch_size, run.shuffle) != (streams, False):
        raise ConfigError(
            f"Model {run.model!r} reads {streams} streams in order, so batch_size must "
            f"be {streams} and shuffle false, got {run.batch_size} and {run.shuffle}."
        )


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
        images = augmentation.augment(images, key)
    return _standardized(images) if kind == "standardized" else images


def _standardized(images: jax.Array) -> jax.Array:
    axes = tuple(range(1, images.ndim))
    least = 1 / math.sqrt(math.prod(images.shape[1:]))  # as TensorFlow bounds it
    deviation = jnp.maximum(images.std(axes, keepdims=True), least)
    return (images - images.mean(axes, keepdims=True)) / deviation
