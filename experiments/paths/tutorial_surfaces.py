r"""Error functions of two weights, on which the tutorials let optimizers walk.

The tutorials give the first by its formula. The two others they only show: these are
of our own, with what is said of theirs.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

START = (-15.0, 20.0)  # w(0) of the numerical examples

HEIGHT, WIDTH = 0.05, 1.5  # of the hill, and depth and width of the valley
HOLE_WIDTH = 0.7
HOLE_DEPTH = HEIGHT / 2
HOLE, VALLEY = 4.0, 8.0  # where on the first axis; the hill is at 0
NEAR_SUMMIT = (0.3, 0.1)

ACROSS, ALONG = 100.0, 1.0  # curvatures of the ravine
RAVINE_START = (1.0, -10.0)


def example(w: ArrayLike) -> jax.Array:
    r""":math:`E = 3 w_1^2 + 10 w_2^2`, of all numerical examples of Tutorial A."""
    w = jnp.asarray(w)
    return 3 * w[0] ** 2 + 10 * w[1] ** 2


def hill(w: ArrayLike, depth: ArrayLike = HOLE_DEPTH) -> jax.Array:
    """A hill, behind it a small hole, and behind that a valley: three Gaussians.

    Args:
      w: the weights, shape (2, ...).
      depth: of the hole.
    """
    w = jnp.asarray(w)

    def bump(place, width):
        squared = (w[0] - place) ** 2 + w[1] ** 2
        return jnp.exp(-squared / (2 * width**2))

    heights = HEIGHT * (bump(0.0, WIDTH) - bump(VALLEY, WIDTH))
    return heights - depth * bump(HOLE, HOLE_WIDTH)


def ravine(w: ArrayLike) -> jax.Array:
    """A quadratic, a hundred times as curved along the first axis as the second."""
    w = jnp.asarray(w)
    return (ACROSS * w[0] ** 2 + ALONG * w[1] ** 2) / 2


def extrema(depth: float = HOLE_DEPTH) -> tuple[float, ...]:
    """Where the slope of `hill` along its axis of symmetry changes sign, ascending.

    With a hole that is one: the summit, the hole, the ridge behind it, the valley.
    """
    line = np.linspace(-1.0, VALLEY + 1, 9001)
    heights = np.asarray(hill(np.stack([line, np.zeros_like(line)]), depth))
    turns = np.diff(np.sign(np.diff(heights))) != 0
    return tuple(line[1:-1][turns].tolist())
