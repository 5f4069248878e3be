"""Times the optimizers and the training steps, each in processes of its own."""

from experiments.bench._table import main

__all__ = ["main"]
