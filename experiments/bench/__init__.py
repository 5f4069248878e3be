"""Times the optimizers, the training and the explorer, each in a process of its own."""

from experiments.bench.table import main

__all__ = ["main"]
