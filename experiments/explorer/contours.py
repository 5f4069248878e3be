"""The contours of a surface with the paths over them; a click is told to the page."""

from collections.abc import Callable
from typing import Any

import numpy as np
from bokeh.events import Tap
from bokeh.models import LinearColorMapper, Range1d
from bokeh.palettes import interp_palette
from bokeh.plotting import contour

from experiments import style
from experiments.explorer.curves import canvas, empty, limit, tell
from experiments.explorer.view import MAX_OPTIMIZERS
from experiments.paths.surfaces import Grid, Point, Surface
from experiments.paths.trajectory import Trajectory

LEVELS = 18
SHADES = 64
MARKS = 8  # along a path
_PLACE = ("x", "y", "dw", "dh")
# Not so high that nothing else has room on the screen.
LOW = ":host { flex: none !important; height: clamp(240px, 44vh, 460px) !important; }"
FAR = 100.0  # times the view; further out a path is not drawn true


class Contours:
    """The figure; `figure` is what to lay out.

    Everything that it will ever draw is made at the beginning and is given new numbers
    later, which costs the browser much less than new glyphs.
    """

    def __init__(self, on_click: Callable[[Point], None]):
        self.figure = canvas("w1", "w2", 460, "above", y_range=Range1d(start=0, end=1))
        self.figure.stylesheets = [LOW]
        self.figure.toolbar.logo = None
        self.figure.grid.visible = False
        self._heights = empty("image", *_PLACE)
        self._ground = LinearColorMapper(
            low=0, high=LEVELS - 1, nan_color="rgba(0, 0, 0, 0)"
        )
        place: Any = {"source": self._heights, "color_mapper": self._ground}
        self.figure.image("image", *_PLACE, **place)
        corner = np.linspace(-1, 1, 3)
        self._lines = self.figure.contour(
            corner,
            corner,
            np.add.outer(corner, corner),
            np.linspace(-2, 2, LEVELS),
            line_color=style.INK[False],
            line_alpha=0.3,
        )
        self._minima = empty("w1", "w2")
        self._start = empty("w1", "w2")
        self._paths = [self._path(slot) for slot in range(MAX_OPTIMIZERS)]
        hollow: Any = {"x": "w1", "y": "w2", "line_width": 2, "fill_alpha": 0}
        points = ((self._minima, "x", 13), (self._start, "circle_cross", 15))
        lines = [line for line, *_ in self._paths]
        tell(self.figure, "loss @loss at @w1, @w2", lines)
        self._crosses = [
            self.figure.scatter(source=source, marker=marker, size=size, **hollow)
            for source, marker, size in points
        ]
        self.colour(False)
        self._on_click = on_click
        self.figure.on_event(Tap, self._tapped)

    def _tapped(self, event: Any) -> None:
        axes: Any = (self.figure.x_range, self.figure.y_range)
        point: Any = (event.x, event.y)
        # Not in the margin, where the numbers of the axes are.
        if all(a.start <= w <= a.end for a, w in zip(axes, point, strict=True)):
            self._on_click(point)

    def _path(self, slot: int):
        lines = empty("w1", "w2", "step", "loss")
        parts = empty("x0", "y0", "x1", "y1", "shade")
        marks = empty("w1", "w2", "shade", "size")
        colours = LinearColorMapper(low=0, high=1)
        shade = {"field": "shade", "transform": colours}
        # Dark below, so that the bright end shows on white.
        self.figure.line(
            "w1", "w2", source=lines, line_color="black", line_alpha=0.55, line_width=4
        )
        # As wide as a pointer needs it.
        line = self.figure.line("w1", "w2", source=lines, line_alpha=0, line_width=16)
        self.figure.segment(
            "x0", "y0", "x1", "y1", source=parts, line_color=shade, line_width=2.5
        )
        self.figure.scatter(
            "w1",
            "w2",
            source=marks,
            size="size",
            marker=style.MARKERS[slot],
            fill_color=shade,
            line_color="black",
        )
        return line, parts, marks, colours

    def draw_surface(self, surface: Surface, grid: Grid) -> None:
        """Contours, minima and the limits of the axes."""
        levels = _levels(grid.losses)
        (left, right), (bottom, top) = surface.bounds
        ranks = np.interp(grid.losses, levels, np.arange(LEVELS), left=0)
        # Half a cell on every side, as the losses are those of the cells' centres.
        over1, over2 = ((w[1] - w[0]) / 2 for w in (grid.w1, grid.w2))
        self._heights.data = {
            "image": [np.where(np.isnan(grid.losses), np.nan, ranks)],
            "x": [left - over1],
            "y": [bottom - over2],
            "dw": [right - left + 2 * over1],
            "dh": [top - bottom + 2 * over2],
        }
        self._lines.set_data(
            contour.contour_data(grid.w1, grid.w2, grid.losses, levels, want_fill=False)
        )
        limit(self.figure.x_range, left, right)
        limit(self.figure.y_range, bottom, top)
        w1, w2 = zip(*surface.minima, strict=True)
        self._minima.data = {"w1": list(w1), "w2": list(w2)}

    def draw_start(self, start: Point) -> None:
        """The point from which all paths go."""
        self._start.data = {"w1": [start[0]], "w2": [start[1]]}

    def draw_path(
        self,
        slot: int,
        label: str,
        path: Trajectory | None,
        surface: Surface,
        steps: int,
    ) -> None:
        """The path of the optimizer in this place, or none.

        It is brightest after this many steps; one that ends early stays darker.
        """
        line, parts, marks, _ = self._paths[slot]
        lines: Any = line.data_source
        line.name = label
        if path is None:
            for source in (lines, parts, marks):
                source.data = {name: [] for name in source.column_names}
            return
        lows, highs = np.array(surface.bounds).T
        reach = FAR * (highs - lows)
        points = np.clip(path.points, lows - reach, highs + reach)
        w1, w2 = points.T
        lines.data = {
            "w1": w1,
            "w2": w2,
            "step": np.arange(len(points)),
            "loss": path.losses,
        }
        parts.data = {
            "x0": w1[:-1],
            "y0": w2[:-1],
            "x1": w1[1:],
            "y1": w2[1:],
            "shade": _brightness(np.arange(len(points) - 1), steps),
        }
        marked = _marked(points, highs - lows)
        size = np.full(len(marked), 7.0)
        size[-1] = 12
        marks.data = {
            "w1": w1[marked],
            "w2": w2[marked],
            "shade": _brightness(marked, steps),
            "size": size,
        }

    def colour(self, dark: bool) -> None:
        """Puts everything into the colours of a light or a dark page."""
        self._ground.palette = _shades(*style.GROUND[dark])
        lines: Any = self._lines.line_renderer.glyph
        lines.line_color = style.INK[dark]
        for cross in self._crosses:
            cross.glyph.line_color = style.INK[dark]
        for slot, (*_, colours) in enumerate(self._paths):
            colours.palette = _shades(*style.path(slot, dark))


