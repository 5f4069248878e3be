r"""A small local minimum on the way, and the first-order moments that roll over it.

Tutorial A, part 3, Figures 1 and 2. From near the summit of the hill, at its rate of
20, 150 steps of the bias-corrected moving average of the gradient alone, which is
M-SGD. What counts is on which side of the ridge behind the hole they end. The bounds of
the rule are read from the tutorial's words.

The tutorial shows its error function but does not give it: this one is ours, and with
the depth of its hole goes the threshold in β₁.
"""

import functools
from collections.abc import Mapping

import jax
import numpy as np
from jax.typing import ArrayLike
from matplotlib.figure import Figure
from scipy import optimize

import optax_sign
from experiments.claims import figures, rules
from experiments.claims.claim import Calculation, Claim, Drawing, Evidence, Table
from experiments.paths import formula, inner_state
from experiments.paths.surfaces import PRESETS, tutorial_hill
from experiments.paths.trajectory import walk
from experiments.studies.tutorials.drawing import contours, trajectory

HILL = PRESETS["tutorial_hill"]
STEPS = 150
SHOWN = (0.0, 0.95)
LIMIT = 0.99
DEPTH = 0.025  # of the hole in `HILL`
DEPTHS = (0.015, 0.02, DEPTH, 0.03, 0.04)
READ = {"ema": inner_state.kept("ema")}


def table() -> Table:
    """Where the moments lead, and from which β₁ on they lead over the hole.

    Returns:
      "extrema", where along its axis the surface has summit, hole, ridge and valley;
      by "β₁ = …", for those of `SHOWN`: "/path", the weights, w(0) first; "/error" at
      these; "/ema", m after each step. "betas" and "ends", the first weight in the end
      for a grid of β₁; "threshold", the least that leads over the hole, to 1e-6, and
      "strays", how many of the grid are on the wrong side for it. "depths" of other
      holes, with their "thresholds".
    """
    with jax.enable_x64(True):
        walks = {beta: _descend(beta, DEPTH) for beta in SHOWN}
        betas = np.linspace(0.0, LIMIT, 100)
        ends = np.array([_end(beta, DEPTH) for beta in betas])
        thresholds = {depth: threshold(depth) for depth in DEPTHS}
        beyond = ends > extrema()[2]
        return {
            "extrema": list(extrema()),
            **{
                f"β₁ = {beta:g}/{what}": np.asarray(seen[what]).tolist()
                for beta, seen in walks.items()
                for what in ("path", "error", "ema")
            },
            "betas": betas.tolist(),
            "ends": ends.tolist(),
            "threshold": thresholds[DEPTH],
            "strays": float(np.sum(beyond != (betas >= thresholds[DEPTH]))),
            "depths": list(DEPTHS),
            "thresholds": list(thresholds.values()),
        }


def extrema(depth: float = DEPTH) -> tuple[float, ...]:
    """Where the slope of the hill along its axis of symmetry changes sign, ascending.

    With a hole that is one: the summit, the hole, the ridge behind it, the valley.
    """
    line = np.linspace(-1.0, 9.0, 9001)
    turns = np.diff(np.sign(np.diff(np.asarray(_surface(depth)(line, 0.0))))) != 0
    return tuple(line[1:-1][turns].tolist())


def threshold(depth: float) -> float:
    """The β₁ at which walks end beyond the ridge and no longer in the hole."""
    ridge = extrema(depth)[2]
    found = optimize.root_scalar(
        lambda beta: _end(beta, depth) - ridge,
        method="bisect",
        bracket=(0.0, SHOWN[-1]),
        xtol=1e-6,
    )
    return float(found.root)


def _surface(depth: float) -> formula.Formula:
    return formula.parse(tutorial_hill(depth))


def _end(beta: float, depth: float) -> float:
    """The first weight after the last step."""
    return float(_descend(beta, depth)["path"][-1, 0])


@functools.partial(jax.jit, static_argnames="depth")
def _descend(beta: ArrayLike, depth: float) -> Mapping[str, jax.Array]:
    loss, method = _surface(depth), optax_sign.m_sgd(HILL.rate, beta=beta)
    return walk(lambda w: loss(w[0], w[1]), method, HILL.start, STEPS, READ)


