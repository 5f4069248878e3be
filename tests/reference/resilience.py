"""AdaRem: how far each gradient agrees with the average of those before it."""

import numpy as np

from .arithmetic import ratio
from .descent import Leaves, Schedule, Steps, descend, float64


def resilience_factors(
    gradients: Steps,
    *,
    beta: float = 0.9,
    decay: float = 0.999,
    decay_every: int = 1,
    scope: str = "leaf",
    eps: float = 0.0,
) -> Steps:
    """a_t = 1 + λ^⌊t/decay_every⌋ b_t,  b_t = g_t m_t / (|g_t| max|m_t| + ε).

    m_0 = 0 and m_{t+1} = β m_t + (1-β) g_t, so a_t sees past gradients only and a_0 is
    1. The maximum is taken over each leaf or, with scope="global", over all of them.
    """
    if scope not in ("leaf", "global"):
        raise ValueError(f"scope is {scope!r}, not leaf or global.")
    means = [np.zeros_like(leaf) for leaf in float64(gradients[0])]
    factors = []
    for t, leaves in enumerate(gradients):
        leaves = float64(leaves)
        peaks = [np.max(np.abs(m), initial=0.0) for m in means]
        if scope == "global":
            peaks = [max(peaks, default=0.0)] * len(peaks)
        power = decay ** (t // decay_every)
        factors.append(
            [
                1 + power * ratio(g * m, np.abs(g) * peak + eps)
                for g, m, peak in zip(leaves, means, peaks, strict=True)
            ]
        )
        means = [
            np.asarray(beta * m + (1 - beta) * g)
            for m, g in zip(means, leaves, strict=True)
        ]
    return factors


def resilient_gradients(
    gradients: Steps,
    *,
    beta: float = 0.9,
    decay: float = 0.999,
    decay_every: int = 1,
    scope: str = "leaf",
    eps: float = 0.0,
) -> Steps:
    """a_t ⊙ g_t."""
    factors = resilience_factors(
        gradients,
        beta=beta,
        decay=decay,
        decay_every=decay_every,
        scope=scope,
        eps=eps,
    )
    return [
        [np.asarray(a * g) for a, g in zip(scales, float64(leaves), strict=True)]
        for scales, leaves in zip(factors, gradients, strict=True)
    ]


def adarem(
    parameters: Leaves,
    gradients: Steps,
    *,
    learning_rate: Schedule,
    beta: float = 0.9,
    decay: float = 0.999,
    decay_every: int = 1,
    scope: str = "leaf",
    eps: float = 0.0,
    weight_decay: Schedule = 0.0,
) -> Steps:
    """Δθ_t = -α a_t ⊙ g_t - α λ_wd θ_t: the decay at the base rate."""
    directions = resilient_gradients(
        gradients,
        beta=beta,
        decay=decay,
        decay_every=decay_every,
        scope=scope,
        eps=eps,
    )
    return descend(
        parameters,
        directions,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
    )
