"""Figures of Tutorial A, drawn from tables: two steps, trajectories, error courses.

A trajectory is drawn over the contours of its error function, from dark to bright by
iteration; below it are the error and the components of the optimizer at the same
iterations.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from experiments.claims.claim import Table
from experiments.paths import tutorial_surfaces as surfaces
from experiments.style import SETTINGS, STYLES, styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DARK, BRIGHT = "#00162b", "#56b4e9"


def two_steps(table: Table) -> "Figure":
    """Part 1, Figure 1 and part 2, Figure 1: two steps beside gradient descent's.

    Args:
      table: of `experiments.studies.tutorials.worked_numbers`.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import MultipleLocator

    with mpl.rc_context(SETTINGS):
        drawing = Figure(figsize=(9.6, 4.4))
        panels = drawing.subplots(1, 2)
        for axes, other in zip(panels, ("momentum", "adaptive"), strict=True):
            for name, (colour, dashes) in zip(
                ("gradient descent", other), STYLES, strict=False
            ):
                path = np.asarray(table[f"{name}/path"])
                steps = np.diff(path, axis=0)
                axes.quiver(
                    *path[:-1].T,
                    *steps.T,
                    angles="xy",
                    scale_units="xy",
                    scale=1,
                    color=colour,
                    width=0.008,
                )
                axes.plot(
                    *path.T, color=colour, linestyle=dashes, marker="o", label=name
                )
                for point in path[1:]:
                    text = f"({point[0]:.2f}, {point[1]:.2f})"
                    axes.annotate(
                        text,
                        point,
                        textcoords="offset points",
                        xytext=(8, 4 if name == other else -10),
                        fontsize=8,
                    )
            axes.set(xlabel="weight w₁", ylabel="weight w₂", xlim=(-15.03, -14.6))
            axes.xaxis.set_major_locator(MultipleLocator(0.1))
            axes.legend(loc="upper right", handlelength=4)
        panels[0].set_title("momentum, α = 0.9")
        panels[1].set_title("adaptive learning rates, β = 0.9")
        drawing.suptitle("Tutorial A, Figures 1 of parts 1 and 2: the first two steps")
        drawing.supxlabel(
            "E = 3 w₁² + 10 w₂² from (-15, 20); rate 0.001, of the adaptive scheme "
            "0.05. Arrows are the steps: rate times gradient, momentum or scaled "
            "gradient.",
            fontsize=8,
        )
    return drawing


def momentum(table: Table) -> "Figure":
    """Part 1, Figure 2: trajectories and error courses of three frictions.

    Args:
      table: of `experiments.studies.tutorials.momentum.paths`.
    """
    return _columns(
        table,
        {"trace": "momentum m"},
        "Tutorial A, part 1, Figure 2: momentum",
        "E = 3 w₁² + 10 w₂² from (-15, 20), rate 0.001; α = 0 is gradient descent.",
    )


def adaptive(table: Table) -> "Figure":
    """Part 2, Figure 2: gradient descent and the adaptive scheme.

    Args:
      table: of `experiments.studies.tutorials.adaptive.adaptive`.
    """
    return _columns(
        table,
        {"nu": "scale √s"},
        "Tutorial A, part 2, Figure 2: adaptive learning rates",
        "E = 3 w₁² + 10 w₂² from (-15, 20), rate 0.05; of gradient descent 0.001.",
    )


def adam(table: Table) -> "Figure":
    """Part 3, Figure 4: Adam with other decays.

    Args:
      table: of `experiments.studies.tutorials.adaptive.adam`.
    """
    return _columns(
        table,
        {"mu": "moment m", "nu": "scale √s"},
        "Tutorial A, part 3, Figure 4: Adam",
        "E = 3 w₁² + 10 w₂² from (-15, 20), rate 0.5.",
    )