def small_minimum(evidence: Evidence) -> Figure:
    """Part 3, Figures 1 and 2: over the hole or not, and the first moments."""
    table = evidence.table
    names = [f"β₁ = {beta:g}" for beta in SHOWN]
    with figures.figure(
        9.6,
        6.4,
        "Tutorial A, part 3, Figures 1 and 2: a small minimum before a larger one",
        "A hill at w₁ = 0, a hole at 4, a valley at 8; rate 20; β₁ = 0 is gradient "
        "descent. From dark to bright: the iterations.",
    ) as figure:
        panels = figure.subplots(2, 2, height_ratios=[1, 1.1])
        for axes, name in zip(panels[0], names, strict=True):
            contours(axes, HILL.loss, HILL.bounds, np.linspace(-0.05, 0.05, 21))
            trajectory(axes, np.asarray(table[f"{name}/path"]))
            axes.set(title=name, xlabel="weight w₁", ylabel="weight w₂")
        moments, ends = panels[1]
        for name in names:
            values = np.asarray(table[f"{name}/ema"])[:, 0]
            moments.plot(np.arange(1, len(values) + 1), values, label=name)
        moments.set(xlabel="iteration t", ylabel="first moment m₁(t)", xlim=(0, STEPS))
        moments.legend(handlelength=4)
        ends.plot(table["betas"], table["ends"])
        label = f"threshold: β₁ = {table['threshold']:.3f}"
        ends.axvline(table["threshold"], color="black", linestyle="dotted", label=label)
        ends.set(xlabel="decay β₁", ylabel="w₁ after 150 iterations", xlim=(0, 1))
        ends.legend(loc="upper left")
    return figure


def _thresholds(table: Table) -> Mapping[str, float]:
    others = zip(table["depths"], table["thresholds"], strict=True)
    return {
        "threshold": table["threshold"],
        **{f"hole of depth {d:g}": beta for d, beta in others},
    }


def _peak(table: Table, beta: float) -> tuple[int, float]:
    """When |m₁| is largest, and how large."""
    sizes = np.abs(np.asarray(table[f"β₁ = {beta:g}/ema"])[:, 0])
    return int(np.argmax(sizes)), float(sizes.max())


def _halved(table: Table, beta: float) -> int:
    """How many iterations |m₁| takes to fall to half of its largest."""
    place, peak = _peak(table, beta)
    sizes = np.abs(np.asarray(table[f"β₁ = {beta:g}/ema"])[place:, 0])
    return int(np.argmax(sizes <= peak / 2))


def _from(evidence: Evidence, beta: float, place: int) -> float:
    """How far the walk ends from an extremum of the surface."""
    end = np.asarray(evidence.table[f"β₁ = {beta:g}/path"])[-1, 0]
    return float(abs(end - evidence.table["extrema"][place]))


MOMENTS = Claim(
    id="ta-adam",
    source="Tutorial A, part 3, Figures 1 and 2",
    statement="Gradient descent is caught in a small local minimum that first-order "
    "moments roll over, with β₁ from about 0.91 up; their m₁ grows more slowly, stays "
    "smaller and also decreases more slowly.",
    protocol="the tutorial's error function is not in its text. Ours is a hill and a "
    "valley, Gaussians of height and depth 0.05 and width 1.5 at w₁ = 0 and 8, and at "
    "4 a hole of width 0.7, half as deep; from near the summit, rate 20, 150 "
    "iterations. The threshold, by bisection, belongs to the hole, and this one was "
    "chosen between two whose thresholds lie on either side of 0.91: it is given for "
    "others, too",
    trial=Calculation(
        quantity="least β₁ that leads over the hole",
        table=table,
        values=_thresholds,
        digits=4,
    ),
    published={"threshold": 0.91},
    tolerance=0.01,
    rule=(
        rules.at_most(
            "β₁ = 0: ends within 0.1 of the hole", lambda e: _from(e, 0.0, 1), 0.1
        ),
        rules.at_most(
            "β₁ = 0.95: ends within 1 of the valley", lambda e: _from(e, 0.95, 3), 1.0
        ),
        rules.at_most(
            "of 100 β₁ from 0 to 0.99, on the wrong side of the threshold: none",
            lambda e: e.table["strays"],
            0,
        ),
        rules.between(
            "threshold over 0.91: within a tenth of 1",
            lambda e: e.table["threshold"] / 0.91,
            0.9,
            1.1,
        ),
        rules.at_most(
            "largest |m₁| of β₁ = 0.95, over that of 0: below 1",
            lambda e: _peak(e.table, 0.95)[1] / _peak(e.table, 0.0)[1],
            1.0,
        ),
        rules.at_least(
            "iterations by which it comes later: 1 at least",
            lambda e: _peak(e.table, 0.95)[0] - _peak(e.table, 0.0)[0],
            1,
        ),
        rules.at_least(
            "iterations by which it takes longer to halve from there: 1 at least",
            lambda e: _halved(e.table, 0.95) - _halved(e.table, 0.0),
            1,
        ),
    ),
    figure=Drawing(name="figure-small-minimum", draw=small_minimum),
)
