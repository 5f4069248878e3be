"""A figure for AdaRem's theorem, drawn from a table."""

from typing import TYPE_CHECKING

import numpy as np

from experiments.claims.claim import Table
from experiments.style import SETTINGS, STYLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLES = {
    "linear": "linear, random signs",
    "quadratic": "quadratic, random targets",
    "logistic": "logistic, Fashion-MNIST",
    "cycle": "periodic: 3x, -x, -x",
    "rare": "periodic: 150x, then 99 times -x",
}
METHODS = {
    "0.5": "AdaRem, λ = 0.5",
    "0.999": "AdaRem, λ = 0.999",
    "1.0": "AdaRem, λ = 1: never fades",
    "adam": "Adam",
}


def regret(table: Table) -> "Figure":
    """The theorem: regret against T on each problem, both on log scales.

    Args:
      table: of `experiments.studies.adarem.regret`.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(SETTINGS):
        drawing = Figure(figsize=(10.0, 6.4))
        *panels, legend = drawing.subplots(2, 3).flat
        for (name, title), axes in zip(TITLES.items(), panels, strict=True):
            _panel(axes, table, name)
            axes.set_title(title, fontsize=10)
        for axes in (panels[0], panels[3]):
            axes.set_ylabel("regret")
        for axes in panels[2:]:
            axes.set_xlabel("rounds T")
        legend.axis("off")
        # The last panel has every curve that the others have.
        handles = panels[-1].get_legend_handles_labels()
        legend.legend(*handles, loc="center", handlelength=4)
        drawing.suptitle("AdaRem, Theorem 1: regret on online convex problems")
        drawing.supxlabel(
            "Rates of η/√t; mean and range over the streams. The printed bound for "
            "λ = 0.999 is beyond every panel.",
            fontsize=8,
        )
        return drawing


def _panel(axes: "Axes", table: Table, name: str) -> None:
    steps = np.asarray(table[f"{name}/steps"])
    for (method, label), (colour, dashes) in zip(
        METHODS.items(), STYLES[: len(METHODS)], strict=True
    ):
        if f"{name}/{method}/regret" not in table:
            continue
        mean, lowest, highest = (
            np.asarray(table[f"{name}/{method}/{what}"], float)
            for what in ("regret", "lowest", "highest")
        )
        # What is not positive has no place on a log scale.
        mean, lowest = (np.where(each > 0, each, np.nan) for each in (mean, lowest))
        axes.plot(steps, mean, color=colour, linestyle=dashes, label=label)
        axes.fill_between(steps, lowest, highest, color=colour, alpha=0.25, linewidth=0)
    last = np.asarray(table[f"{name}/0.5/regret"])[-1]
    for values, label, (colour, dashes) in (
        (last * np.sqrt(steps / steps[-1]), "order of √T", STYLES[4]),
        (table[f"{name}/0.5/bound"], "printed bound, λ = 0.5", STYLES[5]),
    ):
        axes.plot(
            steps, values, color=colour, linestyle=dashes, linewidth=1.0, label=label
        )
    axes.set(xscale="log", yscale="log", xlim=(1, steps[-1]))
