"""Two element-wise functions that NumPy lacks: a quotient with 0/0 = 0, and erf."""

import math

import numpy as np


def ratio(numerator: np.ndarray | float, denominator: np.ndarray | float) -> np.ndarray:
    """Quotient a/b, and 0 where a = b = 0."""
    numerator, denominator = np.broadcast_arrays(
        np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    )
    indefinite = (numerator == 0) & (denominator == 0)
    return np.asarray(numerator / np.where(indefinite, 1.0, denominator))


def erf(x: np.ndarray | float) -> np.ndarray:
    """Error function 2/√π ∫₀ˣ exp(-u²) du, element by element."""
    return np.asarray(np.vectorize(math.erf, otypes=[np.float64])(x))
