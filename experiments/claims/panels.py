"""Figures of evaluations: one panel a metric, mean and deviation over seeds."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from experiments.claims import figures
from experiments.runs.summary import Summary
from experiments.style import styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Panel:
    """One panel.

    Attributes:
      metric: a name among the evaluations.
      label: of the vertical axis, with its unit.
      limits: of the vertical axis.
    """

    metric: str
    label: str
    limits: tuple[float, float]


def evaluations(
    title: str,
    caption: str,
    panels: Sequence[Panel],
    curves: Mapping[str, Sequence[Summary]],
) -> Figure:
    """Draws what was measured at a fixed interval.

    Args:
      title: above the panels.
      caption: below them, in front of what the runs have to add.
      panels: from left to right.
      curves: label → the runs of one curve, which differ in their seed.
    """
    styles(len(curves))  # refuses more than can be told apart
    text = figures.caption(caption, curves, smoothed=False)
    with figures.figure(3.4 * len(panels) + 2.2, 3.8, title, text) as drawing:
        all_axes = drawing.subplots(1, len(panels), squeeze=False)[0]
        for axes, panel in zip(all_axes, panels, strict=True):
            _draw_panel(axes, panel, curves)
        # Beside the panels, as no corner of them is free of curves.
        handles = all_axes[0].get_legend_handles_labels()
        drawing.legend(*handles, loc="outside right center", handlelength=4)
    return drawing


def _draw_panel(
    axes: "Axes", panel: Panel, curves: Mapping[str, Sequence[Summary]]
) -> None:
    for label, runs in curves.items():
        figures.curve(
            axes, label, runs, lambda s: (s.evaluated, s.evaluations[panel.metric])
        )
    axes.set(xlabel="step (mini-batches)", ylabel=panel.label, ylim=panel.limits)