def speed(table: Table) -> "Figure":
    """Part 1, Figure 3: the errors of three frictions.

    Args:
      table: of `experiments.studies.tutorials.momentum.speed`.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(SETTINGS):
        drawing = Figure(figsize=(6.4, 4.2))
        axes = drawing.add_subplot()
        for (name, errors), (colour, dashes) in zip(
            table.items(), styles(len(table)), strict=True
        ):
            axes.plot(errors, color=colour, linestyle=dashes, label=name)
        axes.set(
            title="Tutorial A, part 1, Figure 3: convergence with momentum",
            xlabel="iteration t",
            ylabel="error E(w(t))",
            xlim=(0, 700),
            ylim=(0, 1000),
        )
        axes.legend(handlelength=4)
        drawing.supxlabel(
            "E = 3 w₁² + 10 w₂² from (-15, 20), rate 0.001; the error begins at 4675, "
            "above the axis.",
            fontsize=8,
        )
    return drawing


def trajectory(axes: "Axes", path: np.ndarray) -> None:
    """Draws a path, its start as a square, from dark to bright by iteration.

    Args:
      axes: to draw on.
      path: shape (iterations + 1, 2).
    """
    from matplotlib.collections import LineCollection
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("iterations", [DARK, BRIGHT])
    lines = LineCollection(
        list(np.stack([path[:-1], path[1:]], axis=1)), cmap=shades, linewidths=1.8
    )
    lines.set_array(np.arange(len(path) - 1))
    axes.add_collection(lines)
    order = np.arange(len(path))
    axes.scatter(*path.T, c=order, cmap=shades, s=7, zorder=3)
    axes.plot(*path[0], marker="s", color=DARK, markersize=6, zorder=4)


def contours(
    axes: "Axes", error, limits: Sequence[tuple[float, float]], levels: np.ndarray
) -> None:
    """Draws the contour lines of an error function in grey.

    Args:
      axes: to draw on.
      error: of weights of shape (2, ...).
      limits: of the first weight and of the second.
      levels: of the lines, ascending.
    """
    grid = np.meshgrid(*(np.linspace(*some, 161) for some in limits))
    axes.contour(
        *grid,
        np.asarray(error(np.stack(grid))),
        levels=levels,
        colors="#999999",
        linestyles="solid",
        linewidths=0.7,
    )
    axes.set(xlim=limits[0], ylim=limits[1])


def _columns(
    table: Table, components: Mapping[str, str], title: str, caption: str
) -> "Figure":
    """A column a method: its trajectory, its error and its components."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    names = [name.removesuffix("/path") for name in table if name.endswith("/path")]
    rows = 2 + len(components)
    with mpl.rc_context(SETTINGS):
        drawing = Figure(figsize=(3.1 * len(names), 2.0 * rows + 1.2))
        grid = drawing.subplots(
            rows, len(names), height_ratios=[1.7] + [1] * (rows - 1), squeeze=False
        )
        for column, name in zip(grid.T, names, strict=True):
            path = np.asarray(table[f"{name}/path"])
            levels = np.array([2, 20, 100, 400, 1000, 2000, 3500, 5500])
            contours(column[0], surfaces.example, ((-18, 18), (-24, 24)), levels)
            trajectory(column[0], path)
            column[0].set(title=name, xlabel="weight w₁")
            column[1].plot(table[f"{name}/error"], color=STYLES[4][0])
            column[1].set(yscale="log", ylim=(1e-6, 1e4))
            for axes, component in zip(column[2:], components, strict=True):
                _component(axes, table, f"{name}/{component}")
            for axes in column[1:]:
                axes.set_xlim(0, len(path) - 1)
            column[-1].set_xlabel("iteration t")
        labels = ("weight w₂", "error E(w(t))", *components.values())
        for row, label in zip(grid, labels, strict=True):
            next(axes for axes in row if axes.axison).set_ylabel(label)
        drawing.suptitle(title)
        note = " From dark to bright: the iterations; the square is the start."
        drawing.supxlabel(caption + note, fontsize=8)
    return drawing


def _component(axes: "Axes", table: Table, name: str) -> None:
    """Draws both components after each step; nothing where there is no such state."""
    if name not in table:
        axes.set_axis_off()
        return
    values = np.asarray(table[name])
    if name.endswith("/nu"):
        values = np.sqrt(values)
    iterations = np.arange(1, len(values) + 1)
    for k, (colour, dashes) in enumerate(STYLES[:2]):
        label = f"of w{'₁₂'[k]}"
        axes.plot(iterations, values[:, k], color=colour, linestyle=dashes, label=label)
    axes.legend(handlelength=4, fontsize=8)
