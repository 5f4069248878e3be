"""Figures of walks through weight space, drawn from tables: AdaRem, Figures 1 and 3."""

from typing import TYPE_CHECKING

import numpy as np

from experiments.claims.claim import Table
from experiments.style import SETTINGS, styles

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def weight_paths(table: Table) -> "Figure":
    """Figure 1: the paths of single weights, a panel a method.

    Args:
      table: of `experiments.studies.adarem.weight_paths`.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    methods = [name.removesuffix("/paths") for name in table if name.endswith("/paths")]
    with mpl.rc_context(SETTINGS):
        drawing = Figure(figsize=(2.6 * len(methods), 3.4))
        panels = drawing.subplots(1, len(methods), sharey=True)
        for axes, method in zip(panels, methods, strict=True):
            paths = np.asarray(table[f"{method}/paths"])
            for path, (colour, dashes) in zip(paths, styles(len(paths)), strict=True):
                moved = path - path[0]
                axes.plot(moved, color=colour, linestyle=dashes, linewidth=1.0)
            axes.set(xlabel="step (mini-batches)", xlim=(0, paths.shape[1] - 1))
            axes.set_title(f"{method}: Q = {table[f'{method}/q']:.1f}", fontsize=10)
        panels[0].set_ylabel("weight, less its first value")
        drawing.suptitle("AdaRem, Figure 1: four weights through the first epoch")
        drawing.supxlabel(
            "ResNet-8 on Fashion-MNIST, batch 128, constant rates; Q is that of all "
            "weights over the epoch.",
            fontsize=8,
        )
    return drawing


def sphere_equivalence(table: Table) -> "Figure":
    """How far the network on the sphere is from the one in flat space.

    Args:
      table: of `experiments.studies.adarem.sphere`.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    quantities = {
        "direction": "directions, distance on the unit sphere",
        "loss": "loss, relative difference",
        "prediction": "logits, largest difference",
    }
    variants = [name.removesuffix("/loss") for name in table if name.endswith("/loss")]
    with mpl.rc_context(SETTINGS):
        drawing = Figure(figsize=(10.0, 3.6))
        panels = drawing.subplots(1, len(quantities))
        for axes, (quantity, label) in zip(panels, quantities.items(), strict=True):
            for variant, (colour, dashes) in zip(
                variants, styles(len(variants)), strict=True
            ):
                values = np.asarray(table[f"{variant}/{quantity}"])
                # No difference at all has no place on a log scale.
                values = np.where(values > 0, values, np.nan)
                axes.plot(values, color=colour, linestyle=dashes, label=variant)
            axes.axhline(1e-8, color="black", linewidth=0.8)
            axes.set(yscale="log", xlabel="step (mini-batches)", ylim=(1e-17, 1))
            axes.set_title(label, fontsize=10)
        panels[0].legend(handlelength=4, fontsize=8, loc=(0.08, 0.27))
        drawing.suptitle(
            "AdaRem, section 3.4.1: a network on the sphere and in flat space"
        )
        drawing.supxlabel(
            "ResNet-8 on Fashion-MNIST in float64, SGD with weight decay; the line is "
            "the bound of the claim.",
            fontsize=8,
        )
    return drawing
