"""Figures of the hill with its hole and of Tutorial B, drawn from tables."""

from typing import TYPE_CHECKING

import numpy as np

from experiments.claims.claim import Table
from experiments.paths import tutorial_surfaces as surfaces
from experiments.studies.tutorials import newton as newton_step
from experiments.studies.tutorials import ravine as ravines
from experiments.studies.tutorials.drawing import contours, trajectory
from experiments.style import SETTINGS, STYLES, styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METHODS = (*ravines.PLAIN, *ravines.ADAPTIVE)
CORNERS = {"SGD": (0, 0), "momentum": (1, 0), "RMSProp": (0, 1), "Adam": (1, 1)}


def small_minimum(table: Table) -> "Figure":
    """Part 3, Figures 1 and 2: over the hole or not, and the first moments.

    Args:
      table: of `experiments.studies.tutorials.hill`.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    names = [name.removesuffix("/path") for name in table if name.endswith("/path")]
    with mpl.rc_context(SETTINGS):
        drawing = Figure(figsize=(9.6, 6.4))
        grid = drawing.subplots(2, 2, height_ratios=[1, 1.1])
        for axes, name in zip(grid[0], names, strict=True):
            levels = np.linspace(-0.05, 0.05, 21)
            contours(axes, surfaces.hill, ((-2.5, 11), (-3, 3)), levels)
            trajectory(axes, np.asarray(table[f"{name}/path"]))
            axes.set(title=name, xlabel="weight w₁", ylabel="weight w₂")
        moments, ends = grid[1]
        for name, (colour, dashes) in zip(names, styles(len(names)), strict=True):
            values = np.asarray(table[f"{name}/ema"])[:, 0]
            iterations = np.arange(1, len(values) + 1)
            moments.plot(iterations, values, color=colour, linestyle=dashes, label=name)
        moments.set(xlabel="iteration t", ylabel="first moment m₁(t)", xlim=(0, 150))
        moments.legend(handlelength=4)
        colour, dashes = STYLES[0]
        ends.plot(table["betas"], table["ends"], color=colour, linestyle=dashes)
        threshold = float(np.asarray(table["threshold"]))
        label = f"threshold: β₁ = {threshold:.3f}"
        ends.axvline(threshold, color="black", linestyle="dotted", label=label)
        ends.set(xlabel="decay β₁", ylabel="w₁ after 150 iterations", xlim=(0, 1))
        ends.legend(loc="upper left")
        drawing.suptitle(
            "Tutorial A, part 3, Figures 1 and 2: a small minimum before a larger one"
        )
        drawing.supxlabel(
            "A hill at w₁ = 0, a hole at 4, a valley at 8; rate 20; β₁ = 0 is gradient "
            "descent. From dark to bright: the iterations.",
            fontsize=8,
        )
    return drawing


def ravine(table: Table) -> "Figure":
    """The ravine from above and along its bend, and the ways down.

    Args:
      table: of `experiments.studies.tutorials.ravine`.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(SETTINGS):
        drawing = Figure(figsize=(11.0, 8.4))
        grid = drawing.add_gridspec(3, 4)
        _surface(drawing.add_subplot(grid[0, 0], projection="3d"))
        _decomposed(drawing.add_subplot(grid[0, 1]), table)
        _summed(drawing.add_subplot(grid[0, 2:]), table)
        places = [grid[1, :2], grid[1, 2:], grid[2, 0], grid[2, 1], grid[2, 2]]
        for name, place in zip(METHODS, places, strict=True):
            axes = drawing.add_subplot(place)
            _from_above(axes, np.asarray(table[f"{name}/path"]))
            turns = float(np.asarray(table[f"{name}/turns"]))
            axes.set_title(f"{name}: turns back {turns:.0%}", fontsize=9)
        axes = drawing.add_subplot(grid[2, 3])
        for name, (colour, dashes) in zip(METHODS, styles(5), strict=True):
            axes.plot(
                table[f"{name}/error"], color=colour, linestyle=dashes, label=name
            )
        axes.set(xlabel="step", ylabel="error", yscale="log", xlim=(0, 150))
        axes.legend(handlelength=4, fontsize=6)
        drawing.suptitle("Tutorial B: a ravine, and five ways down")
        drawing.supxlabel(
            "Curvature 100 across (w₁) and 1 along (w₂), from (1, -10). From dark to "
            "bright: 150 steps.",
            fontsize=8,
        )
    return drawing


