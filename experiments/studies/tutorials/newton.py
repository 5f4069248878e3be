r"""Newton's ideal step along the gradient, and how many numbers a Hessian has.

Tutorial B, :math:`\epsilon^* = g^T g / (g^T H g)`: on curves that gradient descent
cannot tell apart, for they have the same gradient; in the ravine; and the Hessian of
networks of more and more weights, of which only the shape is worked out.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from experiments.claims.claim import Table
from experiments.paths import tutorial_surfaces as surfaces
from experiments.studies.tutorials.ravine import DESCENT, STEPS, turns
from optax_sign import theory

CURVATURES = (1.0, 0.0, -1.0)  # of three curves: upwards, a plane, downwards
UPWARDS = (0.1, 1.0, 10.0, 100.0)
WEIGHTS = (10, 1_000, 100_000, 1_000_000_000)
LINE = 101  # points on the line along the gradient


def table(seed: int = 0) -> Table:
    """Gradients and steps, a walk of ideal steps, and the sizes of Hessians.

    Args:
      seed: not used: nothing is drawn here.

    Returns:
      "gradients" of the three curves at 0, and "step, downwards", on the last.
      "products", the ideal step times the curvature, for some curvatures upwards. In
      the ravine: "path", the weights, the start first; "error" at these; "turns", as
      in `ravine`; "slope", the largest that any step left along its gradient, over the
      slope that it began with; "rises", how many steps led upwards. On the line along
      the first gradient: "line", steps; "line/error" after each; "step", the ideal one.
      "weights" of networks and "numbers" in their Hessians.
    """
    del seed
    with jax.enable_x64(True):
        slopes = [float(_on_curve(c)[0]) for c in CURVATURES]
        down = float(_on_curve(CURVATURES[-1])[1])
        products = [float(_on_curve(c)[1]) * c for c in UPWARDS]
        start = jnp.array(surfaces.RAVINE_START)
        path, slope = _walk(start)
        errors = np.asarray(jax.vmap(surfaces.ravine)(path))
        first = float(jax.jit(_ideal, static_argnums=0)(surfaces.ravine, start))
        line = np.linspace(0.0, 1.2 * max(2 * first, DESCENT), LINE)
        gradient = jax.grad(surfaces.ravine)(start)
        along = start[:, None] - line * gradient[:, None]
        return {
            "gradients": slopes,
            "step, downwards": down,
            "products": products,
            "path": np.asarray(path).tolist(),
            "error": errors.tolist(),
            "turns": turns(np.asarray(path)[:, 0]),
            "slope": float(np.abs(slope).max()),
            "rises": float(np.sum(np.diff(errors) > 0)),
            "line": line.tolist(),
            "line/error": np.asarray(surfaces.ravine(along)).tolist(),
            "step": first,
            "weights": [float(count) for count in WEIGHTS],
            "numbers": [float(hessian_size(count)) for count in WEIGHTS],
        }


def hessian_size(weights: int) -> int:
    """How many numbers JAX's Hessian of a function of so many weights consists of."""
    shape = jax.ShapeDtypeStruct((weights,), jnp.float32)
    return jax.eval_shape(jax.hessian(lambda w: jnp.vdot(w, w)), shape).size


@jax.jit
def _on_curve(curvature: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Gradient and ideal step at 0, of a curve that has the same gradient always."""

    def curve(x):
        return -x[0] + curvature * x[0] ** 2 / 2

    zero = jnp.zeros(1)
    return jax.grad(curve)(zero)[0], _ideal(curve, zero)


def _ideal(error, w: jax.Array) -> jax.Array:
    return theory.ideal_step(jax.grad(error)(w), jax.hessian(error)(w))


@jax.jit
def _walk(start: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The weights on the way, and the slope that each step left, relative."""

    def step(w, _):
        gradient = jax.grad(surfaces.ravine)(w)
        w = w - _ideal(surfaces.ravine, w) * gradient
        left = jax.grad(surfaces.ravine)(w) @ gradient / (gradient @ gradient)
        return w, (w, left)

    path, left = jax.lax.scan(step, start, length=STEPS)[1]
    return jnp.concatenate([start[None], path]), left
