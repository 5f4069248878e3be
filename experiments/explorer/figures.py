"""All figures and the table of a view; only what has changed is calculated and sent."""

import dataclasses
import functools
import html
from collections.abc import Callable, Mapping, Sequence

import jax
import numpy as np
import panel as pn
import panel_material_ui as pmui

from experiments.explorer import palette
from experiments.explorer.contours import Landscape
from experiments.explorer.curves import Inside, Losses
from experiments.explorer.view import Shown, View
from experiments.paths import surfaces, trajectory
from experiments.paths.surfaces import Grid, Point, Surface
from experiments.paths.trajectory import Trajectory

WIDE = {"sizing_mode": "stretch_width"}
TABLE = """
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
td + td { white-space: nowrap; }
th, td { padding: 3px 6px; text-align: right; border-bottom: 1px solid #8886; }
th:first-child, td:first-child { text-align: left; }
"""
COLUMNS = ("optimizer", "Q", "final loss")


@dataclasses.dataclass(frozen=True)
class Found:
    """What is drawn of a view.

    Attributes:
      view: that.
      surface: of its name or formula.
      grid: its losses.
      least: the least loss that is known, of its minima or, where these are but the
        best of a grid, of the paths.
      keys: all that a path depends on, an entry for each optimizer.
      paths: by key.
    """

    view: View
    surface: Surface
    grid: Grid
    least: float
    keys: list[tuple]
    paths: Mapping[tuple, Trajectory]


class Drawing:
    """The figures and the table.

    Attributes:
      surface: that is drawn.
      paths: of the optimizers, in their order.
      panes: what to lay out, from top to bottom.
    """

    def __init__(self, on_click: Callable[[Point], None]):
        self.surface: Surface = surfaces.PRESETS["quadratic"]
        self.paths: tuple[Trajectory, ...] = ()
        self._dark = False
        self._grid: Grid | None = None  # nothing is drawn yet
        self._least = 0.0
        self._known: Mapping[tuple, Trajectory] = {}
        self._drawn: list[tuple] = []
        self._optimizers: tuple[Shown, ...] = ()
        self._landscape = Landscape(on_click)
        self._losses = Losses()
        self._insides: dict[tuple, Inside] = {}
        self.logarithmic = pmui.Switch(label="Logarithmic loss", value=True)
        self.logarithmic.param.watch(
            lambda event: pn.state.execute(self._show_losses, schedule=True), "value"
        )
        self._show_losses()
        self.table = pn.pane.HTML(stylesheets=[TABLE], **WIDE)
        self._column = pn.Column(**WIDE)
        self.panes = (
            pn.pane.Bokeh(self._landscape.figure, **WIDE),
            self.table,
            self.logarithmic,
            *(
                pn.pane.Bokeh(figure, **WIDE)
                for figure in (self._losses.logarithmic, self._losses.linear)
            ),
            self._column,
        )

    def calculate(self, view: View) -> Found:
        """All that a view shows; what it shares with the last one is taken from there.

        Raises:
          FormulaError: it has no surface.
        """
        surface = view.resolve()
        keys = _keys(surface, view)
        paths = {
            key: self._known.get(key) or _path(surface, shown, view)
            for key, shown in zip(keys, view.optimizers, strict=True)
        }
        least = _lowest(surface)
        if not surface.minima_known:
            begun = (path for path in paths.values() if path.diverged_at != 0)
            least = min([least, *(float(path.losses.min()) for path in begun)])
        return Found(view, surface, surfaces.grid(surface), least, keys, paths)

    def draw(self, found: Found) -> tuple[str, ...]:
        """Draws it.

        Returns:
          A sentence for everything that is not as one would expect.
        """
        view, surface, grid = found.view, found.surface, found.grid
        # Which is the same object as long as formula and bounds are the same.
        if grid is not self._grid or surface.minima != self.surface.minima:
            self._landscape.draw_surface(surface, grid)
        self._landscape.draw_start(view.start)
        self.paths = tuple(found.paths[key] for key in found.keys)
        self._draw_paths(found)
        self._losses.fit(view.steps, self.paths, found.least)
        self.surface, self._grid, self._least = surface, grid, found.least
        self._known, self._optimizers = found.paths, view.optimizers
        self._draw_insides()
        self._tabulate()
        said = (grid.notice, *(path.notice for path in self.paths))
        return tuple(sentence for sentence in said if sentence is not None)

    def colour(self, dark: bool) -> None:
        """Puts everything into the colours of a light or a dark page."""
        self._dark = dark
        self._landscape.colour(dark)
        self._losses.colour(dark)
        for inside in self._insides.values():
            inside.colour(dark)
        self._tabulate()

    def _show_losses(self) -> None:
        self._losses.logarithmic.visible = self.logarithmic.value
        self._losses.linear.visible = not self.logarithmic.value

    def _draw_paths(self, found: Found) -> None:
        """Draws those that are not there already."""
        moved = found.least != self._least
        for slot in range(max(len(found.keys), len(self._drawn))):
            now = found.keys[slot] if slot < len(found.keys) else None
            before = self._drawn[slot] if slot < len(self._drawn) else None
            if now == before and not moved:
                continue
            path = None if now is None else found.paths[now]
            self._landscape.draw_path(slot, path, found.surface, found.view.steps)
            self._losses.draw(slot, path, found.least)
        self._drawn = found.keys

    def _draw_insides(self) -> None:
        """A figure for each component that someone shows, new where others do now."""
        wanted: dict[str, list[int]] = {}
        for slot, shown in enumerate(self._optimizers):
            for name in shown.components:
                wanted.setdefault(name, []).append(slot)
        insides = {}
        for name, slots in wanted.items():
            labels = {slot: self._optimizers[slot].method.label for slot in slots}
            key = (name, *labels.items())
            insides[key] = self._insides.get(key) or Inside(name, slots, labels)
            insides[key].colour(self._dark)
            for slot in slots:
                insides[key].draw(slot, self.paths[slot])
        if insides.keys() != self._insides.keys():
            self._column.objects = [
                pn.pane.Bokeh(inside.figure, **WIDE) for inside in insides.values()
            ]
        self._insides = insides

    def _tabulate(self) -> None:
        to = "minimum" if self.surface.minima_known else "best point of a grid"
        columns = (*COLUMNS, f"distance to the {to}")
        head = "".join(f"<th scope='col'>{column}</th>" for column in columns)
        rows = "".join(
            _row(slot, shown, path, self._dark)
            for slot, (shown, path) in enumerate(
                zip(self._optimizers, self.paths, strict=True)
            )
        )
        self.table.object = f"<table><tr>{head}</tr>{rows}</table>"