def _shades(*colours: str) -> tuple[str, ...]:
    return interp_palette(colours, SHADES)


def _brightness(steps: np.ndarray, last: int) -> np.ndarray:
    """From 0, dark, to 1, bright; faster at first, where most of the way is made."""
    return (steps / max(last, 1)) ** 0.4


def _levels(losses: np.ndarray) -> list[float]:
    """More of them where the loss is low, as any surface has its own scale."""
    finite = losses[np.isfinite(losses)]
    levels = np.quantile(finite, np.linspace(0, 1, LEVELS) ** 2)
    least, most = levels[0], levels[-1]
    if (np.diff(levels) <= 0).any():  # flat parts
        levels = np.linspace(least, most if most > least else least + 1, LEVELS)
    levels[-1] += abs(levels[-1] - levels[0]) * 1e-9  # the summit is inside
    return levels.tolist()


def _marked(points: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """The steps that get a marker: about as far from each other, and the last."""
    lengths = np.linalg.norm(np.diff(points, axis=0) / widths, axis=1)
    way = np.concatenate([[0], np.cumsum(lengths)])
    stops = np.linspace(0, way[-1], MARKS + 1)[1:]
    found = np.searchsorted(way, stops).clip(max=len(points) - 1)
    return np.unique(np.append(found, len(points) - 1))
