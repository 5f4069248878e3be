"""Exponential moving averages, their bias correction, and ρ(β, t)."""

import numpy as np

from .descent import Steps, float64


def ema(values: Steps, beta: float) -> Steps:
    """m̃_t = β m̃_{t-1} + (1-β) g_t, starting at zero."""
    average = [np.zeros_like(leaf) for leaf in float64(values[0])]
    averages = []
    for leaves in values:
        average = [
            np.asarray(beta * m + (1 - beta) * g)
            for m, g in zip(average, float64(leaves), strict=True)
        ]
        averages.append(average)
    return averages


def bias_corrected(averages: Steps, beta: float) -> Steps:
    """m_t = m̃_t / (1-β^{t+1})."""
    return [
        [np.asarray(leaf / (1 - beta ** (t + 1))) for leaf in leaves]
        for t, leaves in enumerate(averages)
    ]


def first_moment(gradients: Steps, beta: float) -> Steps:
    """m_t: the bias-corrected average of g_t."""
    return bias_corrected(ema(gradients, beta), beta)


def second_moment(gradients: Steps, beta: float) -> Steps:
    """v_t: the bias-corrected average of g_t²."""
    squares = [[leaf**2 for leaf in float64(leaves)] for leaves in gradients]
    return bias_corrected(ema(squares, beta), beta)


def rho(beta: float, t: int) -> float:
    """ρ(β,t) = (1-β)(1+β^{t+1}) / ((1+β)(1-β^{t+1})), the sum of squared weights."""
    power = beta ** (t + 1)
    return ((1 - beta) * (1 + power)) / ((1 + beta) * (1 - power))
