"""All figures and the table of a view; only what has changed is calculated and sent."""

import dataclasses
import functools
import html
import itertools
from collections.abc import Callable

import jax
import numpy as np
import panel as pn
import panel_material_ui as pmui

from experiments import style
from experiments.explorer.contours import Contours
from experiments.explorer.curves import ComponentCurves, LossCurves
from experiments.explorer.view import Shown, View
from experiments.paths import surfaces, trajectory
from experiments.paths.surfaces import Grid, Point, Surface
from experiments.paths.trajectory import Trajectory

WIDE = {"sizing_mode": "stretch_width"}
TABLE = """
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
p { margin: 4px 6px; font-size: 12px; }
td + td { white-space: nowrap; }
th, td { padding: 3px 6px; text-align: right; border-bottom: 1px solid #8886; }
th:first-child, td:first-child { text-align: left; }
"""
Q = (
    "<p>Q is the length of the path over the way gained, for each weight, and of these "
    "the mean: 1 is straight, and the more a path swings, the greater it is.</p>"
)


@dataclasses.dataclass(frozen=True)
class Found:
    """What is drawn of a view.

    Attributes:
      view: that.
      surface: of its name or formula.
      grid: its losses.
      least: the least loss that is known, of its minima or, where these are but what
        was found, of the paths.
      paths: of the optimizers, in their order.
    """

    view: View
    surface: Surface
    grid: Grid
    least: float
    paths: tuple[Trajectory, ...]


def calculate(view: View) -> Found:
    """All that a view shows; what it shares with an earlier one is the same object.

    Raises:
      FormulaError: it has no surface.
    """
    surface = view.resolve()
    place = (view.start, view.steps, view.noise, view.seed)
    paths = tuple(_path(surface, shown, *place) for shown in view.optimizers)
    least = _lowest(surface)
    if not surface.minima_known:
        begun = (path for path in paths if path.diverged_at != 0)
        least = min([least, *(float(path.losses.min()) for path in begun)])
    return Found(
        view, surface, surfaces.grid(surface.formula, surface.bounds), least, paths
    )


# A change of a page asks for all paths of its view, of which most are as they were.
@functools.lru_cache(maxsize=64)
def _path(
    surface: Surface, shown: Shown, start: Point, steps: int, noise: float, seed: int
) -> Trajectory:
    values = dict(shown.values)
    return trajectory.trajectory(
        surface, shown.method, values, start, steps, noise, seed
    )


@functools.lru_cache(maxsize=32)
def _lowest(surface: Surface) -> float:
    """The loss at the known minima."""
    with jax.enable_x64(True):
        return float(np.min(surface.loss(np.array(surface.minima).T)))


class Figures:
    """The figures and the table.

    Attributes:
      found: what is drawn.
      panes: what to lay out, from top to bottom.
    """

    found: Found

    def __init__(self, found: Found, on_click: Callable[[Point], None]):
        self._dark = False
        self._contours = Contours(on_click)
        self._losses = LossCurves()
        self._components: dict[tuple, ComponentCurves] = {}
        self.logarithmic = pmui.Switch(label="Logarithmic loss", value=True)
        self.logarithmic.param.watch(
            lambda event: pn.state.execute(self._show_losses, schedule=True), "value"
        )
        self._show_losses()
        self.table = pn.pane.HTML(stylesheets=[TABLE], **WIDE)
        self._column = pn.Column(**WIDE)
        self.panes = (
            pn.pane.Bokeh(self._contours.figure, **WIDE),
            self.table,
            self.logarithmic,
            pn.pane.Bokeh(self._losses.logarithmic, **WIDE),
            pn.pane.Bokeh(self._losses.linear, **WIDE),
            self._column,
        )
        self._draw(found, None)

    def draw(self, found: Found) -> None:
        """Draws what is not there already."""
        self._draw(found, self.found)

    def said(self) -> tuple[str, ...]:
        """A sentence for everything that is not as one would expect."""
        said = (self.found.grid.notice, *(path.notice for path in self.found.paths))
        return tuple(sentence for sentence in said if sentence is not None)

    def colour(self, dark: bool) -> None:
        """Puts everything into the colours of a light or a dark page."""
        self._dark = dark
        for drawn in (self._contours, self._losses, *self._components.values()):
            drawn.colour(dark)
        self._tabulate()

    def _show_losses(self) -> None:
        self._losses.logarithmic.visible = self.logarithmic.value
        self._losses.linear.visible = not self.logarithmic.value

    def _draw(self, found: Found, before: Found | None) -> None:
        self.found = found
        view, surface = found.view, found.surface
        # The same object as long as formula and bounds are the same.
        if (
            before is None
            or found.grid is not before.grid
            or surface.minima != before.surface.minima
        ):
            self._contours.draw_surface(surface, found.grid)
        self._contours.draw_start(view.start)
        moved = before is None or found.least != before.least
        drawn = () if before is None else before.paths
        for slot, (path, old) in enumerate(itertools.zip_longest(found.paths, drawn)):
            if path is not old or moved:
                label = "" if path is None else view.optimizers[slot].method.label
                self._contours.draw_path(slot, label, path, surface, view.steps)
                self._losses.draw(slot, label, path, found.least)
        self._losses.fit(view.steps, found.paths, found.least)
        self._draw_components()
        self._tabulate()

    def _draw_components(self) -> None:
        """A figure for each component that someone shows, new where others do now."""
        wanted: dict[str, dict[int, str]] = {}
        for slot, shown in enumerate(self.found.view.optimizers):
            for name in shown.components:
                wanted.setdefault(name, {})[slot] = shown.method.label
        drawn = {}
        for name, labels in wanted.items():
            key = (name, *labels.items())
            drawn[key] = self._components.get(key) or ComponentCurves(name, labels)
            drawn[key].colour(self._dark)
            drawn[key].draw(self.found.paths)
        if drawn.keys() != self._components.keys():
            self._column.objects = [
                pn.pane.Bokeh(curves.figure, **WIDE) for curves in drawn.values()
            ]
        self._components = drawn

    def _tabulate(self) -> None:
        to = "minimum" if self.found.surface.minima_known else "lowest point in sight"
        columns = ("optimizer", "Q", "final loss", f"distance to the {to}")
        head = "".join(f"<th scope='col'>{column}</th>" for column in columns)
        shown, paths = self.found.view.optimizers, self.found.paths
        rows = "".join(map(self._row, itertools.count(), shown, paths))
        self.table.object = f"<table><tr>{head}</tr>{rows}</table>{Q}"

    def _row(self, slot: int, shown: Shown, path: Trajectory) -> str:
        numbers = (path.oscillation, path.final_loss, path.distance)
        cells = "".join(
            f"<td>{'–' if np.isnan(n) else f'{n:.3g}'}</td>" for n in numbers
        )
        label = html.escape(shown.method.label)
        return f"<tr><td>{swatch(slot, self._dark)} {label}</td>{cells}</tr>"


def swatch(slot: int, dark: bool) -> str:
    """The symbol of a path in its colour, as HTML."""
    return (
        f"<span aria-hidden='true' style='color:{style.curve(slot, dark)}'>"
        f"{style.SYMBOLS[slot]}</span>"
    )
