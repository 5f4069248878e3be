"""Small trees, gradients and the loop that the tests of the contract share.

Few shapes, so that JAX compiles few operations. All numbers are small multiples of 1/2:
averages with dyadic decay are exact, whatever the order of the operations, and where
one of them cancels, it cancels to zero and the sign of that is 0 everywhere.
"""

from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax

from .catalogue import Row

PARAMS = {
    "first": jnp.array([[1.0, -2.0], [0.5, 3.0], [-1.5, 2.5], [1.0, -0.5]]),
    "scalar": jnp.full([], 2.0, jnp.float32),
    "second": jnp.array([[-0.5, 1.5], [1.0, 2.0], [-3.0, 0.5], [2.5, -1.0]]),
}


def like_params(seed: int, low: int, high: int) -> dict[str, jax.Array]:
    """Random integers in [low, high], shaped like `PARAMS`."""
    rng = np.random.default_rng(seed)
    return {
        name: jnp.asarray(rng.integers(low, high, size=p.shape, endpoint=True), p.dtype)
        for name, p in PARAMS.items()
    }


GRADIENTS = [like_params(seed, -4, 4) for seed in range(4)]
VARIANCES = [like_params(seed, 0, 4) for seed in range(4)]

# The same arithmetic, compiled or in another order, differs by a few roundings of
# float32 (6e-8 each), which bias correction and the variance magnify a little.
ROUND_OFF = {"rtol": 2e-6, "atol": 2e-6}


def cast(tree: Any, dtype: Any) -> Any:
    """The tree in another dtype."""
    return jax.tree.map(lambda leaf: leaf.astype(dtype), tree)


def part(tree: Any, *names: str) -> Any:
    """Some leaves of a tree like `PARAMS`."""
    return {name: tree[name] for name in names}


def extra(row: Row, variance: Any) -> dict[str, Any]:
    """The extra arguments that the row's update asks for."""
    return {"variance": variance} if row.needs_variance else {}


def run(
    row: Row,
    tx: optax.GradientTransformation | None = None,
    params: Any = PARAMS,
    gradients: Any = GRADIENTS,
    variances: Any = VARIANCES,
    update: Any = None,
    **more: Any,
) -> tuple[list[Any], Any]:
    """Descend; return the updates of all steps and the last state.

    The updates of a link are applied too, as if it were an optimizer.
    """
    tx = tx or row.make()
    update = update or tx.update
    state, steps = tx.init(params), []
    for gradient, variance in zip(gradients, variances, strict=False):
        updates, state = update(gradient, state, params, **extra(row, variance), **more)
        params = optax.apply_updates(params, updates)
        steps.append(updates)
    return steps, state


def assert_close(actual: Any, expected: Any, **tolerance: float) -> None:
    """Same structure, shapes and, up to round-off or the given tolerance, numbers."""
    chex.assert_trees_all_equal_shapes(actual, expected)
    chex.assert_trees_all_close(actual, expected, **(tolerance or ROUND_OFF))


def assert_equal(actual: Any, expected: Any) -> None:
    """Same structure, shapes, dtypes and numbers, bit for bit but for NaN and -0."""
    chex.assert_trees_all_equal_shapes_and_dtypes(actual, expected)
    chex.assert_trees_all_equal(actual, expected)
