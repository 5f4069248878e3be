"""What every update rule shares: leaves in float64, schedules, decoupled decay."""

from collections.abc import Callable, Sequence

import numpy as np

Leaves = list[np.ndarray]
Steps = list[Leaves]
Schedule = float | Callable[[int], float]


def float64(leaves: Sequence[np.ndarray]) -> Leaves:
    """Copy the leaves with at least float64 precision (complex128 if complex)."""
    return [
        np.array(leaf, dtype=np.result_type(np.asarray(leaf), np.float64))
        for leaf in leaves
    ]


def value_at(schedule: Schedule, t: int) -> float:
    """A number, or the value of a function of the step t = 0, 1, 2, …."""
    return float(schedule(t)) if callable(schedule) else float(schedule)


def descend(
    parameters: Leaves,
    directions: Steps,
    *,
    learning_rate: Schedule,
    weight_decay: Schedule = 0.0,
) -> Steps:
    """Δθ_t = -α_t d_t - α_t λ_wd θ_t and θ_{t+1} = θ_t + Δθ_t, for given d_t."""
    theta = float64(parameters)
    updates = []
    for t, direction in enumerate(directions):
        alpha = value_at(learning_rate, t)
        decay = value_at(weight_decay, t)
        update = [
            np.asarray(-alpha * d - alpha * decay * p)
            for d, p in zip(direction, theta, strict=True)
        ]
        theta = [p + u for p, u in zip(theta, update, strict=True)]
        updates.append(update)
    return updates
