"""The controls of all paths together: the surface, the start, noise, steps and seed."""

import dataclasses
import functools
import itertools
from collections.abc import Callable
from typing import Any

import panel as pn
import panel_material_ui as pmui

from experiments.explorer import link
from experiments.explorer import view as state
from experiments.explorer.browser import LIST
from experiments.explorer.view import View
from experiments.paths import surfaces, trajectory
from experiments.paths.surfaces import Bounds, Surface

NOISE = 10.0  # where the slider ends, unless a link says more
OWN = "Your own formula"
WIDE = {"sizing_mode": "stretch_width", "margin": (5, 5)}
FULL: Any = {"sizing_mode": "stretch_width", "margin": 0}


class Controls:
    """The controls; each change is told as what makes a new view of the old one.

    Attributes:
      layout: what to lay out.
    """

    def __init__(self, on_change: Callable[[Callable[[View], View]], None]):
        self._on_change = on_change
        names = {s.name: key for key, s in surfaces.PRESETS.items()}
        self.surface = pn.widgets.Select(
            stylesheets=[LIST], label="Surface", options={**names, OWN: ""}, **WIDE
        )
        self.formula = pmui.TextInput(
            label="Loss, a formula in w1 and w2; Enter draws it", size="small", **WIDE
        )
        # Those for numbers drop what is typed after Enter, and the e of 1e-3.
        field = functools.partial(
            pmui.TextInput, size="small", width=None, min_width=70, **WIDE
        )
        self.bounds = [
            field(label=f"{name} {end}")
            for name in ("w1", "w2")
            for end in ("from", "to")
        ]
        self.start = [field(label=f"start {name}") for name in ("w1", "w2")]
        self.noise = pmui.FloatSlider(
            label="Noise of the gradients", end=NOISE, step=0.1, size="small", **WIDE
        )
        self.steps = pmui.IntSlider(
            label="Steps", start=1, end=trajectory.MAX_STEPS, size="small", **WIDE
        )
        self.seed = field(label="Seed of the noise")
        self.view = pn.Column(
            pn.Row(*self.bounds[:2], **FULL), pn.Row(*self.bounds[2:], **FULL), **FULL
        )
        self.layout = pn.Column(
            self.surface,
            self.formula,
            self.view,
            pn.Row(*self.start, **FULL),
            self.steps,
            self.noise,
            self.seed,
            sizing_mode="stretch_width",
            margin=(10, 0, 0, 0),
        )

        def when(widget, change: Callable[[View, Any], View]) -> None:
            widget.param.watch(
                lambda event: self._on_change(lambda view: change(view, event.new)),
                "value",
            )

        when(self.surface, self._choose_surface)
        when(self.formula, with_formula)
        for widget in self.bounds:
            when(widget, self._move_bounds)
        for widget in self.start:
            when(widget, self._move_start)
        for name in ("noise", "steps"):
            when(
                getattr(self, name),
                lambda view, value, name=name: dataclasses.replace(
                    view, **{name: value}
                ),
            )
        when(
            self.seed,
            lambda view, text: dataclasses.replace(view, seed=link.whole("seed", text)),
        )

    def show(self, view: View, surface: Surface) -> None:
        """Puts the controls where the view has them."""
        self.surface.value = view.surface or ""
        self.formula.value = surface.formula.text
        ends = itertools.chain(*surface.bounds)
        for widget, value in zip(self.bounds, ends, strict=True):
            widget.value = str(value)
        self.view.visible = view.surface is None
        for widget, value in zip(self.start, view.start, strict=True):
            widget.value = str(value)
        self.noise.param.update(value=view.noise, end=max(NOISE, view.noise))
        self.steps.value = view.steps
        self.seed.value = str(view.seed)

    def _choose_surface(self, view: View, key: str) -> View:
        if not key:
            return with_formula(view, self.formula.value)
        chosen = state.of_preset(key, view.optimizers)
        return dataclasses.replace(chosen, steps=view.steps, seed=view.seed)

    def _move_bounds(self, view: View, _: Any) -> View:
        left, right, bottom, top = map(_number, self.bounds)
        return with_formula(view, None, ((left, right), (bottom, top)))

    def _move_start(self, view: View, _: Any) -> View:
        w1, w2 = map(_number, self.start)
        return dataclasses.replace(view, start=(w1, w2))


def with_formula(view: View, text: str | None, bounds: Bounds | None = None) -> View:
    """The view with another formula, or another part of its plane.

    Everything else stays, but for learning rates, which have to suit the surface, and a
    start that would not be seen. What a preset was looked at, and from where, is of no
    use to another formula.
    """
    surface = view.resolve()
    text = surface.formula.text if text is None else text
    fresh = view.surface is not None and text != surface.formula.text
    if bounds is None:
        bounds = surfaces.VIEW if fresh else surface.bounds
    chosen = state.of_formula(text, bounds, view.optimizers)
    inside = all(
        low <= coordinate <= high
        for coordinate, (low, high) in zip(view.start, bounds, strict=True)
    )
    same = chosen.formula == view.formula or text == surface.formula.text
    return dataclasses.replace(
        view,
        surface=None,
        formula=chosen.formula,
        bounds=bounds,
        start=view.start if inside and not fresh else chosen.start,
        optimizers=view.optimizers if same else chosen.optimizers,
    )


def _number(field: pmui.TextInput) -> float:
    return link.number(field.label, field.value)
