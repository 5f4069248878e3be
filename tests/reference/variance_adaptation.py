"""SVAG, M-SVAG and ADAM*, with either estimate of the gradient variance."""

import numpy as np

from .arithmetic import erf, ratio
from .descent import Leaves, Schedule, Steps, descend, float64
from .moments import bias_corrected, ema, first_moment, rho, second_moment


def moving_average_variance(gradients: Steps, beta: float) -> Steps:
    """s_t = max(v_t - m_t², 0) / (1 - ρ(β,t)), and 0 where 1 - ρ = 0 (so s_0 = 0)."""
    first, second = first_moment(gradients, beta), second_moment(gradients, beta)
    variances = []
    for t, (means, squares) in enumerate(zip(first, second, strict=True)):
        free = 1 - rho(beta, t)
        variances.append(
            [
                np.maximum(v - m**2, 0) / free if free > 0 else np.zeros_like(m)
                for m, v in zip(means, squares, strict=True)
            ]
        )
    return variances


def mini_batch_variance(examples: np.ndarray) -> np.ndarray:
    """ŝ = Σ_k (g_k - g)² / (B (B-1)) over the first axis, for B ≥ 2 examples."""
    count = len(examples)
    deviations = examples - examples.mean(axis=0)
    return np.asarray((deviations**2).sum(axis=0) / (count * (count - 1)))


def averaged_mini_batch_variance(variances: Steps, beta: float) -> Steps:
    """r̃_t = β² r̃_{t-1} + (1-β²) ŝ_t and r_t = r̃_t / (1-β^{2(t+1)})."""
    return bias_corrected(ema(variances, beta**2), beta**2)


def direction_variance(
    gradients: Steps,
    *,
    beta: float,
    momentum: bool,
    variance: str,
    variances: Steps | None,
) -> Steps:
    """Variance of the direction: of m_t (ρ s_t or ρ r_t), or of g_t (s_t or ŝ_t)."""
    if variance == "moving_average":
        estimate = moving_average_variance(gradients, beta)
    elif variance != "mini_batch":
        raise ValueError(f"variance is {variance!r}, not moving_average or mini_batch.")
    elif variances is None:
        raise ValueError("variances is None; mini_batch needs one tree a step.")
    elif momentum:
        estimate = averaged_mini_batch_variance(variances, beta)
    else:
        estimate = [float64(leaves) for leaves in variances]
    scales = [rho(beta, t) if momentum else 1.0 for t in range(len(estimate))]
    return [
        [np.asarray(scale * leaf) for leaf in leaves]
        for scale, leaves in zip(scales, estimate, strict=True)
    ]


def adaptation_factor(mean: np.ndarray, variance: np.ndarray, kind: str) -> np.ndarray:
    """γ for a direction of this variance whose expectation is estimated by `mean`.

    "magnitude": m²/(m²+σ²); "sign": its square root; "erf": erf(|m| / √(2σ²)).
    Zero where m = σ² = 0, and never outside [0, 1].
    """
    if kind == "erf":
        # Certain of a mean other than zero: erf(∞) = 1.
        with np.errstate(divide="ignore"):
            factor = erf(ratio(np.abs(mean), np.sqrt(2 * variance)))
    else:
        factor = ratio(mean**2, mean**2 + variance)
        if kind == "sign":
            factor = np.sqrt(factor)
        elif kind != "magnitude":
            raise ValueError(f"kind is {kind!r}, not magnitude, sign or erf.")
    return np.clip(factor, 0, 1)


def factors(
    gradients: Steps,
    *,
    beta: float = 0.9,
    momentum: bool = True,
    factor: str = "magnitude",
    variance: str = "moving_average",
    variances: Steps | None = None,
) -> Steps:
    """γ_t of every leaf at every step."""
    spread = direction_variance(
        gradients,
        beta=beta,
        momentum=momentum,
        variance=variance,
        variances=variances,
    )
    return [
        [adaptation_factor(m, s, factor) for m, s in zip(means, noise, strict=True)]
        for means, noise in zip(first_moment(gradients, beta), spread, strict=True)
    ]


def _times(left: Steps, right: Steps) -> Steps:
    return [
        [np.asarray(a * b) for a, b in zip(x, y, strict=True)]
        for x, y in zip(left, right, strict=True)
    ]


def svag(
    parameters: Leaves,
    gradients: Steps,
    *,
    learning_rate: Schedule,
    beta: float = 0.9,
    variance: str = "moving_average",
    variances: Steps | None = None,
    weight_decay: Schedule = 0.0,
) -> Steps:
    """Δθ_t = -α · m²/(m²+s) · g_t."""
    gamma = factors(
        gradients,
        beta=beta,
        momentum=False,
        factor="magnitude",
        variance=variance,
        variances=variances,
    )
    return descend(
        parameters,
        _times(gamma, [float64(leaves) for leaves in gradients]),
        learning_rate=learning_rate,
        weight_decay=weight_decay,
    )


def m_svag(
    parameters: Leaves,
    gradients: Steps,
    *,
    learning_rate: Schedule,
    beta: float = 0.9,
    variance: str = "moving_average",
    variances: Steps | None = None,
    weight_decay: Schedule = 0.0,
) -> Steps:
    """Δθ_t = -α · m²/(m²+ρs) · m_t; with mini-batch variances ρr in place of ρs."""
    gamma = factors(
        gradients,
        beta=beta,
        momentum=True,
        factor="magnitude",
        variance=variance,
        variances=variances,
    )
    return descend(
        parameters,
        _times(gamma, first_moment(gradients, beta)),
        learning_rate=learning_rate,
        weight_decay=weight_decay,
    )


def adam_star(
    parameters: Leaves,
    gradients: Steps,
    *,
    learning_rate: Schedule,
    beta: float = 0.9,
    momentum: bool = True,
    factor: str = "sign",
    variance: str = "moving_average",
    variances: Steps | None = None,
    weight_decay: Schedule = 0.0,
) -> Steps:
    """Δθ_t = -α · √(m²/(m²+ρs)) · sign(m_t), or -α · √(m²/(m²+s)) · sign(g_t).

    With factor="erf" the square root gives way to erf(|m| / √(2ρs)), ρ = 1 without
    momentum.
    """
    gamma = factors(
        gradients,
        beta=beta,
        momentum=momentum,
        factor=factor,
        variance=variance,
        variances=variances,
    )
    directions = first_moment(gradients, beta) if momentum else gradients
    signs = [[np.sign(leaf) for leaf in float64(leaves)] for leaves in directions]
    return descend(
        parameters,
        _times(gamma, signs),
        learning_rate=learning_rate,
        weight_decay=weight_decay,
    )
