r"""Newton's ideal step along the gradient, and how many numbers a Hessian has.

Tutorial B, :math:`\epsilon^* = g^T g / (g^T H g)`: on curves that gradient descent
cannot tell apart, for they have the same gradient; in the ravine; and the Hessian of
networks of more and more weights, of which only the shape is worked out. The bounds of
the rule are read from the tutorial's words.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from matplotlib.figure import Figure

from experiments.claims import figures, rules
from experiments.claims.claim import Calculation, Claim, Drawing, Evidence, Table
from experiments.studies.tutorials.ravine import STEPS, SURFACE, turns
from experiments.style import STYLES
from optax_sign import theory

CURVATURES = (1.0, 0.0, -1.0)  # of three curves: upwards, a plane, downwards
UPWARDS = (0.1, 1.0, 10.0, 100.0)
WEIGHTS = (10, 1_000, 100_000, 1_000_000_000)
LINE = 101  # points on the line along the gradient


def table() -> Table:
    """Gradients and steps, a walk of ideal steps, and the sizes of Hessians.

    Returns:
      "gradients" of the three curves at 0, and "step, downwards", on the last.
      "products", the ideal step times the curvature, for some curvatures upwards. In
      the ravine: "path", the weights, the start first; "error" at these; "turns", as
      in `ravine`; "slope", the largest that any step left along its gradient, over the
      slope that it began with; "rises", how many steps led upwards. On the line along
      the first gradient: "line", steps; "line/error" after each; "step", the ideal one.
      "weights" of networks and "numbers" in their Hessians.
    """
    with jax.enable_x64(True):
        slopes = [float(_on_curve(c)[0]) for c in CURVATURES]
        down = float(_on_curve(CURVATURES[-1])[1])
        products = [float(_on_curve(c)[1]) * c for c in UPWARDS]
        start = jnp.array(SURFACE.start)
        path, slope = _walk(start)
        errors = np.asarray(jax.vmap(SURFACE.loss)(path))
        first = float(jax.jit(_ideal, static_argnums=0)(SURFACE.loss, start))
        line = np.linspace(0.0, 1.2 * max(2 * first, SURFACE.rate), LINE)
        gradient = jax.grad(SURFACE.loss)(start)
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
            "line/error": np.asarray(SURFACE.loss(along)).tolist(),
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
        gradient = jax.grad(SURFACE.loss)(w)
        w = w - _ideal(SURFACE.loss, w) * gradient
        left = jax.grad(SURFACE.loss)(w) @ gradient / (gradient @ gradient)
        return w, (w, left)

    path, left = jax.lax.scan(step, start, length=STEPS)[1]
    return jnp.concatenate([start[None], path]), left


def figure(evidence: Evidence) -> Figure:
    """Three curves of one gradient, steps along it, and the cost of a Hessian."""
    table = evidence.table
    with figures.figure(11.0, 3.8, "Tutorial B: Newton's method") as drawing:
        curves, line, counts = drawing.subplots(1, 3)
        x = np.linspace(-0.8, 1.6, 61)
        labels = ("curving upwards", "a plane", "curving downwards")
        for curvature, label in zip(CURVATURES, labels, strict=True):
            curves.plot(x, -x + curvature * x**2 / 2, label=label)
        curves.plot(0, 0, "o", color=STYLES[5][0], label="gradient -1 for all")
        curves.plot(1, -0.5, "v", color=STYLES[0][0], label="after the ideal step")
        curves.set(xlabel="weight", ylabel="loss", title="All of these are the same")
        curves.legend(handlelength=4, fontsize=7)
        line.plot(table["line"], table["line/error"], color=STYLES[4][0])
        label = f"ideal: {table['step']:.4f}"
        line.axvline(table["step"], color=STYLES[0][0], linestyle="dashed", label=label)
        label = "at 0.98 of the largest stable rate"
        line.axvline(SURFACE.rate, color=STYLES[5][0], linestyle="dotted", label=label)
        line.set(
            xlabel="step along the gradient",
            ylabel="error in the ravine",
            title="gᵀg / gᵀHg ends on the floor",
        )
        line.legend(fontsize=7, loc="upper center")
        line.set_ylim(40, 200)
        weights = table["weights"]
        counts.plot(weights, table["numbers"], marker="o", label="Hessian")
        counts.plot(weights, weights, marker="o", label="gradient")
        counts.set(
            xscale="log",
            yscale="log",
            xlabel="weights",
            ylabel="numbers",
            title="What it costs",
        )
        counts.legend(handlelength=4)
    return drawing


def _crossings(path: Sequence[Sequence[float]]) -> float:
    """The share of steps that end on the other side of the floor, where w₁ is 0."""
    sides = np.sign(np.asarray(path)[:, 0])
    return float(np.mean(sides[1:] != sides[:-1]))


NEWTON = Claim(
    id="tb-newton",
    source="Tutorial B, Newton's method",
    statement="Gradient descent cannot tell a plane from a curve upwards or downwards; "
    "the ideal step gᵀg/gᵀHg can: it is inversely proportional to the curvature, "
    "negative where that is, and does not overshoot the ravine's floor; but a Hessian "
    "has the square of the weights in numbers.",
    protocol="three curves of one gradient; 150 ideal steps in the ravine of tb-r; the "
    "shapes of JAX's Hessians for 10 to 10⁹ weights",
    trial=Calculation(
        quantity="numbers in the Hessian",
        table=table,
        values=lambda t: {
            f"{weights:g} weights": numbers
            for weights, numbers in zip(t["weights"], t["numbers"], strict=True)
        },
        digits=0,
    ),
    rule=(
        rules.at_most(
            "gradients of the three curves: difference of any two, 0",
            lambda e: np.ptp(e.table["gradients"]),
            0.0,
        ),
        rules.at_most(
            "ideal step times curvature: furthest from 1, at most 1e-9",
            lambda e: np.abs(np.subtract(e.table["products"], 1)).max(),
            1e-9,
        ),
        rules.at_most(
            "ideal step on the curve downwards: below 0",
            lambda e: e.table["step, downwards"],
            -1e-9,
        ),
        rules.at_most(
            "slope left along the gradient, over what it was: at most 1e-12",
            lambda e: e.table["slope"],
            1e-12,
        ),
        rules.at_most(
            "share of ideal steps that end across the ravine's floor: 0",
            lambda e: _crossings(e.table["path"]),
            0.0,
        ),
        rules.at_most("steps upwards: none", lambda e: e.table["rises"], 0),
        rules.is_exactly(
            "numbers in the Hessian over the square of the weights: 1",
            lambda e: np.max(e.table["numbers"] / np.square(e.table["weights"])),
            1.0,
        ),
    ),
    figure=Drawing(name="figure-newton", draw=figure),
)
