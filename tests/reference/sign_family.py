"""SSD, M-SGD and M-SSD, which is MaS."""

import numpy as np

from .descent import Leaves, Schedule, Steps, descend, float64
from .moments import ema, first_moment


def _signs(steps: Steps) -> Steps:
    return [[np.asarray(np.sign(leaf)) for leaf in float64(leaves)] for leaves in steps]


def ssd(
    parameters: Leaves,
    gradients: Steps,
    *,
    learning_rate: Schedule,
    weight_decay: Schedule = 0.0,
) -> Steps:
    """Δθ_t = -α sign(g_t), with sign(0) = 0."""
    return descend(
        parameters,
        _signs(gradients),
        learning_rate=learning_rate,
        weight_decay=weight_decay,
    )


def m_sgd(
    parameters: Leaves,
    gradients: Steps,
    *,
    learning_rate: Schedule,
    beta: float = 0.9,
    weight_decay: Schedule = 0.0,
) -> Steps:
    """Δθ_t = -α m_t, bias-corrected."""
    return descend(
        parameters,
        first_moment(gradients, beta),
        learning_rate=learning_rate,
        weight_decay=weight_decay,
    )


def m_ssd(
    parameters: Leaves,
    gradients: Steps,
    *,
    learning_rate: Schedule,
    beta: float = 0.9,
    weight_decay: Schedule = 0.0,
) -> Steps:
    """Δθ_t = -α sign(m̃_t), with sign(0) = 0."""
    return descend(
        parameters,
        _signs(ema(gradients, beta)),
        learning_rate=learning_rate,
        weight_decay=weight_decay,
    )


def mas(
    parameters: Leaves,
    gradients: Steps,
    *,
    learning_rate: Schedule = 2e-4,
    beta: float = 0.95,
    weight_decay: Schedule = 0.0,
) -> Steps:
    """M-SSD with the defaults of the MaS paper: α = 2e-4, β = 0.95."""
    return m_ssd(
        parameters,
        gradients,
        learning_rate=learning_rate,
        beta=beta,
        weight_decay=weight_decay,
    )