def swatch(slot: int, dark: bool) -> str:
    """The symbol of a path in its colour, as HTML."""
    return (
        f"<span aria-hidden='true' style='color:{palette.curve(slot, dark)}'>"
        f"{palette.SYMBOLS[slot]}</span>"
    )


@functools.lru_cache(maxsize=32)
def _lowest(surface: Surface) -> float:
    """The loss at the known minima."""
    with jax.enable_x64(True):
        w1, w2 = np.array(surface.minima).T
        return float(np.min(np.asarray(surface.formula(w1, w2))))


def _keys(surface: Surface, view: View) -> list[tuple]:
    common = (view.start, view.steps, view.noise, view.seed)
    return [
        (surface.formula, surface.minima, shown.key, shown.values, *common)
        for shown in view.optimizers
    ]


def _path(surface: Surface, shown: Shown, view: View) -> Trajectory:
    return trajectory.trajectory(
        surface,
        shown.method,
        dict(shown.values),
        view.start,
        view.steps,
        view.noise,
        view.seed,
    )


def _row(slot: int, shown: Shown, path: Trajectory, dark: bool) -> str:
    numbers: Sequence[float] = (path.oscillation, path.final_loss, path.distance)
    cells = "".join(
        f"<td>{'–' if np.isnan(number) else f'{number:.3g}'}</td>" for number in numbers
    )
    label = html.escape(shown.method.label)
    return f"<tr><td>{swatch(slot, dark)} {label}</td>{cells}</tr>"
