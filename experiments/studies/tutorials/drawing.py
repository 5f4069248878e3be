"""What the figures of the tutorials share: contours and trajectories.

A trajectory is drawn over the contours of its error function, from dark to bright by
iteration.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jax.typing import ArrayLike
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from experiments.claims import figures
from experiments.claims.claim import Drawing, Evidence, Table
from experiments.paths.surfaces import PRESETS
from experiments.style import STYLES

SHADES = LinearSegmentedColormap.from_list("iterations", ["#00162b", "#56b4e9"])


def trajectory(axes: Axes, path: np.ndarray) -> None:
    """Draws a path, its start as a square, from dark to bright by iteration.

    Args:
      axes: to draw on.
      path: shape (iterations + 1, 2).
    """
    parts = list(np.stack([path[:-1], path[1:]], axis=1))
    lines = LineCollection(parts, cmap=SHADES, linewidths=1.8)
    lines.set_array(np.arange(len(path) - 1))
    axes.add_collection(lines)
    axes.scatter(*path.T, c=np.arange(len(path)), cmap=SHADES, s=7, zorder=3)
    axes.plot(*path[0], marker="s", color=SHADES(0.0), markersize=6, zorder=4)


def contours(
    axes: Axes,
    error: Callable[[np.ndarray], ArrayLike],
    limits: Sequence[tuple[float, float]],
    levels: Sequence[float] | np.ndarray,
) -> None:
    """Draws the contour lines of an error function in grey.

    Args:
      axes: to draw on.
      error: of weights of shape (2, ...).
      limits: of the first weight and of the second.
      levels: of the lines, ascending.
    """
    weights = np.meshgrid(*(np.linspace(*some, 161) for some in limits))
    axes.contour(
        *weights,
        np.asarray(error(np.stack(weights))),
        levels=levels,
        colors="#999999",
        linestyles="solid",
        linewidths=0.7,
    )
    axes.set(xlim=limits[0], ylim=limits[1])


def descents(
    name: str, components: Mapping[str, str], title: str, caption: str
) -> Drawing:
    """The figure of ways down the example of Tutorial A, a column a method.

    It is drawn from a table of `experiments.studies.tutorials.worked_numbers.descend`.

    Args:
      name: of its file.
      components: what is drawn below trajectory and error, with the label of its axis.
      title: of the figure.
      caption: below it.
    """
    rows = 2 + len(components)
    labels = ("weight w₂", "error E(w(t))", *components.values())
    note = f"{caption} From dark to bright: the iterations; the square is the start."
    levels = (2, 20, 100, 400, 1000, 2000, 3500, 5500)

    def draw(evidence: Evidence) -> Figure:
        table = evidence.table
        names = [key.removesuffix("/path") for key in table if key.endswith("/path")]
        with figures.figure(3.1 * len(names), 2.0 * rows + 1.2, title, note) as figure:
            panels = figure.subplots(
                rows, len(names), height_ratios=[1.7] + [1] * (rows - 1), squeeze=False
            )
            for column, name in zip(panels.T, names, strict=True):
                path = np.asarray(table[f"{name}/path"])
                loss = PRESETS["quadratic"].loss
                contours(column[0], loss, ((-18, 18), (-24, 24)), levels)
                trajectory(column[0], path)
                column[0].set(title=name, xlabel="weight w₁")
                column[1].plot(table[f"{name}/error"], color=STYLES[4][0])
                column[1].set(yscale="log", ylim=(1e-6, 1e4))
                for axes, component in zip(column[2:], components, strict=True):
                    _component(axes, table, f"{name}/{component}")
                for axes in column[1:]:
                    axes.set_xlim(0, len(path) - 1)
                column[-1].set_xlabel("iteration t")
            for row, label in zip(panels, labels, strict=True):
                next(axes for axes in row if axes.axison).set_ylabel(label)
        return figure

    return Drawing(name=name, draw=draw)


def _component(axes: Axes, table: Table, name: str) -> None:
    """Draws both components after each step; nothing where there is no such state."""
    if name not in table:
        axes.set_axis_off()
        return
    values = np.asarray(table[name])
    if name.endswith("/nu"):
        values = np.sqrt(values)
    iterations = np.arange(1, len(values) + 1)
    axes.plot(iterations, values, label=("of w₁", "of w₂"))
    axes.legend(handlelength=4, fontsize=8)
