"""Stochastic quadratics: g ~ N(∇L, ν² QQ), and what one best step gains."""

import math

import numpy as np

from .arithmetic import erf, ratio


def success_probability(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """ρ = P[sign(g) = sign(E g)] = ½ + ½ erf(|E g| / (√2 σ)), ½ if both are zero."""
    with np.errstate(divide="ignore"):
        return 0.5 + 0.5 * erf(ratio(np.abs(mean), math.sqrt(2) * deviation))


def magnitude_factor(eta: np.ndarray | float) -> np.ndarray:
    """γ = 1/(1+η²), the best factor for a direction of relative deviation η."""
    return 1 / (1 + np.asarray(eta, np.float64) ** 2)


def sign_factor(eta: np.ndarray | float) -> np.ndarray:
    """γ = 2ρ - 1 = erf(1/(√2 η)), the best factor for its sign."""
    with np.errstate(divide="ignore"):
        return erf(1 / (math.sqrt(2) * np.asarray(eta, np.float64)))


def root_factor(eta: np.ndarray | float) -> np.ndarray:
    """(1+η²)^{-1/2}, the factor that Adam has in place of the best one for a sign."""
    return (1 + np.asarray(eta, np.float64) ** 2) ** -0.5


def p_diag(hessian: np.ndarray) -> float:
    """Σ|q_ii| / Σ|q_ij|."""
    return float(np.abs(np.diag(hessian)).sum() / np.abs(hessian).sum())


def noise_covariance(hessian: np.ndarray, noise: float) -> np.ndarray:
    """cov[g] = ν² QQ."""
    return noise**2 * hessian @ hessian


def improvement_sgd(gradient: np.ndarray, hessian: np.ndarray, noise: float) -> float:
    """I = ½ (∇Lᵀ∇L)² / (∇LᵀQ∇L + ν² Σ λ_i³)."""
    cubes = np.sum(np.linalg.eigvalsh(hessian) ** 3)
    curvature = gradient @ hessian @ gradient + noise**2 * cubes
    return float(0.5 * ratio((gradient @ gradient) ** 2, curvature))


def expected_descent(
    gradient: np.ndarray, hessian: np.ndarray, noise: float
) -> np.float64:
    """∇LᵀE[sign g] = Σ (2ρ_i - 1) |∇L_i|."""
    deviation = np.sqrt(np.diag(noise_covariance(hessian, noise)))
    return np.sum((2 * success_probability(gradient, deviation) - 1) * np.abs(gradient))


def improvement_ssd(gradient: np.ndarray, hessian: np.ndarray, noise: float) -> float:
    """I = ½ (Σ (2ρ_i - 1) |∇L_i|)² / Σ_ij q_ij E[s_i s_j]."""
    products = expected_sign_products(gradient, noise_covariance(hessian, noise))
    descent = expected_descent(gradient, hessian, noise)
    return float(0.5 * descent**2 / np.sum(hessian * products))


def improvement_ssd_bound(
    gradient: np.ndarray, hessian: np.ndarray, noise: float
) -> float:
    """I ≥ ½ (Σ (2ρ_i - 1) |∇L_i|)² p_diag(Q) / Σ λ_i."""
    eigenvalues = np.linalg.eigvalsh(hessian)
    descent = expected_descent(gradient, hessian, noise)
    return float(0.5 * descent**2 * p_diag(hessian) / np.sum(eigenvalues))


def expected_sign_products(mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """E[s_i s_j] for s = sign(g), g ~ N(mean, covariance): the orthants, pair by pair.

    s_i² = 1 always; a component that is zero without noise has either sign, evenly.
    """
    size = len(mean)
    deviation = np.sqrt(np.diag(covariance))
    certain = 2 * success_probability(mean, deviation) - 1
    expected = np.sign(mean) * certain
    products = np.eye(size)
    for i in range(size):
        for j in range(i):
            scale = deviation[i] * deviation[j]
            correlation = covariance[i, j] / scale if scale > 0 else 0.0
            if correlation == 0:
                value = expected[i] * expected[j]
            else:
                value = _sign_product(
                    mean[i] / deviation[i], mean[j] / deviation[j], correlation
                )
            products[i, j] = products[j, i] = value
    return products


def _sign_product(h: float, k: float, correlation: float) -> float:
    """∫ φ(x) sign(h+x) E[sign(k+y) | x] dx for standard normal x, y.

    Given x, y ~ N(cx, 1-c²), so the inner expectation is erf((k+cx) / √(2(1-c²))).
    """
    c = max(-1.0, min(1.0, correlation))
    width = math.sqrt((1 - c) * (1 + c))
    if width == 0:
        # y = ±x: the signs differ for x between -h and -ck.
        between = 0.5 * abs(math.erf(h / math.sqrt(2)) - math.erf(c * k / math.sqrt(2)))
        return c * (1 - 2 * between)
    # φ is below 1e-18 past 9. Panels end where the sign flips and, as erf is ±1 to
    # round-off 9 widths from its centre, around its steep part.
    centre, reach = -k / c, 9 * width / abs(c)
    ends = [*range(-9, 10), -h, centre - reach, centre, centre + reach]
    ends = np.unique(np.clip(ends, -9, 9))
    nodes, weights = np.polynomial.legendre.leggauss(40)
    total = 0.0
    for left, right in zip(ends[:-1], ends[1:], strict=True):
        half = (right - left) / 2
        x = (left + right) / 2 + half * nodes
        density = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
        inner = erf((k + c * x) / (math.sqrt(2) * width))
        # One sign a panel: taken at its middle, no node can fall on the wrong side.
        side = np.sign(h + (left + right) / 2)
        total += side * half * np.sum(weights * density * inner)
    return float(total)
