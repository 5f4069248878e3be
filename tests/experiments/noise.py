"""Images of the size of Fashion-MNIST's that mean nothing."""

import numpy as np

from experiments.data import datasets


def noise(size):
    """Images without meaning, as many to train as to test on."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (2 * size, 28, 28, 1), np.uint8)
    labels = random.integers(0, 10, 2 * size).astype(np.int32)
    return datasets.Dataset(
        images[:size],
        labels[:size],
        images[size:],
        labels[size:],
        10,
    )
