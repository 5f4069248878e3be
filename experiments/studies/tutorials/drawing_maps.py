"""Figures of Tutorial A's maps over the gradients of two steps, drawn from tables.

Red is more and blue less, as there; both darken away from 0, so that in grey the
contour lines with their numbers tell them apart.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from experiments.claims.claim import Table
from experiments.style import SETTINGS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def momentum(table: Table) -> "Figure":
    """Part 1, Figure 4: acceleration and deceleration of momentum.

    Args:
      table: of `experiments.studies.tutorials.update_maps.momentum`.
    """
    names = [name for name in table if name.endswith("/grown")]
    return _maps(
        table,
        [name.removesuffix("/grown") for name in names],
        "Tutorial A, part 1, Figure 4: by how much momentum changes",
        "C_m(g₁, g₂) = ±[m(2) - m(1)], with the sign of g₁",
    )


def adaptive(table: Table) -> "Figure":
    """Part 2, Figure 3: amplification and attenuation by adaptive learning rates.

    Args:
      table: of `experiments.studies.tutorials.update_maps.adaptive`.
    """
    return _maps(
        table,
        [name for name in table if name != "gradients"],
        "Tutorial A, part 2, Figure 3: gradients amplified and attenuated",
        "C_a(g₁, g₂) = |v(2)| - |g₂|, learning rate 1",
    )


def adam(table: Table) -> "Figure":
    """Part 3, Figure 3: Adam with its bias corrections and without.

    Args:
      table: of `experiments.studies.tutorials.update_maps.adam`.
    """
    return _maps(
        table,
        [name for name in table if name != "gradients"],
        "Tutorial A, part 3, Figure 3: bias corrections",
        "C_A(g₁, g₂) = |v(2)| - |g₂|, learning rate 1, β₁ = 0.9, β₂ = 0.999",
    )


def _maps(table: Table, names: Sequence[str], title: str, label: str) -> "Figure":
    import matplotlib as mpl
    from matplotlib.figure import Figure

    axis = np.asarray(table["gradients"])
    maps = [np.asarray(table[name]) for name in names]
    # One scale for all, so that they can be compared: up to the largest gradient.
    most = float(axis[-1])
    with mpl.rc_context({**SETTINGS, "axes.grid": False}):
        drawing = Figure(figsize=(3.0 * len(names) + 1, 3.8))
        panels = drawing.subplots(1, len(names), sharey=True)
        for axes, name, values in zip(panels, names, maps, strict=True):
            image = axes.pcolormesh(
                axis, axis, values, cmap="RdBu_r", vmin=-most, vmax=most
            )
            lines = axes.contour(axis, axis, values, colors="black", linewidths=0.6)
            axes.clabel(lines, fontsize=7)
            axes.set(title=name, xlabel="first gradient g₁", aspect="equal")
        panels[0].set_ylabel("second gradient g₂")
        drawing.colorbar(
            image, ax=list(panels), label="more (red), less (blue)", extend="both"
        )
        drawing.suptitle(title)
        drawing.supxlabel(f"{label}.", fontsize=8)
    return drawing
