"""A small text, a small network that reads it, and runs that take a second."""

import functools
import hashlib
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

from experiments.data import datasets, war_and_peace
from experiments.networks import char_lstm
from experiments.networks.catalogue import NETWORKS
from experiments.runs import config
from tests.experiments import training_cases

STREAMS, LENGTH = 4, 5
# 402 characters to train make 20 blocks of 20, and 101 to test make 5.
TEXT = "".join("abcdefgh\n ,."[i * i % 31 % 12] for i in range(503))


class Reader(char_lstm.CharLSTM):
    """Reads four streams."""

    def __init__(self, num_classes, rngs):
        super().__init__(num_classes, rngs, streams=STREAMS)


@functools.cache
def dataset() -> datasets.Dataset:
    """The text in rows; to be called while the small sizes are installed."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        (path / war_and_peace.FILES[0]).write_text(TEXT)
        arrays = dict(war_and_peace.build(path))
    alphabet = arrays.pop("alphabet")
    return datasets.Dataset(num_classes=len(alphabet), kind="characters", **arrays)


def small_sizes(patch: pytest.MonkeyPatch) -> None:
    """The text instead of the real one, in four streams, and eight units."""
    patch.setattr(war_and_peace, "STREAMS", STREAMS)
    patch.setattr(war_and_peace, "LENGTH", LENGTH)
    digest = hashlib.sha256(TEXT.encode()).hexdigest()
    patch.setattr(war_and_peace, "SHA256", digest)
    patch.setattr(char_lstm, "UNITS", 8)


def install() -> Iterator[None]:
    """Puts the text and the network behind the real names, for a while."""
    for _ in training_cases.install():
        with pytest.MonkeyPatch.context() as patch:
            small_sizes(patch)
            patch.setattr(datasets, "load", lambda name, data_dir=None: dataset())
            patch.setitem(NETWORKS, "char_lstm", Reader)
            yield


def run(name: str = "adam", rate: float = 1e-2, **fields: Any) -> config.Run:
    """A run on the text, of two and a half epochs of 20 steps."""
    defaults = {
        "dataset": "war_and_peace",
        "model": "char_lstm",
        "batch_size": STREAMS,
        "shuffle": False,
        "steps": 50,
        "eval_every": 7,
    }
    optimizer = config.Optimizer(name=name, learning_rate=rate)
    return config.Run(optimizer=optimizer, **(defaults | fields))
