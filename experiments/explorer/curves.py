"""Figures over the steps: the loss, and what goes on inside the optimizers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, HoverTool, Range1d
from bokeh.plotting import figure

from experiments import style
from experiments.explorer.view import MAX_OPTIMIZERS
from experiments.paths.trajectory import Trajectory

DEEPEST = 1e-16  # of the greatest loss: below is round-off


class LossCurves:
    """Loss against step, on a linear and on a logarithmic axis; one is shown.

    The logarithmic one has the loss above the least that is known, as a loss may be
    negative.

    Attributes:
      linear: the figure of one.
      logarithmic: that of the other.
    """

    def __init__(self):
        self._sources = [empty("step", "loss", "above") for _ in range(MAX_OPTIMIZERS)]
        self.linear = canvas("step", "loss", 240, y_range=Range1d(start=0, end=1))
        self.logarithmic = canvas(
            "step",
            "loss above the least",
            240,
            y_range=Range1d(start=0.1, end=1),
            y_axis_type="log",
        )
        self._curves: list[tuple[int, Any]] = []
        for slot, source in enumerate(self._sources):
            dashed: Any = {"source": source, "line_dash": style.DASHES[slot]}
            self._curves += [
                (slot, self.linear.line("step", "loss", line_width=2, **dashed)),
                (slot, self.logarithmic.line("step", "above", line_width=2, **dashed)),
            ]
        for drawing in (self.linear, self.logarithmic):
            tell(drawing, "loss @loss", drawing.renderers)

    def draw(
        self, slot: int, label: str, path: Trajectory | None, least: float
    ) -> None:
        """The losses of the optimizer in this place, or none, and above the least."""
        for curve in self._curves:
            if curve[0] == slot:
                curve[1].name = label
        losses = np.zeros(0) if path is None else path.losses
        above = losses - least
        self._sources[slot].data = {
            "step": np.arange(len(losses)),
            "loss": losses,
            "above": np.where(above > 0, above, np.nan),  # a gap, where it is 0
        }

    def fit(self, steps: int, paths: Sequence[Trajectory], least: float) -> None:
        """Puts the limits of the axes where the paths that stay can be seen."""
        for drawing in (self.linear, self.logarithmic):
            limit(drawing.x_range, 0, steps)
        paths = [path for path in paths if path.diverged_at != 0]
        if not paths:
            return
        low = min(float(path.losses.min()) for path in paths)
        first = float(paths[0].losses[0])
        # A path that leaves the view is not followed further up than this.
        high = min(max(float(p.losses.max()) for p in paths), 3 * first - 2 * low)
        if not high > low:
            high = low + 1.0
        margin = 0.04 * (high - low)
        limit(self.linear.y_range, low - margin, high + margin)
        rises = [p.losses[p.losses > least] - least for p in paths]
        lowest = min((float(r.min()) for r in rises if r.size), default=high - least)
        top = max(high - least, lowest)
        if top > 0:
            limit(self.logarithmic.y_range, max(lowest, DEEPEST * top) / 2, 2 * top)

    def colour(self, dark: bool) -> None:
        """Puts the curves into the colours of a light or a dark page."""
        _colour(self._curves, dark)


class ComponentCurves:
    """One component, as m, of all optimizers that show it: both weights over the steps.

    Attributes:
      figure: what to lay out.
    """

    def __init__(self, name: str, labels: Mapping[int, str]):
        """Makes the figure; `labels` are place → label of those that show it."""
        self._name = name
        self.figure = canvas("step", name, 200 + 22 * len(labels))
        self._sources = {slot: empty("step", "w1", "w2") for slot in labels}
        self._curves = [
            (
                slot,
                self.figure.line(
                    "step",
                    weight,
                    source=source,
                    line_dash=dashes,
                    line_width=width,
                    name=f"{labels[slot]}, {weight}",
                    legend_label=f"{labels[slot]} {style.SYMBOLS[slot]} {weight}",
                ),
            )
            for slot, source in self._sources.items()
            for weight, dashes, width in (("w1", "solid", 2), ("w2", "dashed", 1.5))
        ]
        tell(self.figure, f"{name} $snap_y", self.figure.renderers)
        legend = self.figure.legend[0]
        legend.update(label_text_font_size="11px", ncols=2, padding=0, margin=2)
        self.figure.add_layout(legend, "above")

    def draw(self, paths: Sequence[Trajectory]) -> None:
        """The component of the optimizers, whose paths are these."""
        for slot, source in self._sources.items():
            values = paths[slot].components[self._name]
            # What an axis can hold.
            shown = np.where(np.abs(values) < np.finfo(np.float32).max, values, np.nan)
            steps = np.arange(1, len(values) + 1)
            source.data = {"step": steps, "w1": shown[:, 0], "w2": shown[:, 1]}
            self.figure.x_range.update(start=0, end=max(len(values), 1))

    def colour(self, dark: bool) -> None:
        """Puts the curves into the colours of a light or a dark page."""
        _colour(self._curves, dark)


def empty(*columns: str) -> ColumnDataSource:
    """A source of these columns for what is not drawn yet."""
    data: Any = {column: [] for column in columns}
    return ColumnDataSource(data)


def canvas(
    x_label: str, y_label: str, height: int, toolbar: Any = None, **options: Any
) -> figure:
    """A figure without anything in it."""
    return figure(
        x_range=Range1d(start=0, end=1),
        x_axis_label=x_label,
        y_axis_label=y_label,
        height=height,
        sizing_mode="stretch_width",
        tools="pan,wheel_zoom,reset,save",
        active_drag=None,  # or a finger could not scroll past the figure
        toolbar_location=toolbar,
        min_border_right=24,  # half of the last number
        **options,
    )


def tell(drawing: figure, what: str, curves: Sequence[Any]) -> None:
    """Has the pointer told what it is at on one of these curves."""
    number: Any = {name: "printf" for name in ("@loss", "@w1", "@w2", "$snap_y")}
    for name in number:
        what = what.replace(name, f"{name}{{%.4g}}")
    drawing.add_tools(
        HoverTool(
            renderers=list(curves),
            tooltips=f"$name, step @step: {what}",
            formatters=number,
            line_policy="nearest",
            visible=False,
        )
    )


def limit(axis: Any, low: float, high: float) -> None:
    """Puts the ends of an axis, to which a reset returns."""
    axis.update(start=low, end=high, reset_start=low, reset_end=high)


def _colour(curves: Sequence[tuple[int, Any]], dark: bool) -> None:
    for slot, curve in curves:
        curve.glyph.line_color = style.curve(slot, dark)
