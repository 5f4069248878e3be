"""Figures 2 and 3 of *Dissecting Adam*, and one for its theorem, drawn from tables."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from experiments.claims.claim import Table
from experiments.claims.figures import band
from experiments.studies.dissecting_adam.stochastic_quadratics import BASES, SPECTRA
from experiments.style import SETTINGS, STYLES

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _styled(draw: "Callable[[Table], Figure]") -> "Callable[[Table], Figure]":
    @functools.wraps(draw)
    def styled(table: Table) -> "Figure":
        import matplotlib as mpl

        with mpl.rc_context(SETTINGS):
            return draw(table)

    return styled


@_styled
def quadratics(table: Table) -> "Figure":
    """Figure 2: a row for each kind of problem, a column for each noise level.

    Args:
      table: of `experiments.studies.dissecting_adam.sign_on_quadratics`.
    """
    steps, noise = np.asarray(table["steps"]), np.asarray(table["noise"])
    kinds = [f"{spectrum}/{basis}" for spectrum in SPECTRA for basis in BASES]
    size = (2.4 * len(noise), 2.1 * len(kinds))
    drawing, grid = _grid(len(kinds), len(noise), size)
    for kind, row in zip(kinds, grid, strict=True):
        for k, axes in enumerate(row):
            for method, style in zip(("sgd", "ssd"), STYLES, strict=False):
                mean, deviation = (
                    np.asarray(table[f"{kind}/{method}/{what}"])[k]
                    for what in ("mean", "deviation")
                )
                band(axes, steps, mean, deviation, method.upper(), style)
            axes.set(xlim=(0, steps[-1]), ylim=_limits(table, kind))
        row[0].set_ylabel(f"{kind.replace('/', ', ')}\nlog₁₀ loss")
    for axes, level in zip(grid[0], noise, strict=True):
        axes.set_title(f"noise ν = {level:g}")
    for axes in grid[-1]:
        axes.set_xlabel("step")
    grid[0][0].legend(handlelength=4)
    drawing.suptitle("Dissecting Adam, Figure 2: SGD and SSD on stochastic quadratics")
    count = len(np.asarray(table[f"{kinds[0]}/sgd/final"])[0])
    drawing.supxlabel(
        "The best step size at every step; mean and standard deviation of "
        f"{count} repetitions. Where the loss falls without end the axis is cut.",
        fontsize=8,
    )
    return drawing


@_styled
def factors(table: Table) -> "Figure":
    """Figure 3: the best factor for a sign and Adam's.

    Args:
      table: of `experiments.studies.dissecting_adam.best_factors`.
    """
    drawing, ((axes,),) = _grid(1, 1, (6.4, 4.0))
    eta = np.asarray(table["eta"])
    for name, label, (colour, dashes) in (
        ("erf", "best: erf[1 / (√2 η)]", STYLES[0]),
        ("adam", "Adam's: (1 + η²)$^{-1/2}$", STYLES[1]),
    ):
        axes.plot(eta, table[name], color=colour, linestyle=dashes, label=label)
    widest = float(np.asarray(table["gap_at"]))
    gap = float(np.asarray(table["gap"]))
    between = [np.interp(widest, eta, np.asarray(table[n])) for n in ("erf", "adam")]
    label = f"largest gap: {gap:.4f} at η = {widest:.3f}"
    axes.plot([widest, widest], between, color="black", linewidth=2.5, label=label)
    axes.set(
        title="Dissecting Adam, Figure 3: variance adaptation factors for a sign",
        xlabel="relative standard deviation η of the gradient",
        ylabel="factor γ",
        xlim=(0, eta[-1]),
        ylim=(0, 1.05),
    )
    axes.legend(handlelength=4)
    return drawing


@_styled
def idealized_svag(table: Table) -> "Figure":
    """The theorem: loss above its minimum against the steps, both on log scales.

    Args:
      table: of `experiments.studies.dissecting_adam.exact_svag`.
    """
    drawing, (row,) = _grid(1, len(BASES), (9.0, 4.0))
    steps = np.asarray(table["steps"])
    width = float(np.asarray(table["confidence_factor"]))
    for basis, axes in zip(BASES, row, strict=True):
        for method, label, style in (
            ("svag", "SVAG, exact factors", STYLES[0]),
            ("sgd", "SGD", STYLES[1]),
        ):
            mean, error, slope = (
                np.asarray(table[f"{basis}/{method}/{what}"])
                for what in ("mean", "error", "slope")
            )
            label = f"{label}: slope {slope:.3f}"
            # Step 0 has no place on a log scale.
            band(axes, steps[1:], mean[1:], width * error[1:], label, style)
        colour, dashes = STYLES[2]
        bound = np.asarray(table[f"{basis}/bound"])[1:]
        axes.plot(
            steps[1:],
            bound,
            color=colour,
            linestyle=dashes,
            label="the theorem's bound",
        )
        colour, dashes = STYLES[4]
        level = float(np.asarray(table[f"{basis}/floor"]))
        axes.axhline(level, color=colour, linestyle=dashes, label="where SGD stalls")
        axes.set(
            title=f"{basis} basis",
            xlabel="step t",
            xscale="log",
            yscale="log",
            xlim=(1, steps[-1]),
        )
        axes.legend(handlelength=4, fontsize=8)
    row[0].set_ylabel("expected loss above the minimum")
    drawing.suptitle("Dissecting Adam, section 3.2: SVAG with exact factors")
    drawing.supxlabel(
        "A constant step size of 1/L; mean and its 95 % interval over repetitions of "
        "the noise; slopes over the last two decades.",
        fontsize=8,
    )
    return drawing


def _grid(
    rows: int, columns: int, size: tuple[float, float]
) -> "tuple[Figure, np.ndarray]":
    from matplotlib.figure import Figure

    drawing = Figure(figsize=size)
    grid = drawing.subplots(rows, columns, sharex=True, sharey="row", squeeze=False)
    return drawing, grid


def _limits(table: Table, kind: str) -> tuple[float, float]:
    """A row's loss axis: from below the sign's least mean loss to above the start's."""
    mean = np.asarray(table[f"{kind}/ssd/mean"])
    return float(mean.min()) - 0.5, float(mean.max()) + 0.5
