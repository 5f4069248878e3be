"""A run for the tests of the store, its rows and its result."""

import json

import numpy as np

from experiments.runs import config, files
from experiments.runs.store import Result

RUN = config.Run(optimizer=config.Optimizer(name="mas", learning_rate=2e-4), steps=6)
FINISHED = Result(
    status="finished", steps=6, seconds=1.5, state_bytes=8, metrics={"test_loss": 0.5}
)


def row(step, size=2):
    """A row of two steps; float32 values that no short decimal can hold."""
    losses = np.random.default_rng(step).standard_normal(size).astype(np.float32)
    return {
        "step": step,
        "losses": losses,
        "train_loss": losses[0] / 3,
        "test_loss": np.float32(0.1),
    }


def forge(path, **changes):
    """Changes a signed JSON object as another version might have written it."""
    tree = json.loads(path.read_text()) | changes
    del tree["digest"]
    path.write_bytes(files.signed(tree) + b"\n")


def forget(path, name):
    """Deletes the row of this name from a table."""
    lines = path.read_text().splitlines(keepends=True)
    kept = [line for line in lines if f'": "{name}"' not in line]
    assert len(kept) < len(lines)
    path.write_text("".join(kept))


def content(folder):
    return {
        path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
