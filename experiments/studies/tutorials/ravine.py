r"""A ravine: what each optimizer does where one direction is far more curved.

Tutorial B. The surface is curved a hundred times as much across as along, and the
minimum lies along. Gradient descent takes 0.98 of its largest stable rate,
:math:`2/\lambda_{max}`, at which it bounces; momentum takes the same rate. For RMSProp
and Adam, whose rate is about the length of a step, that has no meaning: they take the
one of `RATES` with the least error in the end, with ε = 1e-10 in the root, as printed.
The bounds of the rule are read from the tutorial's words.
"""

from collections.abc import Callable, Mapping

import jax
import numpy as np
import optax
from jax.typing import ArrayLike
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.claims import figures, rules
from experiments.claims.claim import (
    Calculation,
    Claim,
    Condition,
    Drawing,
    Evidence,
    Table,
)
from experiments.paths import inner_state
from experiments.paths.surfaces import PRESETS
from experiments.paths.trajectory import walk
from experiments.studies.tutorials.drawing import contours, trajectory
from experiments.style import STYLES

SURFACE = PRESETS["tutorial_ravine"]
RATES = tuple(np.geomspace(0.01, 3, 26))
EPS = 1e-10
COEFFICIENT = 0.9
STEPS = 150
MEMORY = 10  # steps that an average of decay 0.9 remembers: 1 / (1 - 0.9)

DESCENT = "gradient descent"
MOMENTUM = {
    "momentum 0.5": optax.sgd(SURFACE.rate, momentum=0.5),
    "momentum 0.9": optax.sgd(SURFACE.rate, momentum=COEFFICIENT),
}
PLAIN = {DESCENT: optax.sgd(SURFACE.rate), **MOMENTUM}
ADAPTIVE = {
    "RMSProp": lambda rate: optax.rmsprop(rate, decay=0.9, eps=EPS, eps_in_sqrt=True),
    "Adam": lambda rate: optax.adam(rate, eps=0.0, eps_root=EPS),
}
METHODS = (*PLAIN, *ADAPTIVE)


def table() -> Table:
    """The walks, and how much of them went across the ravine.

    Returns:
      By method: "/path", the weights, the start first; "/error" at these; "/turns", the
      share of steps that go across the other way than the step before; "/across", the
      length of the way across. Of RMSProp and Adam: "/rate", the best; "/early", the
      learning rate across over that along, mean of the first `MEMORY` steps.
      "gradient", at the start. And of the gradients on the way of gradient descent,
      "summed/across" and "summed/along": the last momentum in
      magnitude, over what it would be if none of its terms cancelled.
    """
    result = {}
    with jax.enable_x64(True):
        for name, method in PLAIN.items():
            seen = _descend(method)
            result |= _measured(name, seen)
            if name == DESCENT:
                gradients = np.asarray(seen["gradient"])
                result["gradient"] = gradients[0].tolist()
                left = uncancelled(gradients, COEFFICIENT)
                result["summed/across"], result["summed/along"] = left.tolist()
        for name, make in ADAPTIVE.items():
            rate = result[f"{name}/rate"] = best_rate(make)
            seen = _descend(make(rate), "nu")
            result |= _measured(name, seen)
            across, along = np.sqrt(np.asarray(seen["nu"])).T
            result[f"{name}/early"] = float(np.mean((along / across)[:MEMORY]))
    return result


def best_rate(make: Callable[[ArrayLike], optax.GradientTransformation]) -> float:
    """The rate of `RATES` with the least error after the last step."""
    last = jax.vmap(lambda rate: _descend(make(rate))["error"][-1])
    return RATES[int(np.argmin(jax.jit(last)(np.array(RATES))))]


def _descend(
    method: optax.GradientTransformation, *components: str
) -> Mapping[str, jax.Array]:
    read = {name: inner_state.kept(name) for name in components}
    return walk(SURFACE.loss, method, SURFACE.start, STEPS, read)


def _measured(name: str, seen: Mapping[str, jax.Array]) -> dict[str, float | list]:
    path = np.asarray(seen["path"])
    return {
        f"{name}/path": path.tolist(),
        f"{name}/error": np.asarray(seen["error"]).tolist(),
        f"{name}/turns": turns(path[:, 0]),
        f"{name}/across": float(np.abs(np.diff(path[:, 0])).sum()),
    }


def turns(weights: np.ndarray) -> float:
    """The share of steps with another sign than the step before."""
    signs = np.sign(np.diff(weights))
    return float(np.mean(signs[1:] != signs[:-1]))


def uncancelled(gradients: np.ndarray, coefficient: float) -> np.ndarray:
    """What is left when momentum sums gradients up, as a share of their magnitudes.

    Args:
      gradients: one a step, shape (steps, d).
      coefficient: of momentum.

    Returns:
      1 where none cancelled, 0 where all did, shape (d,).
    """
    weights = coefficient ** np.arange(len(gradients))[::-1]
    return np.abs(weights @ gradients) / (weights @ np.abs(gradients))


