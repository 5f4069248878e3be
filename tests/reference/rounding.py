"""Parameters on the grid of a narrow dtype, and updates that are left out."""

import math

import numpy as np

from .descent import Leaves, Steps, float64


def random_bits(shape: tuple[int, ...], step: int, leaf: int, seed: int) -> np.ndarray:
    """The hash of the seed, the leaf, the step and the flat index, in whole numbers."""
    key = 0x9E3779B9
    for word in (seed, leaf, step):
        key = _mix(key ^ (word % 2**32))
    bits = [_mix(index ^ key) for index in range(math.prod(shape))]
    return np.array(bits, dtype=np.uint32).reshape(shape)


def _mix(x: int) -> int:
    for shift, factor in ((16, 0x21F0AAAD), (15, 0x735A2D97)):
        x = ((x ^ (x >> shift)) * factor) % 2**32
    return x ^ (x >> 15)


def spacing(values: np.ndarray, digits: int, smallest: int) -> np.ndarray:
    """Of the numbers with so many binary digits after the first around each value.

    Below 2**smallest they are as far apart as from there on.
    """
    _, exponents = np.frexp(values)
    return np.ldexp(1.0, np.maximum(exponents - 1, smallest) - digits)


def stochastic(
    values: np.ndarray, bits: np.ndarray, digits: int, smallest: int
) -> np.ndarray:
    """Away from 0 where bits / 2**32 ≥ 1 - (what is beyond the neighbour next to 0)."""
    unit = spacing(values, digits, smallest)
    size = np.abs(values) / unit
    up = bits / 2.0**32 >= 1 - (size - np.floor(size))
    return np.copysign((np.floor(size) + up) * unit, values)


def keep_master_copy(
    parameters: Leaves,
    updates: Steps,
    *,
    digits: int | None = None,
    smallest: int = -126,
) -> Steps:
    """Δθ_t = round(M_{t+1}) - θ_t where M_{t+1} = M_t + u_t, for given updates u_t."""
    masters = thetas = float64(parameters)
    result = []
    for step in updates:
        masters = [m + u for m, u in zip(masters, step, strict=True)]
        after = masters
        if digits is not None:
            units = [spacing(m, digits, smallest) for m in masters]
            after = [
                np.rint(m / unit) * unit for m, unit in zip(masters, units, strict=True)
            ]
        result.append([a - b for a, b in zip(after, thetas, strict=True)])
        thetas = after
    return result


def skip_zero_gradients(updates: Steps, gradients: Steps) -> Steps:
    """Δθ_t = u_t where g_t ≠ 0, and 0 elsewhere, for given updates u_t."""
    return [
        [np.asarray(np.where(g != 0, u, 0.0)) for u, g in zip(*pair, strict=True)]
        for pair in zip(updates, gradients, strict=True)
    ]
