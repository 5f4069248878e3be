"""Data sets by name, as NumPy arrays.

Adding one: a function from `data_dir` to a `Dataset`, and its line in `DATASETS`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from experiments.data import cache, war_and_peace
from experiments.errors import DataError, unknown

__all__ = ["DATASETS", "DataError", "Dataset", "Kind", "load"]

Kind = Literal["scaled", "standardized", "characters"]


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Labelled examples in the order in which they were published, read-only.

    Attributes:
      name: its key in `DATASETS`.
      train_inputs: uint8 [N, …], images as [N, height, width, channels] or text as
        [N, length].
      train_labels: int32 [N], or [N, length] where every character has one; each at
        least 0 and below `num_classes`.
      test_inputs: uint8 [M, …].
      test_labels: int32 [M] or [M, length].
      num_classes: number of distinct labels.
      kind: what the inputs are: "characters", or pixels, which networks get "scaled" to
        [0, 1] or "standardized" in every image; `preprocessing.prepare` does it.
    """

    name: str
    train_inputs: np.ndarray
    train_labels: np.ndarray
    test_inputs: np.ndarray
    test_labels: np.ndarray
    num_classes: int
    kind: Kind = "scaled"


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
        raise unknown("data set", name, DATASETS)
    return DATASETS[name](data_dir)


_IMAGES = ("train_images", "train_labels", "test_images", "test_labels")


def _fashion_mnist(data_dir: Path | None) -> Dataset:
    def build(building: Path, earlier: Path) -> Mapping[str, np.ndarray]:
        # Not imported above: TFDS takes longer to import than the cache to read.
        from experiments.data import fashion_mnist

        return fashion_mnist.build(building, earlier, data_dir)

    # Archives 30, records 75, arrays 55, and room to unpack.
    arrays = cache.load("fashion_mnist", _IMAGES, build, needs=200 << 20)
    return _of_images("fashion_mnist", arrays, 10, "scaled")


def _cifar(name: str, classes: int, data_dir: Path | None) -> Dataset:
    def build(building: Path, earlier: Path) -> Mapping[str, np.ndarray]:
        from experiments.data import cifar  # which imports TFDS

        kind = {"cifar10": cifar.Cifar10, "cifar100": cifar.Cifar100}[name]
        return cifar.build(kind, building, earlier, data_dir)

    # The archive 170, records 190, arrays 185, and room to unpack.
    arrays = cache.load(name, _IMAGES, build, needs=800 << 20)
    return _of_images(name, arrays, classes, "standardized")


def _of_images(
    name: str, arrays: Mapping[str, np.ndarray], classes: int, kind: Kind
) -> Dataset:
    return Dataset(
        name=name,
        train_inputs=arrays["train_images"],
        train_labels=arrays["train_labels"],
        test_inputs=arrays["test_images"],
        test_labels=arrays["test_labels"],
        num_classes=classes,
        kind=kind,
    )


def _war_and_peace(data_dir: Path | None) -> Dataset:
    def build(building: Path, earlier: Path) -> Mapping[str, np.ndarray]:
        return war_and_peace.build(data_dir)

    name = "war_and_peace"
    arrays = dict(cache.load(name, war_and_peace.ARRAYS, build, needs=40 << 20))
    alphabet = arrays.pop("alphabet")
    return Dataset(name, num_classes=len(alphabet), kind="characters", **arrays)


DATASETS: dict[str, Callable[[Path | None], Dataset]] = {
    "fashion_mnist": _fashion_mnist,
    "cifar10": lambda data_dir: _cifar("cifar10", 10, data_dir),
    "cifar100": lambda data_dir: _cifar("cifar100", 100, data_dir),
    "war_and_peace": _war_and_peace,
}
