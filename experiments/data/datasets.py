"""Data sets by name, as NumPy arrays.

Adding one: a function from `data_dir` to its four arrays, and its row in `DATASETS`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from experiments.data import cache, war_and_peace
from experiments.errors import unknown

Arrays = Mapping[str, np.ndarray]
Kind = Literal["scaled", "standardized", "characters"]


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Labelled examples in the order in which they were published, read-only.

    Attributes:
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

    train_inputs: np.ndarray
    train_labels: np.ndarray
    test_inputs: np.ndarray
    test_labels: np.ndarray
    num_classes: int
    kind: Kind = "scaled"


class Source(NamedTuple):
    """A row of `DATASETS`: `load` makes the arrays of a `Dataset` from `data_dir`."""

    load: Callable[[Path | None], Arrays]
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
    source = DATASETS[name]
    arrays = source.load(data_dir)
    return Dataset(num_classes=source.num_classes, kind=source.kind, **arrays)


def _fashion_mnist(data_dir: Path | None) -> Arrays:
    """Grey images of clothes, 28 x 28."""

    def build(building: Path, earlier: Path) -> Arrays:
        # Not imported above: TFDS takes longer to import than the cache to read.
        from experiments.data import fashion_mnist

        return fashion_mnist.build(building, earlier, data_dir)

    # Archives 30, records 75, arrays 55, and room to unpack.
    return _images("fashion_mnist", build, needs=200 << 20)


def _cifar(data_dir: Path | None, name: str) -> Arrays:
    """Photographs in colour, 32 x 32."""

    def build(building: Path, earlier: Path) -> Arrays:
        from experiments.data import cifar  # which imports TFDS

        return cifar.build(cifar.KINDS[name], building, earlier, data_dir)

    # The archive 170, records 190, arrays 185, and room to unpack.
    return _images(name, build, needs=800 << 20)


def _images(name: str, build: cache.Build, needs: int) -> Arrays:
    names = ("train_images", "train_labels", "test_images", "test_labels")
    arrays = cache.load(name, names, build, needs)
    return {key.replace("images", "inputs"): array for key, array in arrays.items()}


def _war_and_peace(data_dir: Path | None) -> Arrays:
    """The characters of Tolstoy's novel, in streams."""

    def build(building: Path, earlier: Path) -> Arrays:
        return war_and_peace.build(data_dir)

    stored = cache.load("war_and_peace", war_and_peace.ARRAYS, build, needs=40 << 20)
    return {name: array for name, array in stored.items() if name != "alphabet"}


DATASETS: dict[str, Source] = {
    "fashion_mnist": Source(_fashion_mnist, 10),
    "cifar10": Source(partial(_cifar, name="cifar10"), 10, "standardized"),
    "cifar100": Source(partial(_cifar, name="cifar100"), 100, "standardized"),
    "war_and_peace": Source(_war_and_peace, 82, "characters"),
}
