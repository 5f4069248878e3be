"""Figures of evaluations: one panel a metric, mean and deviation over seeds."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from experiments import plotting
from experiments.results import Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True, kw_only=True)
class Panel:
    """One panel.

    Attributes:
      metric: a name among the evaluations.
      label: of the vertical axis, with its unit.
      limits: of the vertical axis.
      log: whether that axis is logarithmic.
    """

    metric: str
    label: str
    limits: tuple[float, float]
    log: bool = False


def evaluations(
    title: str,
    caption: str,
    panels: Sequence[Panel],
    curves: Mapping[str, Sequence[Summary]],
) -> "Figure":
    """Draws what was measured at a fixed interval.

    Args:
      title: above the panels.
      caption: below them, in front of what the runs have to add.
      panels: from left to right.
      curves: label → the runs of one curve, which differ in their seed.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    if len(curves) > len(plotting.STYLES):
        raise ValueError(
            f"curves must be at most {len(plotting.STYLES)}, got {len(curves)}."
        )
    with mpl.rc_context(plotting.SETTINGS):
        drawing = Figure(figsize=(3.6 * len(panels), 3.8))
        all_axes = drawing.subplots(1, len(panels), squeeze=False)[0]
        for axes, panel in zip(all_axes, panels, strict=True):
            _draw_panel(axes, panel, curves)
        drawing.suptitle(title)
        all_axes[-1].legend(handlelength=4)
        text = plotting.caption(caption, curves, smoothed=False)
        drawing.supxlabel(text, fontsize=8, wrap=True)
    return drawing


def _draw_panel(
    axes: "Axes", panel: Panel, curves: Mapping[str, Sequence[Summary]]
) -> None:
    styled = zip(curves.items(), plotting.STYLES, strict=False)
    for (label, runs), (colour, dashes) in styled:
        whole = [s for s in runs if s.result.status == "finished"]
        style = {"color": colour, "linestyle": dashes}
        if not whole:
            axes.plot([], [], label=f"{label} (diverged)", **style)
            continue
        values = np.stack([s.evaluations[panel.metric] for s in whole])
        mean = values.mean(axis=0)
        deviation = values.std(axis=0, ddof=min(1, len(whole) - 1))
        steps = whole[0].evaluated
        axes.plot(steps, mean, label=label, **style)
        low, high = mean - deviation, mean + deviation
        axes.fill_between(steps, low, high, color=colour, alpha=0.25, linewidth=0)
    axes.set(xlabel="step (mini-batches)", ylabel=panel.label, ylim=panel.limits)
    if panel.log:
        axes.set_yscale("log")
