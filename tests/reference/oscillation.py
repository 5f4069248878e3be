"""How much further a parameter travels than it gets: q, and its mean Q."""

import math

import numpy as np

from .descent import Leaves, Steps, float64


def path_length(updates: Steps) -> Leaves:
    """Σ_t |Δθ_t| of every parameter."""
    return [np.abs(np.stack(leaf)).sum(axis=0) for leaf in _by_leaf(updates)]


def displacement(updates: Steps) -> Leaves:
    """|θ_end - θ_start| = |Σ_t Δθ_t| of every parameter."""
    return [np.abs(np.stack(leaf).sum(axis=0)) for leaf in _by_leaf(updates)]


def q(updates: Steps) -> Leaves:
    """Path length / displacement of every parameter, NaN where it has gone nowhere."""
    return [
        np.asarray(np.where(d > 0, p / np.where(d > 0, d, 1.0), math.nan))
        for p, d in zip(path_length(updates), displacement(updates), strict=True)
    ]


def mean_q(updates: Steps) -> tuple[float, int]:
    """Q, the mean of q over all parameters that moved on, and how many did not.

    Q is NaN when none did.
    """
    values = np.concatenate([leaf.ravel() for leaf in q(updates)])
    moved = ~np.isnan(values)
    mean = float(values[moved].mean()) if moved.any() else math.nan
    return mean, int((~moved).sum())


def _by_leaf(updates: Steps) -> list[tuple[np.ndarray, ...]]:
    return list(zip(*[float64(leaves) for leaves in updates], strict=True))