def newton(table: Table) -> "Figure":
    """Three curves of one gradient, steps along it, and the cost of a Hessian.

    Args:
      table: of `experiments.studies.tutorials.newton`.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(SETTINGS):
        drawing = Figure(figsize=(11.0, 3.8))
        curves, line, counts = drawing.subplots(1, 3)
        x = np.linspace(-0.8, 1.6, 61)
        labels = ("curving upwards", "a plane", "curving downwards")
        for curvature, label, (colour, dashes) in zip(
            newton_step.CURVATURES, labels, STYLES, strict=False
        ):
            values = -x + curvature * x**2 / 2
            curves.plot(x, values, color=colour, linestyle=dashes, label=label)
        curves.plot(0, 0, "o", color=STYLES[5][0], label="gradient -1 for all")
        curves.plot(1, -0.5, "v", color=STYLES[0][0], label="after the ideal step")
        curves.set(xlabel="weight", ylabel="loss", title="All of these are the same")
        curves.legend(handlelength=4, fontsize=7)
        ideal = float(np.asarray(table["step"]))
        line.plot(table["line"], table["line/error"], color=STYLES[4][0])
        label = f"ideal: {ideal:.4f}"
        line.axvline(ideal, color=STYLES[0][0], linestyle="dashed", label=label)
        label = "at 0.98 of the largest stable rate"
        line.axvline(
            ravines.DESCENT, color=STYLES[5][0], linestyle="dotted", label=label
        )
        line.set(
            xlabel="step along the gradient",
            ylabel="error in the ravine",
            title="gᵀg / gᵀHg ends on the floor",
        )
        line.legend(fontsize=7, loc="upper center")
        line.set_ylim(40, 200)
        weights = np.asarray(table["weights"])
        for values, label, (colour, dashes) in (
            (np.asarray(table["numbers"]), "Hessian", STYLES[0]),
            (weights, "gradient", STYLES[1]),
        ):
            counts.plot(
                weights,
                values,
                color=colour,
                linestyle=dashes,
                marker="o",
                label=label,
            )
        counts.set(
            xscale="log",
            yscale="log",
            xlabel="weights",
            ylabel="numbers",
            title="What it costs",
        )
        counts.legend(handlelength=4)
        drawing.suptitle("Tutorial B: Newton's method")
    return drawing


def final_points(table: Table) -> "Figure":
    """Figure 1: the loss between the final points of four algorithms.

    Args:
      table: of `experiments.studies.tutorials.minima.barriers`.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({**SETTINGS, "axes.grid": False}):
        drawing = Figure(figsize=(6.0, 5.2))
        axes = drawing.add_subplot()
        axis = np.asarray(table["axis"])
        losses = np.log10(np.asarray(table["plane"]))
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
        drawing.supxlabel(
            "Weights are interpolated bilinearly between those that the four reach "
            "from one start.",
            fontsize=8,
        )
    return drawing


def _surface(axes) -> None:
    w2, w1 = np.meshgrid(np.linspace(-10, 10, 41), np.linspace(-1.2, 1.2, 41))
    heights = np.asarray(surfaces.ravine(np.stack([w1, w2])))
    axes.plot_surface(w2, w1, heights, cmap="cividis", linewidth=0)
    axes.set(xlabel="along, w₂", ylabel="across, w₁", title="the ravine")
    axes.tick_params(labelsize=6)
    axes.title.set_fontsize(9)


def _from_above(axes: "Axes", path: np.ndarray) -> None:
    """The way w₂ along the page and w₁ up it, for the ravine is long."""
    limits = ((-11.0, 5.0), (-1.6, 1.6))
    levels = np.array([0.5, 2, 8, 20, 40, 70, 110])
    contours(axes, lambda w: surfaces.ravine(w[::-1]), limits, levels)
    trajectory(axes, path[:, ::-1])
    axes.set(xlabel="along, w₂", ylabel="across, w₁")


def _decomposed(axes: "Axes", table: Table) -> None:
    """Descent at the start, and its parts; lengths are to scale, in units of it."""
    across, along = -np.asarray(table["gradient"])
    size = float(np.hypot(across, along))
    parts = {
        "descent": (along, across),
        "across": (0.0, across),
        "along": (along, 0.0),
    }
    for (label, (x, y)), (colour, dashes) in zip(parts.items(), STYLES, strict=False):
        axes.plot(
            [0, x / size], [0, y / size], color=colour, linestyle=dashes, label=label
        )
    axes.plot(0, 0, "o", color="black")
    axes.set(
        xlabel="along, w₂",
        ylabel="across, w₁",
        xlim=(-0.6, 0.8),
        ylim=(-1.1, 0.2),
    )
    axes.set_title("gradient at the start, and its parts", fontsize=9)
    axes.legend(fontsize=7, handlelength=4)


def _summed(axes: "Axes", table: Table) -> None:
    """What is left of gradient descent's zig-zag when momentum sums it up."""
    names = ("across", "along")
    values = [float(np.asarray(table[f"summed/{name}"])) for name in names]
    axes.barh(names, values, color=[STYLES[0][0], STYLES[1][0]], height=0.5)
    for k, value in enumerate(values):
        axes.annotate(f" {value:.2f}", (value, k), va="center")
    axes.set(xlim=(0, 1.15), xlabel="share that did not cancel")
    axes.set_title("the zig-zag's gradients, summed up by momentum 0.9", fontsize=9)