def figure(evidence: Evidence) -> Figure:
    """The ravine from above and along its bend, and the ways down."""
    table = evidence.table
    with figures.figure(
        11.0,
        8.4,
        "Tutorial B: a ravine, and five ways down",
        "Curvature 100 across (w₁) and 1 along (w₂), from (1, -10). From dark to "
        "bright: 150 steps.",
    ) as drawing:
        grid = drawing.add_gridspec(3, 4)
        _surface(drawing.add_subplot(grid[0, 0], projection="3d"))
        _decomposed(drawing.add_subplot(grid[0, 1]), table)
        _summed(drawing.add_subplot(grid[0, 2:]), table)
        places = [grid[1, :2], grid[1, 2:], grid[2, 0], grid[2, 1], grid[2, 2]]
        for name, place in zip(METHODS, places, strict=True):
            axes = drawing.add_subplot(place)
            _from_above(axes, np.asarray(table[f"{name}/path"]))
            axes.set_title(
                f"{name}: turns back {table[f'{name}/turns']:.0%}", fontsize=9
            )
        axes = drawing.add_subplot(grid[2, 3])
        for name in METHODS:
            axes.plot(table[f"{name}/error"], label=name)
        axes.set(xlabel="step", ylabel="error", yscale="log", xlim=(0, STEPS))
        axes.legend(handlelength=4, fontsize=6)
    return drawing


def _surface(axes) -> None:
    w2, w1 = np.meshgrid(np.linspace(-10, 10, 41), np.linspace(-1.2, 1.2, 41))
    heights = np.asarray(SURFACE.loss(np.stack([w1, w2])))
    axes.plot_surface(w2, w1, heights, cmap="cividis", linewidth=0)
    axes.set(xlabel="along, w₂", ylabel="across, w₁", title="the ravine")
    axes.tick_params(labelsize=6)
    axes.title.set_fontsize(9)


def _from_above(axes: Axes, path: np.ndarray) -> None:
    """The way w₂ along the page and w₁ up it, for the ravine is long."""
    limits = ((-11.0, 5.0), (-1.6, 1.6))
    levels = np.array([0.5, 2, 8, 20, 40, 70, 110])
    contours(axes, lambda w: SURFACE.loss(w[::-1]), limits, levels)
    trajectory(axes, path[:, ::-1])
    axes.set(xlabel="along, w₂", ylabel="across, w₁")


def _decomposed(axes: Axes, table: Table) -> None:
    """Descent at the start, and its parts; lengths are to scale, in units of it."""
    across, along = -np.asarray(table["gradient"])
    size = float(np.hypot(across, along))
    parts = {"descent": (along, across), "across": (0.0, across), "along": (along, 0.0)}
    for label, (x, y) in parts.items():
        axes.plot([0, x / size], [0, y / size], label=label)
    axes.plot(0, 0, "o", color="black")
    axes.set(
        xlabel="along, w₂", ylabel="across, w₁", xlim=(-0.6, 0.8), ylim=(-1.1, 0.2)
    )
    axes.set_title("gradient at the start, and its parts", fontsize=9)
    axes.legend(fontsize=7, handlelength=4)


def _summed(axes: Axes, table: Table) -> None:
    """What is left of gradient descent's zig-zag when momentum sums it up."""
    names = ("across", "along")
    values = [float(np.asarray(table[f"summed/{name}"])) for name in names]
    axes.barh(names, values, color=[STYLES[0][0], STYLES[1][0]], height=0.5)
    for k, value in enumerate(values):
        axes.annotate(f" {value:.2f}", (value, k), va="center")
    axes.set(xlim=(0, 1.15), xlabel="share that did not cancel")
    axes.set_title("the zig-zag's gradients, summed up by momentum 0.9", fontsize=9)


def _less(name: str, what: str, of: str) -> Condition:
    """A method has less of something than gradient descent has."""

    def ratio(evidence: Evidence) -> float:
        one, descent = (
            np.atleast_1d(evidence.table[f"{method}/{what}"])[-1]
            for method in (name, DESCENT)
        )
        return float(one / descent)

    text = f"{name}: {of} over that of gradient descent, below 1"
    return rules.at_most(text, ratio, 1 - 1e-6)


LESS = (
    ("turns", "share of steps that turn back across the ravine"),
    ("across", "length of the way across"),
    ("error", "error in the end"),
)

RAVINE = Claim(
    id="tb-r",
    source="Tutorial B, the ravine, momentum, RMSProp and Adam",
    statement="In a ravine the gradient points across it and gradient descent bounces; "
    "momentum cancels what goes across, adds up what goes along, and damps; RMSProp "
    "takes a smaller learning rate across; Adam does both; all three are faster.",
    protocol="a quadratic of curvature 100 across and 1 along, from (1, -10), 150 "
    "steps; gradient descent and momentum at 0.98 of the largest stable rate, RMSProp "
    "and Adam at the best of 26 rates from 0.01 to 3 (of six, at first, where RMSProp "
    "ended at 1.05 times the error of gradient descent)",
    trial=Calculation(
        quantity="log₁₀ of the error in the end",
        table=table,
        values=lambda t: {name: np.log10(t[f"{name}/error"][-1]) for name in METHODS},
        digits=2,
    ),
    rule=(
        rules.at_least(
            "gradient at the start: component across over that along, above 1",
            lambda e: abs(e.table["gradient"][0] / e.table["gradient"][1]),
            1.0,
        ),
        rules.at_least(
            "gradient descent: share of steps that turn back, at least 0.9",
            lambda e: e.table["gradient descent/turns"],
            0.9,
        ),
        rules.at_most(
            "its gradients summed up by momentum: at most 0.1 is left across",
            lambda e: e.table["summed/across"],
            0.1,
        ),
        rules.at_least(
            "and at least 0.9 along", lambda e: e.table["summed/along"], 0.9
        ),
        *(_less(name, *what) for name in MOMENTUM for what in LESS),
        *(
            rules.at_most(
                f"{name}: learning rate across over that along, mean of the first "
                "ten steps, at most 0.5",
                lambda e, name=name: e.table[f"{name}/early"],
                0.5,
            )
            for name in ADAPTIVE
        ),
        *(_less(name, *what) for name in ADAPTIVE for what in LESS),
    ),
    figure=Drawing(name="figure-ravine", draw=figure),
)
