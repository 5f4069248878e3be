"""The textbook optimizers of the two tutorials, on E(w) = 3 w₁² + 10 w₂²."""

import math

import numpy as np

START = np.array([-15.0, 20.0])
HESSIAN = np.diag([6.0, 20.0])


def gradient_of_example(w: np.ndarray) -> np.ndarray:
    """∇E = (6 w₁, 20 w₂)."""
    return HESSIAN @ w


def gradient_descent(
    *, learning_rate: float, steps: int, start: np.ndarray = START
) -> list[np.ndarray]:
    """Positions w(0) … w(steps):  w(t) = w(t-1) - η ∇E(w(t-1))."""
    path = [start]
    for _ in range(steps):
        path.append(path[-1] - learning_rate * gradient_of_example(path[-1]))
    return path


def momentum(
    *, learning_rate: float, friction: float, steps: int, start: np.ndarray = START
) -> list[np.ndarray]:
    """m(t) = α m(t-1) + ∇E(w(t-1)),  w(t) = w(t-1) - η m(t): the sum form."""
    path, m = [start], np.zeros_like(start)
    for _ in range(steps):
        m = friction * m + gradient_of_example(path[-1])
        path.append(path[-1] - learning_rate * m)
    return path


def rmsprop(
    *,
    learning_rate: float,
    beta: float,
    steps: int,
    eps: float = 1e-8,
    start: np.ndarray = START,
) -> list[np.ndarray]:
    """s(t) = β s(t-1) + (1-β) ∇E²,  w(t) = w(t-1) - η ∇E / √(s(t) + ε)."""
    path, s = [start], np.zeros_like(start)
    for _ in range(steps):
        gradient = gradient_of_example(path[-1])
        s = beta * s + (1 - beta) * gradient**2
        path.append(path[-1] - learning_rate * gradient / np.sqrt(s + eps))
    return path


def adam(
    *,
    learning_rate: float,
    steps: int,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    eps: float = 1e-8,
    start: np.ndarray = START,
) -> list[np.ndarray]:
    """w(t) = w(t-1) - η (m(t)/(1-β₁ᵗ)) / √(s(t)/(1-β₂ᵗ) + ε), ε inside the root.

    m(t) = β₁ m(t-1) + (1-β₁) ∇E and s(t) = β₂ s(t-1) + (1-β₂) ∇E².
    """
    path, m, s = [start], np.zeros_like(start), np.zeros_like(start)
    for t in range(1, steps + 1):
        gradient = gradient_of_example(path[-1])
        m = beta_1 * m + (1 - beta_1) * gradient
        s = beta_2 * s + (1 - beta_2) * gradient**2
        scale = np.sqrt(s / (1 - beta_2**t) + eps)
        path.append(path[-1] - learning_rate * m / (1 - beta_1**t) / scale)
    return path


def momentum_gain(friction: float) -> float:
    """1/(1-α): what the sum form makes of a constant gradient in the end."""
    return 1 / (1 - friction)


def adam_prefactor(beta_1: float = 0.9, beta_2: float = 0.999, t: int = 2) -> float:
    """√(1-β₂ᵗ) / (1-β₁ᵗ): both bias corrections of Adam's t-th step in one number."""
    return math.sqrt(1 - beta_2**t) / (1 - beta_1**t)


def ideal_step(gradient: np.ndarray, hessian: np.ndarray) -> float:
    """gᵀg / gᵀHg: the rate that minimises a quadratic along its gradient."""
    return float(gradient @ gradient / (gradient @ hessian @ gradient))
