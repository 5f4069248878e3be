r"""Where four optimizers end from the same weights, and the losses in between.

Tutorial B shows, from a paper that it does not name, the loss at weights interpolated
between the final points of four algorithms. Here they fit a curve of 32 points with a
network of 1, 16, 16 and 1 units, all points in every step, at rates that are common.
A barrier is by how much the loss on the straight way between two final points exceeds
that of the worse of them: two points of one basin have none.
"""

import functools
import itertools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib.figure import Figure
from scipy.sparse import linalg

from experiments.claims import figures, rules
from experiments.claims.claim import Calculation, Claim, Drawing, Evidence, Table
from experiments.claims.intervals import interval

METHODS = {
    "SGD": optax.sgd(0.1),
    "momentum": optax.sgd(0.1, momentum=0.9),
    "RMSProp": optax.rmsprop(0.01),
    "Adam": optax.adam(0.01),
}
CORNERS = dict(zip(METHODS, ((0, 0), (1, 0), (0, 1), (1, 1)), strict=True))
PAIRS = {
    f"{one} to {other}": (one, other)
    for one, other in itertools.combinations(METHODS, 2)
}
SIZES = (1, 16, 16, 1)
INPUTS = np.linspace(-1.0, 1.0, 32)
TARGETS = np.sin(5 * INPUTS) + 0.1 * np.random.default_rng(1).normal(size=INPUTS.size)
STEPS = 5000
SEEDS = 10
BETWEEN = 51  # points from one final point to another
MARGIN, POINTS = 0.25, 41  # of the plane, beyond the square and on a side


def barriers(seed: int = 0, *, steps: int = STEPS, seeds: int = SEEDS) -> Table:
    """How far apart the final points of every method from every start are.

    Args:
      seed: of the first start; the points of the curve are the same for all.
      steps: of each method.
      seeds: how many starts.

    Returns:
      By method, one a start: "/first" and "/last", the losses. By "one to other", for
      `PAIRS`, the barrier of each start. And for the first start "axis", coordinates of
      a plane, and "plane", the losses there: the methods are its corners (0, 0),
      (1, 0), (0, 1) and (1, 1), with bilinear interpolation in between.
    """
    result = {}
    with jax.enable_x64(True):
        starts, finals = _points(seed, steps, seeds)
        losses = jax.jit(jax.vmap(loss))
        for name, final in finals.items():
            result[f"{name}/first"] = losses(starts).tolist()
            result[f"{name}/last"] = losses(final).tolist()
        between = jax.jit(jax.vmap(barrier))
        for pair, (one, other) in PAIRS.items():
            result[pair] = between(finals[one], finals[other]).tolist()
        axis = np.linspace(-MARGIN, 1 + MARGIN, POINTS)
        corners = jnp.stack([finals[name][0] for name in METHODS])
        result["axis"] = axis.tolist()
        result["plane"] = np.asarray(_plane(corners, axis)).tolist()
    return result


def curvatures(seed: int = 0, *, steps: int = STEPS, seeds: int = SEEDS) -> Table:
    """How sharp the final points are.

    Args:
      seed: of the first start.
      steps: of each method.
      seeds: how many starts.

    Returns:
      By method the largest eigenvalue of the Hessian in the end, one a start.
    """
    with jax.enable_x64(True):
        _, finals = _points(seed, steps, seeds)

        def largest(matrix):
            first = np.ones(len(matrix))  # or scipy draws one at random
            return float(linalg.eigsh(matrix, k=1, which="LA", v0=first)[0][0])

        hessian = jax.jit(jax.hessian(loss))
        return {
            name: [largest(np.asarray(hessian(w))) for w in final]
            for name, final in finals.items()
        }


def loss(flat: jax.Array) -> jax.Array:
    """Half the mean squared error of the network with these weights."""
    layers, hidden, first = list(itertools.pairwise(SIZES)), INPUTS[:, None], 0
    for k, (rows, columns) in enumerate(layers):
        middle = first + rows * columns
        matrix = flat[first:middle].reshape(rows, columns)
        first = middle + columns
        hidden = hidden @ matrix + flat[middle:first]
        if k < len(layers) - 1:
            hidden = jnp.tanh(hidden)
    return jnp.mean((hidden[:, 0] - TARGETS) ** 2) / 2


def barrier(one: jax.Array, other: jax.Array) -> jax.Array:
    """The highest loss between two points, less that of the worse of them."""
    share = jnp.linspace(0.0, 1.0, BETWEEN)[:, None]
    losses = jax.vmap(loss)((1 - share) * one + share * other)
    return jnp.max(losses) - jnp.maximum(losses[0], losses[-1])


