"""Data sets by name, as NumPy arrays.

Adding one: a function from `data_dir` to a `Dataset`, and its line in `DATASETS`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from experiments import config, data_cache
from experiments.data_cache import DataError

__all__ = ["DATASETS", "DataError", "Dataset", "load"]


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Labelled images in the order in which they were published; all arrays read-only.

    Attributes:
      name: its key in `DATASETS`.
      train_images: uint8 [N, height, width, channels].
      train_labels: int32 [N], each at least 0 and below `num_classes`.
      test_images: uint8 [M, height, width, channels].
      test_labels: int32 [M].
      num_classes: number of distinct labels.
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    num_classes: int


def load(name: str, data_dir: Path | None = None) -> Dataset:
    """A data set from the user's cache, obtained and prepared there the first time.

    Args:
      name: a key of `DATASETS`.
      data_dir: folder with the files as published, for a machine that can reach neither
        the internet nor a mirror; looked at only if the set is not yet in the cache.

    Raises:
      ConfigError: if there is no data set of that name.
      DataError: if it cannot be obtained, checked or stored.
    """
    if name not in DATASETS:
        raise config.unknown("data set", name, DATASETS)
    return DATASETS[name](data_dir)


def _fashion_mnist(data_dir: Path | None) -> Dataset:
    def build(building: Path, earlier: Path) -> Mapping[str, np.ndarray]:
        # Not imported above: TFDS takes longer to import than the cache to read.
        from experiments import fashion_mnist

        return fashion_mnist.build(building, earlier, data_dir)

    arrays = data_cache.load(
        "fashion_mnist",
        ("train_images", "train_labels", "test_images", "test_labels"),
        build,
        needs=200 << 20,  # archives 30, records 75, arrays 55, and room to unpack
    )
    return Dataset(name="fashion_mnist", num_classes=10, **arrays)


DATASETS: dict[str, Callable[[Path | None], Dataset]] = {
    "fashion_mnist": _fashion_mnist
}
