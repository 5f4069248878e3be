"""Figures over the steps: the loss, and what goes on inside the optimizers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, Range1d
from bokeh.plotting import figure

from experiments.explorer import palette, view
from experiments.paths.trajectory import Trajectory

DEEPEST = 1e-16  # of the greatest loss: below is round-off
TOOLS = "pan,wheel_zoom,reset,save"


class Losses:
    """Loss against step, on a linear and on a logarithmic axis; one is shown.

    The logarithmic one has the loss above the least that is known, as a loss may be
    negative.

    Attributes:
      linear: the figure of one.
      logarithmic: that of the other.
    """

    def __init__(self):
        self._sources = [
            empty("step", "loss", "above") for _ in range(view.MAX_OPTIMIZERS)
        ]
        self.linear = _figure("loss", 240, y_range=Range1d(start=0, end=1))
        self.logarithmic = _figure(
            "loss above the least",
            240,
            y_range=Range1d(start=0.1, end=1),
            y_axis_type="log",
        )
        self._curves = [
            [
                drawing.line(
                    "step",
                    name,
                    source=source,
                    line_dash=palette.DASHES[slot],
                    line_width=2,
                )
                for slot, source in enumerate(self._sources)
            ]
            for drawing, name in ((self.linear, "loss"), (self.logarithmic, "above"))
        ]

    def draw(self, slot: int, found: Trajectory | None, least: float) -> None:
        """The losses of the optimizer in this place, or none.

        Args:
          slot: the place.
          found: its path.
          least: the least loss that is known on the surface.
        """
        losses = np.zeros(0) if found is None else found.losses
        above = losses - least
        self._sources[slot].data = {
            "step": np.arange(len(losses)),
            "loss": losses,
            "above": np.where(above > 0, above, np.nan),  # a gap, where it is 0
        }

    def fit(self, steps: int, found: Sequence[Trajectory], least: float) -> None:
        """Puts the limits of the axes where the paths that stay can be seen."""
        for drawing in (self.linear, self.logarithmic):
            drawing.x_range.update(start=0, end=steps, reset_start=0, reset_end=steps)
        found = [path for path in found if path.diverged_at != 0]
        if not found:
            return
        low = min(float(path.losses.min()) for path in found)
        first = float(found[0].losses[0])
        # A path that leaves the view is not followed further up than this.
        high = min(max(float(p.losses.max()) for p in found), 3 * first - 2 * low)
        if not high > low:
            high = low + 1.0
        margin = 0.04 * (high - low)
        _limit(self.linear, low - margin, high + margin)
        rises = [p.losses[p.losses > least] - least for p in found]
        lowest = min((float(r.min()) for r in rises if r.size), default=high - least)
        top = max(high - least, lowest)
        if top > 0:
            _limit(self.logarithmic, max(lowest, DEEPEST * top) / 2, 2 * top)

    def colour(self, dark: bool) -> None:
        """Puts the curves into the colours of a light or a dark page."""
        for curves in self._curves:
            for slot, curve in enumerate(curves):
                curve.glyph.line_color = palette.curve(slot, dark)


class Inside:
    """One component, as m, of all optimizers that show it: both weights over the steps.

    Attributes:
      figure: what to lay out.
    """

    def __init__(self, name: str, slots: Sequence[int], labels: Mapping[int, str]):
        self.name = name
        self.figure = _figure(name, 200 + 22 * len(slots))
        self._sources = {slot: empty("step", "w1", "w2") for slot in slots}
        self._curves = [
            (
                slot,
                self.figure.line(
                    "step",
                    weight,
                    source=source,
                    line_dash=dashes,
                    line_width=width,
                    legend_label=f"{labels[slot]} {palette.SYMBOLS[slot]} {weight}",
                ),
            )
            for slot, source in self._sources.items()
            for weight, dashes, width in (("w1", "solid", 2), ("w2", "dashed", 1.5))
        ]
        legend = self.figure.legend[0]
        legend.update(label_text_font_size="11px", ncols=2, padding=0, margin=2)
        self.figure.add_layout(legend, "above")

    def draw(self, slot: int, found: Trajectory) -> None:
        """The component of the optimizer in this place."""
        values = found.components[self.name]
        self.figure.x_range.update(start=0, end=max(len(values), 1))
        self._sources[slot].data = {
            "step": np.arange(1, len(values) + 1),
            "w1": _shown(values[:, 0]),
            "w2": _shown(values[:, 1]),
        }

    def colour(self, dark: bool) -> None:
        """Puts the curves into the colours of a light or a dark page."""
        for slot, curve in self._curves:
            curve.glyph.line_color = palette.curve(slot, dark)


def empty(*columns: str) -> ColumnDataSource:
    """A source of these columns for what is not drawn yet."""
    data: Any = {column: [] for column in columns}
    return ColumnDataSource(data)


def _figure(label: str, height: int, **options):
    return figure(
        x_range=Range1d(start=0, end=1),
        x_axis_label="step",
        y_axis_label=label,
        height=height,
        sizing_mode="stretch_width",
        tools=TOOLS,
        active_drag=None,  # or a finger could not scroll past the figure
        toolbar_location=None,
        min_border_right=24,  # half of the last number
        **options,
    )


def _limit(drawing, low: float, high: float) -> None:
    drawing.y_range.update(start=low, end=high, reset_start=low, reset_end=high)


def _shown(values: np.ndarray) -> np.ndarray:
    """What an axis can hold."""
    return np.where(np.abs(values) < np.finfo(np.float32).max, values, np.nan)