def _start(rng: np.random.Generator) -> np.ndarray:
    """Glorot-normal matrices, and biases of zero, one layer after the other."""
    parts = []
    for rows, columns in itertools.pairwise(SIZES):
        parts.append(rng.normal(0, np.sqrt(2 / (rows + columns)), rows * columns))
        parts.append(np.zeros(columns))
    return np.concatenate(parts)


@functools.cache
def _points(
    seed: int, steps: int, seeds: int
) -> tuple[jax.Array, Mapping[str, jax.Array]]:
    """The starts, and by method where they led: shape (seeds, weights)."""
    every = range(seed, seed + seeds)
    starts = jnp.array([_start(np.random.default_rng(each)) for each in every])

    def train(method, start):
        def step(carry, _):
            w, state = carry
            updates, state = method.update(jax.grad(loss)(w), state, w)
            return (optax.apply_updates(w, updates), state), None

        return jax.lax.scan(step, (start, method.init(start)), length=steps)[0][0]

    finals = {}
    for name, method in METHODS.items():
        run = jax.jit(jax.vmap(functools.partial(train, method)))
        finals[name] = run(starts)
    return starts, finals


def _plane(corners: jax.Array, axis: np.ndarray) -> jax.Array:
    """Losses on the plane, a row for each second coordinate."""

    def at(a, b):
        shares = jnp.array([(1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b])
        return loss(shares @ corners)

    rows = jax.vmap(jax.vmap(at, (0, None)), (None, 0))
    return jax.jit(rows)(jnp.asarray(axis), jnp.asarray(axis))


def final_points(evidence: Evidence) -> Figure:
    """Figure 1: the loss between the final points of four algorithms."""
    note = (
        "Weights are interpolated bilinearly between those that the four reach from "
        "one start."
    )
    with figures.figure(6.0, 5.2, caption=note) as drawing:
        axes = drawing.add_subplot()
        axes.grid(False)
        axis = np.asarray(evidence.table["axis"])
        losses = np.log10(np.asarray(evidence.table["plane"]))
        filled = axes.contourf(axis, axis, losses, levels=24, cmap="cividis")
        for name, point in CORNERS.items():
            axes.plot(*point, "o", color="white", markeredgecolor="black")
            axes.annotate(
                name,
                point,
                textcoords="offset points",
                xytext=(0, 7),
                ha="center",
                fontsize=9,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )
        drawing.colorbar(filled, ax=axes, label="log₁₀ of the loss")
        axes.set(
            title="Tutorial B, Figure 1: between four final points",
            xlabel="SGD to momentum, RMSProp to Adam (share of the way)",
            ylabel="SGD to RMSProp, momentum to Adam",
        )
    return drawing


MINIMA = Claim(
    id="tb-minima",
    source="Tutorial B, Figure 1",
    statement="From the same weights, on the same loss, the four algorithms can "
    "converge to different minima.",
    protocol="the figure's networks are not named. Ours fits a curve of 32 points with "
    "two layers of 16 tanh units, 5000 steps on all points, 10 starts; between "
    "different minima the loss has a barrier, from one of the starts at least (from "
    "all on average, at first, which the interval of SGD and momentum does "
    "not rule out)",
    trial=Calculation(
        quantity="height of the barrier",
        table=barriers,
        values=lambda t: {pair: interval(t[pair]) for pair in PAIRS},
    ),
    rule=(
        *(
            rules.at_most(
                f"{name}: loss in the end over that at first, mean of the starts, "
                "at most 0.1",
                lambda e, name=name: np.mean(
                    np.divide(e.table[f"{name}/last"], e.table[f"{name}/first"])
                ),
                0.1,
            )
            for name in METHODS
        ),
        *(
            rules.at_least(
                f"{pair}: highest barrier of all starts, above 0",
                lambda e, pair=pair: np.max(e.table[pair]),
                1e-6,
            )
            for pair in PAIRS
        ),
    ),
    figure=Drawing(name="figure-final-points", draw=final_points),
)


def _flatter(evidence: Evidence) -> float:
    momentum, adam = (np.log10(evidence.table[name]) for name in ("momentum", "Adam"))
    gap = interval((momentum - adam).tolist())
    return gap.mean + (gap.half or 0.0)


FLATNESS = Claim(
    id="tb-flat",
    source="Tutorial B, conclusion",
    statement="SGD with momentum finds flatter minima than Adam.",
    protocol="as tb-minima; the largest eigenvalue of the Hessian in the end",
    trial=Calculation(
        quantity="largest eigenvalue",
        table=curvatures,
        values=lambda t: {name: interval(t[name]) for name in METHODS},
        digits=1,
    ),
    rule=(
        rules.at_most(
            "its log₁₀, momentum less Adam: upper end of the 95 % interval at most 0",
            _flatter,
            0.0,
        ),
    ),
)
